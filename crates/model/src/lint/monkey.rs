//! Experiments that are left to chance, and whose targets are all in groups that may not be hit.

use super::Lint;
use super::faults::target_path;
use crate::decode::codes;
use crate::document::{Fault, Instance, Monkey, Selector, Service};
use crate::library::Acting;

/// A fault that could hit nobody, whatever chance says.
pub(super) fn spared(
    lint: &mut Lint<'_>,
    monkey: &Monkey,
    service: &Service,
    faults: &[Acting<'_>],
) {
    for acting in faults.iter().filter(|it| !has_anybody(monkey, service, it)) {
        let (who, path) = match &acting.step.target {
            Some(target) => (
                target.select.to_string(),
                target_path(acting.item, acting.number, acting.step, ""),
            ),
            None => ("this host".to_owned(), acting.path("")),
        };
        let kind = Fault::kind(&acting.step.fault);
        let message = format!("`{kind}` could hit nobody: `{who}` did not opt in, or opted out");
        let help = "Name it, or its Service, under `optIn` of `monkey`, and not under `optOut`.";
        lint.report(acting.item, &path, codes::NO_SUCH_TARGET, message, help);
    }
}

fn has_anybody(monkey: &Monkey, service: &Service, acting: &Acting<'_>) -> bool {
    let Some(target) = &acting.step.target else { return monkey.takes(&["host"]) };
    match &target.select {
        Selector::Instances(parts) => {
            // That there is none of the name at all is said in other words.
            let mut meant =
                service.instances.iter().filter(|it| parts.fit(&it.name, &it.labels)).peekable();
            let takes = |it: &Instance| monkey.takes_part(&service.name, &it.name, &it.labels);
            meant.peek().is_none() || meant.any(takes)
        }
        // Links stay open for all, so each that is meant has to be in.
        Selector::Dependency(parts) => {
            let mut meant =
                service.dependencies.iter().filter(|it| parts.fit(&it.name, &it.labels));
            meant.all(|it| monkey.takes_part(&service.name, &it.name, &it.labels))
        }
        other => monkey.takes(&[&other.to_string()]),
    }
}
