//! Hands: where faults, probes and the service meet.
//!
//! One task owns everything that can be broken, and does one thing after another, so that a fault is never
//! taken back while it is still being brought about. It answers with events only.

use std::fs::File;
use std::time::Duration;

use evenkeel_fault::process::State;
use evenkeel_fault::{Faults, Process, Reexec, find};
use evenkeel_model::diagnostic::in_one_line;
use evenkeel_model::document::Finder;
use evenkeel_model::{Event, Plan};
use evenkeel_probe::{ProcessSeen, ProcessState};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::service::Started;
use crate::shell::Setup;

/// Added to the length of a plan before the guardian mends everything by itself: time to prepare and to end.
const SLACK: Duration = Duration::from_mins(2);
/// How often a service that is starting is asked whether it is ready.
const POLL: Duration = Duration::from_millis(100);

enum Wish {
    Prepare,
    Begin(usize),
    End(usize),
    Close,
}

/// The way to ask for something.
pub(crate) struct Ask {
    wish: UnboundedSender<Wish>,
    say: UnboundedSender<Event>,
    plan: Plan,
    task: JoinHandle<(Duration, Vec<Event>)>,
}

impl Ask {
    pub(crate) fn prepare(&self) {
        self.send(Wish::Prepare);
    }

    pub(crate) fn begin(&self, fault: usize) {
        self.send(Wish::Begin(fault));
    }

    pub(crate) fn end(&self, fault: usize) {
        self.send(Wish::End(fault));
    }

    fn send(&self, wish: Wish) {
        // The task listens until it is told to close, which takes the way to ask.
        drop(self.wish.send(wish));
    }

    /// Asks a probe beside everything else: a slow answer holds nothing up.
    pub(crate) fn probe(&self, probe: usize) {
        let Some(kind) = self.plan.steady_state.get(probe).map(|it| it.kind.clone()) else {
            return;
        };
        let say = self.say.clone();
        tokio::spawn(async move {
            if let Some(seen) = evenkeel_probe::ask(&kind, look).await {
                drop(say.send(Event::Probed { probe, held: seen.held, detail: seen.detail }));
            }
        });
    }

    /// Mends and closes everything; says what the proxy cost, and what could not be mended.
    pub(crate) async fn close(self) -> (Duration, Vec<Event>) {
        self.send(Wish::Close);
        self.task.await.unwrap_or_default()
    }
}

/// Finds processes for a probe.
fn look(finder: &Finder) -> Vec<ProcessSeen> {
    let found = find(finder).unwrap_or_default();
    let seen = |it: &Process| {
        let state = match it.state() {
            State::Running => ProcessState::Runs,
            State::Stopped => ProcessState::Stopped,
            State::Zombie => ProcessState::Zombie,
            State::Gone => return None,
        };
        Some(ProcessSeen { pid: it.pid, state })
    };
    found.iter().filter_map(seen).collect()
}

/// Everything that can be broken, and the service.
pub(crate) struct Hands {
    setup: Setup,
    say: UnboundedSender<Event>,
    faults: Option<Faults>,
    service: Option<Started>,
}

impl Hands {
    /// Starts the task.
    pub(crate) fn start(setup: &Setup, say: UnboundedSender<Event>) -> Ask {
        let (wish, mut wishes) = unbounded_channel();
        let mut hands =
            Self { setup: setup.clone(), say: say.clone(), faults: None, service: None };
        let task = tokio::spawn(async move {
            while let Some(wish) = wishes.recv().await {
                match wish {
                    Wish::Prepare => hands.prepare(&mut wishes).await,
                    Wish::Begin(fault) => hands.begin(fault).await,
                    Wish::End(fault) => hands.end(fault).await,
                    Wish::Close => break,
                }
                if wishes.is_closed() {
                    break;
                }
            }
            hands.close().await
        });
        Ask { wish, say, plan: setup.plan.clone(), task }
    }

    fn tell(&self, event: Event) {
        drop(self.say.send(event));
    }

    /// Prepares, unless asked to close meanwhile.
    async fn prepare(&mut self, wishes: &mut UnboundedReceiver<Wish>) {
        let prepared = tokio::select! {
            prepared = self.make_ready() => prepared,
            // Before it is ready nothing but its end can be asked for.
            _ = wishes.recv() => { wishes.close(); return; }
        };
        self.tell(match prepared {
            Ok(()) => Event::Ready,
            Err((reason, refused)) => Event::PreflightFailed { reason, refused },
        });
    }

    async fn make_ready(&mut self) -> Result<(), (String, bool)> {
        let Setup { plan, head, state_dir, own_binary, folder } = &self.setup;
        let failed = |error: &dyn std::error::Error| (in_one_line(error), false);
        let again =
            |verb: &str| Reexec { program: own_binary.clone(), arguments: vec![verb.into()] };
        let (guardian, burner) = (again("guardian"), again("burn"));
        let limit = plan.length() + SLACK;
        let mut faults =
            Faults::open(&plan.service, &head.id, plan.seed, state_dir, &guardian, burner, limit)
                .await
                .map_err(|it| failed(&it))?;
        let lost = faults.guardian_lost();
        let say = self.say.clone();
        tokio::spawn(async move {
            lost.await;
            drop(say.send(Event::GuardianLost));
        });
        if let Some(start) = &plan.service.start {
            let log = File::create(folder.join("service.log")).map_err(|it| failed(&it))?;
            let mut service =
                Started::new(start, own_binary, log, faults.mark()).map_err(|it| {
                    (format!("cannot start `{}`: {it}", start.command.join(" ")), false)
                })?;
            let adopted = faults.adopt(service.pid());
            let ready = tokio::select! {
                ready = evenkeel_probe::ready(&start.ready, start.timeout, POLL) => {
                    ready.map_err(|it| format!("the service is not ready: {it}; its output is in service.log"))
                }
                ended = service.ended() => Err(format!("{ended}; its output is in service.log")),
            };
            self.service = Some(service);
            self.faults = Some(faults);
            adopted.map_err(|it| failed(&it))?;
            ready.map_err(|reason| (reason, false))?;
        } else {
            self.faults = Some(faults);
        }
        let Some(faults) = &self.faults else { return Ok(()) };
        let resolved = faults.resolve(&self.setup.plan).map_err(|it| failed(&it))?;
        evenkeel_fault::permit(&self.setup.plan, &resolved, jiff::Timestamp::now()).map_err(
            |refusals| {
                let reasons: Vec<_> = refusals.iter().map(ToString::to_string).collect();
                (reasons.join("; "), true)
            },
        )
    }

    async fn begin(&mut self, index: usize) {
        let planned = &self.setup.plan.faults[index];
        let began = match &mut self.faults {
            Some(faults) => faults.begin(index, planned).await.map_err(|it| in_one_line(&it)),
            None => Err("nothing is prepared".to_owned()),
        };
        self.tell(match began {
            Ok(targets) => Event::FaultBegan { fault: index, targets },
            Err(error) => Event::FaultFailed { fault: index, error },
        });
    }

    async fn end(&mut self, index: usize) {
        if let Some(faults) = &mut self.faults {
            let (evidence, error) = faults.end(index).await;
            self.tell(Event::FaultEnded { fault: index, evidence, error });
        }
    }

    /// Mends everything, ends the service, then lets the guardian go.
    async fn close(mut self) -> (Duration, Vec<Event>) {
        let mut trouble = Vec::new();
        let mut proxy_cpu = Duration::ZERO;
        if let Some(faults) = &mut self.faults {
            let ended = faults.end_all().await;
            trouble.extend(ended.into_iter().map(|(fault, evidence, error)| Event::FaultEnded {
                fault,
                evidence,
                error,
            }));
            proxy_cpu = faults.proxy_cpu_time();
        }
        if let Some(service) = self.service.take() {
            // A group that cannot be ended here is ended by the guardian, which is told next.
            drop(service.stop().await);
        }
        if let Some(faults) = self.faults.take()
            && let Err(error) = faults.close().await
        {
            trouble.push(Event::NotMended { reason: in_one_line(&error) });
        }
        (proxy_cpu, trouble)
    }
}
