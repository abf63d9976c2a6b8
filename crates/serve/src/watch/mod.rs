//! Watch: what a server does at intervals, whoever asks or not.
//!
//! ```text
//! watcher    has everything evaluated when it is due
//! turns      what waits until it is due, and what is at work
//! pace       the moments at which something is due, and those that were missed
//! documents  the objectives that are judged, as they were read
//! round      all of them judged at one moment
//! course     the history of an objective, which grows by a slice now and then
//! panel      questions put to one state of the store, again and again
//! judge      the objectives, round by round: what is written of them, and who is told
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
//! One thread waits for what is due, a few others evaluate it, and another tells. The first round is at the start, the others are at
//! multiples of the interval, which is `evaluation_interval` of the configuration.

mod alerts;
mod before;
mod burning;
mod course;
mod documents;
mod figures;
mod group;
mod judge;
mod moment;
mod pace;
mod panel;
mod round;
mod shown;
#[cfg(test)]
mod stopped;
mod tell;
mod turns;
mod watcher;
mod written;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use evenkeel_metrics::exposition::{Format, Kind as MetricKind, Writer};
use evenkeel_promql::Cancel;
use evenkeel_units::{Clock, locked};
use tokio::sync::watch::{Receiver, Sender};

pub(crate) use self::alerts::Alert;
use self::burning::Burning;
pub use self::documents::Documents;
pub use self::round::{Round, Stood};
pub(crate) use self::shown::{Health, Kind, Shown, ShownRule};
#[cfg(test)]
pub(crate) use self::stopped::Stopped;
pub(crate) use self::tell::Tellers;
use self::watcher::Watcher;
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
        shown::write(&self.shown(), to, format);
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
pub(crate) fn run<C: Clock + 'static>(world: Arc<World<C>>, told: Receiver<bool>) {
    // Without a runtime nothing can be waited for, and nothing is judged, which whoever looks for a round sees.
    if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build() {
        runtime.block_on(Watcher::new(world).run(told));
    }
}
