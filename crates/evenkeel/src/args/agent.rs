//! Arguments of `agent`.

use std::path::PathBuf;

use clap::Args;

/// The token, of at least 16 characters, is never an argument: every process of a machine can see those.
#[derive(Args, Debug)]
pub(crate) struct AgentArgs {
    /// Where to wait for coordinators. Whatever the address, they must know the token, over TLS.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7070")]
    pub(crate) listen: String,
    /// File with the token that coordinators know too. Default: EVENKEEL_AGENT_TOKEN in the environment.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// What this agent is called in runs. Default: the name of the machine.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}
