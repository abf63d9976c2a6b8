//! Arguments of `chaos run`, `chaos schedule` and `chaos approve`.

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
    /// Who runs it; whoever approved it has to be somebody else. Default: the user of the system.
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) requester: Option<String>,
    /// Do not ask before breaking something. Without a terminal nobody is asked.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Folder of the runs.
    #[arg(long, value_name = "DIR", default_value = RUNS)]
    pub(crate) dir: PathBuf,
}

/// Experiments at their times, one after the other.
#[derive(Args, Debug)]
pub(crate) struct ChaosScheduleArgs {
    /// Files with the experiments, and with the Services that they are about.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Only this experiment; may be given several times. Default: all that have a `schedule`.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Vec<String>,
    /// Seed of every random choice, the same in each run. Default: another one each time.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Who runs them; whoever approved them has to be somebody else. Default: the user of the system.
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) requester: Option<String>,
    /// Do not ask before waiting begins. Without a terminal nobody is asked.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Folder of the runs.
    #[arg(long, value_name = "DIR", default_value = RUNS)]
    pub(crate) dir: PathBuf,
}

/// The approval of one person; it holds for the plan as it is, whatever the seed, and for nothing else.
#[derive(Args, Debug)]
pub(crate) struct ChaosApproveArgs {
    /// Files with the experiment or the drill, and with all that it refers to.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Which experiment or drill, when there are several.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Who approves. Default: the user of the system.
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) approver: Option<String>,
    /// For how long it holds.
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = evenkeel_units::parse_duration)]
    pub(crate) expires: std::time::Duration,
    /// Folder of the runs, in which approvals are kept.
    #[arg(long, value_name = "DIR", default_value = RUNS)]
    pub(crate) dir: PathBuf,
}
