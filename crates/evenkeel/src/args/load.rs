//! Arguments of `load`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use evenkeel_load::fleet::OnLoss;
use evenkeel_model::document::{Criterion, Pace};
use evenkeel_units::{Rate, parse_duration};

use super::CompareArgs;
use crate::loopback::Loopback;

#[derive(Debug, Subcommand)]
pub(crate) enum Load {
    /// Send load at a URL, or as a LoadTest says, and judge what comes back.
    Run(Box<LoadRunArgs>),
    /// Compare two runs: what became slower or faster, and whether it is more than chance.
    Compare(CompareArgs),
    /// Turn a JMeter plan, a HAR, curl commands or an OpenAPI description into LoadTests.
    Import(ImportArgs),
    /// Write the four load tests that a capacity calls for: baseline, stress, peak and spike.
    Plan(LoadPlanArgs),
}

#[derive(Args, Debug)]
pub(crate) struct LoadRunArgs {
    /// A URL such as http://127.0.0.1:8080/products, or files with LoadTests.
    #[arg(value_name = "URL|FILE", required = true)]
    pub(crate) targets: Vec<String>,
    /// Which LoadTest, when there are several.
    #[arg(long, value_name = "NAME")]
    pub(crate) test: Option<String>,
    /// Open model: so many requests a second, whatever the target does, such as 5000/s.
    #[arg(long, short = 'R', value_name = "RATE", value_parser = rate)]
    pub(crate) rate: Option<Rate>,
    /// Closed model: so many users, each of whom waits for its answer. Default: as many as connections.
    #[arg(long, short = 'u', value_name = "N", conflicts_with = "rate", value_parser = clap::value_parser!(u32).range(1..=65_535))]
    pub(crate) users: Option<u32>,
    /// Search for the highest rate that meets `--success`, between these two, such as 100/s..5000/s.
    #[arg(long, value_name = "FROM..TO", conflicts_with_all = ["rate", "users", "requests"], value_parser = range)]
    pub(crate) max: Option<(Rate, Rate)>,
    /// For how long.
    #[arg(long, short = 'd', visible_short_alias = 'z', value_name = "TIME", value_parser = length)]
    pub(crate) duration: Option<Duration>,
    /// After so many requests it is over, if that is sooner.
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) requests: Option<u64>,
    /// The most connections at a time. Default 64, or what the users need.
    #[arg(long, short = 'c', value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_535))]
    pub(crate) connections: Option<u32>,
    /// Threads that send, each on a core of its own.
    #[arg(long, short = 't', value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) threads: Option<u32>,
    /// The most requests at a time on one connection of HTTP/2. Default: what users and connections need.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) streams: Option<u32>,
    /// A request is given up after this time, counted from when it was due.
    #[arg(long, value_name = "TIME", value_parser = length)]
    pub(crate) timeout: Option<Duration>,
    /// HTTP method.
    #[arg(long, short = 'X', visible_short_alias = 'm', value_name = "METHOD")]
    pub(crate) method: Option<String>,
    /// A header, such as "accept: text/html"; `${env:NAME}` stands for a secret.
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,
    /// The body of each request; @FILE reads it from a file.
    #[arg(long, short = 'b', value_name = "TEXT")]
    pub(crate) body: Option<String>,
    /// HTTP/2: over TLS, or without (prior knowledge).
    #[arg(long)]
    pub(crate) http2: bool,
    /// Any certificate will do.
    #[arg(long, short = 'k')]
    pub(crate) insecure: bool,
    /// Certificates that are trusted, instead of those of the system (PEM).
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<String>,
    /// Our own certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<String>,
    /// Its key (PEM).
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<String>,
    /// Name that the server must show (SNI). Default: the host of the URL.
    #[arg(long, value_name = "NAME")]
    pub(crate) server_name: Option<String>,
    /// How precisely requests are sent when they are due.
    #[arg(long, value_enum, value_name = "PACE")]
    pub(crate) pace: Option<PaceArg>,
    /// Something that must hold, such as "p95 < 500ms"; may be given several times.
    #[arg(long, value_name = "CONDITION", value_parser = criterion)]
    pub(crate) success: Vec<Criterion>,
    /// Seed of every random choice.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Agents that send the load together in place of this machine: see `evenkeel agent`. Or a PostgreSQL to which as many as
    /// expected come, such as postgres://user@host/database.
    #[arg(long, value_name = "HOST:PORT,…", value_delimiter = ',', group = "fleet")]
    pub(crate) agents: Vec<String>,
    /// Wait here for agents that call (`evenkeel agent --connect`), over TLS and with the token, as many as expected.
    #[arg(long, value_name = "HOST:PORT", group = "fleet", requires = "expect")]
    pub(crate) listen_agents: Option<String>,
    /// How many agents will call, or come to the database.
    #[arg(long, value_name = "N", requires = "fleet", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) expect: Option<u32>,
    /// File with the token of the agents. Default: EVENKEEL_AGENT_TOKEN in the environment.
    #[arg(long, value_name = "FILE", requires = "fleet")]
    pub(crate) agent_token_file: Option<PathBuf>,
    /// What becomes of the share of an agent that is lost.
    #[arg(long, value_enum, value_name = "WHAT", default_value = "fail", requires = "fleet")]
    pub(crate) on_lost_agent: OnLostAgent,
    /// Keep the run with its reports in this folder. Default: `evenkeel-runs` for files, nothing for a URL.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Write counts and percentiles of each second and route to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    /// Write the histograms of each second to this file, as an HdrHistogram log.
    #[arg(long, value_name = "FILE")]
    pub(crate) hlog: Option<PathBuf>,
    /// Write metrics while the load goes on: prometheus=URL (remote write) or otlp=URL; without `=URL` the
    /// environment says where, as for k6 (K6_PROMETHEUS_RW_SERVER_URL) and OpenTelemetry. Default: what K6_OUT says.
    #[arg(long = "out", short = 'o', value_name = "KIND[=URL]")]
    pub(crate) metrics: Vec<String>,
    /// Show the load in a browser while it goes on: `--web` at any free port of this machine, `--web=8089` at this
    /// one. Only this machine can reach it, because nobody is asked who they are.
    #[arg(long, value_name = "PORT", num_args = 0..=1, require_equals = true, default_missing_value = "0")]
    pub(crate) web: Option<Loopback>,
    /// Store this run, if it passes, as the baseline of later ones, in place of the one stored now.
    #[arg(long)]
    pub(crate) accept: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// A .jmx, .har, curl or OpenAPI file; `-` reads standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// What it is, when it cannot be told: jmx, har, curl or openapi.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<String>,
    /// The file to write. Default: standard output.
    #[arg(long, short = 'o', value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct LoadPlanArgs {
    /// A file with a capacity: service, url, path, currentPeak and target.
    #[arg(long, value_name = "FILE")]
    pub(crate) from: PathBuf,
    /// The file to write. Default: standard output.
    #[arg(long, short = 'o', value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// How precisely requests are sent.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PaceArg {
    /// Each when it is due, within some ten microseconds.
    Precise,
    /// Once a millisecond, all that are due: much less processor time.
    Coarse,
    /// Each when it is due, within a microsecond or two; keeps a core busy.
    Spin,
}

impl From<PaceArg> for Pace {
    fn from(pace: PaceArg) -> Self {
        match pace {
            PaceArg::Precise => Self::Precise,
            PaceArg::Coarse => Self::Coarse,
            PaceArg::Spin => Self::Spin,
        }
    }
}

/// What becomes of the share of an agent that is lost.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnLostAgent {
    /// Nobody sends it, and the run has failed.
    Fail,
    /// The others send it, from some seconds later on.
    Redistribute,
}

impl From<OnLostAgent> for OnLoss {
    fn from(what: OnLostAgent) -> Self {
        match what {
            OnLostAgent::Fail => Self::Fail,
            OnLostAgent::Redistribute => Self::Redistribute,
        }
    }
}

/// wrk2's and oha's habit of a bare number is understood.
fn rate(text: &str) -> Result<Rate, String> {
    let bare = text.parse::<f64>().ok().and_then(Rate::per_second);
    let rate = match bare {
        Some(rate) => rate,
        None => text.parse::<Rate>().map_err(|it| format!("{}; {}", it.problem, it.help))?,
    };
    match rate.get() > 0.0 && rate.get() <= 10e6 {
        true => Ok(rate),
        false => Err("a rate is above 0 and at most 10,000,000/s".to_owned()),
    }
}

fn range(text: &str) -> Result<(Rate, Rate), String> {
    let (from, to) = text.split_once("..").ok_or("write two rates such as `100/s..5000/s`")?;
    let (from, to) = (rate(from)?, rate(to)?);
    match from < to {
        true => Ok((from, to)),
        false => Err("the first rate is to be below the second".to_owned()),
    }
}

fn length(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(Duration::ZERO) => Err("nothing can happen in no time".to_owned()),
        Ok(length) => Ok(length),
        Err(error) => Err(format!("{}; {}", error.problem, error.help)),
    }
}

fn criterion(text: &str) -> Result<Criterion, String> {
    Criterion::parse(text).map_err(|it| format!("{it}; {}", it.help()))
}
