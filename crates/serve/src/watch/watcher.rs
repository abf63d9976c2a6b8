//! Watcher: has everything evaluated when it is due, a few at one time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use evenkeel_units::{Clock, locked};
use tokio::runtime::Handle;
use tokio::sync::watch::Receiver;
use tokio::task::JoinSet;

use super::group::{Running, Setting};
use super::judge::Judge;
use super::moment::between;
use super::shown::Health;
use super::turns::{AT_ONCE, Turn, Turns};
use crate::server::World;
use crate::settings::Wanted;

/// Has objectives judged and rules evaluated.
pub(super) struct Watcher<C> {
    world: Arc<World<C>>,
    wanted: Arc<Wanted>,
    turns: Turns,
    at_work: JoinSet<Turn>,
}

impl<C: Clock + 'static> Watcher<C> {
    pub(super) fn new(world: Arc<World<C>>) -> Self {
        let wanted = world.wanted();
        let judge = Judge::new(wanted.config.evaluation_every, world.now());
        let mut it = Self { world, wanted, turns: Turns::default(), at_work: JoinSet::new() };
        it.turns.put(Turn::Objectives(Box::new(judge)));
        it.renew();
        it
    }

    /// Goes on until it is told to stop.
    pub(super) async fn run(mut self, mut told: Receiver<bool>) {
        let mut wanted = self.world.watch.wanted.subscribe();
        loop {
            self.begin();
            let due = self.turns.next().filter(|_| self.at_work.len() < AT_ONCE);
            let wait = between(self.world.now(), due.unwrap_or(i64::MAX));
            tokio::select! {
                () = tokio::time::sleep(wait), if due.is_some() => {}
                Some(done) = self.at_work.join_next() => self.done(done),
                changed = wanted.changed() => {
                    if changed.is_ok() {
                        // What is evaluated belongs to what was wanted then.
                        self.rest().await;
                        self.wanted = Arc::clone(&wanted.borrow_and_update());
                        self.renew();
                    }
                }
                _ = told.wait_for(|it| *it) => break,
            }
        }
        self.rest().await;
    }

    /// Has whatever is due evaluated, while there is room.
    fn begin(&mut self) {
        let now = self.world.now();
        while self.at_work.len() < AT_ONCE
            && let Some(turn) = self.turns.take(now)
        {
            let (world, wanted) = (Arc::clone(&self.world), Arc::clone(&self.wanted));
            self.at_work.spawn_blocking(move || evaluated(turn, &world, &wanted));
        }
    }

    /// What was evaluated waits again.
    fn done(&mut self, done: Result<Turn, tokio::task::JoinError>) {
        match done {
            Ok(turn) => self.turns.put(turn),
            // A fault of ours, which ends all that is watched rather than one part of it unseen.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Waits until nothing is evaluated.
    async fn rest(&mut self) {
        while let Some(done) = self.at_work.join_next().await {
            self.done(done);
        }
    }

    /// Goes on with what is wanted now.
    fn renew(&mut self) {
        let (world, wanted) = (&*self.world, &*self.wanted);
        let (setting, now) = (setting(world, wanted), world.now());
        let (mut old, mut judges) = (BTreeMap::new(), Vec::new());
        for turn in self.turns.take_all() {
            match turn {
                Turn::Rules(it) => drop(old.insert(it.key(), it)),
                Turn::Objectives(it) => judges.push(it),
            }
        }
        let mut shown = BTreeMap::new();
        for group in &wanted.groups {
            let mut running = Running::new(group.clone(), &setting);
            if let Some(old) = old.remove(&running.key()) {
                running.take_over(*old, setting.store, now);
            }
            shown.insert(running.key(), Arc::new(running.shown()));
            self.turns.put(Turn::Rules(Box::new(running)));
        }
        old.into_values().for_each(|mut it| it.end(setting.store, now));
        *locked(&world.watch.shown) = shown;
        for mut judge in judges {
            judge.renew(world, wanted);
            judge.show(world, Duration::ZERO);
            self.turns.put(Turn::Objectives(judge));
        }
    }
}

/// Evaluates something, shows what came of it, and has told who is to be.
fn evaluated<C: Clock>(mut turn: Turn, world: &World<C>, wanted: &Wanted) -> Turn {
    let (watch, setting) = (&world.watch, setting(world, wanted));
    match &mut turn {
        Turn::Objectives(judge) => Handle::current().block_on(judge.round(world, wanted, &setting)),
        Turn::Rules(group) => {
            let notices = group.evaluate(&setting);
            let shown = group.shown();
            let failing = shown.rules.iter().filter(|it| matches!(it.health, Health::Failing(_)));
            watch.evaluations.fetch_add(1, Ordering::Relaxed);
            watch.failures.fetch_add(failing.count() as u64, Ordering::Relaxed);
            locked(&watch.shown).insert(group.key(), Arc::new(shown));
            watch.tellers().put(notices, &wanted.config);
        }
    }
    turn
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
