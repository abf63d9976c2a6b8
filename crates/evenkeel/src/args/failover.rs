//! Arguments of `evenkeel failover`.

use std::path::PathBuf;

use clap::Args;

#[derive(Args, Debug)]
pub(crate) struct FailoverArgs {
    /// The file with the `load_balancer:`; `-` reads standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Go on asking as the file says, and tell what changes, until this is ended.
    #[arg(long, short = 'w')]
    pub(crate) watch: bool,
}
