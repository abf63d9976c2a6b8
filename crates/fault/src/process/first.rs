//! Going before others, so that what has to be in time is, on a host that is full.
//!
//! Where the scheduler shares the cores among sessions first (`sched_autogroup_enabled`, as on most hosts), a nice value
//! counts within a session only, and the session has one of its own. So each child of ours that has to go first leads a
//! session. Control groups with a weight come before both, and are left as they are.

use rustix::process::{setpriority_process, setsid};

use super::stat::Stat;

/// Begins a session, away from the terminal and the group of whoever started this process. It fails for a leader of a
/// group, which is away already.
pub(crate) fn part() {
    setsid().map(drop).unwrap_or_default();
}

/// Sets the nice value of this process, and of the session that it leads. Who may not waits like anybody.
pub(crate) fn go_first(nice: i32) {
    setpriority_process(None, nice).unwrap_or_default();
    if Stat::own().is_some_and(|it| it.session == it.pid) {
        std::fs::write("/proc/self/autogroup", nice.to_string()).unwrap_or_default();
    }
}
