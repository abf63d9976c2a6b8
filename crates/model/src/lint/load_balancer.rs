//! Load balancers that nobody would notice failing.

use super::Lint;
use crate::decode::codes;
use crate::document::LoadBalancer;
use crate::library::Item;

/// What is doubtful about one.
pub(super) fn of_document(lint: &mut Lint<'_>, item: &Item, it: &LoadBalancer) {
    for (path, backend) in it.backends().into_iter().filter(|it| it.1.health_check.is_none()) {
        let (message, help) = match backend.enabled {
            true => (
                format!(
                    "nobody asks `{path}` how it is, so that nobody would notice that it failed"
                ),
                "Give it a `health_check` with an `endpoint`.",
            ),
            false => (
                format!("nobody asks `{path}` how it is, so that a failover goes there blindly"),
                "Give it a `health_check`, too, unless it starts only when it is needed.",
            ),
        };
        lint.report(item, path, codes::NOT_WATCHED, message, help);
    }
}
