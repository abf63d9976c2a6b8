//! Bench of the load: what a request costs our generator and its peers, and whether what it tells is true.
//!
//! The server has a core of its own and generators take turns on the other. Processor time is what is
//! compared: unlike the clock, it is only bent by neighbours, not made by them.
//!
//! ```text
//! case      what is sent, with whom ours is compared, and the bars
//! ours      our command line, and what it prints
//! peer      wrk, h2load, oha, and tonic: the same for them
//! server    the sink and nginx
//! program   runs a generator on its core: what it cost
//! truth     what response times were, by a server that stalled
//! findings  rounds become figures
//! ```

mod case;
mod findings;
mod h2load;
mod oha;
mod ours;
mod peer;
mod program;
mod server;
mod truth;
mod wrk;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use self::case::{CASES, Case, Kind, Model, Site};
use self::findings::{Ours, Round, Theirs, warm_after};
use self::ours::Told;
use self::peer::Peer;
use self::program::Place;
use self::server::Server;
use self::truth::Truth;
use super::machine::{self, Busy, Noise};
use super::{Folder, Found, Options, built};
use crate::{packages, say};

/// How long an answer of the server that stalls takes: a hundredth of it is more than what this machine
/// needs to wake somebody up.
const SERVICE_MS: u32 = 10;

/// A stall is a tenth of its load, which makes it the slowest tenth of all requests.
const STALL_SHARE: u32 = 10;

/// Files beside those of the connections.
const FILES_EXTRA: u64 = 200;

/// Names of all cases, for who has asked for one that is none.
pub(super) fn names() -> Vec<&'static str> {
    CASES.iter().map(|it| it.name).collect()
}

/// Runs the cases that were asked for.
pub(super) fn run(options: &Options) -> Result<Found> {
    let cases: Vec<&Case> = match options.cases.is_empty() {
        true => CASES.iter().filter(|it| it.is_usual()).collect(),
        false => {
            CASES.iter().filter(|it| options.cases.iter().any(|name| name == it.name)).collect()
        }
    };
    packages::install_missing(packages::FOR_BENCHES)?;
    let files = machine::raise_files()?;
    let mut bench = Bench::new(options)?;
    let before = Busy::now()?;
    let mut rows = Vec::new();
    for case in cases {
        let needed = u64::from(case.connections) + FILES_EXTRA;
        let rounds = if files < needed {
            bench.note(&format!("{}: {needed} files are needed, {files} allowed", case.name))?;
            Vec::new()
        } else {
            bench.rounds(case)?
        };
        rows.extend(findings::rows(case, &rounds));
    }
    let noise = Noise::between(&before, &Busy::now()?);
    Ok(Found { bench: "load", rows, noise, versions: bench.versions, notes: bench.notes })
}

/// Who takes a turn.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Turn {
    Ours,
    Theirs(Peer),
}

impl Turn {
    const fn name(self) -> &'static str {
        match self {
            Self::Ours => "evenkeel",
            Self::Theirs(peer) => peer.name(),
        }
    }
}

struct Bench<'a> {
    options: &'a Options,
    generator: Place,
    server: Place,
    sink: PathBuf,
    /// Programs of ours and of peers that were needed so far, where they could be had.
    evenkeel: Option<PathBuf>,
    peers: BTreeMap<Peer, Option<PathBuf>>,
    folder: Folder,
    versions: Vec<(&'static str, String)>,
    notes: Vec<String>,
}

impl<'a> Bench<'a> {
    fn new(options: &'a Options) -> Result<Self> {
        let cores = machine::cores()?;
        let preferred = machine::may_prefer();
        let place = |core| Place { core, preferred };
        let mut bench = Self {
            options,
            generator: place(cores.generator),
            server: place(cores.server),
            sink: built::program("sink", &["-p", "evenkeel-sink"])?,
            evenkeel: None,
            peers: BTreeMap::new(),
            folder: Folder::new()?,
            versions: vec![
                ("rustc", built::first_line_of("rustc", "--version")),
                ("kernel", built::first_line_of("uname", "-r")),
            ],
            notes: Vec::new(),
        };
        let evenkeel = match &options.program {
            Some(program) => Ok(program.clone()),
            None => built::program("evenkeel", &["-p", "evenkeel"]),
        };
        match evenkeel {
            Ok(program) => {
                let version = built::first_line_of(&program.to_string_lossy(), "--version");
                bench.versions.insert(0, ("evenkeel", version));
                bench.evenkeel = Some(program);
            }
            Err(error) => bench.note(&format!("evenkeel cannot be had: {error:#}"))?,
        }
        if !preferred {
            bench.note("programs of the bench are not preferred to others: that takes root")?;
        }
        Ok(bench)
    }

    /// What the reader of the figures has to know; said at once, and again at the end.
    fn note(&mut self, text: &str) -> Result<()> {
        say(&format!("warning: {text}"))?;
        self.notes.push(text.to_owned());
        Ok(())
    }

    /// Every round of a case. Who fails once is not asked again.
    fn rounds(&mut self, case: &Case) -> Result<Vec<Round>> {
        let mut turns = vec![Turn::Ours];
        turns.extend(case.peers.iter().map(|(peer, _)| Turn::Theirs(*peer)));
        for (peer, _) in case.peers {
            self.find(*peer)?;
        }
        let known = |it: &Turn| match it {
            Turn::Ours => self.evenkeel.is_some(),
            Turn::Theirs(peer) => self.peers.get(peer).is_some_and(Option::is_some),
        };
        turns.retain(known);
        let server = match self.start(case) {
            Ok(server) => server,
            Err(error) => {
                self.note(&format!("{}: no server: {error:#}", case.name))?;
                return Ok(Vec::new());
            }
        };
        let (rounds, seconds) = self.extent(case);
        let mut found = Vec::new();
        for number in 1..=rounds {
            say(&format!("{}: round {number} of {rounds}, {seconds} s each", case.name))?;
            let mut round = Round::default();
            for turn in turns.clone() {
                if let Err(error) = self.turn(case, turn, server.as_ref(), seconds, &mut round) {
                    self.note(&format!("{}: {}: {error:#}", case.name, turn.name()))?;
                    turns.retain(|it| *it != turn);
                }
            }
            found.push(round);
            // Whoever comes second meets what the first has left in the caches.
            if !turns.is_empty() {
                turns.rotate_left(1);
            }
        }
        Ok(found)
    }

    /// Rounds, and seconds of a load.
    fn extent(&self, case: &Case) -> (usize, u32) {
        let seconds = self.options.seconds;
        match case.kind {
            Kind::Cost => (self.options.rounds, seconds),
            Kind::Truth => (self.options.rounds, seconds * 2),
            Kind::Memory { minutes } => {
                (1, self.options.minutes.map_or(minutes * 60, |it| (it * 60.0).ceil() as u32))
            }
        }
    }

    fn find(&mut self, peer: Peer) -> Result<()> {
        if self.peers.contains_key(&peer) {
            return Ok(());
        }
        let program = match peer.program() {
            Ok(program) => {
                let version = peer.version(&program.to_string_lossy());
                self.versions.push((peer.name(), version));
                Some(program)
            }
            Err(error) => {
                self.note(&format!("{} cannot be had: {error:#}", peer.name()))?;
                None
            }
        };
        self.peers.insert(peer, program);
        Ok(())
    }

    /// The server of a case; the one that stalls does so once, and is started for each load.
    fn start(&mut self, case: &Case) -> Result<Option<Server>> {
        match case.site {
            Site::Stall => Ok(None),
            Site::NginxSecure | Site::NginxH2c => {
                let server = Server::nginx(&self.server, &self.sink, &self.folder.0)?;
                if self.versions.iter().all(|(name, _)| *name != "nginx") {
                    self.versions.push(("nginx", built::version_of_nginx()?));
                }
                Ok(Some(server))
            }
            _ => Server::sink(&self.server, &self.sink, None).map(Some),
        }
    }

    fn turn(
        &self,
        case: &Case,
        turn: Turn,
        server: Option<&Server>,
        seconds: u32,
        round: &mut Round,
    ) -> Result<()> {
        let stalling = match case.site {
            Site::Stall => {
                let course = [SERVICE_MS, seconds * 500, seconds * 1000 / STALL_SHARE];
                Some(Server::sink(&self.server, &self.sink, Some(course))?)
            }
            _ => None,
        };
        let server = server.or(stalling.as_ref()).context("no server was started")?;
        let url = server.url(case.site)?;
        let (program, arguments) = self.command(case, turn, &url, seconds)?;
        let before = server.cpu()?;
        let spent = self.generator.run(program, &arguments, warm_after(seconds))?;
        let server_cpu = server.cpu()? - before;
        let log = stalling.map(Server::end).transpose()?;
        let truth = || match (&log, case.model) {
            (Some(log), Model::Rate { rate, .. }) => Truth::of(log, f64::from(rate)).map(Some),
            _ => Ok(None),
        };
        let (cpu, memory) = (spent.cpu, spent.memory);
        match turn {
            Turn::Ours => {
                // A load whose verdict is no pass has been sent all the same; the verdict is a figure.
                let told = match (Told::read(&spent.printed), spent.complaint) {
                    (Err(_), Some(complaint)) => bail!("{complaint}"),
                    (told, _) => told?,
                };
                told.is_sound()?;
                let truth = truth()?;
                if let Some(truth) = &truth {
                    let count = truth.count() as f64;
                    ensure!(
                        count >= told.answered,
                        "{} requests are told to be answered, and the server answered {count}",
                        told.answered
                    );
                }
                round.ours = Some(Ours { told, cpu, server_cpu, memory, truth });
            }
            Turn::Theirs(peer) => {
                if let Some(complaint) = spent.complaint {
                    bail!("{complaint}");
                }
                let answered = peer.read(&spent.printed)?;
                let truth = truth()?;
                round.theirs.push((peer, Theirs { answered, cpu, server_cpu, memory, truth }));
            }
        }
        Ok(())
    }

    fn command(
        &self,
        case: &Case,
        turn: Turn,
        url: &str,
        seconds: u32,
    ) -> Result<(&Path, Vec<String>)> {
        match turn {
            Turn::Ours => {
                let program = self.evenkeel.as_deref().context("there is no evenkeel")?;
                Ok((program, ours::arguments(case, url, seconds, &self.folder.0)?))
            }
            Turn::Theirs(peer) => match self.peers.get(&peer) {
                Some(Some(program)) => Ok((program, peer.arguments(case, url, seconds))),
                _ => bail!("there is no {}", peer.name()),
            },
        }
    }
}
