//! Arguments of `gameday run`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::RUNS;

#[derive(Debug, Subcommand)]
pub(crate) enum GameDay {
    /// Confirm what has to be so before, run the experiment or drill, and write the record of the day beside its reports.
    Run(GameDayRunArgs),
}

/// A game day.
#[derive(Args, Debug)]
pub(crate) struct GameDayRunArgs {
    /// Files with the GameDay, and with the experiment or drill that it runs.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Which game day, when there are several.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Say that all prerequisites which people have to confirm are so. On a terminal each is asked for otherwise.
    #[arg(long)]
    pub(crate) confirmed: bool,
    /// Show what was agreed on and what would be done; do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Seed of every random choice.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Who runs it and confirms; whoever approved it has to be somebody else. Default: the user of the system.
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) requester: Option<String>,
    /// Do not ask before breaking something. Without a terminal nobody is asked.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Folder of the runs.
    #[arg(long, value_name = "DIR", default_value = RUNS)]
    pub(crate) dir: PathBuf,
}
