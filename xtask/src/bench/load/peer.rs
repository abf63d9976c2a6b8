//! Peers: the generators ours is compared with, how each is asked for the same load, and what it answered.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::case::{Case, Model};
use super::{h2load, oha, wrk};
use crate::bench::built;
use crate::packages;

/// A generator that is not ours.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Peer {
    Wrk,
    H2load,
    Oha,
    Tonic,
}

/// What came of one load.
#[derive(Debug, PartialEq)]
pub(super) struct Answered {
    pub(super) requests: f64,
    pub(super) per_second: f64,
    /// The response time it tells, in seconds, where that is looked at.
    pub(super) p99: Option<f64>,
}

impl Peer {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Wrk => "wrk",
            Self::H2load => "h2load",
            Self::Oha => "oha",
            Self::Tonic => "tonic",
        }
    }

    /// Where its program is; it is installed where it is missing.
    pub(super) fn program(self) -> Result<PathBuf> {
        let of_debian = |table, program: &str| {
            packages::install_missing(table)?;
            packages::find(program)?.with_context(|| format!("there is no {program}"))
        };
        match self {
            Self::Wrk => of_debian(packages::WRK, "wrk"),
            Self::H2load => of_debian(packages::H2LOAD, "h2load"),
            Self::Oha => oha::program(),
            Self::Tonic => built::program("grpc-calls", &["-p", "evenkeel-sink"]),
        }
    }

    pub(super) fn version(self, program: &str) -> String {
        match self {
            Self::Wrk => {
                let printed = built::first_line_of(program, "-v");
                wrk::version(&printed).unwrap_or("unknown").to_owned()
            }
            Self::H2load | Self::Oha => {
                let printed = built::first_line_of(program, "--version");
                printed.split([' ', '/']).next_back().unwrap_or("unknown").to_owned()
            }
            Self::Tonic => "of Cargo.lock".to_owned(),
        }
    }

    /// The load of a case, as a user of this peer would ask for it.
    pub(super) fn arguments(self, case: &Case, url: &str, seconds: u32) -> Vec<String> {
        let (connections, streams) = (case.connections, case.streams);
        let line = match self {
            Self::Wrk => format!("-t1 -c{connections} -d{seconds}s {url}"),
            Self::H2load => {
                let http1 = if case.site.is_http2() { "" } else { "--h1" };
                format!("-t1 -c{connections} -m{streams} -D{seconds} {http1} {url}")
            }
            Self::Tonic => format!("{url} {connections} {streams} {seconds}"),
            Self::Oha => {
                let rate = match case.model {
                    Model::Users => String::new(),
                    Model::Rate { rate, .. } => format!("-q {rate}"),
                };
                let secure = if case.site.is_secure() { "--insecure" } else { "" };
                let http2 = match case.site.is_http2() {
                    true => format!("--http2 -p {streams}"),
                    false => String::new(),
                };
                format!(
                    "--no-tui --output-format json -z {seconds}s -c {connections} {rate} {secure} {http2} {url}"
                )
            }
        };
        line.split_whitespace().map(str::to_owned).collect()
    }

    pub(super) fn read(self, printed: &str) -> Result<Answered> {
        let answered = match self {
            Self::Wrk => wrk::read(printed),
            Self::H2load => h2load::read(printed),
            Self::Oha => oha::read(printed),
            Self::Tonic => calls(printed),
        }?;
        ensure!(answered.requests > 0.0, "no request of {} was answered", self.name());
        Ok(answered)
    }
}

fn calls(printed: &str) -> Result<Answered> {
    let said: Value = serde_json::from_str(printed).context("grpc-calls did not print JSON")?;
    let number =
        |key: &str| said[key].as_f64().with_context(|| format!("grpc-calls did not print `{key}`"));
    let requests = number("requests")?;
    Ok(Answered { requests, per_second: requests / number("seconds")?, p99: None })
}

#[cfg(test)]
mod tests {
    use super::super::case::CASES;
    use super::*;

    fn line(peer: Peer, case: &str) -> String {
        let case = CASES.iter().find(|it| it.name == case).unwrap();
        peer.arguments(case, "http://a/", 5).join(" ")
    }

    #[test]
    fn each_is_asked_for_the_same_load_in_its_own_words() {
        assert_eq!(line(Peer::Wrk, "h1-128"), "-t1 -c64 -d5s http://a/");
        assert_eq!(line(Peer::H2load, "h2c"), "-t1 -c8 -m8 -D5 http://a/");
        assert_eq!(line(Peer::H2load, "h1-128"), "-t1 -c64 -m1 -D5 --h1 http://a/");
        assert_eq!(line(Peer::Tonic, "grpc"), "http://a/ 8 8 5");
        let start = "--no-tui --output-format json -z 5s -c 64";
        assert_eq!(line(Peer::Oha, "https"), format!("{start} --insecure http://a/"));
        assert_eq!(line(Peer::Oha, "pace-precise-5k"), format!("{start} -q 5000 http://a/"));
    }

    #[test]
    fn a_load_of_which_nothing_was_answered_is_no_measure() {
        let printed = r#"{"requests":0,"seconds":2.0}"#;
        assert!(calls(printed).is_ok() && Peer::Tonic.read(printed).is_err());
    }

    #[test]
    fn the_calls_of_tonic_are_read() {
        let expected = Answered { requests: 50_004.0, per_second: 25_002.0, p99: None };
        assert_eq!(calls(r#"{"requests":50004,"seconds":2.0}"#).unwrap(), expected);
        assert!(calls("Error: transport").is_err());
    }
}
