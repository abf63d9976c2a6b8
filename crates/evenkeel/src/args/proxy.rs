//! Arguments of `evenkeel proxy`.

use std::path::PathBuf;

use clap::Args;

use crate::loopback::Loopback;

#[derive(Args, Debug)]
pub(crate) struct ProxyArgs {
    /// Where the API is: a port, or an address of this machine that others cannot reach. Requests must name it, or
    /// localhost with its port, as their host.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8474")]
    pub(crate) listen: Loopback,
    /// Proxies to begin with, as in a toxiproxy.json: `[{"name": "db", "listen": "127.0.0.1:15432", "upstream":
    /// "127.0.0.1:5432"}]`.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Seed of every random choice.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
}
