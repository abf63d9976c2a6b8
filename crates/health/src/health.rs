//! Health: the checks of a service, asked in the background, and what they add up to.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use evenkeel_units::{Clock as _, Moment, SystemClock, locked};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::answer::{Access, Endpoint, HEALTH_JSON, JSON, Question, Reply};
use crate::board::{Board, Entry, Step as BoardStep, Verdict};
use crate::check::AnyCheck;
use crate::said::{Said, Word};
use crate::time::Origin;
use crate::{Check, Finding, Judge, Policy, PolicyError, Status, render, run};

/// The health of a service. A clone is the same one.
///
/// Checks run in the background, each in a task of its own, and at most once at a time. Asking is cheap and never waits for a
/// check; it reads what was last found.
///
/// When the last clone is gone the checks end.
#[derive(Clone, Debug)]
pub struct Health {
    pub(crate) shared: Arc<Shared>,
}

/// What the tasks and the askers share.
#[derive(Debug)]
pub(crate) struct Shared {
    origin: Origin,
    board: Mutex<Board>,
    /// Of each endpoint, in the order of [`Endpoint::ALL`].
    words: [Word; 4],
    access: Access,
    ready_is: watch::Sender<bool>,
    #[cfg(feature = "grpc")]
    stand: watch::Sender<crate::board::Stand>,
    pub(crate) lag: AtomicU64,
    tasks: Mutex<Vec<AbortHandle>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        let tasks = self.tasks.get_mut().unwrap_or_else(PoisonError::into_inner);
        tasks.iter().for_each(AbortHandle::abort);
    }
}

/// What a [`Health`] is made of.
#[derive(Default)]
pub struct Builder {
    checks: Vec<(String, Policy, Arc<dyn AnyCheck>)>,
    lag: Vec<(String, Policy, Duration)>,
    steps: Vec<String>,
    access: Access,
    stall: Option<Duration>,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.checks.iter().map(|it| &it.0).collect();
        f.debug_struct("Builder")
            .field("checks", &names)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

/// Why a [`Health`] cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Two checks, or steps, have one name.
    #[error("there are two checks or steps named `{0}`: give one of them another name")]
    SameName(String),
    /// A name that nobody could read.
    #[error("a check or a step has an empty name")]
    NoName,
    /// A policy contradicts itself.
    #[error("check `{name}`: {source}")]
    Policy {
        /// Whose policy it is.
        name: String,
        /// What is wrong.
        source: PolicyError,
    },
    /// A heart that may not pause at all.
    #[error("`stall_after` of {} is shorter than two seconds, four beats: every pause of the runtime would end the service", evenkeel_units::Human(*.0))]
    StallsAlways(Duration),
}

impl Builder {
    /// A check by its name: a closure that gives a future, or any [`Check`]. See [`Policy`] for when it is asked, and
    /// [`Policy::critical`] for one without which the service is not ready.
    pub fn check(mut self, name: impl Into<String>, policy: Policy, check: impl Check) -> Self {
        self.checks.push((name.into(), policy, Arc::new(check)));
        self
    }

    /// A check of this runtime: fails when a timer fired this much too late, and warns at half of it. What is late is whatever
    /// else the runtime has to do: a task that blocks, or too few processors.
    pub fn lag(mut self, name: impl Into<String>, policy: Policy, limit: Duration) -> Self {
        self.lag.push((name.into(), policy, limit));
        self
    }

    /// A step of the start, such as migrations or the filling of a cache: the service has started, and may be ready, once
    /// [`Health::done`] was said of each.
    pub fn step(mut self, name: impl Into<String>) -> Self {
        self.steps.push(name.into());
        self
    }

    /// Who may see details; by default who comes over loopback.
    pub fn details_for(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// For how long the runtime may give us no turn before the service counts as dead: 30 s by default, three periods of a
    /// kubelet. Who asks must not live in the same runtime to ever see it: give the probes a [`Server`](crate::Server) in a thread of its own.
    pub fn stall_after(mut self, stall: Duration) -> Self {
        self.stall = Some(stall);
        self
    }

    /// Starts to ask, at once and in parallel.
    ///
    /// # Errors
    /// Names that are empty or there twice, and policies that contradict themselves.
    ///
    /// # Panics
    /// Outside of a runtime of tokio.
    pub fn start(self) -> Result<Health, BuildError> {
        let stall = self.stall.unwrap_or(Duration::from_secs(30));
        if stall < run::BEAT * 4 {
            return Err(BuildError::StallsAlways(stall));
        }
        let lag = self.lag.iter().map(|(name, policy, _)| (name.as_str(), policy));
        let checks = self.checks.iter().map(|(name, policy, _)| (name.as_str(), policy));
        let mut names: Vec<&str> = self.steps.iter().map(String::as_str).collect();
        for (name, policy) in checks.clone().chain(lag.clone()) {
            let wrong = |source| BuildError::Policy { name: name.to_owned(), source };
            policy.check().map_err(wrong)?;
            names.push(name);
        }
        names.sort_unstable();
        if names.first().is_some_and(|it| it.is_empty()) {
            return Err(BuildError::NoName);
        }
        if let Some(twice) = names.windows(2).find(|it| it[0] == it[1]) {
            return Err(BuildError::SameName(twice[0].to_owned()));
        }

        let entry = |(name, policy): (&str, &Policy)| Entry {
            name: name.to_owned(),
            judge: Judge::new(*policy),
        };
        let entries = checks.chain(lag).map(entry).collect();
        let steps =
            self.steps.iter().map(|it| BoardStep { name: it.clone(), done: false }).collect();
        let origin = Origin::start();
        let board = Board::new(entries, steps, Moment::START, stall);
        let verdict = board.verdict(Moment::START);
        let until = board.holds_until(Moment::START);
        let shared = Arc::new(Shared {
            origin,
            words: Endpoint::ALL.map(|it| Word::new(verdict.at(it), until)),
            ready_is: watch::Sender::new(verdict.ready.is_good()),
            #[cfg(feature = "grpc")]
            stand: watch::Sender::new(board.stand(Moment::START)),
            board: Mutex::new(board),
            access: self.access,
            lag: AtomicU64::new(0),
            tasks: Mutex::new(Vec::new()),
        });
        run::start(&shared, self.checks, self.lag);
        Ok(Health { shared })
    }
}

impl Health {
    /// Without any check yet.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Says that a step of the start is done.
    ///
    /// # Errors
    /// There is no such step.
    pub fn done(&self, step: &str) -> Result<(), UnknownStep> {
        let mut board = self.shared.board();
        let at = board.steps.iter().position(|it| it.name == step);
        board.done(at.ok_or_else(|| UnknownStep(step.to_owned()))?);
        self.shared.publish(&board);
        Ok(())
    }

    /// From here on the service is not ready, so that balancers send nothing more. There is no way back: whoever drains ends.
    pub fn drain(&self) {
        let mut board = self.shared.board();
        board.drain();
        self.shared.publish(&board);
    }

    /// Nothing more is accepted from here on: who listens to us for changes is let go.
    pub(crate) fn close(&self) {
        let mut board = self.shared.board();
        board.close();
        self.shared.publish(&board);
    }

    /// Only a restart helps, for this reason: from here on the service is not alive. The first reason stays.
    pub fn fatal(&self, why: impl Into<String>) {
        let mut board = self.shared.board();
        board.fatal(why.into());
        self.shared.publish(&board);
    }

    /// Whether requests are welcome.
    pub fn is_ready(&self) -> bool {
        self.said(Endpoint::Ready).is_good()
    }

    /// Whether no restart is needed.
    pub fn is_live(&self) -> bool {
        self.said(Endpoint::Live).is_good()
    }

    /// Whether the start is over.
    pub fn has_started(&self) -> bool {
        self.said(Endpoint::Startup).is_good()
    }

    /// How a check stands; `None` if there is none of that name.
    pub fn status(&self, check: &str) -> Option<Status> {
        let board = self.shared.board();
        let entry = board.checks.iter().find(|it| it.name == check)?;
        Some(entry.judge.status(self.shared.now()))
    }

    /// Whether requests are welcome, now and each time that this changes.
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.shared.ready_is.subscribe()
    }

    /// Waits until requests are welcome.
    pub async fn ready(&self) {
        let mut ready = self.watch();
        // The sender lives as long as `self`.
        drop(ready.wait_for(|it| *it).await);
    }

    /// Answers a question over HTTP; `None` for a path that is not ours.
    ///
    /// The probes say a word to anybody, and more with `?verbose` to those who may see details. `/health` says all it may.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// use evenkeel_health::{Health, Question};
    ///
    /// let health = Health::builder().start()?;
    /// let reply = health.answer(&Question::get("/health/ready")).unwrap();
    /// assert_eq!((reply.status, &*reply.body), (200, r#"{"status":"ready"}"#));
    /// assert_eq!(health.answer(&Question::get("/cart")), None);
    /// # Ok::<(), evenkeel_health::BuildError>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn answer(&self, question: &Question<'_>) -> Option<Reply> {
        Some(self.reply(Endpoint::at(question.path)?, question))
    }

    /// Answers a question about this, whatever path it stands at.
    pub(crate) fn reply(&self, endpoint: Endpoint, question: &Question<'_>) -> Reply {
        if !matches!(question.method, "GET" | "HEAD") {
            return Reply::wrong_method();
        }
        let wants_details = endpoint == Endpoint::Overall || question.has("verbose");
        let sees = wants_details && self.shared.access.sees(question);
        let drafted = question.wants_draft();
        if !sees {
            let said = self.said(endpoint);
            let (content_type, body) = match drafted {
                true => (HEALTH_JSON, Cow::Owned(render::draft(said, None))),
                false => (JSON, Cow::Borrowed(said.body())),
            };
            return Reply { status: said.code(), content_type, body };
        }
        let wall = SystemClock::start().wall();
        let board = self.shared.board();
        let now = self.shared.now();
        let said = board.verdict(now).at(endpoint);
        let (content_type, body) = match drafted {
            true => (HEALTH_JSON, render::draft(said, Some((&board, now, wall)))),
            false => (JSON, render::details(endpoint, &board, now, wall)),
        };
        Reply { status: said.code(), content_type, body: body.into() }
    }

    /// How everything stands, now and each time that this changes.
    #[cfg(feature = "grpc")]
    pub(crate) fn stands(&self) -> watch::Receiver<crate::board::Stand> {
        self.shared.stand.subscribe()
    }

    /// How everything stands at this moment, whoever may be stuck.
    #[cfg(feature = "grpc")]
    pub(crate) fn stand(&self) -> crate::board::Stand {
        self.shared.board().stand(self.shared.now())
    }

    /// Where a check stands among the others.
    #[cfg(feature = "grpc")]
    pub(crate) fn position(&self, check: &str) -> Option<usize> {
        self.shared.board().checks.iter().position(|it| it.name == check)
    }

    /// What strangers hear.
    pub(crate) fn said(&self, endpoint: Endpoint) -> Said {
        let shared = &*self.shared;
        let said = shared.words[endpoint as usize].get(shared.now());
        // Nobody had a turn to say it anew, so who asks does.
        said.unwrap_or_else(|| shared.publish(&shared.board()).0.at(endpoint))
    }
}

/// No step of the start has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no step `{0}`: name it to the builder")]
pub struct UnknownStep(String);

impl Shared {
    /// The present.
    pub(crate) fn now(&self) -> Moment {
        self.origin.now()
    }

    /// From when on we count.
    pub(crate) const fn origin(&self) -> Origin {
        self.origin
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        locked(&self.board)
    }

    /// Takes in an answer of a check.
    pub(crate) fn record(&self, check: usize, took: Duration, finding: Finding) {
        let mut board = self.board();
        board.record(check, self.now(), took, finding);
        self.publish(&board);
    }

    /// The heart beats: says when something changes by itself next.
    pub(crate) fn beat(&self) -> Option<Moment> {
        let mut board = self.board();
        board.beat(self.now());
        self.publish(&board).1
    }

    /// The longest lag since the last call, in microseconds.
    pub(crate) fn take_lag(&self) -> Duration {
        Duration::from_micros(self.lag.swap(0, Ordering::Relaxed))
    }

    pub(crate) fn keep(&self, task: AbortHandle) {
        locked(&self.tasks).push(task);
    }

    /// Says what holds, and until when. Under the lock of the board, so that what is younger is never overwritten by what is older.
    fn publish(&self, board: &Board) -> (Verdict, Option<Moment>) {
        let now = self.now();
        let (verdict, until) = (board.verdict(now), board.holds_until(now));
        for (endpoint, word) in Endpoint::ALL.into_iter().zip(&self.words) {
            word.set(verdict.at(endpoint), until);
        }
        let ready = verdict.ready.is_good();
        self.ready_is.send_if_modified(|it| std::mem::replace(it, ready) != ready);
        #[cfg(feature = "grpc")]
        {
            let stand = board.stand(now);
            self.stand.send_if_modified(|it| {
                let is_new = *it != stand;
                *it = stand;
                is_new
            });
        }
        (verdict, until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn when_nobody_has_a_turn_who_asks_is_told_all_that_silence_means() {
        let short = Policy { stale_after: Duration::from_secs(20), ..Policy::default() };
        let health = Health::builder()
            .check("cache", short, async || true)
            .check("database", Policy::critical(), async || true)
            .start()
            .unwrap();
        while health.said(Endpoint::Overall) != Said::Healthy {
            tokio::task::yield_now().await;
        }
        // From here on the runtime is stuck.
        locked(&health.shared.tasks).drain(..).for_each(|it| it.abort());
        let says = |it| health.said(it);
        let after = async |seconds| tokio::time::advance(Duration::from_secs(seconds)).await;
        after(20).await;
        assert_eq!((says(Endpoint::Ready), says(Endpoint::Overall)), (Said::Ready, Said::Degraded));
        assert_eq!(says(Endpoint::Live), Said::Alive);
        after(11).await;
        assert_eq!((says(Endpoint::Live), says(Endpoint::Ready)), (Said::Dead, Said::NotReady));
        assert_eq!(says(Endpoint::Overall), Said::Unhealthy);
        assert!(!*health.watch().borrow());
    }
}
