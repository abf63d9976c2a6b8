//! Shell: acts on what the conductor decides.
//!
//! One loop puts every outside event in line: seconds of load, answers of hands, signals, timers, the loss of
//! the guardian. Each is written to the journal before the conductor hears of it, so a replay hears the same.

use std::path::PathBuf;
use std::time::Duration;

use evenkeel_load::{Handle, Order, Said};
use evenkeel_model::diagnostic::in_one_line;
use evenkeel_model::document::{Reference, ResolveError};
use evenkeel_model::plan::{Footprint, RunHead};
use evenkeel_model::{Entry, Event, Plan};
use evenkeel_units::{Clock, Moment, SystemClock};
use rustix::time::{ClockId, clock_gettime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::conductor::{Command, Conductor, Finish};
use crate::folder::JOURNAL;
use crate::hands::{Ask, Hands};
use crate::journal::Writer;

/// Everything a run is given.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Which run.
    pub head: RunHead,
    /// What will be done.
    pub plan: Plan,
    /// The run's folder; it is there already.
    pub folder: PathBuf,
    /// Where undo journals are kept.
    pub state_dir: PathBuf,
    /// The running binary: it is the guardian, the burner, and the program `evenkeel` of documents.
    pub own_binary: PathBuf,
}

/// A run cannot be conducted: our own failure, not the service's.
#[derive(Debug, thiserror::Error)]
pub enum ConductError {
    /// The journal cannot be written. Nothing is done that is not written down.
    #[error("cannot write the journal of the run")]
    Journal(#[source] std::io::Error),
    /// Signals cannot be watched.
    #[error("cannot watch for signals")]
    Signals(#[source] std::io::Error),
}

/// What a watcher of a run sees after each event.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The event.
    pub entry: &'a Entry,
    /// The conductor after it.
    pub conductor: &'a Conductor,
}

/// Conducts a run to its end. Whatever happens, what was broken is mended before this returns.
///
/// # Errors
/// When the journal cannot be written or signals cannot be watched.
pub async fn conduct(
    setup: Setup,
    mut watch: impl FnMut(Scene<'_>),
) -> Result<Vec<Entry>, ConductError> {
    let clock = SystemClock::start();
    let mut signals = Signals::new().map_err(ConductError::Signals)?;
    let journal = Writer::create(&setup.folder.join(JOURNAL)).map_err(ConductError::Journal)?;
    let (say, mut heard) = unbounded_channel();
    let mut ask = Hands::start(&setup, say.clone());
    let mut shell = Shell {
        clock,
        journal,
        conductor: Conductor::default(),
        entries: Vec::new(),
        say,
        load: None,
        cost: Cost::default(),
        plan: setup.plan.clone(),
    };

    let started = Event::Started { run: setup.head.clone(), plan: Box::new(setup.plan.clone()) };
    let mut written = shell.on(started, &mut ask, &mut watch);
    while written.is_ok() && shell.conductor.finished().is_none() {
        let event = shell.next(&mut heard, &mut signals).await;
        written = shell.on(event, &mut ask, &mut watch);
    }
    // Everything is mended before anything is reported, also when the journal could not be written.
    let (proxy_cpu, trouble) = ask.close().await;
    shell.finish(proxy_cpu, trouble, &mut watch).and(written).map_err(ConductError::Journal)?;
    Ok(shell.entries)
}

struct Shell {
    clock: SystemClock,
    journal: Writer,
    conductor: Conductor,
    entries: Vec<Entry>,
    say: UnboundedSender<Event>,
    load: Option<Handle>,
    cost: Cost,
    plan: Plan,
}

impl Shell {
    /// Waits for the next event.
    async fn next(&self, heard: &mut UnboundedReceiver<Event>, signals: &mut Signals) -> Event {
        let wake = async {
            match self.conductor.next_wake() {
                Some(at) => tokio::time::sleep(at - self.clock.now()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            signal = signals.next() => Event::Interrupted { signal: signal.to_owned() },
            // The channel cannot close: the shell holds a sender itself.
            Some(event) = heard.recv() => event,
            () = wake => Event::Tick,
        }
    }

    /// Writes an event down, tells the conductor, and does what it says.
    fn on(
        &mut self,
        event: Event,
        ask: &mut Ask,
        watch: &mut impl FnMut(Scene<'_>),
    ) -> std::io::Result<()> {
        let entry = Entry { at: self.now(), event };
        self.journal.write(&entry)?;
        match &entry.event {
            Event::LoadStarted => self.cost.begin(entry.at),
            Event::LoadEnded { .. } => self.cost.end(entry.at, self.load.as_ref()),
            _ => {}
        }
        let commands = self.conductor.on(entry.at, &entry.event);
        watch(Scene { entry: &entry, conductor: &self.conductor });
        self.entries.push(entry);
        for command in commands {
            self.act(command, ask);
        }
        Ok(())
    }

    fn act(&mut self, command: Command, ask: &mut Ask) {
        match command {
            Command::Prepare => ask.prepare(),
            Command::Ask(probe) => ask.probe(probe),
            Command::BeginFault(fault) => ask.begin(fault),
            Command::EndFault(fault) => ask.end(fault),
            Command::StartLoad => {
                if let Err(error) = self.start_load() {
                    self.tell(Event::LoadEnded { error: Some(error) });
                }
            }
            Command::StopLoad => match &self.load {
                Some(load) => load.stop(),
                None => self.tell(Event::LoadEnded { error: None }),
            },
            Command::Finish(finish) => {
                if let (Some(load), true) = (&self.load, finish != Finish::Completed) {
                    load.stop();
                }
            }
        }
    }

    fn start_load(&mut self) -> Result<(), String> {
        let url = self.plan.load.url.clone().or_else(|| self.plan.service.url.clone());
        let order = Order {
            url: url.ok_or("neither the load test nor the service has a `url`")?,
            test: self.plan.load.clone(),
            shapes: self.plan.phases.iter().map(|it| it.shape).collect(),
            seed: self.plan.seed,
        };
        let say = self.say.clone();
        let prepared = evenkeel_load::prepare(order, look_up).map_err(|it| in_one_line(&it))?;
        let handle = prepared.start(move |said| {
            let event = match said {
                Said::Started => Event::LoadStarted,
                Said::Second(frame) => Event::Second { frame },
                Said::Ended { error } => Event::LoadEnded { error },
            };
            // Nobody listens any more once the run is over.
            drop(say.send(event));
        });
        self.load = Some(handle.map_err(|it| in_one_line(&it))?);
        Ok(())
    }

    fn tell(&self, event: Event) {
        // The receiver lives as long as the loop that calls this.
        drop(self.say.send(event));
    }

    fn now(&self) -> Moment {
        self.clock.now()
    }

    /// The last events: what could not be mended, and what the run cost.
    fn finish(
        &mut self,
        proxy_cpu: Duration,
        trouble: Vec<Event>,
        watch: &mut impl FnMut(Scene<'_>),
    ) -> std::io::Result<()> {
        let load_cpu = self.load.as_ref().map_or(Duration::ZERO, Handle::cpu_time);
        if let Some(load) = self.load.take() {
            load.stop();
            load.join();
        }
        let measured = Event::Measured { footprint: self.cost.footprint(load_cpu, proxy_cpu) };
        for event in trouble.into_iter().chain([measured]) {
            let entry = Entry { at: self.now(), event };
            self.journal.write(&entry)?;
            self.conductor.on(entry.at, &entry.event);
            watch(Scene { entry: &entry, conductor: &self.conductor });
            self.entries.push(entry);
        }
        self.journal.sync()
    }
}

/// Looks a secret up, at the last moment.
fn look_up(reference: &Reference) -> Result<String, ResolveError> {
    let found = match reference {
        Reference::Env(name) => std::env::var(name).map_err(|it| it.to_string()),
        Reference::File(path) => std::fs::read_to_string(path)
            .map(|it| it.trim_end_matches(['\r', '\n']).to_owned())
            .map_err(|it| it.to_string()),
    };
    found.map_err(|reason| ResolveError { reference: reference.to_string(), reason })
}

/// The signals that ask a run to end.
struct Signals([(Signal, &'static str); 4]);

impl Signals {
    fn new() -> std::io::Result<Self> {
        let watch = |kind, name| Ok::<_, std::io::Error>((signal(kind)?, name));
        Ok(Self([
            watch(SignalKind::interrupt(), "SIGINT")?,
            watch(SignalKind::terminate(), "SIGTERM")?,
            // A lost terminal is no reason to leave anything broken.
            watch(SignalKind::hangup(), "SIGHUP")?,
            watch(SignalKind::quit(), "SIGQUIT")?,
        ]))
    }

    async fn next(&mut self) -> &'static str {
        let [(a, int), (b, term), (c, hup), (d, quit)] = &mut self.0;
        tokio::select! {
            _ = a.recv() => *int,
            _ = b.recv() => *term,
            _ = c.recv() => *hup,
            _ = d.recv() => *quit,
        }
    }
}

/// What conducting costs, beside sending the load and carrying it through the proxy.
#[derive(Debug, Default)]
struct Cost {
    from: Option<(Moment, Duration)>,
    spent: Duration,
    over: Duration,
    load_cpu: Duration,
}

impl Cost {
    fn begin(&mut self, at: Moment) {
        self.from = Some((at, process_cpu()));
    }

    fn end(&mut self, at: Moment, load: Option<&Handle>) {
        if let Some((from, cpu)) = self.from {
            self.spent = process_cpu().saturating_sub(cpu);
            self.over = at - from;
            self.load_cpu = load.map_or(Duration::ZERO, Handle::cpu_time);
        }
    }

    fn footprint(&self, load_cpu: Duration, proxy_cpu: Duration) -> Footprint {
        let own = self.spent.saturating_sub(self.load_cpu).saturating_sub(proxy_cpu);
        Footprint {
            conducting_cpu_ratio: if self.over.is_zero() {
                0.0
            } else {
                own.as_secs_f64() / self.over.as_secs_f64()
            },
            load_cpu,
            proxy_cpu,
            peak_memory_bytes: peak_memory(),
        }
    }
}

/// CPU time of this process so far.
fn process_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Most memory this process had resident: `VmHWM` of proc(5), in kibibytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"));
    line.and_then(|it| it.trim().trim_end_matches("kB").trim().parse::<u64>().ok()).unwrap_or(0)
        * 1024
}
