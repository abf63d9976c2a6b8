//! Arguments of `slo`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Slo {
    /// Bring objectives and policies over from other tools, and list what does not carry over.
    Import(SloImportArgs),
}

/// A file of another tool, as documents of ours.
#[derive(Args, Debug)]
pub(crate) struct SloImportArgs {
    /// Documents of OpenSLO, Sloth or Pyrra, a file of slo-generator, a `slo/v1 ServiceLevelObjective`, a map `slo_configs`, or
    /// a policy about error budgets; `-` reads standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// What it is, when it does not say: openslo, sloth, pyrra, slo-generator, service-level, slo-configs or
    /// error-budget-policy.
    #[arg(long = "as", value_name = "FORMAT")]
    pub(crate) format: Option<String>,
    /// The file to write. Default: standard output.
    #[arg(long, short = 'o', value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}
