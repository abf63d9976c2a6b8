//! Faults of processes.

pub(super) mod kill;
pub(super) mod pause;
pub(super) mod restart;

pub(crate) use self::pause::Paused;
pub(crate) use self::restart::Restarted;
