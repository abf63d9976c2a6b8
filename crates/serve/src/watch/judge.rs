//! Judge: the objectives, judged round by round: what is written of them, and who is told.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use evenkeel_units::{Clock, locked};

use super::alerts::Alerts;
use super::burning::Burning;
use super::course::Arrivals;
use super::figures;
use super::group::Setting;
use super::pace::Pace;
use super::round::{Known, Round};
use super::written::Written;
use crate::server::World;
use crate::settings::Wanted;

/// Judges all objectives.
#[derive(Debug)]
pub(super) struct Judge {
    pace: Pace,
    burning: Vec<Burning>,
    figures: Written,
    /// The series of the alerts of objectives.
    alerts: Written,
    /// Of the last round.
    known: Known,
}

impl Judge {
    /// One that knows no objectives yet.
    pub(super) fn new(every: Duration, now: i64) -> Self {
        Self {
            pace: Pace::new(every, 0, now),
            burning: Vec::new(),
            figures: Written::default(),
            alerts: Written::default(),
            known: Known::default(),
        }
    }

    /// When it is due.
    pub(super) const fn next(&self) -> i64 {
        self.pace.next()
    }

    /// Goes on with what is wanted now.
    pub(super) fn renew<C: Clock>(&mut self, world: &World<C>, wanted: &Wanted) {
        let now = world.now();
        let mut burning = std::mem::take(&mut self.burning);
        for objective in &wanted.documents.objectives {
            let known = burning.iter().position(|it| it.is_of(objective));
            let known = known.map(|at| burning.swap_remove(at));
            // What cannot be watched was refused before it was wanted.
            self.burning.extend(known.or_else(|| Burning::of(Arc::clone(objective)).ok()));
        }
        let mut pace = Pace::new(wanted.config.evaluation_every, 0, now);
        pace.go_on(self.pace);
        // Objectives that are new need not wait.
        pace.set(now);
        (self.pace, self.known) = (pace, Known::default());
    }

    /// Judges all objectives as of now; where there are none, that is done at once.
    pub(super) async fn round<C: Clock>(
        &mut self,
        world: &World<C>,
        wanted: &Wanted,
        setting: &Setting<'_>,
    ) {
        self.pace.begin(world.now());
        let late = setting.store.options().late;
        let arrivals = Arrivals { late, earliest: world.stored.earliest() };
        let snapshot = setting.store.snapshot();
        let (clock, cancel) = (&world.clock, setting.cancel);
        let documents = &wanted.documents;
        let round = Round::of(documents, &snapshot, clock, arrivals, cancel, &mut self.known).await;
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
        self.show(world, round.took);
        *locked(&world.watch.last) = Some(Arc::new(round));
        // Who is told finds it here.
        let notices = self.burning.iter_mut().flat_map(|it| it.due(at, setting));
        world.watch.tellers().put(notices.collect(), &wanted.config);
    }

    /// Shows the alerts of objectives beside the groups of rules.
    pub(super) fn show<C: Clock>(&self, world: &World<C>, took: Duration) {
        let mut shown = locked(&world.watch.shown);
        for it in self.burning.iter().filter_map(|it| it.shown(&self.pace, took)) {
            shown.insert((it.file.clone(), it.name.clone()), Arc::new(it));
        }
    }
}
