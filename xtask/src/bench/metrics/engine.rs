//! Engines: what keeps metrics, ours and its peers.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::http::Connection;
use crate::bench::running::{Rank, Running, free};
use crate::bench::{built, machine};
use crate::packages;

/// Who keeps metrics.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Maker {
    Ours,
    Prometheus,
    Victoria,
}

impl Maker {
    pub(super) const ALL: [Self; 3] = [Self::Ours, Self::Prometheus, Self::Victoria];

    /// As it begins the names of its figures.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ours => "evenkeel",
            Self::Prometheus => "prometheus",
            Self::Victoria => "victoria-metrics",
        }
    }

    /// Where its program is; it is installed where it is missing.
    pub(super) fn program(self, ours: &Path) -> Result<PathBuf> {
        let table = match self {
            Self::Ours => return Ok(ours.to_owned()),
            Self::Prometheus => packages::PROMETHEUS,
            Self::Victoria => packages::VICTORIA_METRICS,
        };
        packages::install_missing(table)?;
        packages::find(self.name())?.with_context(|| format!("there is no {}", self.name()))
    }

    pub(super) fn version(self, program: &Path) -> String {
        match self {
            Self::Ours | Self::Prometheus => {
                built::first_line_of(&program.to_string_lossy(), "--version")
            }
            Self::Victoria => built::version_of_package(self.name()),
        }
    }

    /// How it is asked whether it is ready.
    const fn health(self) -> &'static str {
        match self {
            Self::Ours | Self::Prometheus => "/-/ready",
            Self::Victoria => "/health",
        }
    }
}

/// One that runs.
pub(super) struct Engine {
    maker: Maker,
    running: Running,
    address: SocketAddr,
    connection: Connection,
    folder: PathBuf,
}

/// For as long as the samples reach back, and more.
const MONTHS: &str = "12";
const YEAR: &str = "1y";
/// Of the rarest query that a peer needs long for.
const PATIENCE: &str = "10m";

/// Whoever writes samples on in the background has begun to by then.
const SETTLED: Duration = Duration::from_secs(10);

impl Engine {
    /// Starts one on a core, with nothing in it.
    pub(super) fn start(maker: Maker, program: &Path, core: &str, folder: PathBuf) -> Result<Self> {
        let address = free()?;
        let listen = address.to_string();
        let kept = format!("storage: {{tsdb: {{retention: {{time: {YEAR}}}}}}}\n");
        for (name, text) in [("prometheus.yml", "{}\n"), ("evenkeel.yml", &kept)] {
            fs::write(folder.join(name), text).context("cannot write a file")?;
        }
        let words: Vec<String> = match maker {
            Maker::Ours => {
                let words = "metrics serve --config evenkeel.yml --data data --listen";
                words.split(' ').chain([&*listen]).map(str::to_owned).collect()
            }
            Maker::Prometheus => vec![
                "--config.file=prometheus.yml".to_owned(),
                "--log.level=error".to_owned(),
                "--query.max-samples=200000000".to_owned(),
                format!("--query.timeout={PATIENCE}"),
                "--storage.tsdb.path=data".to_owned(),
                format!("--storage.tsdb.retention.time={YEAR}"),
                "--web.enable-remote-write-receiver".to_owned(),
                format!("--web.listen-address={listen}"),
            ],
            // What was asked before is not remembered, and the newest samples are seen. Whoever sends for long is not hung up on.
            Maker::Victoria => vec![
                "-http.connTimeout=24h".to_owned(),
                format!("-httpListenAddr={listen}"),
                "-loggerLevel=ERROR".to_owned(),
                format!("-retentionPeriod={MONTHS}"),
                "-search.disableCache".to_owned(),
                "-search.latencyOffset=0s".to_owned(),
                format!("-search.maxQueryDuration={PATIENCE}"),
                "-storageDataPath=data".to_owned(),
            ],
        };
        Self::run(maker, program, core, address, folder, &words)
    }

    /// Ours, started anew in the same folder, with objectives that it judges at intervals.
    pub(super) fn judging(
        self,
        program: &Path,
        core: &str,
        documents: &str,
        every_seconds: u64,
    ) -> Result<Self> {
        let Self { maker, running, address, connection, folder } = self;
        drop((connection, running));
        let config = format!(
            "global: {{evaluation_interval: {every_seconds}s}}\nstorage: {{tsdb: {{retention: {{time: {YEAR}}}}}}}\n"
        );
        for (name, text) in [("judging.yml", &*config), ("slos.yaml", documents)] {
            fs::write(folder.join(name), text).context("cannot write a file")?;
        }
        let words = "metrics serve slos.yaml --config judging.yml --data data --listen";
        let listen = address.to_string();
        let words: Vec<_> = words.split(' ').chain([&*listen]).map(str::to_owned).collect();
        Self::run(maker, program, core, address, folder, &words)
    }

    /// Runs one until it is ready.
    fn run(
        maker: Maker,
        program: &Path,
        core: &str,
        address: SocketAddr,
        folder: PathBuf,
        words: &[String],
    ) -> Result<Self> {
        let program = program.to_string_lossy();
        let words: Vec<&str> =
            [&*program].into_iter().chain(words.iter().map(String::as_str)).collect();
        let mut running = Running::start(maker.name(), (core, Rank::First), &folder, &words)?;
        running.until("ready", || {
            let ready = || Connection::open(address)?.get(maker.health());
            Ok(ready().is_ok())
        })?;
        let connection = Connection::open(address)?;
        Ok(Self { maker, running, address, connection, folder })
    }

    pub(super) const fn maker(&self) -> Maker {
        self.maker
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn id(&self) -> u32 {
        self.running.id()
    }

    /// Processor time, in seconds, to the hundredth.
    pub(super) fn cpu(&self) -> Result<f64> {
        machine::cpu_of(self.id())
    }

    /// Processor time, in seconds, of the threads that there are.
    pub(super) fn precise_cpu(&self) -> Result<f64> {
        self.running.cpu()
    }

    /// Asks for a path.
    pub(super) fn ask(&mut self, path: &str) -> Result<String> {
        self.connection.get(path).or_else(|_| {
            // It may have hung up meanwhile, and whatever is left of an answer is nobody's.
            self.connection = Connection::open(self.address)?;
            self.connection.get(path)
        })
    }

    /// Waits for what it does with samples after it has taken them in.
    pub(super) fn settle(&mut self) -> Result<()> {
        if self.maker == Maker::Victoria {
            self.ask("/internal/force_flush")?;
        }
        std::thread::park_timeout(SETTLED);
        Ok(())
    }

    /// Where it runs, and its data lie.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Bytes of its files.
    pub(super) fn disk(&self) -> Result<f64> {
        size(&self.folder.join("data"))
    }
}

fn size(folder: &Path) -> Result<f64> {
    let mut bytes = 0.0;
    for entry in fs::read_dir(folder).context("cannot read a folder")? {
        let entry = entry.context("cannot read a folder")?;
        // A file that is gone by now takes no room.
        let Ok(found) = entry.metadata() else { continue };
        bytes += if found.is_dir() { size(&entry.path())? } else { found.len() as f64 };
    }
    Ok(bytes)
}
