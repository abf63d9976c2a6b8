//! Shell: acts on what the conductor decides.
//!
//! One loop puts every outside event in line: seconds of load, answers of hands, signals, timers, the loss of
//! the guardian. Each is written to the journal before the conductor hears of it, so a replay hears the same.

use std::path::PathBuf;
use std::time::Duration;

use evenkeel_load::fleet::Fleet;
use evenkeel_load::{Order, Share};
use evenkeel_model::outcome::Heatmap;
use evenkeel_model::plan::{Footprint, RunHead};
use evenkeel_model::{Entry, Event, Frame, Outcome, Plan};
use evenkeel_units::{Clock, Moment, SystemClock};
use rustix::time::{ClockId, clock_gettime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use crate::conductor::{Command, Conductor};
use crate::folder::JOURNAL;
use crate::frames::Frames;
use crate::generator::{self, Load, Ready};
use crate::hands::{Ask, Closed, Hands};
use crate::journal::Writer;
use crate::run::Run;
use crate::watching::Watching;

/// A load that was stopped ends within a second; on a busy host a little later.
const LOAD_END_MAX: Duration = Duration::from_secs(5);

/// Everything a run is given.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Which run.
    pub head: RunHead,
    /// What will be done.
    pub plan: Plan,
    /// The run that it will be compared with.
    pub baseline: Option<Outcome>,
    /// The run's folder, which is there already; of a run without one nothing is kept.
    pub folder: Option<PathBuf>,
    /// Where undo journals are kept.
    pub state_dir: PathBuf,
    /// The machines that send the load; this one when there is none.
    pub fleet: Option<Fleet>,
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
    /// The part that breaks and mends ended by itself: a bug. The guardian mends.
    #[error(
        "what breaks and mends broke down, which is a bug of Evenkeel; the guardian mends: {0}"
    )]
    Broken(String),
}

/// What a watcher of a run sees after each event.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The event.
    pub entry: &'a Entry,
    /// The conductor after it.
    pub conductor: &'a Conductor,
    /// The seconds of load that it brought.
    pub seconds: &'a [Frame],
}

/// Conducts a run to its end, and returns what happened in it. Whatever that is, what was broken is mended before.
///
/// # Errors
/// When the journal cannot be written, signals cannot be watched, or a bug of ours ended a part of the run.
pub async fn conduct(setup: Setup, mut watch: impl FnMut(Scene<'_>)) -> Result<Run, ConductError> {
    let clock = SystemClock::start();
    let mut signals = Signals::new().map_err(ConductError::Signals)?;
    let folder = setup.folder.as_deref();
    let journal = folder.map(|it| Writer::create(&it.join(JOURNAL))).transpose();
    let frames = folder.map_or_else(|| Frames::within(&std::env::temp_dir()), Frames::within);
    let (say, mut heard) = unbounded_channel();
    let mut ask = Hands::start(&setup, say.clone());
    let mut shell = Shell {
        clock,
        journal: journal.map_err(ConductError::Journal)?,
        run: Run::new(setup.head.clone(), setup.plan.clone(), frames),
        say,
        preparing: None,
        load: None,
        watching: None,
        cost: Cost::default(),
        fleet: setup.fleet.clone(),
    };

    let started = Event::Started { run: setup.head.clone(), plan: Box::new(setup.plan.clone()) };
    let mut went = shell.on(started, &mut ask, &mut watch).map_err(ConductError::Journal);
    if let Some(baseline) = setup.baseline {
        // The journal alone gives the verdict, also when another baseline has been stored since.
        let slim = Outcome { heatmap: Heatmap::default(), ..baseline };
        let event = Event::Baseline { outcome: Box::new(slim) };
        went = went.and(shell.on(event, &mut ask, &mut watch).map_err(ConductError::Journal));
    }
    while went.is_ok() && shell.run.finish.is_none() {
        went = match shell.next(&mut heard, &mut signals, &mut ask).await {
            Ok(event) => shell.on(event, &mut ask, &mut watch).map_err(ConductError::Journal),
            Err(error) => Err(error),
        };
    }
    // Everything is mended before anything is reported, also when the journal could not be written.
    shell.stop_load();
    let closed = ask.close().await;
    let finished = shell.finish(closed, &mut heard, &mut watch).await;
    went.and(finished.map_err(ConductError::Journal))?;
    Ok(shell.run)
}

struct Shell {
    clock: SystemClock,
    journal: Option<Writer>,
    /// What has happened so far.
    run: Run,
    say: UnboundedSender<Event>,
    /// A load that is being prepared.
    preparing: Option<oneshot::Receiver<Result<Ready, String>>>,
    load: Option<Load>,
    /// Reads what is watched, while load is sent.
    watching: Option<Watching>,
    cost: Cost,
    fleet: Option<Fleet>,
}

impl Shell {
    /// Waits for the next event.
    async fn next(
        &mut self,
        heard: &mut UnboundedReceiver<Event>,
        signals: &mut Signals,
        ask: &mut Ask,
    ) -> Result<Event, ConductError> {
        loop {
            let pause = self.run.conductor().next_wake().map(|at| at - self.clock.now());
            let wake = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            let preparing = &mut self.preparing;
            let prepared = async {
                match preparing {
                    Some(it) => it.await.unwrap_or_else(|_| Err("a bug of Evenkeel".to_owned())),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                signal = signals.next() => return Ok(Event::Interrupted { signal: signal.to_owned() }),
                reason = ask.broken() => return Err(ConductError::Broken(reason)),
                prepared = prepared => {
                    self.preparing = None;
                    if let Err(error) = prepared.and_then(|it| self.start_load(it)) {
                        return Ok(Event::LoadEnded { error: Some(error) });
                    }
                }
                // The channel cannot close: the shell holds a sender itself.
                Some(event) = heard.recv() => return Ok(event),
                () = wake => return Ok(Event::Tick),
            }
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
        self.journal.as_mut().map_or(Ok(()), |it| it.write(&entry))?;
        for command in self.take_in(entry, watch) {
            self.act(command, ask);
        }
        Ok(())
    }

    /// Tells everybody about an event: the conductor, whoever watches, and whoever judges.
    fn take_in(&mut self, entry: Entry, watch: &mut impl FnMut(Scene<'_>)) -> Vec<Command> {
        match &entry.event {
            Event::LoadStarted => {
                self.cost.begin(entry.at);
                self.watching = Some(Watching::start(&self.run.plan, &self.say));
            }
            Event::LoadEnded { .. } => {
                self.watching = None;
                self.cost.end(entry.at, self.load.as_ref());
            }
            _ => {}
        }
        let commands = self.run.on(&entry);
        watch(Scene {
            entry: &entry,
            conductor: self.run.conductor(),
            seconds: self.run.seconds(),
        });
        commands
    }

    fn act(&mut self, command: Command, ask: &mut Ask) {
        match command {
            Command::Prepare => ask.prepare(),
            Command::Ask(probe) => ask.probe(probe),
            Command::BeginFault(fault) => ask.begin(fault),
            Command::EndFault(fault) => ask.end(fault),
            Command::StartLoad => {
                if let Err(error) = self.prepare_load() {
                    self.tell(Event::LoadEnded { error: Some(error) });
                }
            }
            Command::StopLoad => match &self.load {
                Some(load) => load.stop(),
                None => self.tell(Event::LoadEnded { error: None }),
            },
            // The loop ends, and what follows it stops whatever still goes on.
            Command::Finish(_) => {}
        }
    }

    /// Looks up the address and the secrets on a thread of its own: either can take many seconds, in which the
    /// guardian would miss its beats.
    fn prepare_load(&mut self) -> Result<(), String> {
        let plan = &self.run.plan;
        let (done, preparing) = oneshot::channel();
        let Some(load) = plan.load.clone() else {
            // The receiver is kept below.
            drop(done.send(Ok(Ready::Nothing(plan.length()))));
            self.preparing = Some(preparing);
            return Ok(());
        };
        let url = load.url.clone().or_else(|| plan.service.url.clone());
        let order = Order {
            url: url.ok_or("neither the load test nor the service has a `url`")?,
            test: load,
            shapes: plan.phases.iter().filter_map(|it| it.shape.clone()).collect(),
            seed: plan.seed,
            share: Share::WHOLE,
        };
        let fleet = self.fleet.clone();
        let work = move || {
            // Nobody waits any more when the run has ended meanwhile.
            drop(done.send(generator::prepare(order, fleet.as_ref())));
        };
        let thread = std::thread::Builder::new().name("evenkeel-look-up".to_owned()).spawn(work);
        thread.map_err(|it| it.to_string())?;
        self.preparing = Some(preparing);
        Ok(())
    }

    fn start_load(&mut self, ready: Ready) -> Result<(), String> {
        self.load = Some(ready.start(self.say.clone())?);
        Ok(())
    }

    fn stop_load(&mut self) {
        self.preparing = None;
        if let (Some(load), false) = (&self.load, self.run.load_is_over) {
            load.stop();
        }
    }

    fn tell(&self, event: Event) {
        // The receiver lives as long as the loop that calls this.
        drop(self.say.send(event));
    }

    fn now(&self) -> Moment {
        self.clock.now()
    }

    /// The last events: what came while everything was mended, what could not be mended, and what the run cost.
    /// Each is told even when the journal takes no more; the first trouble with it is returned.
    async fn finish(
        &mut self,
        closed: Closed,
        heard: &mut UnboundedReceiver<Event>,
        watch: &mut impl FnMut(Scene<'_>),
    ) -> std::io::Result<()> {
        let mut last = Vec::new();
        let load_ended = |it: &Event| matches!(it, Event::LoadEnded { .. });
        if self.load.is_some() && !self.run.load_is_over {
            // It was stopped before. A thread that does not end is left to the end of the process.
            let end = tokio::time::Instant::now() + LOAD_END_MAX;
            while !last.last().is_some_and(load_ended) {
                match tokio::time::timeout_at(end, heard.recv()).await {
                    Ok(Some(event)) => last.push(event),
                    Ok(None) | Err(_) => break,
                }
            }
        }
        while let Ok(event) = heard.try_recv() {
            last.push(event);
        }
        // A run that was cut off is not to be completed by what came afterwards.
        let finished = self.run.finish.is_some();
        last.retain(|it| finished && is_result(it));

        let mut written = Ok(());
        for event in last.into_iter().chain(closed.trouble) {
            written = written.and(self.close_with(event, watch));
        }
        let load_cpu = self.load.as_ref().map_or(Duration::ZERO, Load::cpu_time);
        let footprint = self.cost.footprint(load_cpu, closed.proxy_cpu);
        written
            .and(self.close_with(Event::Measured { footprint }, watch))
            .and(self.journal.as_ref().map_or(Ok(()), Writer::sync))
    }

    fn close_with(
        &mut self,
        event: Event,
        watch: &mut impl FnMut(Scene<'_>),
    ) -> std::io::Result<()> {
        let entry = Entry { at: self.now(), event };
        let written = self.journal.as_mut().map_or(Ok(()), |it| it.write(&entry));
        // Nothing is left to decide.
        drop(self.take_in(entry, watch));
        written
    }
}

/// Whether an event still tells something about a run that is over.
const fn is_result(event: &Event) -> bool {
    matches!(
        event,
        Event::Second { .. }
            | Event::AgentSecond { .. }
            | Event::AgentLost { .. }
            | Event::ShareHandedOn { .. }
            | Event::LoadEnded { .. }
            | Event::FaultBegan { .. }
            | Event::FaultFailed { .. }
            | Event::FaultEnded { .. }
            | Event::ServiceEnded { .. }
    )
}

/// The signals that ask a run to end.
#[derive(Debug)]
pub struct Signals([(Signal, &'static str); 4]);

impl Signals {
    /// From here on they are heard, and end nothing by themselves.
    ///
    /// # Errors
    /// When they cannot be watched.
    pub fn new() -> std::io::Result<Self> {
        let watch = |kind, name| Ok::<_, std::io::Error>((signal(kind)?, name));
        Ok(Self([
            watch(SignalKind::interrupt(), "SIGINT")?,
            watch(SignalKind::terminate(), "SIGTERM")?,
            // A lost terminal is no reason to leave anything broken.
            watch(SignalKind::hangup(), "SIGHUP")?,
            watch(SignalKind::quit(), "SIGQUIT")?,
        ]))
    }

    /// Waits for one; its name.
    pub async fn next(&mut self) -> &'static str {
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

    fn end(&mut self, at: Moment, load: Option<&Load>) {
        if let Some((from, cpu)) = self.from {
            self.spent = process_cpu().saturating_sub(cpu);
            self.over = at - from;
            self.load_cpu = load.map_or(Duration::ZERO, Load::own_cpu_time);
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
