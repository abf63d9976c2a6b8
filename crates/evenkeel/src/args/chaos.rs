//! Arguments of `chaos run`.

use std::path::PathBuf;

use clap::Args;

use super::RUNS;

/// An experiment by itself: nothing is sent but its probes.
#[derive(Args, Debug)]
pub(crate) struct ChaosRunArgs {
    /// Files with the experiment, and with the Service that it is about, if it needs one.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Which experiment, when there are several.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Show what would be done, to whom, and how it is taken back; do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Seed of every random choice.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Do not ask before breaking something. Without a terminal nobody is asked.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Folder of the runs.
    #[arg(long, value_name = "DIR", default_value = RUNS)]
    pub(crate) dir: PathBuf,
}
