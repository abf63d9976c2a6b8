//! Arguments of `agent`.

use std::path::PathBuf;

use clap::Args;

/// The token, of at least 16 characters, is never an argument: every process of a machine can see those.
#[derive(Args, Debug)]
pub(crate) struct AgentArgs {
    /// Where to wait for coordinators. Whatever the address, they must know the token, over TLS.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7070")]
    pub(crate) listen: String,
    /// Call the coordinator here instead of waiting for one: `load run --listen-agents`. It must know the token too.
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "listen")]
    pub(crate) connect: Option<String>,
    /// Look for coordinators in this PostgreSQL: `load run --agents postgres://…`. They must know the token too. A password
    /// belongs in PGPASSWORD, or in the file that PGPASSFILE names.
    #[arg(long, value_name = "URL", conflicts_with_all = ["listen", "connect"])]
    pub(crate) postgres: Option<String>,
    /// End after one load, with exit code 3 when it did not go to its end.
    #[arg(long)]
    pub(crate) once: bool,
    /// File with the token that coordinators know too. Default: EVENKEEL_AGENT_TOKEN in the environment.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// What this agent is called in runs, as no other of the fleet is. Default: the name of the machine.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}
