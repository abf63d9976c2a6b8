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

use std::io;
use std::path::Path;

use crate::exit::Failure;
use crate::verb::drill::write_whole;

/// Writes what somebody else may be reading: as a whole or not at all, but for what is no plain file, such as `/dev/stdout`.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let is_special = std::fs::symlink_metadata(path).is_ok_and(|it| !it.is_file());
    let written = if is_special { std::fs::write(path, text) } else { write_whole(path, text) };
    written.map_err(|error| unwritten(path, &error))
}

fn unwritten(path: &Path, error: &io::Error) -> Failure {
    Failure::could_not_run(format!("cannot write {}: {error}", path.display()))
}
