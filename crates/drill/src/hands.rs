//! Hands: where faults, probes and the service meet.
//!
//! One task owns everything that can be broken, and does one thing after another, so that a fault is never
//! taken back while it is still being brought about. It answers with events only.

use std::collections::VecDeque;
use std::fs::File;
use std::time::Duration;

use evenkeel_fault::process::State;
use evenkeel_fault::{Faults, Lease, Process, Reexec, find};
use evenkeel_model::diagnostic::in_one_line;
use evenkeel_model::document::{Finder, ProbeKind};
use evenkeel_model::event::Evidence;
use evenkeel_model::{Event, Plan};
use evenkeel_probe::{ProcessSeen, ProcessState, Seen};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::probing;
use crate::service::Started;
use crate::shell::Setup;

/// Added to the length of a plan before the guardian mends everything by itself: time to prepare and to end.
const SLACK: Duration = Duration::from_mins(2);
/// So long may mending take at the end; a service that is restarted has to come up again. Then the guardian
/// mends.
const CLOSE_MAX: Duration = Duration::from_mins(3);
/// How often a service that is starting is asked whether it is ready.
const POLL: Duration = Duration::from_millis(100);
/// How long a service may take to accept a connection before it is drilled.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

enum Wish {
    Prepare,
    Begin(usize),
    End(usize),
    Close,
}

/// What closing everything came to.
#[derive(Debug, Default)]
pub(crate) struct Closed {
    /// What the proxy cost.
    pub(crate) proxy_cpu: Duration,
    /// What could not be mended, and faults that were only taken back now.
    pub(crate) trouble: Vec<Event>,
}

/// The way to ask for something.
pub(crate) struct Ask {
    wish: UnboundedSender<Wish>,
    say: UnboundedSender<Event>,
    plan: Plan,
    task: JoinHandle<Closed>,
    /// Why the task ended before it was asked to.
    broken: Option<String>,
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
                let Seen { held, detail, took } = seen;
                let took_seconds = took.as_secs_f64();
                drop(say.send(Event::Probed { probe, held, detail, took_seconds }));
            }
        });
    }

    /// Resolves when the task has ended without being asked to, which is a bug of ours. What it had broken is
    /// mended by the guardian, which sees it go.
    pub(crate) async fn broken(&mut self) -> String {
        if self.broken.is_none() {
            let ended = (&mut self.task).await;
            let reason = ended.err().map_or("it just ended".to_owned(), |it| it.to_string());
            self.broken = Some(reason);
        }
        self.broken.clone().unwrap_or_default()
    }

    /// Mends and closes everything.
    pub(crate) async fn close(mut self) -> Closed {
        let lost = |reason: String| Closed {
            trouble: vec![Event::NotMended { reason }],
            ..Closed::default()
        };
        if let Some(reason) = self.broken {
            return lost(format!("what mends broke down ({reason}); the guardian mends"));
        }
        self.send(Wish::Close);
        match tokio::time::timeout(CLOSE_MAX, &mut self.task).await {
            Ok(Ok(closed)) => closed,
            Ok(Err(error)) => lost(format!("what mends broke down ({error}); the guardian mends")),
            Err(_) => {
                self.task.abort();
                lost("mending came to no end; the guardian goes on with it".to_owned())
            }
        }
    }
}

/// Asks a probe once, outside of any run. `None` for one about load.
pub async fn ask(probe: &ProbeKind) -> Option<Seen> {
    evenkeel_probe::ask(probe, look).await
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
    /// What was asked for while something else was being done.
    later: VecDeque<Wish>,
}

/// What is asked for next, if nothing was put off.
async fn next(put_off: Option<Wish>, wishes: &mut UnboundedReceiver<Wish>) -> Wish {
    match put_off {
        Some(wish) => wish,
        None => wishes.recv().await.unwrap_or(Wish::Close),
    }
}

impl Hands {
    /// Starts the task.
    pub(crate) fn start(setup: &Setup, say: UnboundedSender<Event>) -> Ask {
        let (wish, mut wishes) = unbounded_channel();
        let mut hands = Self {
            setup: setup.clone(),
            say: say.clone(),
            faults: None,
            service: None,
            later: VecDeque::new(),
        };
        let task = tokio::spawn(async move {
            loop {
                let due = hands.due();
                let put_off = hands.later.pop_front();
                let wish = tokio::select! {
                    biased;
                    wish = next(put_off, &mut wishes) => wish,
                    () = due => {
                        hands.act_again().await;
                        continue;
                    }
                    how = hands.service_ended() => {
                        hands.tell(Event::ServiceEnded { how });
                        continue;
                    }
                };
                match wish {
                    Wish::Prepare => hands.prepare(&mut wishes).await,
                    Wish::Begin(fault) => hands.begin(fault, &mut wishes).await,
                    Wish::End(fault) => hands.end(fault).await,
                    Wish::Close => break,
                }
                if wishes.is_closed() {
                    break;
                }
            }
            hands.close().await
        });
        Ask { wish, say, plan: setup.plan.clone(), task, broken: None }
    }

    fn tell(&self, event: Event) {
        drop(self.say.send(event));
    }

    /// Resolves when the service that was started has ended by itself; once.
    async fn service_ended(&mut self) -> String {
        match &mut self.service {
            Some(service) if !service.has_ended() => service.ended().await,
            _ => std::future::pending().await,
        }
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

    /// What is made is kept in `self` at once, so that whoever drops this half-way still closes it in order.
    async fn make_ready(&mut self) -> Result<(), (String, bool)> {
        let Self { setup, say, faults, service, .. } = self;
        let Setup { plan, head, state_dir, own_binary, folder, .. } = &*setup;
        let failed = |error: &dyn std::error::Error| (in_one_line(error), false);
        if plan.faults.is_empty() && plan.service.start.is_none() && plan.steady_state.is_empty() {
            return Ok(());
        }
        let again =
            |verb: &str| Reexec { program: own_binary.clone(), arguments: vec![verb.into()] };
        let (guardian, holder) = (again("guardian"), again("hold"));
        let to_start = plan.service.start.as_ref().map_or(Duration::ZERO, |it| it.timeout);
        let limit = to_start + plan.length() + probing::answered_within(plan) + SLACK;
        let opened =
            Faults::open(&plan.service, &head.id, plan.seed, state_dir, &guardian, holder, limit);
        let opened = opened.await.map_err(|it| failed(&it))?;
        let faults = faults.insert(opened.within(plan.safety.blast_radius));
        if !plan.faults.is_empty() {
            faults.may_act().map_err(|it| (in_one_line(&it), true))?;
        }
        let lost = faults.guardian_lost();
        let say = say.clone();
        tokio::spawn(async move {
            lost.await;
            drop(say.send(Event::GuardianLost));
        });
        if let Some(start) = &plan.service.start {
            // Of a run that is not kept nobody will read it.
            let log =
                folder.as_ref().map_or_else(|| "/dev/null".into(), |it| it.join("service.log"));
            let log = File::create(log).map_err(|it| failed(&it))?;
            let started = Started::new(start, own_binary, log, faults.mark()).map_err(|it| {
                (format!("cannot start `{}`: {it}", start.command.join(" ")), false)
            })?;
            let service = service.insert(started);
            faults.adopt(service.pid()).map_err(|it| failed(&it))?;
            let ready = tokio::select! {
                ready = evenkeel_probe::ready(&start.ready, start.timeout, POLL) => {
                    ready.map_err(|it| format!("the service is not ready: {it}; its output is in service.log"))
                }
                how = service.ended() => Err(format!("the service ended ({how}); its output is in service.log")),
            };
            ready.map_err(|reason| (reason, false))?;
        }
        answers(plan).await.map_err(|reason| (reason, false))?;
        let resolved = faults.resolve(plan).await.map_err(|it| failed(&it))?;
        evenkeel_fault::permit(plan, &resolved, jiff::Timestamp::now()).map_err(|refusals| {
            let reasons: Vec<_> = refusals.iter().map(ToString::to_string).collect();
            (reasons.join("; "), true)
        })
    }

    /// Brings a fault about, unless asked meanwhile to end it, or to close.
    async fn begin(&mut self, index: usize, wishes: &mut UnboundedReceiver<Wish>) {
        let began = match &mut self.faults {
            Some(faults) => {
                let later = &mut self.later;
                let stop = async {
                    loop {
                        match wishes.recv().await.unwrap_or(Wish::Close) {
                            Wish::End(it) if it == index => break,
                            Wish::Close => {
                                later.push_back(Wish::Close);
                                break;
                            }
                            wish => later.push_back(wish),
                        }
                    }
                };
                let planned = &self.setup.plan.faults[index];
                faults.begin_unless(index, planned, stop).await.map_err(|it| in_one_line(&it))
            }
            None => Err("nothing is prepared".to_owned()),
        };
        self.tell(match began {
            Ok(Lease { release, targets, .. }) => {
                Event::FaultBegan { fault: index, release, targets }
            }
            Err(error) => Event::FaultFailed { fault: index, error },
        });
    }

    /// Resolves when a fault is due that acts again and again.
    fn due(&self) -> impl Future<Output = ()> + Send + use<> {
        let due = self.faults.as_ref().map(Faults::due);
        async move {
            match due {
                Some(due) => due.await,
                None => std::future::pending().await,
            }
        }
    }

    async fn act_again(&mut self) {
        if let Some(faults) = &mut self.faults {
            faults.act_again().await;
        }
    }

    async fn end(&mut self, index: usize) {
        let (evidence, error) = match &mut self.faults {
            Some(faults) => faults.end(index).await,
            None => (Evidence::default(), None),
        };
        self.tell(fault_ended(index, evidence, error));
    }

    /// Mends everything, ends the service, then lets the guardian go.
    async fn close(&mut self) -> Closed {
        let mut trouble = Vec::new();
        let mut proxy_cpu = Duration::ZERO;
        if let Some(faults) = &mut self.faults {
            let ended = faults.end_all().await;
            trouble
                .extend(ended.into_iter().map(|(fault, it, error)| fault_ended(fault, it, error)));
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
        Closed { proxy_cpu, trouble }
    }
}

/// Whether somebody listens where the load will go: a service that is down is not drilled. A load that breaks
/// nothing needs no such question: its own requests tell, and are counted.
async fn answers(plan: &Plan) -> Result<(), String> {
    let of_load = plan.load.as_ref().and_then(|it| it.url.as_ref());
    let Some(url) = of_load.or(plan.service.url.as_ref()) else { return Ok(()) };
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let usual_port = match scheme {
        "http" | "ws" => "80",
        "https" | "wss" | "grpcs" => "443",
        // Nobody answers a greeting there.
        "udp" | "dns" => return Ok(()),
        _ => "",
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let address = match authority.rsplit_once(':') {
        Some((_, port)) if port.bytes().all(|it| it.is_ascii_digit()) => authority.to_owned(),
        _ => format!("{authority}:{usual_port}"),
    };
    let question = ProbeKind::Tcp { address, within: ANSWERS_WITHIN };
    match evenkeel_probe::ask(&question, look).await {
        Some(seen) if !seen.held => {
            Err(format!("the service at {url} does not answer: {}", seen.detail))
        }
        _ => Ok(()),
    }
}

/// A counter that is no number cannot be written to the journal, and says nothing.
fn fault_ended(fault: usize, mut evidence: Evidence, error: Option<String>) -> Event {
    evidence.counters.retain(|_, it| it.is_finite());
    Event::FaultEnded { fault, evidence, error }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask_of(task: JoinHandle<Closed>) -> Ask {
        let plan = crate::sample::plan();
        Ask { wish: unbounded_channel().0, say: unbounded_channel().0, plan, task, broken: None }
    }

    #[tokio::test]
    async fn a_task_that_ends_unasked_is_noticed_and_what_it_broke_is_said() {
        let mut ask = ask_of(tokio::spawn(async { Closed::default() }));
        assert_eq!(ask.broken().await, "it just ended");
        let [Event::NotMended { reason }] = &*ask.close().await.trouble else { panic!("silent") };
        assert!(reason.ends_with("the guardian mends"), "{reason}");
    }

    #[tokio::test(start_paused = true)]
    async fn mending_that_comes_to_no_end_is_left_to_the_guardian() {
        let closed = ask_of(tokio::spawn(std::future::pending())).close().await;
        assert!(matches!(&*closed.trouble, [Event::NotMended { .. }]), "{closed:?}");
    }
}
