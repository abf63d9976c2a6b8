//! `slo` and `gate`: objectives, how they stand, and what follows from that; and those that other tools know.

mod asked;
pub(crate) mod backtest;
pub(crate) mod causes;
pub(crate) mod dashboard;
pub(crate) mod explain;
pub(crate) mod gate;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod report;
pub(crate) mod rules;
pub(crate) mod sla;
pub(crate) mod status;
pub(crate) mod watch;
