//! Arguments of `evenkeel metrics`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::slo::EventArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum Metrics {
    /// Start a metric store: it scrapes, takes in remote write and OTLP, judges objectives, and answers as Prometheus does.
    Serve(ServeArgs),
    /// Bring samples of files into a store that nobody serves: CSV, OpenMetrics, or text with moments.
    Import(ImportArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// Tables (.csv with the columns `timestamp`, `metric`, `value` and a label each), OpenMetrics (.om), or the text
    /// format of Prometheus; each sample with its moment.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Where samples are kept.
    #[arg(long, value_name = "DIR", default_value = DATA)]
    pub(crate) data: PathBuf,
}

/// Where samples are kept unless told otherwise.
const DATA: &str = "evenkeel-metrics";

#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    /// Files with objectives that are judged all the time; SLOs and what they name. `-` reads standard input.
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Where it listens. An address that other machines can reach needs `--token-file`; at any other, requests must
    /// name it, or localhost with its port, as their host.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9090", value_parser = address)]
    pub(crate) listen: SocketAddr,
    /// What is scraped, as a prometheus.yml. Without it nothing is, and samples come by remote write and OTLP.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where samples are kept.
    #[arg(long, value_name = "DIR", default_value = DATA)]
    pub(crate) data: PathBuf,
    /// File with what requests must bring: `Authorization: Bearer TOKEN`.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) went_on: EventArgs,
}

/// A port of this machine, or an address with one.
fn address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix("localhost:").unwrap_or(text).parse::<u16>();
    let here = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let wrong = |_| "give a port, or an address such as 127.0.0.1:9090".to_owned();
    port.map(here).or_else(|_| text.parse().map_err(wrong))
}
