//! Bench of the faults: what the proxy and the packets' queue cost, and whether faults are as strong as they say.
//!
//! Everything runs in a network of its own, so that no rule is ever laid on the host. Clients and servers share one
//! core; proxies, ours and its peers, take turns on the other. Peers run for the whole time, idle but for their turn.
//!
//! ```text
//! case        what is measured, its figures and their bars
//! carried     proxies without a fault, and one with a delay
//! packets     delay and loss below the proxy
//! host        CPU and memory that are taken
//! observed    an experiment under way: what it costs, and how soon it ends
//! experiment  a run of ours, with one fault
//! proxies     ours and its peers
//! traffic     what is sent, and to whom
//! place       the network, cores, and programs on them
//! ```

mod carried;
mod case;
mod experiment;
mod host;
mod observed;
mod packets;
mod place;
mod proxies;
mod traffic;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use self::case::{CASES, Case};
use self::proxies::{Maker, Proxy};
use self::traffic::Server;
use super::figures::Row;
use super::machine::{self, Busy, Cores, Noise};
use super::round::Round;
use super::{Folder, Found, Options, built};
use crate::{packages, say};

/// Names of all cases, for who has asked for one that is none.
pub(super) fn names() -> Vec<&'static str> {
    CASES.iter().map(|it| it.name).collect()
}

/// Runs the cases that were asked for.
pub(super) fn run(options: &Options) -> Result<Found> {
    let is_asked =
        |it: &&Case| options.cases.is_empty() || options.cases.iter().any(|name| name == it.name);
    let cases: Vec<&Case> = CASES.iter().filter(is_asked).collect();
    packages::install_missing(packages::FOR_BENCHES)?;
    packages::install_missing(packages::NETWORK)?;
    machine::raise_files()?;
    // All that is fetched and built is so before the network is left.
    let mut bench = Bench::new(options)?;
    if cases.iter().any(|it| it.needs_proxies) {
        bench.find_peers()?;
    }
    place::own_network()?;
    place::stay_on(&bench.cores.generator)?;
    if !place::go_first()? {
        bench.note("what is measured does not go before others: that takes real time")?;
    }
    let server = Server::start()?;
    if cases.iter().any(|it| it.needs_proxies) {
        bench.start_proxies(server)?;
    }
    let before = Busy::now()?;
    let mut rows = Vec::new();
    for case in cases {
        rows.extend(bench.rounds(case, server)?);
    }
    let noise = Noise::between(&before, &Busy::now()?);
    Ok(Found { bench: "faults", rows, noise, versions: bench.versions, notes: bench.notes })
}

struct Bench<'a> {
    options: &'a Options,
    evenkeel: PathBuf,
    programs: BTreeMap<&'static str, (Maker, PathBuf)>,
    proxies: Vec<Proxy>,
    cores: Cores,
    folder: Folder,
    versions: Vec<(&'static str, String)>,
    notes: Vec<String>,
}

/// What a case has to work with.
struct Stand<'a> {
    server: Server,
    evenkeel: String,
    /// Ours and its peers, in the order of this round.
    proxies: Vec<&'a Proxy>,
    cores: &'a Cores,
    folder: PathBuf,
    seconds: f64,
}

impl<'a> Bench<'a> {
    fn new(options: &'a Options) -> Result<Self> {
        let evenkeel = match &options.program {
            Some(program) => fs::canonicalize(program).context("there is no such program")?,
            None => built::program("evenkeel", &["-p", "evenkeel"])?,
        };
        let versions = vec![
            ("evenkeel", built::first_line_of(&evenkeel.to_string_lossy(), "--version")),
            ("rustc", built::first_line_of("rustc", "--version")),
            ("kernel", built::first_line_of("uname", "-r")),
        ];
        Ok(Self {
            options,
            evenkeel,
            programs: BTreeMap::new(),
            proxies: Vec::new(),
            cores: machine::cores()?,
            folder: Folder::new()?,
            versions,
            notes: Vec::new(),
        })
    }

    /// What the reader of the figures has to know; said at once, and again at the end.
    fn note(&mut self, text: &str) -> Result<()> {
        say(&format!("warning: {text}"))?;
        self.notes.push(text.to_owned());
        Ok(())
    }

    fn find_peers(&mut self) -> Result<()> {
        for maker in Maker::ALL {
            match maker.program(&self.evenkeel) {
                Ok(program) => {
                    if maker != Maker::Ours {
                        self.versions.push((maker.name(), maker.version(&program)));
                    }
                    self.programs.insert(maker.name(), (maker, program));
                }
                Err(error) => self.note(&format!("{} cannot be had: {error:#}", maker.name()))?,
            }
        }
        Ok(())
    }

    fn start_proxies(&mut self, server: Server) -> Result<()> {
        for (name, (maker, program)) in std::mem::take(&mut self.programs) {
            let core = &self.cores.server;
            match Proxy::start(maker, &program, core, &self.folder.0, server) {
                Ok(proxy) => self.proxies.push(proxy),
                Err(error) => self.note(&format!("{name} does not run: {error:#}"))?,
            }
        }
        Ok(())
    }

    /// Every round of a case. A case that fails once is not asked again.
    fn rounds(&mut self, case: &Case, server: Server) -> Result<Vec<Row>> {
        let rounds = self.options.rounds;
        let mut found = Vec::new();
        for number in 1..=rounds {
            say(&format!("{}: round {number} of {rounds}", case.name))?;
            // Whoever comes second meets what the first has left in the caches.
            let mut proxies: Vec<_> = self.proxies.iter().collect();
            if !proxies.is_empty() {
                let turn = number % proxies.len();
                proxies.rotate_left(turn);
            }
            let folder = self.folder.0.join(format!("{}-{number}", case.name));
            fs::create_dir(&folder).context("cannot make a folder")?;
            let stand = Stand {
                server,
                evenkeel: self.evenkeel.to_string_lossy().into_owned(),
                proxies,
                cores: &self.cores,
                folder,
                seconds: self.options.seconds.into(),
            };
            let mut round = Round::default();
            let done = (case.measure)(&stand, &mut round);
            found.push(round);
            if let Err(error) = done {
                self.note(&format!("{}: {error:#}", case.name))?;
                break;
            }
        }
        Ok(case.rows(&found))
    }
}
