//! Watch: what a server does at intervals, whoever asks or not.
//!
//! ```text
//! documents  the objectives that are judged, as they were read
//! round      all of them judged at one moment
//! course     the history of an objective, which grows by a slice now and then
//! panel      questions put to one state of the store, again and again
//! figures    what a round says of each, as series
//! burning    the alerts of objectives, round by round
//! group      rules of a prometheus.yml, evaluated one after the other
//! alerts     what an alerting rule found, as time passes: pending, firing, over
//! before     what the store says of alerts as they were before a restart
//! tell       alerts on their way to Alertmanagers
//! shown      groups of rules as they are told to whoever asks
//! written    the series that are written at intervals, and ended when they are no longer there
//! moment     reckoning with moments in milliseconds
//! ```
//!
//! One thread does all of it, one thing after the other; another tells. The first round is at the start, the others are at
//! multiples of the interval, which is `evaluation_interval` of the configuration.

mod alerts;
mod before;
mod burning;
mod course;
mod documents;
mod figures;
mod group;
mod moment;
mod panel;
mod round;
mod shown;
#[cfg(test)]
mod stopped;
mod tell;
mod written;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evenkeel_metrics::exposition::{Format, Kind as MetricKind, Writer};
use evenkeel_promql::Cancel;
use evenkeel_units::Clock;
use tokio::sync::watch::{Receiver, Sender};

pub(crate) use self::alerts::Alert;
use self::alerts::Alerts;
use self::burning::Burning;
pub use self::documents::Documents;
use self::group::{Running, Setting};
use self::moment::{between, next};
use self::round::Known;
pub use self::round::{Round, Stood};
pub(crate) use self::shown::{Health, Kind, Shown, ShownRule};
pub(crate) use self::tell::Tellers;
use self::written::Written;
use crate::server::World;
use crate::settings::Wanted;

/// What was seen last, and who is told.
#[derive(Debug)]
pub(crate) struct Watch {
    wanted: Sender<Arc<Wanted>>,
    /// When the files were read last, and whether they could be the last time.
    read: Mutex<(i64, bool)>,
    last: Mutex<Option<Arc<Round>>>,
    /// By file and name.
    shown: Mutex<BTreeMap<(String, String), Arc<Shown>>>,
    tellers: Sender<Arc<Tellers>>,
    cancel: Cancel,
    rounds: AtomicU64,
    evaluations: AtomicU64,
    failures: AtomicU64,
}

impl Watch {
    /// Nothing was judged yet. `read_at` is when the files were read, in milliseconds since 1970.
    pub(crate) fn new(wanted: Wanted, tellers: Tellers, read_at: i64) -> Self {
        Self {
            wanted: Sender::new(Arc::new(wanted)),
            read: Mutex::new((read_at, true)),
            last: Mutex::default(),
            shown: Mutex::default(),
            tellers: Sender::new(Arc::new(tellers)),
            cancel: Cancel::default(),
            rounds: AtomicU64::default(),
            evaluations: AtomicU64::default(),
            failures: AtomicU64::default(),
        }
    }

    /// What is wanted now.
    pub(crate) fn wanted(&self) -> Arc<Wanted> {
        Arc::clone(&self.wanted.borrow())
    }

    /// Has something else wanted from now on.
    pub(crate) fn want(&self, wanted: Wanted) {
        self.wanted.send_replace(Arc::new(wanted));
    }

    /// The documents that are judged by.
    pub(crate) fn documents(&self) -> Arc<Documents> {
        Arc::clone(&self.wanted.borrow().documents)
    }

    /// When the files were read last, in milliseconds since 1970, and whether they could be the last time.
    pub(crate) fn read(&self) -> (i64, bool) {
        *locked(&self.read)
    }

    /// The files were read again, or could not be.
    pub(crate) fn was_read(&self, at: i64, is_fine: bool) {
        let mut read = locked(&self.read);
        *read = (if is_fine { at } else { read.0 }, is_fine);
    }

    /// What was judged last; `None` before the end of the first round.
    pub(crate) fn last(&self) -> Option<Arc<Round>> {
        locked(&self.last).clone()
    }

    /// The groups of rules, by file and name.
    pub(crate) fn shown(&self) -> Vec<Arc<Shown>> {
        locked(&self.shown).values().cloned().collect()
    }

    /// Who is told of alerts.
    pub(crate) fn tellers(&self) -> Arc<Tellers> {
        Arc::clone(&self.tellers.borrow())
    }

    /// Has others told from now on.
    pub(crate) fn tell(&self, tellers: Tellers) {
        self.tellers.send_replace(Arc::new(tellers));
    }

    /// Gives up what is evaluated.
    pub(crate) fn end(&self) {
        self.cancel.cancel();
    }

    /// What was done, and what was judged last, in the text of metrics.
    pub(crate) fn write(&self, to: &mut Writer, format: Format) {
        let ending = if format == Format::Text { "_total" } else { "" };
        for (name, help, count) in [
            ("evenkeel_rounds", "Rounds in which all objectives were judged.", &self.rounds),
            (
                "evenkeel_rule_evaluations",
                "Groups of rules that were evaluated.",
                &self.evaluations,
            ),
            (
                "evenkeel_watch_failures",
                "Objectives that could not be judged, and rules that could not be evaluated.",
                &self.failures,
            ),
        ] {
            to.family(&format!("{name}{ending}"), MetricKind::Counter, help);
            to.sample(&format!("{name}_total"), [], count.load(Ordering::Relaxed) as f64, None);
        }
        let (read_at, is_fine) = self.read();
        for (name, help, value) in [
            (
                "evenkeel_files_last_read_successful",
                "Whether the files could be read the last time.",
                if is_fine { 1.0 } else { 0.0 },
            ),
            (
                "evenkeel_files_read_timestamp_seconds",
                "When the files were read that are gone by.",
                read_at as f64 / 1000.0,
            ),
            (
                "evenkeel_objectives",
                "Objectives that are judged.",
                self.documents().objectives.len() as f64,
            ),
        ] {
            to.family(name, MetricKind::Gauge, help);
            to.sample(name, [], value, None);
        }
        self.tellers().write(to, format);
        if let Some(round) = self.last() {
            let name = "evenkeel_round_seconds";
            to.family(name, MetricKind::Gauge, "How long the last round took.");
            to.sample(name, [], round.took.as_secs_f64(), None);
            figures::write(&round, to);
        }
    }
}

/// Whether everything that is wanted can be watched.
///
/// # Errors
/// What cannot.
pub(crate) fn check(wanted: &Wanted) -> Result<(), String> {
    let mut each = wanted.documents.objectives.iter();
    each.try_for_each(|it| Burning::of(Arc::clone(it)).map(drop))
}

/// Tells until it is told to stop.
pub(crate) fn tell<C: Clock>(world: &World<C>, mut told: Receiver<bool>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let mut tellers = world.watch.tellers.subscribe();
    // Without a runtime nobody is told, which the metrics say: everything waits.
    let Ok(runtime) = runtime else { return };
    runtime.block_on(async {
        while !*told.borrow() {
            let now = Arc::clone(&tellers.borrow_and_update());
            tokio::select! {
                () = async { now.run().await; std::future::pending().await } => {}
                _ = tellers.changed() => {}
                _ = told.wait_for(|it| *it) => return,
            }
        }
    });
}

/// Watches until it is told to stop.
pub(crate) fn run<C: Clock>(world: &World<C>, told: Receiver<bool>) {
    // Without a runtime nothing can be waited for, and nothing is judged, which whoever looks for a round sees.
    if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build() {
        runtime.block_on(Watcher::new(world).run(told));
    }
}

/// Judges and evaluates.
struct Watcher<'a, C> {
    world: &'a World<C>,
    wanted: Arc<Wanted>,
    groups: Vec<Running>,
    burning: Vec<Burning>,
    figures: Written,
    /// The series of the alerts of objectives.
    alerts: Written,
    next_round: i64,
    /// Of the last round.
    known: Known,
}

impl<'a, C: Clock> Watcher<'a, C> {
    fn new(world: &'a World<C>) -> Self {
        let mut it = Self {
            world,
            wanted: world.wanted(),
            groups: Vec::new(),
            burning: Vec::new(),
            figures: Written::default(),
            alerts: Written::default(),
            next_round: world.now(),
            known: Known::default(),
        };
        it.renew();
        it
    }

    async fn run(mut self, mut told: Receiver<bool>) {
        let mut wanted = self.world.watch.wanted.subscribe();
        while !*told.borrow() {
            let due = self.groups.iter().map(Running::next).chain([self.next_round]).min();
            let wait = between(self.world.now(), due.unwrap_or(self.next_round));
            tokio::select! {
                () = tokio::time::sleep(wait) => self.watch().await,
                changed = wanted.changed() => {
                    if changed.is_ok() {
                        self.wanted = Arc::clone(&wanted.borrow_and_update());
                        self.renew();
                    }
                }
                _ = told.wait_for(|it| *it) => return,
            }
        }
    }

    /// Goes on with what is wanted now.
    fn renew(&mut self) {
        let (world, wanted) = (self.world, Arc::clone(&self.wanted));
        let (setting, now) = (setting(world, &wanted), world.now());
        let mut old: BTreeMap<_, _> = self.groups.drain(..).map(|it| (it.key(), it)).collect();
        for group in &wanted.groups {
            let mut running = Running::new(group.clone(), &setting);
            if let Some(old) = old.remove(&running.key()) {
                running.take_over(old, setting.store, now);
            }
            self.groups.push(running);
        }
        old.into_values().for_each(|mut it| it.end(setting.store, now));
        let mut burning = std::mem::take(&mut self.burning);
        for objective in &wanted.documents.objectives {
            let known = burning.iter().position(|it| it.is_of(objective));
            let known = known.map(|at| burning.swap_remove(at));
            // What cannot be watched was refused before it was wanted.
            self.burning.extend(known.or_else(|| Burning::of(Arc::clone(objective)).ok()));
        }
        let shown = self.groups.iter().map(|it| (it.key(), Arc::new(it.shown())));
        *locked(&world.watch.shown) = shown.collect();
        self.show_objectives(std::time::Duration::ZERO);
        // Objectives that are new need not wait.
        (self.next_round, self.known) = (now, Known::default());
    }

    /// Does what is due.
    async fn watch(&mut self) {
        let (world, wanted) = (self.world, Arc::clone(&self.wanted));
        let setting = setting(world, &wanted);
        let watch = &world.watch;
        if self.next_round <= world.now() {
            self.round(&setting).await;
            self.next_round = next(world.now(), setting.every, 0);
        }
        let due = self.groups.iter_mut().filter(|it| it.next() <= world.now());
        let Some(group) = due.min_by_key(|it| it.next()) else { return };
        let notices = group.evaluate(&setting);
        let shown = group.shown();
        let failing = shown.rules.iter().filter(|it| matches!(it.health, Health::Failing(_)));
        watch.evaluations.fetch_add(1, Ordering::Relaxed);
        watch.failures.fetch_add(failing.count() as u64, Ordering::Relaxed);
        locked(&watch.shown).insert(group.key(), Arc::new(shown));
        watch.tellers().put(notices, &wanted.config);
    }

    /// Judges all objectives.
    async fn round(&mut self, setting: &Setting<'_>) {
        let (world, documents) = (self.world, &self.wanted.documents);
        if documents.objectives.is_empty() && self.figures.is_empty() {
            return;
        }
        let snapshot = setting.store.snapshot();
        let late = setting.store.options().late;
        let (clock, cancel) = (&world.clock, setting.cancel);
        let round = Round::of(documents, &snapshot, clock, late, cancel, &mut self.known).await;
        if cancel.is_cancelled() {
            return;
        }
        let at = round.at.as_millisecond();
        let figures = figures::samples(&figures::of(&round));
        let mut done = self.figures.write(setting.store, at, figures);
        for (burning, stood) in self.burning.iter_mut().zip(&round.all) {
            let standing = stood.judged.as_ref().map(|it| &it.standing);
            burning.see(round.at, standing.map_err(ToString::to_string), setting, &snapshot);
        }
        let alerts = self.burning.iter().flat_map(Burning::alerts).flat_map(Alerts::series);
        done = done.and(self.alerts.write(setting.store, at, alerts.collect()));
        if done.is_err() {
            world.counts.failure();
        }
        let failing = round.all.iter().filter(|it| it.judged.is_err()).count();
        world.watch.rounds.fetch_add(1, Ordering::Relaxed);
        world.watch.failures.fetch_add(failing as u64, Ordering::Relaxed);
        self.show_objectives(round.took);
        *locked(&world.watch.last) = Some(Arc::new(round));
        // Who is told finds it here.
        let notices = self.burning.iter_mut().flat_map(|it| it.due(at, setting));
        world.watch.tellers().put(notices.collect(), &self.wanted.config);
    }

    fn show_objectives(&self, took: std::time::Duration) {
        let every = self.wanted.config.evaluation_every;
        let mut shown = locked(&self.world.watch.shown);
        for it in self.burning.iter().filter_map(|it| it.shown(every, took)) {
            shown.insert((it.file.clone(), it.name.clone()), Arc::new(it));
        }
    }
}

fn setting<'a, C: Clock>(world: &'a World<C>, wanted: &'a Wanted) -> Setting<'a> {
    Setting {
        store: &world.store,
        clock: &world.clock,
        every: wanted.config.evaluation_every,
        offset: wanted.config.rule_offset,
        external: &wanted.config.external_labels,
        url: &world.url,
        cancel: &world.watch.cancel,
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is kept here is whole after every step.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
