//! Containers: which there are, one run of one, and what is done to it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use evenkeel_model::document::{Containers, fits};
use jiff::Timestamp;
use rustix::process::{Pid, Signal, test_kill_process};
use serde::{Deserialize, Serialize};

use super::own::{Own, holds};
use super::socket::{Engine, EngineError};
use crate::need::PlanError;
use crate::process::Process;

/// How much of an id people are shown.
const SHORT_ID: usize = 12;
/// What a container has to end, unless it says otherwise.
const STOP_USUAL: Duration = Duration::from_secs(10);
/// One that may take longer to end is not stopped: nobody could wait for it.
const STOP_MAX: Duration = Duration::from_secs(20);
/// What an engine may take beside that.
const SLACK: Duration = Duration::from_secs(10);

/// A container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Container {
    pub(crate) engine: Engine,
    pub(crate) id: String,
    /// What people call it; it may be called otherwise by now.
    pub(crate) name: String,
}

/// One run of a container, from its start to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub(crate) container: Container,
    /// When it started, in the words of the engine.
    pub(crate) started_at: String,
    /// How long it may take to end once it is told to.
    #[serde(rename = "stop_seconds", with = "evenkeel_units::duration::seconds")]
    pub(crate) stop: Duration,
}

/// What is done to a run of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Its main process is killed, as the kernel does it. A kill by the engine is one that somebody wanted, after which
    /// no restart policy brings the container back.
    Kill {
        /// The main process.
        main: Process,
    },
    /// All of its processes are frozen.
    Pause,
    /// It is told to end, and killed if it does not.
    Stop,
    /// It is stopped and started.
    Restart,
}

/// A container as it was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) container: Container,
    /// It runs, or is paused.
    pub(crate) is_up: bool,
    /// It runs, and does not say itself that it is ill.
    pub(crate) is_well: bool,
}

/// What became of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    /// It is as it was left.
    pub(crate) held: bool,
    /// How long.
    pub(crate) time: Duration,
    /// How long the container was away before it ran again.
    pub(crate) away: Option<Duration>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    names: Option<Vec<String>>,
    image: String,
    labels: Option<BTreeMap<String, String>>,
    state: String,
    #[serde(default)]
    status: String,
}

/// How a container is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct State {
    pub(crate) running: bool,
    pub(crate) paused: bool,
    pid: u32,
    started_at: String,
    finished_at: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    state: State,
    config: Option<Config>,
    host_config: Option<HostConfig>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfig {
    #[serde(default)]
    auto_remove: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    stop_timeout: Option<i64>,
}

/// The containers that fit, in the order of their names. Those that have ended, and nobody is about to start again, are
/// none.
pub(crate) fn find(select: &Containers) -> Result<Vec<Seen>, EngineError> {
    let engine = Engine::at(select.engine.as_deref())?;
    let listed: Vec<Listed> = engine.get("/containers/json?all=1")?.unwrap_or_default();
    let own = Own::read();
    let mut found = Vec::new();
    for it in listed.into_iter().filter(|it| it.is_about_to_run() && it.fits(select)) {
        let seen = it.seen(&engine);
        if own.is(&seen.container.id) {
            return Err(EngineError::Ourselves(seen.container.name));
        }
        found.push(seen);
    }
    found.sort_by(|a, b| a.container.name.cmp(&b.container.name));
    Ok(found)
}

impl Listed {
    fn is_about_to_run(&self) -> bool {
        matches!(self.state.as_str(), "running" | "paused" | "restarting")
    }

    fn name(&self) -> String {
        let names = self.names.iter().flatten().map(|it| it.trim_start_matches('/'));
        // A name with a slash is what a link calls it.
        names.min_by_key(|it| it.contains('/')).unwrap_or(&self.id).to_owned()
    }

    fn fits(&self, select: &Containers) -> bool {
        let labelled = |wanted: &String| {
            let (key, value) = match wanted.split_once('=') {
                Some((key, value)) => (key, Some(value)),
                None => (wanted.as_str(), None),
            };
            let found = self.labels.as_ref().and_then(|it| it.get(key));
            found.is_some_and(|it| value.is_none_or(|value| value == it))
        };
        select.name.as_ref().is_none_or(|it| fits(it, &self.name()))
            && select.image.as_ref().is_none_or(|it| fits(it, &self.image))
            && select.label.as_ref().is_none_or(labelled)
    }

    fn seen(self, engine: &Engine) -> Seen {
        let name = self.name();
        Seen {
            is_up: self.state != "restarting",
            is_well: self.state == "running" && !self.status.ends_with("(unhealthy)"),
            container: Container { engine: engine.clone(), id: self.id, name },
        }
    }
}

impl Container {
    fn inspect(&self) -> Result<Option<Inspected>, EngineError> {
        self.engine.get(&format!("/containers/{}/json", self.id))
    }

    /// The run of it that goes on, which nobody has paused.
    pub(crate) fn running(&self) -> Result<Run, PlanError> {
        let found = self.inspect()?.filter(|it| it.state.running);
        let Some(Inspected { state, config, .. }) = found else {
            return Err(PlanError::Unfit(format!("{self} does not run")));
        };
        if state.paused {
            return Err(PlanError::Unfit(format!("{self} is already paused, and not by us")));
        }
        let seconds = config.and_then(|it| it.stop_timeout);
        // Below zero it may take for ever.
        let stop = seconds
            .map_or(STOP_USUAL, |it| u64::try_from(it).map_or(Duration::MAX, Duration::from_secs));
        Ok(Run { container: self.clone(), started_at: state.started_at, stop })
    }

    fn post(&self, verb: &str, patience: Duration) -> Result<bool, EngineError> {
        self.engine.post(&format!("/containers/{}/{verb}", self.id), patience)
    }
}

impl Run {
    /// How it is; `None` once the container is gone or is in another run.
    pub(crate) fn state(&self) -> Result<Option<State>, EngineError> {
        let found = self.container.inspect()?.map(|it| it.state);
        Ok(found.filter(|it| it.started_at == self.started_at))
    }

    /// Its main process.
    pub(crate) fn main(&self) -> Result<Process, PlanError> {
        let pid = self.state()?.map(|it| it.pid).unwrap_or_default();
        let id = &self.container.id;
        let is_it = |it: &Process| {
            let cgroups = std::fs::read_to_string(format!("/proc/{}/cgroup", it.pid));
            cgroups.is_ok_and(|it| holds(&it, id))
        };
        Process::of(pid).filter(is_it).ok_or_else(|| PlanError::Missing {
            what: format!("the main process of {} to be a process of this host", self.container),
            help: "run this on the host of the engine, and not in a container".to_owned(),
        })
    }

    /// Its main process, if we may kill it.
    pub(crate) fn mortal(&self) -> Result<Process, PlanError> {
        let main = self.main()?;
        let pid = i32::try_from(main.pid).ok().and_then(Pid::from_raw);
        match pid.map(test_kill_process) {
            Some(Err(rustix::io::Errno::PERM)) => Err(PlanError::Missing {
                what: format!("the right to signal {main}, the main process of {}", self.container),
                help: "run this as root; `stop` and `restart` need only the engine".to_owned(),
            }),
            _ => Ok(main),
        }
    }

    /// Whether it can be stopped while somebody waits for it.
    pub(crate) fn must_end_soon(&self) -> Result<(), PlanError> {
        if self.stop <= STOP_MAX {
            return Ok(());
        }
        let (name, most) = (&self.container, STOP_MAX.as_secs());
        let message = format!(
            "{name} may take longer to stop than {most}s: `kill` it, or start it with `--stop-timeout {most}`"
        );
        Err(PlanError::Unfit(message))
    }

    /// Whether the container is still there once it has ended.
    pub(crate) fn must_stay(&self) -> Result<(), PlanError> {
        let host = self.container.inspect()?.and_then(|it| it.host_config);
        match host.is_some_and(|it| it.auto_remove) {
            true => Err(PlanError::Unfit(format!(
                "{} was started with `--rm`: once it has ended, nothing of it is left to be started again",
                self.container
            ))),
            false => Ok(()),
        }
    }

    /// Does it, and waits until the engine says that it is done. `false`: there was no such run any more.
    pub(crate) fn act(&self, verb: &Verb) -> Result<bool, EngineError> {
        if self.state()?.is_none_or(|it| !it.running) {
            return Ok(false);
        }
        let container = &self.container;
        match verb {
            Verb::Kill { main } => main.signal(Signal::KILL).map_err(|error| EngineError::Said {
                socket: container.engine.socket.clone(),
                said: format!("{main} cannot be killed: {error}"),
            }),
            Verb::Pause => container.post("pause", SLACK),
            Verb::Stop => container.post("stop", self.stop + SLACK),
            Verb::Restart => container.post("restart", self.stop + SLACK),
        }
    }

    /// What a person would type to have this done to it.
    pub(crate) fn by_hand(&self, verb: &str) -> String {
        let Container { engine, name, .. } = &self.container;
        format!("docker -H unix://{} {verb} {name}", engine.socket.display())
    }

    /// Thaws it. `false`: it is as before.
    pub(crate) fn thaw(&self) -> Result<bool, EngineError> {
        // One that is removed meanwhile is not paused any more, either.
        self.container.post("unpause", SLACK)?;
        self.is_hit(&Verb::Pause).map(|it| !it)
    }

    /// Starts the container again. `false`: it is as before.
    pub(crate) fn start_again(&self) -> Result<bool, EngineError> {
        self.container.post("start", SLACK)?;
        self.state().map(|it| it.is_none())
    }

    /// Whether what was done to it holds.
    pub(crate) fn is_hit(&self, verb: &Verb) -> Result<bool, EngineError> {
        let state = self.state()?;
        Ok(match verb {
            Verb::Pause => state.is_some_and(|it| it.running && it.paused),
            Verb::Kill { .. } => state.is_none_or(|it| !it.running),
            // Somebody else may have started it.
            Verb::Stop => state.is_some_and(|it| !it.running),
            Verb::Restart => {
                state.is_none() && self.container.inspect()?.is_some_and(|it| it.state.running)
            }
        })
    }

    /// What became of it, so long after it was hit.
    pub(crate) fn fate(&self, verb: &Verb, time: Duration) -> Result<Fate, EngineError> {
        let now = self.container.inspect()?.map(|it| it.state);
        let again = now.filter(|it| it.running && it.started_at != self.started_at);
        Ok(Fate { held: self.is_hit(verb)?, time, away: again.and_then(|it| it.away()) })
    }
}

impl State {
    /// How long it was not running before it started.
    fn away(&self) -> Option<Duration> {
        let [ended, started]: [Timestamp; 2] =
            [self.finished_at.parse().ok()?, self.started_at.parse().ok()?];
        let away = Duration::try_from(started.duration_since(ended)).ok()?;
        Some(away.max(Duration::from_millis(1)))
    }
}

impl Verb {
    /// As the engine's own program calls it.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Kill { .. } => "kill",
            Self::Pause => "pause",
            Self::Stop => "stop",
            Self::Restart => "restart",
        }
    }
}

impl From<EngineError> for PlanError {
    fn from(error: EngineError) -> Self {
        Self::Unfit(error.to_string())
    }
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short: String = self.id.chars().take(SHORT_ID).collect();
        write!(f, "{} (container {short})", self.name)
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.container.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(text: &str) -> Listed {
        serde_json::from_str(text).unwrap()
    }

    fn select(name: &str, label: &str, image: &str) -> Containers {
        let some = |it: &str| (!it.is_empty()).then(|| it.to_owned());
        Containers { name: some(name), label: some(label), image: some(image), engine: None }
    }

    #[test]
    fn whatever_is_said_of_containers_has_to_fit() {
        let web = listed(
            r#"{"Id": "1b23", "Names": ["/db/web", "/shop-web-1"], "Image": "shop/web:3", "State": "running",
                "Labels": {"tier": "web", "empty": ""}, "Status": "Up 3 minutes (healthy)"}"#,
        );
        for (name, label, image) in [
            ("shop-web-*", "", ""),
            ("", "tier=web", ""),
            ("", "tier", ""),
            ("", "empty=", ""),
            ("", "", "shop/*:3"),
            ("shop-web-1", "tier=web", "shop/web:3"),
        ] {
            assert!(web.fits(&select(name, label, image)), "{name} {label} {image}");
        }
        for (name, label, image) in
            [("web", "", ""), ("", "tier=we", ""), ("", "web", ""), ("shop-*", "", "nginx")]
        {
            assert!(!web.fits(&select(name, label, image)), "{name} {label} {image}");
        }
    }

    #[test]
    fn one_that_says_itself_that_it_is_ill_is_not_well() {
        let engine = Engine { socket: "/run/docker.sock".into() };
        let with = |state: &str, status: &str| {
            let text = format!(
                r#"{{"Id": "1", "Names": null, "Labels": null, "Image": "x", "State": "{state}", "Status": "{status}"}}"#
            );
            let seen = listed(&text).seen(&engine);
            (seen.is_up, seen.is_well)
        };
        assert_eq!(with("running", "Up 3 minutes"), (true, true));
        assert_eq!(with("running", "Up 3 minutes (unhealthy)"), (true, false));
        assert_eq!(with("paused", "Up 3 minutes (Paused)"), (true, false));
        assert_eq!(with("restarting", "Restarting (1) 2 seconds ago"), (false, false));
    }

    #[test]
    fn how_long_a_container_was_away_is_told_by_its_engine() {
        let state = State {
            running: true,
            paused: false,
            pid: 7,
            started_at: "2026-11-22T01:47:17.651342872Z".to_owned(),
            finished_at: "2026-11-22T02:47:16.151342872+01:00".to_owned(),
        };
        assert_eq!(state.away(), Some(Duration::from_millis(1500)));
    }
}
