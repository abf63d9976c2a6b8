//! Arguments of `evenkeel health`.

use std::time::Duration;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Health {
    /// Write the probes of a service that answers with evenkeel-health, as a patch of its workload.
    Manifest(ManifestArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ManifestArgs {
    /// Name of the workload and of its container.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Deployment, StatefulSet or DaemonSet.
    #[arg(long, value_name = "KIND", default_value = "Deployment")]
    pub(crate) kind: String,
    /// Where the probes are answered.
    #[arg(long, value_name = "N", default_value_t = 8080)]
    pub(crate) port: u16,
    /// Ask over grpc.health.v1 and not over HTTP.
    #[arg(long)]
    pub(crate) grpc: bool,
    /// How long a start may take before it is given up.
    #[arg(long, value_name = "TIME", default_value = "150s", value_parser = evenkeel_units::parse_duration)]
    pub(crate) starts_within: Duration,
    /// Within what time one that is not ready gets no more requests; at most the drain delay.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = evenkeel_units::parse_duration)]
    pub(crate) out_within: Duration,
    /// How long the longest request may take.
    #[arg(long, value_name = "TIME", default_value = "13s", value_parser = evenkeel_units::parse_duration)]
    pub(crate) longest_request: Duration,
    /// For how long the service goes on to take requests after SIGTERM: `delay` of its DrainPolicy.
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = evenkeel_units::parse_duration)]
    pub(crate) drain_delay: Duration,
}
