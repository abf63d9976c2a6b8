//! Faults of processes.

pub(super) mod clock_skew;
pub(super) mod file_descriptors;
pub(super) mod io_throttle;
pub(super) mod kill;
pub(super) mod pause;
pub(super) mod restart;
pub(super) mod stop_unit;
pub(super) mod trace;

pub(crate) use self::clock_skew::Skewed;
pub(crate) use self::file_descriptors::Limited;
pub(crate) use self::io_throttle::Throttled;
pub(crate) use self::pause::Paused;
pub(crate) use self::restart::Restarted;
pub(crate) use self::stop_unit::Down;
