//! Arguments of `evenkeel probe`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use evenkeel_probe::Expectation;
use evenkeel_units::{Ratio, parse_duration};

/// More at a time would be a scan, and each takes a socket.
const URLS_MAX: usize = 500;

#[derive(Args, Debug)]
pub(crate) struct ProbeArgs {
    /// Whom to ask, all at once: http://, https://, tcp://HOST:PORT, tls://, udp://HOST:PORT, ping://HOST, grpc://HOST:PORT/SERVICE, grpcs://,
    /// postgres://, redis:// or rediss://; `${env:NAME}` and `${file:PATH}` stand for secrets, and PGUSER, PGPASSWORD and
    /// REDISCLI_AUTH for what a URL does not say.
    #[arg(value_name = "URL", required = true, num_args = 1..=URLS_MAX)]
    pub(crate) urls: Vec<String>,
    /// A question is given up after this time.
    #[arg(long, short = 't', value_name = "TIME", default_value = "5s", value_parser = length)]
    pub(crate) timeout: Duration,
    /// Ask until each has been healthy once, for no longer than this.
    #[arg(long, short = 'w', value_name = "TIME", value_parser = length)]
    pub(crate) wait: Option<Duration>,
    /// Ask so often.
    #[arg(long, short = 'c', value_name = "N", default_value_t = 1, conflicts_with = "wait", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) count: u32,
    /// Ask once in this time.
    #[arg(long, short = 'i', value_name = "TIME", default_value = "1s", value_parser = length)]
    pub(crate) interval: Duration,
    /// With `--count`: this share of the questions may be lost.
    #[arg(long, value_name = "SHARE", default_value = "0%", conflicts_with = "wait")]
    pub(crate) allow_loss: Ratio,
    /// What has to hold: status=200, status=2xx, body~TEXT, header:NAME=VALUE, json:/status=healthy, time<300ms, role=primary,
    /// lag<10s, value=1. Without one of `status`, HTTP is held to 200-399.
    #[arg(long, short = 'e', value_name = "EXPECTATION")]
    pub(crate) expect: Vec<Expectation>,
    /// A header of HTTP, or metadata of gRPC, such as "authorization: Bearer ${env:TOKEN}".
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,
    /// What a datagram of udp:// holds, with \n, \0, \xHH and the like for what cannot be written. Default: nothing.
    #[arg(long, value_name = "TEXT")]
    pub(crate) send: Option<String>,
    /// What a PostgreSQL is asked: one statement, in a transaction that may write nothing.
    #[arg(long, value_name = "SQL")]
    pub(crate) query: Option<String>,
    /// Certificates that are trusted, instead of those of the system (PEM).
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub(crate) ca: Option<PathBuf>,
    /// Any certificate will do.
    #[arg(long, short = 'k')]
    pub(crate) insecure: bool,
    /// The name that a certificate has to be for. Default: the host of the URL.
    #[arg(long, value_name = "NAME")]
    pub(crate) server_name: Option<String>,
    /// Warn when a certificate is valid for fewer days.
    #[arg(long, value_name = "DAYS", default_value_t = 14, value_parser = clap::value_parser!(u64).range(0..=36_500))]
    pub(crate) warn_days: u64,
}

fn length(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(Duration::ZERO) => Err("nothing can happen in no time".to_owned()),
        Ok(length) => Ok(length),
        Err(error) => Err(format!("{}; {}", error.problem, error.help)),
    }
}
