//! Core: who is put aside, since when, why and until when. What is here changes under one lock, and rarely.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;

use evenkeel_units::Moment;

use super::endpoint::Endpoint;
use super::maglev;
use super::outliers::{self, Calls};
use super::policy::{Outliers, Policy, Strategy};
use super::set::{Parts, Set, Slot};
use super::view::{EndpointSnapshot, Event, Reason};
use crate::sync::atomic::Ordering::Relaxed;

/// Endpoints of a balancer, at the most.
pub(super) const ENDPOINTS_MAX: usize = 4_096;

/// The largest weight.
pub(super) const WEIGHT_MAX: u32 = 10_000;

/// Why an endpoint cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemberError {
    /// A weight that is none.
    #[error(
        "`{name}` has weight {weight}: write 1 to {WEIGHT_MAX}; to give it no traffic, remove it"
    )]
    Weight {
        /// The endpoint.
        name: String,
        /// What was asked for.
        weight: u32,
    },
    /// Two of a name.
    #[error("there are two endpoints `{name}`: give each a name of its own")]
    Twice {
        /// Their name.
        name: String,
    },
    /// More than are looked after.
    #[error("{count} endpoints are more than {ENDPOINTS_MAX}: give each client a subset of them")]
    TooMany {
        /// How many there would be.
        count: usize,
    },
}

/// For how long an endpoint is put aside, and why.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(super) struct Ejection {
    pub(super) until: Moment,
    pub(super) reason: Reason,
}

/// An endpoint, and what is decided about it.
pub(super) struct Entry<T> {
    pub(super) endpoint: Arc<Endpoint<T>>,
    weight: u32,
    /// Of the name.
    hash: u64,
    /// What was last read of [`Endpoint::is_healthy`].
    is_healthy: bool,
    since: Moment,
    ejection: Option<Ejection>,
    /// How many ejections are not forgotten.
    times: u32,
    ejected_total: u64,
    /// The calls that had ended when the interval began.
    before: Calls,
}

impl<T> Entry<T> {
    fn new(now: Moment, endpoint: &Arc<Endpoint<T>>, weight: u32) -> Self {
        Self {
            endpoint: Arc::clone(endpoint),
            weight,
            hash: maglev::hash(endpoint.name().as_bytes()),
            is_healthy: true,
            since: now,
            ejection: None,
            times: 0,
            ejected_total: 0,
            before: Calls::default(),
        }
    }

    fn is_available(&self) -> bool {
        self.is_healthy && self.ejection.is_none()
    }

    /// Whether it would refuse a call itself, so that to panic and call it all the same is in vain.
    fn is_shut(&self) -> bool {
        self.ejection.is_some_and(|it| it.reason == Reason::Open)
    }

    fn calls(&self) -> Calls {
        Calls {
            succeeded: self.endpoint.succeeded.load(Relaxed),
            failed: self.endpoint.failed.load(Relaxed),
        }
    }

    /// It may be called again: what was held against it is forgotten.
    fn admit(&mut self, now: Moment) {
        self.endpoint.streak.store(0, Relaxed);
        self.before = self.calls();
        self.since = now;
    }
}

pub(super) struct Core<T> {
    pub(super) policy: Policy,
    pub(super) entries: Vec<Entry<T>>,
    /// When shares are judged again.
    sweep_at: Option<Moment>,
    is_panic: bool,
    table: Arc<[u16]>,
    /// Whether who may be called has changed since the last set was made.
    is_changed: bool,
    ejections_refused: u64,
    panics: u64,
}

impl<T> Core<T> {
    pub(super) fn new(policy: Policy) -> Self {
        Self {
            policy,
            entries: Vec::new(),
            sweep_at: None,
            is_panic: false,
            table: Arc::default(),
            is_changed: false,
            ejections_refused: 0,
            panics: 0,
        }
    }

    /// Adds an endpoint, in place of the one of its name if there is, which it gives.
    pub(super) fn insert(
        &mut self,
        now: Moment,
        endpoint: &Arc<Endpoint<T>>,
        weight: u32,
    ) -> Result<Option<Entry<T>>, MemberError> {
        check(endpoint.name(), weight)?;
        let at = self.find(endpoint.name());
        let count = self.entries.len() + 1;
        if at.is_none() && count > ENDPOINTS_MAX {
            return Err(MemberError::TooMany { count });
        }
        let entry = Entry::new(now, endpoint, weight);
        let before = match at {
            Some(at) => Some(mem::replace(&mut self.entries[at], entry)),
            None => {
                self.entries.push(entry);
                None
            }
        };
        self.rearrange(now);
        Ok(before)
    }

    pub(super) fn remove(&mut self, now: Moment, name: &str) -> Option<Entry<T>> {
        let entry = self.entries.remove(self.find(name)?);
        self.rearrange(now);
        Some(entry)
    }

    /// Takes these and no others, and gives those that are gone.
    pub(super) fn replace(
        &mut self,
        now: Moment,
        members: &[(Arc<Endpoint<T>>, u32)],
    ) -> Result<Vec<Entry<T>>, MemberError> {
        let count = members.len();
        if count > ENDPOINTS_MAX {
            return Err(MemberError::TooMany { count });
        }
        let mut names = BTreeSet::new();
        for (endpoint, weight) in members {
            check(endpoint.name(), *weight)?;
            if !names.insert(endpoint.name()) {
                return Err(MemberError::Twice { name: endpoint.name().to_owned() });
            }
        }
        let ours = self.entries.iter().map(|it| (it.endpoint.name(), it.weight));
        // What discovery tells again and again is no news: nothing is made anew, and nobody is woken.
        if ours.eq(members.iter().map(|(it, weight)| (it.name(), *weight))) {
            return Ok(Vec::new());
        }
        let mut known: BTreeMap<Arc<str>, Entry<T>> =
            self.entries.drain(..).map(|it| (it.endpoint.shared_name(), it)).collect();
        let entries =
            members.iter().map(|(endpoint, weight)| match known.remove(endpoint.name()) {
                Some(entry) => Entry { weight: *weight, ..entry },
                None => Entry::new(now, endpoint, *weight),
            });
        self.entries = entries.collect();
        self.rearrange(now);
        Ok(known.into_values().collect())
    }

    /// Follows another policy; who is put aside stays so, unless that is off now.
    pub(super) fn reload(&mut self, now: Moment, policy: Policy, events: &mut Vec<Event>) {
        self.policy = policy;
        match (&self.policy.outliers, self.sweep_at) {
            (None, _) => {
                self.sweep_at = None;
                let ejections = self.entries.iter_mut().filter_map(|it| it.ejection.as_mut());
                for it in ejections.filter(|it| it.reason != Reason::Open) {
                    it.until = now;
                }
                self.tick(now, events);
            }
            // Who reloads more often than the interval is long must not put off the judgement for ever.
            (Some(outliers), Some(at)) => self.sweep_at = Some(at.min(now + outliers.interval)),
            // What ended while nobody judged belongs to no interval.
            (Some(_), None) => self.entries.iter_mut().for_each(|it| it.before = it.calls()),
        }
        self.rearrange(now);
    }

    /// Endpoints, weights or the policy are others now.
    fn rearrange(&mut self, now: Moment) {
        self.is_changed = true;
        self.table = match self.policy.strategy {
            Strategy::ConsistentHash(it) => {
                let of: Vec<_> = self.entries.iter().map(|it| (it.hash, it.weight)).collect();
                maglev::table(&of, it.table).into()
            }
            _ => Arc::default(),
        };
        if let (None, Some(outliers)) = (self.sweep_at, &self.policy.outliers) {
            self.sweep_at = Some(now + outliers.interval);
        }
    }

    /// Takes in what was said of health, and what is due.
    pub(super) fn tick(&mut self, now: Moment, events: &mut Vec<Event>) {
        for entry in &mut self.entries {
            let was = entry.is_available();
            let is_healthy = entry.endpoint.is_healthy();
            if is_healthy != entry.is_healthy {
                entry.is_healthy = is_healthy;
                let endpoint = entry.endpoint.shared_name();
                events.push(match is_healthy {
                    true => Event::Healthy { at: now, endpoint },
                    false => Event::Unhealthy { at: now, endpoint },
                });
            }
            if entry.ejection.is_some_and(|it| it.until <= now) {
                entry.ejection = None;
                entry.endpoint.is_shut.store(false, Relaxed);
                let endpoint = entry.endpoint.shared_name();
                events.push(Event::Readmitted { at: now, endpoint });
            }
            if entry.is_available() != was {
                self.is_changed = true;
                if !was {
                    entry.admit(now);
                }
            }
        }
        if let (Some(outliers), Some(at)) = (self.policy.outliers, self.sweep_at)
            && at <= now
        {
            self.sweep(now, at, &outliers, events);
            self.sweep_at = Some(now + outliers.interval);
        }
    }

    /// Judges the calls of the interval.
    fn sweep(&mut self, now: Moment, at: Moment, outliers: &Outliers, events: &mut Vec<Event>) {
        let intervals = 1 + (now - at).as_nanos() / outliers.interval.as_nanos().max(1);
        let intervals = u32::try_from(intervals).unwrap_or(u32::MAX);
        let mut ended = Vec::with_capacity(self.entries.len());
        for entry in &mut self.entries {
            let calls = entry.calls();
            ended.push(match entry.ejection {
                None => calls.since(entry.before),
                Some(_) => Calls::default(),
            });
            entry.before = calls;
            if entry.ejection.is_none() {
                entry.times = entry.times.saturating_sub(intervals);
            }
        }
        for (index, reason) in outliers::judge(outliers, &ended) {
            self.eject_at(now, index, reason, events);
        }
    }

    /// Puts an endpoint aside, unless it is gone, is so already, or too many are.
    pub(super) fn eject(
        &mut self,
        now: Moment,
        endpoint: &Arc<Endpoint<T>>,
        reason: Reason,
        events: &mut Vec<Event>,
    ) {
        if let Some(index) = self.index_of(endpoint) {
            self.eject_at(now, index, reason, events);
        }
    }

    /// Puts an endpoint aside that refuses calls itself until then. It is no judgement of ours, so that no share limits it.
    pub(super) fn shut(
        &mut self,
        now: Moment,
        endpoint: &Arc<Endpoint<T>>,
        until: Moment,
        events: &mut Vec<Event>,
    ) {
        if let Some(index) = self.index_of(endpoint)
            && self.entries[index].ejection.is_none()
            && until > now
        {
            endpoint.is_shut.store(true, Relaxed);
            self.put_aside(now, index, Ejection { until, reason: Reason::Open }, events);
        }
    }

    /// An endpoint that refused calls itself has answered one: it is called again, and not only when its trials could be over at the latest.
    pub(super) fn opened(
        &mut self,
        now: Moment,
        endpoint: &Arc<Endpoint<T>>,
        events: &mut Vec<Event>,
    ) {
        let found = self.index_of(endpoint).map(|it| &mut self.entries[it]);
        let shut = found.and_then(|it| it.ejection.as_mut()).filter(|it| it.reason == Reason::Open);
        if let Some(it) = shut {
            it.until = now;
            self.tick(now, events);
        }
    }

    fn index_of(&self, endpoint: &Arc<Endpoint<T>>) -> Option<usize> {
        self.entries.iter().position(|it| Arc::ptr_eq(&it.endpoint, endpoint))
    }

    fn eject_at(&mut self, now: Moment, index: usize, reason: Reason, events: &mut Vec<Event>) {
        let Some(outliers) = &self.policy.outliers else { return };
        if self.entries[index].ejection.is_some() {
            return;
        }
        let ejected = self.entries.iter().filter(|it| it.ejection.is_some()).count();
        if ejected >= outliers.ejected_max(self.entries.len()) {
            self.ejections_refused += 1;
            return;
        }
        let entry = &mut self.entries[index];
        entry.times = entry.times.saturating_add(1);
        let until = now + outliers.lasts(entry.times);
        self.put_aside(now, index, Ejection { until, reason }, events);
    }

    fn put_aside(&mut self, at: Moment, index: usize, by: Ejection, events: &mut Vec<Event>) {
        let entry = &mut self.entries[index];
        entry.ejected_total += 1;
        entry.ejection = Some(by);
        self.is_changed = true;
        let (Ejection { until, reason }, times) = (by, entry.times);
        let endpoint = entry.endpoint.shared_name();
        events.push(Event::Ejected { at, endpoint, reason, until, times });
    }

    /// What there is to choose among, if that has changed.
    pub(super) fn set(&mut self, now: Moment, events: &mut Vec<Event>) -> Option<Set<T>> {
        if !mem::take(&mut self.is_changed) {
            return None;
        }
        let (available, total) = self.count();
        // As a product, so that there is no rounding.
        let is_panic = (available as u64) * 1_000_000_000
            < (total as u64) * u64::from(self.policy.panic.billionths());
        if is_panic != self.is_panic {
            self.is_panic = is_panic;
            self.panics += u64::from(is_panic);
            events.push(match is_panic {
                true => Event::PanicBegan { at: now, available, total },
                false => Event::PanicEnded { at: now, available, total },
            });
        }
        let slots = self.entries.iter().map(|it| Slot {
            endpoint: Arc::clone(&it.endpoint),
            weight: it.weight,
            since: it.since,
            hash: it.hash,
            is_usable: it.is_available() || is_panic && !it.is_shut(),
        });
        Some(Set::new(Parts {
            strategy: self.policy.strategy,
            decay: self.policy.peak_ewma().into(),
            slow_start: self.policy.slow_start,
            slots: slots.collect(),
            table: Arc::clone(&self.table),
            is_panic,
        }))
    }

    /// How many may be called for what is known of them, and how many there are.
    pub(super) fn count(&self) -> (usize, usize) {
        (self.entries.iter().filter(|it| it.is_available()).count(), self.entries.len())
    }

    /// When something is due.
    pub(super) fn due(&self) -> Option<Moment> {
        self.readmission().into_iter().chain(self.sweep_at).min()
    }

    /// When the first ejection is over.
    pub(super) fn readmission(&self) -> Option<Moment> {
        self.entries.iter().filter_map(|it| it.ejection).map(|it| it.until).min()
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.entries.iter().position(|it| it.endpoint.name() == name)
    }

    pub(super) const fn refused(&self) -> u64 {
        self.ejections_refused
    }

    pub(super) const fn panics(&self) -> u64 {
        self.panics
    }

    /// All that is known of one endpoint; `weight_now` is of the set.
    pub(super) fn snapshot(&self, of: &Entry<T>, weight_now: f64) -> EndpointSnapshot {
        let endpoint = &of.endpoint;
        EndpointSnapshot {
            name: endpoint.shared_name(),
            weight: of.weight,
            weight_now,
            in_flight: endpoint.in_flight(),
            latency: endpoint.latency.estimate(),
            is_healthy: endpoint.is_healthy(),
            ejected: of.ejection.map(|it| (it.until, it.reason)),
            ejections: of.times,
            is_called: of.is_available() || self.is_panic && !of.is_shut(),
            streak: endpoint.streak.load(Relaxed),
            succeeded_total: endpoint.succeeded.load(Relaxed),
            failed_total: endpoint.failed.load(Relaxed),
            ignored_total: endpoint.ignored.load(Relaxed),
            cancelled_total: endpoint.cancelled.load(Relaxed),
            ejected_total: of.ejected_total,
        }
    }
}

fn check(name: &str, weight: u32) -> Result<(), MemberError> {
    match weight {
        1..=WEIGHT_MAX => Ok(()),
        _ => Err(MemberError::Weight { name: name.to_owned(), weight }),
    }
}
