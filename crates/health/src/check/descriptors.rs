//! Descriptors: how many more files and sockets this process may open.

use std::fs;

use evenkeel_units::Ratio;
use rustix::process::{Resource, getrlimit};

use super::judge_share;
use crate::{Check, Finding};

/// The share that is taken of the files and sockets that this process may have open (`ulimit -n`).
///
/// Warns from 80 % on and fails from 95 % on: the connection that cannot be accepted for want of one is next.
///
/// **When**: each request holds a connection or more, and a leak would be seen nowhere else. **When not**: as critical, unless a
/// restart by hand follows: an instance that leaves the balancer keeps what it leaks.
#[derive(Clone, Debug)]
pub struct Descriptors {
    warn: Ratio,
    fail: Ratio,
}

impl Default for Descriptors {
    fn default() -> Self {
        Self { warn: Ratio::percent(80), fail: Ratio::percent(95) }
    }
}

impl Descriptors {
    /// Warns and fails from these shares on.
    pub const fn from(warn: Ratio, fail: Ratio) -> Self {
        Self { warn, fail }
    }
}

impl Check for Descriptors {
    async fn ask(&self) -> Finding {
        let open = match fs::read_dir("/proc/self/fd") {
            // The directory that is being read is open too.
            Ok(entries) => entries.count().saturating_sub(1),
            Err(error) => return Finding::fail(format!("/proc/self/fd: {error}")),
        };
        let limit = getrlimit(Resource::Nofile).current;
        let Some(limit) = limit else {
            return Finding::pass().with_value(open as f64, "open, no limit");
        };
        let taken = open as f64 / limit.max(1) as f64;
        judge_share(taken, self.warn.get(), self.fail.get(), &format!("{limit} descriptors"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Status;

    #[tokio::test]
    async fn this_process_has_some_open_and_a_limit_of_none_fails() {
        let found = Descriptors::default().ask().await;
        assert!(found.value().is_some_and(|(it, _)| it > 0.0), "{found:?}");
        let none = Descriptors::from(Ratio::ZERO, Ratio::ZERO).ask().await;
        assert_eq!(none.status(), Status::Fail);
        assert!(none.detail().contains(" descriptors is taken, limit 0%"), "{}", none.detail());
    }
}
