//! Experiments in the making, what does not carry over, and what is wrong.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use evenkeel_model::document::{
    Amount, ChaosExperiment, Cluster, Comparison, Criterion, Direction, Fault, Finder, GameDay,
    Labels, Metric, Mode, Network, Parts, Pods, Probe, Protocol, RateBy, Safety, Schedule,
    Selector, Step, Target, Traffic,
};
use evenkeel_model::yaml::{Entry, Place};
use evenkeel_units::{Bytes, Ratio};

use super::Imported;
use super::fields::without_credentials;
use crate::address;
use crate::draft::{Names, label};
use crate::ledger::Ledger;
use crate::notes::cut;

/// How many experiments a file may become, and how many items a list of one may have: no more are read back.
pub(super) const MOST: usize = 1_000;

/// What has been made of a file so far.
pub(super) struct Draft {
    /// What is wrong with it, and what of it is left out.
    pub(super) ledger: Ledger,
    names: Names,
    experiments: Vec<ChaosExperiment>,
    /// Game days, whose experiments are among these.
    pub(super) game_days: Vec<GameDay>,
}

/// Whoever reads a part of the file says into the ledger what he finds.
impl Deref for Draft {
    type Target = Ledger;

    fn deref(&self) -> &Ledger {
        &self.ledger
    }
}

impl DerefMut for Draft {
    fn deref_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }
}

impl Draft {
    /// Begins with a file.
    pub(super) fn new(name: &str) -> Self {
        Self {
            ledger: Ledger::new(name),
            names: Names::default(),
            experiments: Vec::new(),
            game_days: Vec::new(),
        }
    }

    /// The documents, and what is left out, from the top of the file to its end.
    pub(super) fn into_imported(self) -> Imported {
        let Self { experiments, game_days, ledger, .. } = self;
        Imported { experiments, game_days, left_out: ledger.left_out() }
    }

    /// A list no longer than is read back.
    pub(super) fn bound<T>(&mut self, list: &mut Vec<T>, place: Place, what: &str) {
        if list.len() > MOST {
            let why = format!("a document has at most {MOST} of them");
            self.leave_at(place, format!("all {what} after the first {MOST}"), why);
            list.truncate(MOST);
        }
    }

    /// Adds an experiment under a name of its own, unless there is nothing that it would do; returns the name.
    pub(super) fn add(&mut self, place: Place, mut experiment: ChaosExperiment) -> Option<String> {
        if experiment.method.is_empty() {
            let what = format!("the experiment `{}`", experiment.name);
            self.leave_at(place, what, "none of its faults carries over");
            return None;
        }
        if self.experiments.len() >= MOST {
            self.leave_at(place, "all experiments that follow", "there are too many for one file");
            return None;
        }
        if experiment.safety.abort.is_empty() {
            experiment.safety.abort.push(usual_abort());
            let why =
                format!("it does not say, and something has to: `{}` is written", usual_abort());
            self.leave_at(place, "when to stop because too much breaks", why);
        }
        let mut method = std::mem::take(&mut experiment.method);
        self.bound(&mut method, place, "faults");
        let mut probes = std::mem::take(&mut experiment.steady_state);
        self.bound(&mut probes, place, "probes");
        let longest = method.iter().filter_map(|it| it.duration).max().unwrap_or_default();
        experiment.safety.max_duration = experiment.safety.max_duration.max(longest);
        experiment.method = method;
        experiment.steady_state = probes;
        experiment.name = self.names.give(&label(&experiment.name), "-");
        let name = experiment.name.clone();
        self.experiments.push(experiment);
        Some(name)
    }

    /// Times at which it runs; what is none of ours is left out.
    pub(super) fn schedule(&mut self, entry: &Entry) -> Option<Schedule> {
        let text = entry.value.text().unwrap_or_default().trim();
        let zone = text.strip_prefix("CRON_TZ=").or_else(|| text.strip_prefix("TZ="));
        // Others write the zone in front.
        let ours = zone.and_then(|it| it.split_once(' ')).map(|(zone, it)| format!("{it} {zone}"));
        match Schedule::parse(ours.as_deref().unwrap_or(text)) {
            Ok(it) => {
                if !it.has_zone() {
                    let why = "it was that of the machine that ran it, and is UTC here: write `timeZone` under `safety`";
                    self.leave_at(entry.key_place, "the time zone of its times", why);
                }
                Some(it)
            }
            Err(error) => {
                let why = format!("{error}: write five fields of cron, or `@every 2h`");
                self.leave(entry, why);
                None
            }
        }
    }

    /// Says that nobody told in which cluster it is.
    pub(super) fn which_cluster(&mut self, place: Place) {
        let why = "the current context of your kubeconfig is meant: write `context` to be sure";
        self.leave_at(place, "in which cluster it is", why);
    }

    /// Says that nobody told where something is.
    pub(super) fn whereabouts(&mut self, place: Place, target: &Target) {
        let service = |it: &Option<String>| match it {
            Some(it) => format!("the Service `{it}`"),
            None => "the Service of the drill".to_owned(),
        };
        let (what, why) = match &target.select {
            Selector::Process(_)
            | Selector::Container(_)
            | Selector::Inside { .. }
            | Selector::Pods(_)
            | Selector::Traffic(_) => return,
            Selector::Postgres(_) | Selector::Redis(_) => (
                "where the database is".to_owned(),
                format!("write its URL in place of `{DATABASE}`, or put it there"),
            ),
            Selector::Instances(Parts { service: of, .. }) => (
                "where the instances run".to_owned(),
                format!(
                    "write {} with its `instances`, each by pid, executable or port",
                    service(of)
                ),
            ),
            Selector::Dependency(Parts { service: of, pattern: name, .. }) => (
                format!("where `{name}` is"),
                format!(
                    "write {} with `dependencies: {{{name}: {{listen, upstream}}}}`, and let it call `listen`",
                    service(of)
                ),
            ),
        };
        self.leave_at(place, what, why);
    }
}

/// What stops an experiment that names nothing.
const fn usual_abort() -> Criterion {
    Criterion {
        metric: Metric::ErrorRate,
        comparison: Comparison::Above,
        limit: 0.5,
        sustained: Some(Duration::from_secs(5)),
    }
}

/// An experiment that does nothing yet.
pub(super) fn experiment(name: &str) -> ChaosExperiment {
    ChaosExperiment {
        title: None,
        observe: None,
        name: label(name),
        description: None,
        hypothesis: None,
        steady_state: Vec::<Probe>::new(),
        method: Vec::new(),
        safety: Safety::default(),
        success: Vec::new(),
        schedule: None,
        monkey: None,
    }
}

/// A fault of a link or a process with its times; `duration` of `None` for what acts once.
pub(super) fn step(fault: Fault, target: Target, at: Duration, duration: Option<Duration>) -> Step {
    Step { fault, target: Some(target), at, duration }
}

/// A fault of this host.
pub(super) fn host_step(fault: Fault, at: Duration, duration: Duration) -> Step {
    Step { fault, target: None, at, duration: Some(duration) }
}

/// Every instance of a service is a candidate.
pub(super) fn instances(service: Option<&str>, mode: Mode) -> Target {
    let parts = Parts { service: service.map(label), ..Parts::named("*") };
    Target { select: Selector::Instances(parts), mode }
}

/// Pods of a cluster.
pub(super) fn pods(namespace: &str, labels: Labels, mode: Mode) -> Target {
    let (namespace, cluster) = (namespace.to_owned(), Cluster::default());
    Target { select: Selector::Pods(Pods { namespace, labels, cluster }), mode }
}

/// A link of a service.
pub(super) fn dependency(service: Option<&str>, name: &str) -> Target {
    let parts = Parts { service: service.map(label), ..Parts::named(&label(name)) };
    Target { select: Selector::Dependency(parts), mode: Mode::All }
}

/// Where a database is whose URL nobody told.
const DATABASE: &str = "${env:DATABASE_URL}";

/// A PostgreSQL, somewhere.
pub(super) fn database() -> Target {
    let url = DATABASE.parse().unwrap_or_else(|_| unreachable!("a reference is a URL"));
    Target { select: Selector::Postgres(url), mode: Mode::All }
}

/// Processes of this host.
pub(super) fn processes(find: Finder) -> Target {
    Target { select: Selector::Process(find), mode: Mode::All }
}

/// `latency`.
pub(super) const fn latency(delay: Duration, jitter: Duration) -> Fault {
    Fault::Latency { delay, jitter }
}

/// `bandwidth`.
pub(super) const fn bandwidth(rate: Bytes) -> Fault {
    Fault::Bandwidth { rate, by: RateBy::Tool }
}

/// `cpu`.
pub(super) const fn cpu(load: Ratio, cores: u32) -> Fault {
    Fault::Cpu { load, cores }
}

/// `memory`.
pub(super) const fn memory(amount: Amount) -> Fault {
    Fault::Memory { amount }
}

/// Packets to and from an address.
pub(super) fn traffic(host: Option<Network>, port: Option<u16>, direction: Direction) -> Target {
    packets(Traffic { host, port, protocol: Protocol::Any, direction })
}

/// Packets that pass this host.
pub(super) fn packets(traffic: Traffic) -> Target {
    Target { select: Selector::Traffic(traffic), mode: Mode::All }
}

/// A process by its number, or else by its program; `None` when it is neither.
pub(super) fn finder(text: &str) -> Option<Finder> {
    match text.trim() {
        "" => None,
        // No path of a program is longer.
        it if it.contains('\0') || it.len() > 4_096 => None,
        it if it.bytes().all(|it| it.is_ascii_digit()) => {
            let pid = it.parse().ok().filter(|it| (2..=4_194_304).contains(it));
            pid.map(Finder::Pid)
        }
        it => Some(Finder::Executable(it.to_owned())),
    }
}

/// What probes can ask.
impl Draft {
    /// A URL as documents have it; what cannot be called is left out under the name of its probe.
    pub(super) fn url(&mut self, probe: &str, place: Place, url: &str) -> Option<String> {
        let split = address::split(url.trim()).and_then(|it| {
            if it.credentials {
                return Err("a name and a password are not written down".to_owned());
            }
            match it.base.starts_with("http:") {
                true => Ok(it),
                false => Err("probes speak HTTP without TLS: ask the service behind it".to_owned()),
            }
        });
        match split {
            Ok(it) => Some(format!("{}{}", it.base, address::encode_path(&it.path))),
            Err(why) => {
                let url = without_credentials(&cut(url));
                self.leave_at(place, probe, format!("`{url}` cannot be asked: {why}"));
                None
            }
        }
    }
}
