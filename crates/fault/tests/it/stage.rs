//! The stage: a service with a link, victims, and a drill's faults opened on them.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use evenkeel_fault::{Faults, Process, Reexec};
use evenkeel_model::document::{
    AllowFaults, Dependency, Fault, Finder, Instance, Labels, Mode, Parts, PauseBy, Selector,
    Service, Target,
};
use evenkeel_model::plan::PlannedFault;
use evenkeel_units::{Moment, Seed};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

pub(crate) use crate::answers::{echo, serve};
pub(crate) use crate::patience::{PATIENCE, until};

/// Stopped as by SIGSTOP.
pub(crate) const PAUSE: Fault = Fault::Pause { by: PauseBy::Signal };

pub(crate) fn helper(verb: &str) -> Reexec {
    Reexec {
        program: env!("CARGO_BIN_EXE_evenkeel-fault-child").into(),
        arguments: vec![verb.into()],
    }
}

pub(crate) fn state_dir() -> tempfile::TempDir {
    tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o700)).tempdir().unwrap()
}

pub(crate) fn service(upstream: Option<SocketAddr>, victims: &[&Victim]) -> Service {
    let upstream = upstream.map(|it| Dependency {
        name: "payment".to_owned(),
        listen: ([127, 0, 0, 1], 0).into(),
        upstream: it.to_string(),
        labels: Labels::new(),
    });
    let instance = |(it, victim): (usize, &&Victim)| Instance {
        name: format!("worker-{it}"),
        find: Finder::Pid(victim.0.id()),
        labels: Labels::new(),
    };
    Service {
        name: "shop".to_owned(),
        description: None,
        url: None,
        start: None,
        instances: victims.iter().enumerate().map(instance).collect(),
        dependencies: upstream.into_iter().collect(),
        allow_faults: AllowFaults::All,
        min_release: None,
    }
}

pub(crate) async fn open(service: &Service, state: &Path) -> Faults {
    let (guardian, holder) = (helper("guardian"), helper("hold"));
    let limit = Duration::from_mins(2);
    // Every run needs a mark of its own: tests run at the same time.
    let run = state.file_name().unwrap().to_str().unwrap().trim_start_matches('.').to_owned();
    Faults::open(service, &run, Seed(7), state, &guardian, holder, limit).await.unwrap()
}

pub(crate) fn fault(fault: Fault, select: Option<Selector>) -> PlannedFault {
    PlannedFault {
        label: fault.to_string(),
        experiment: "test".to_owned(),
        fault,
        target: select.map(|select| Target { select, mode: Mode::All }),
        from: Moment::START,
        to: Moment::at(Duration::from_mins(1)),
    }
}

pub(crate) fn on_link(it: Fault) -> PlannedFault {
    fault(it, Some(Selector::Dependency(Parts::named("payment"))))
}

pub(crate) fn on_workers(it: Fault) -> PlannedFault {
    fault(it, Some(Selector::Instances(Parts::named("worker-*"))))
}

/// A process to be broken. It is killed, with its group, when the test is over.
pub(crate) struct Victim(pub(crate) Child);

impl Victim {
    pub(crate) fn sleep() -> Self {
        Self::of(Command::new("sleep").arg("300"))
    }

    pub(crate) fn of(command: &mut Command) -> Self {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(quiet.process_group(0).spawn().unwrap())
    }

    pub(crate) fn process(&self) -> Process {
        Process::of(self.0.id()).unwrap()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Sends a signal by its name, such as `STOP`.
pub(crate) fn signal(name: &str, pid: u32) {
    let kill = Command::new("sh").args(["-c", "kill -$0 $1", name, &pid.to_string()]).status();
    assert!(kill.unwrap().success());
}

/// A client on a link; blocking, and impatient in the end.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Runs a blocking client beside the runtime that beats.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// What the tool says of an error, with its causes.
pub(crate) fn told(error: &evenkeel_fault::FaultError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(it) = cause {
        text = format!("{text}: {it}");
        cause = it.source();
    }
    text
}
