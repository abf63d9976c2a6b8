//! Core: what of a failover is behind its lock. Probes and changes come here; calls that find nothing to tell do not.

use std::ops::Range;
use std::sync::Arc;

use evenkeel_units::Moment;

use super::policy::{Failback, Member, Policy, WhenLost};
use super::view::{Event, Evidence, MemberSnapshot, Refused, Snapshot, Stuck, Switch, Why};
use super::word::Word;
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use crate::watch::{Health, Watched};

/// Nothing changes by time alone.
const NEVER: u64 = u64::MAX;

fn nanos(of: Moment) -> u64 {
    evenkeel_units::nanos(of.elapsed()).min(NEVER - 1)
}

/// What is read without the lock.
#[derive(Debug)]
pub(super) struct Shared {
    /// Written under the lock only, so that of two who find the active rank unhealthy the second finds it changed.
    word: AtomicU64,
    /// When the lock is worth taking though nobody told anything: nanoseconds.
    due: AtomicU64,
    /// From how many refusals in a row on the lock is worth taking; 0 for never.
    refusals: AtomicU32,
    /// Whether a pick of an unhealthy member is refused.
    refuses: AtomicBool,
    /// Whose turn it is in a rank of several.
    turn: AtomicUsize,
    /// The members of each rank.
    ranks: Box<[Range<usize>]>,
    /// What each rank is called: the names of its members.
    labels: Box<[Arc<str>]>,
    seen: Box<[Seen]>,
}

/// What is known of a member.
#[derive(Debug)]
struct Seen {
    /// As the lock's [`Watched`] says.
    health: AtomicU8,
    /// Calls in a row that could not reach it.
    refusals: AtomicU32,
    refused: AtomicU64,
    picked: AtomicU64,
}

impl Shared {
    pub(super) fn new<M>(members: &[Member<M>], ranks: Vec<Range<usize>>, policy: &Policy) -> Self {
        let label = |range: &Range<usize>| {
            let names: Vec<&str> = members[range.clone()].iter().map(|it| &*it.name).collect();
            Arc::from(names.join(", "))
        };
        let seen = || Seen {
            health: AtomicU8::new(Health::Unknown as u8),
            refusals: AtomicU32::new(0),
            refused: AtomicU64::new(0),
            picked: AtomicU64::new(0),
        };
        Self {
            word: AtomicU64::new(Word::FIRST.pack()),
            due: AtomicU64::new(NEVER),
            refusals: AtomicU32::new(policy.refusals.unwrap_or(0)),
            refuses: AtomicBool::new(policy.when_lost == WhenLost::Refuse),
            turn: AtomicUsize::new(0),
            labels: ranks.iter().map(label).collect(),
            ranks: ranks.into(),
            seen: members.iter().map(|_| seen()).collect(),
        }
    }

    pub(super) fn word(&self) -> Word {
        Word::unpack(self.word.load(Ordering::Acquire))
    }

    pub(super) fn is_due(&self, now: Moment) -> bool {
        nanos(now) >= self.due.load(Ordering::Relaxed)
    }

    pub(super) fn label(&self, rank: u16) -> &Arc<str> {
        &self.labels[usize::from(rank)]
    }

    pub(super) fn rank_of(&self, member: usize) -> u16 {
        self.ranks.iter().take_while(|it| it.end <= member).count() as u16
    }

    fn members_of(&self, rank: u16) -> Range<usize> {
        self.ranks[usize::from(rank)].clone()
    }

    /// Whether a call to a member that was picked is to be refused.
    pub(super) fn refuses(&self, member: usize) -> bool {
        self.refuses.load(Ordering::Relaxed) && self.is_unhealthy(member)
    }

    pub(super) fn is_unhealthy(&self, member: usize) -> bool {
        self.seen[member].health.load(Ordering::Relaxed) == Health::Unhealthy as u8
    }

    /// Who of a rank is called next.
    pub(super) fn turn(&self, rank: u16) -> usize {
        let all = self.members_of(rank);
        match all.len() {
            1 => all.start,
            _ => self.turn_of(all),
        }
    }

    /// A call is sent to a member.
    pub(super) fn picked(&self, member: usize) {
        self.seen[member].picked.fetch_add(1, Ordering::Relaxed);
    }

    fn turn_of(&self, all: Range<usize>) -> usize {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let able = all.clone().filter(|it| !self.is_unhealthy(*it)).count();
        // Between the two looks somebody may have become unhealthy; then it is the turn of any.
        let chosen = match able {
            0 => None,
            _ => all.clone().filter(|it| !self.is_unhealthy(*it)).nth(turn % able),
        };
        chosen.unwrap_or(all.start + turn % all.len())
    }

    /// Notes a refusal; says whether that is one too many.
    pub(super) fn is_too_much(&self, member: usize) -> bool {
        let Some(seen) = self.seen.get(member) else { return false };
        seen.refused.fetch_add(1, Ordering::Relaxed);
        let in_a_row = seen.refusals.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let most = self.refusals.load(Ordering::Relaxed);
        most > 0 && in_a_row >= most
    }

    pub(super) fn reached(&self, member: usize) {
        // A write for each call would make threads wait for each other's caches.
        if let Some(seen) = self.seen.get(member)
            && seen.refusals.load(Ordering::Relaxed) > 0
        {
            seen.refusals.store(0, Ordering::Relaxed);
        }
    }
}

/// What is behind the lock.
#[derive(Debug)]
pub(super) struct Core {
    policy: Policy,
    known: Box<[Known]>,
    /// The last change of the active rank.
    last: Option<Switch>,
    /// When the next one comes by itself.
    later: Option<Moment>,
    /// Of what was told last, so that it is told once.
    stuck: Option<Stuck>,
    failovers: u64,
    failbacks: u64,
    by_hand: u64,
}

/// A member, behind the lock.
#[derive(Debug)]
struct Known {
    name: Arc<str>,
    /// Whether somebody would find out that it is back.
    is_asked: bool,
    watched: Watched,
}

/// What the policy wants.
enum Wanted {
    /// All is as it should be, or as good as it can be by itself.
    Stay(Option<Stuck>),
    /// A change, when its time has come.
    Later(Moment),
    Now(u16, Why),
}

impl Core {
    pub(super) fn new<M>(policy: Policy, members: &[Member<M>]) -> Self {
        let known = members.iter().map(|it| Known {
            name: Arc::clone(&it.name),
            is_asked: it.watch.is_some(),
            watched: Watched::new(&it.watch.unwrap_or_default()),
        });
        Self {
            policy,
            known: known.collect(),
            last: None,
            later: None,
            stuck: None,
            failovers: 0,
            failbacks: 0,
            by_hand: 0,
        }
    }

    pub(super) const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// A probe of a member ended.
    pub(super) fn probed(
        &mut self,
        shared: &Shared,
        now: Moment,
        member: usize,
        passed: bool,
        events: &mut Vec<Event>,
    ) {
        let Some(known) = self.known.get_mut(member) else { return };
        if known.watched.probed(now, passed).is_some() {
            self.changed(shared, now, member, Evidence::Probes, events);
        }
        if passed {
            shared.reached(member);
        }
        self.settle(shared, now, events);
    }

    /// A member was refused once too often.
    pub(super) fn refused(
        &mut self,
        shared: &Shared,
        now: Moment,
        member: usize,
        events: &mut Vec<Event>,
    ) {
        shared.reached(member);
        if self.known[member].watched.failed(now).is_some() {
            self.changed(shared, now, member, Evidence::Refusals, events);
        }
        self.settle(shared, now, events);
    }

    fn changed(
        &self,
        shared: &Shared,
        at: Moment,
        member: usize,
        evidence: Evidence,
        events: &mut Vec<Event>,
    ) {
        let Known { name, watched, .. } = &self.known[member];
        let health = watched.health();
        shared.seen[member].health.store(health as u8, Ordering::Relaxed);
        events.push(Event::Health { at, member: Arc::clone(name), health, evidence });
    }

    /// Does what the policy wants, now or when its time has come.
    pub(super) fn settle(&mut self, shared: &Shared, now: Moment, events: &mut Vec<Event>) {
        let lapse = self.lapse(shared, now, events);
        let (mut later, mut stuck) = (None, None);
        match self.wanted(shared, now) {
            Wanted::Stay(why) => stuck = why,
            Wanted::Later(at) => later = Some(at),
            Wanted::Now(rank, why) => {
                self.enter(shared, now, rank, why, events);
            }
        }
        let due = later.into_iter().chain(lapse).min();
        shared.due.store(due.map_or(NEVER, nanos), Ordering::Relaxed);
        if let Some(why) = stuck.filter(|_| self.stuck != stuck) {
            let active = Arc::clone(shared.label(shared.word().rank));
            events.push(Event::Stuck { at: now, active, why });
        }
        (self.later, self.stuck) = (later, stuck);
    }

    /// Forgets what refusals said of members that nobody asks, as else it would hold for ever. Gives when there is more to
    /// forget.
    fn lapse(&mut self, shared: &Shared, now: Moment, events: &mut Vec<Event>) -> Option<Moment> {
        let mut next = None;
        for member in 0..self.known.len() {
            let Known { watched, is_asked, .. } = &mut self.known[member];
            if *is_asked || watched.health() != Health::Unhealthy {
                continue;
            }
            let until = watched.since() + self.policy.hold;
            if now <= until {
                next = next.into_iter().chain([until]).min();
            } else if watched.forget(now).is_some() {
                self.changed(shared, now, member, Evidence::Lapsed, events);
            }
        }
        next
    }

    fn wanted(&self, shared: &Shared, now: Moment) -> Wanted {
        let active = shared.word().rank;
        if self.is_lost(shared, active) {
            let others = || (0..shared.ranks.len() as u16).filter(|it| *it != active);
            let healthy = others().find(|it| self.healthy_since(shared, *it).is_some());
            let next = healthy.or_else(|| others().find(|it| !self.is_lost(shared, *it)));
            return match next {
                None => Wanted::Stay(Some(Stuck::NobodyLeft)),
                Some(_) if !self.policy.automatic => Wanted::Stay(Some(Stuck::ByHand)),
                Some(next) => self.after_hold(now, Moment::START, next, Why::Failover),
            };
        }
        match self.policy.failback {
            // What an operator chose stays until it fails.
            Failback::Automatic { after } if self.left_by_itself().is_some() => {
                let back = |rank: u16| Some((self.healthy_since(shared, rank)? + after, rank));
                // The best of those whose time has come, or else the first whose time comes.
                let all: Vec<_> = (0..active).filter_map(back).collect();
                let ready = all.iter().find(|it| it.0 <= now);
                match ready.or_else(|| all.iter().min()) {
                    Some((at, rank)) => self.after_hold(now, *at, *rank, Why::Healed),
                    None => Wanted::Stay(None),
                }
            }
            Failback::Automatic { .. } | Failback::Manual => Wanted::Stay(None),
        }
    }

    fn after_hold(&self, now: Moment, not_before: Moment, rank: u16, why: Why) -> Wanted {
        let held = self.left_by_itself().map(|it| it + self.policy.hold);
        let at = not_before.max(held.unwrap_or_default());
        if now >= at { Wanted::Now(rank, why) } else { Wanted::Later(at) }
    }

    /// When the policy made the last change, if it was not a person.
    fn left_by_itself(&self) -> Option<Moment> {
        let last = self.last.as_ref()?;
        last.why.is_automatic().then_some(last.at)
    }

    fn members_of(&self, shared: &Shared, rank: u16) -> impl Iterator<Item = &Watched> {
        self.known[shared.members_of(rank)].iter().map(|it| &it.watched)
    }

    /// Whether nobody of a rank should be called.
    fn is_lost(&self, shared: &Shared, rank: u16) -> bool {
        self.members_of(shared, rank).all(|it| it.health() == Health::Unhealthy)
    }

    /// Since when somebody of a rank is healthy.
    fn healthy_since(&self, shared: &Shared, rank: u16) -> Option<Moment> {
        let healthy = |it: &&Watched| it.health() == Health::Healthy;
        self.members_of(shared, rank).filter(healthy).map(Watched::since).min()
    }

    fn enter(
        &mut self,
        shared: &Shared,
        at: Moment,
        rank: u16,
        why: Why,
        events: &mut Vec<Event>,
    ) -> Switch {
        let before = shared.word();
        let word = before.next(rank);
        shared.word.store(word.pack(), Ordering::Release);
        let total = match why {
            Why::Failover => &mut self.failovers,
            Why::Healed | Why::Failback => &mut self.failbacks,
            Why::Told | Why::Forced => &mut self.by_hand,
        };
        *total += 1;
        let [from, to] = [before.rank, rank].map(|it| Arc::clone(shared.label(it)));
        let switch = Switch { at, epoch: word.epoch, from, to, why };
        self.last = Some(switch.clone());
        events.push(Event::Switched(switch.clone()));
        switch
    }

    /// Does what an operator says, or says why not.
    pub(super) fn told(
        &mut self,
        shared: &Shared,
        now: Moment,
        rank: u16,
        why: Why,
        events: &mut Vec<Event>,
    ) -> Result<Switch, Refused> {
        let to = || Arc::clone(shared.label(rank));
        if shared.word().rank == rank {
            return Err(Refused::Active { active: to() });
        }
        if self.is_lost(shared, rank) {
            let since = self.members_of(shared, rank).map(Watched::since).max();
            return Err(Refused::Unhealthy { to: to(), since: since.unwrap_or_default() });
        }
        let switch = self.enter(shared, now, rank, why, events);
        self.settle(shared, now, events);
        Ok(switch)
    }

    /// Does what an operator says who knows better.
    pub(super) fn forced(
        &mut self,
        shared: &Shared,
        now: Moment,
        member: usize,
        events: &mut Vec<Event>,
    ) {
        if self.known[member].watched.forget(now).is_some() {
            self.changed(shared, now, member, Evidence::Forced, events);
        }
        let rank = shared.rank_of(member);
        if shared.word().rank != rank {
            self.enter(shared, now, rank, Why::Forced, events);
        }
        self.settle(shared, now, events);
    }

    /// Takes another policy.
    pub(super) fn reload(
        &mut self,
        shared: &Shared,
        now: Moment,
        policy: Policy,
        events: &mut Vec<Event>,
    ) {
        shared.refusals.store(policy.refusals.unwrap_or(0), Ordering::Relaxed);
        shared.refuses.store(policy.when_lost == WhenLost::Refuse, Ordering::Relaxed);
        self.policy = policy;
        self.settle(shared, now, events);
    }

    pub(super) fn snapshot(&self, shared: &Shared) -> Snapshot {
        let Word { epoch, rank: active } = shared.word();
        let members = (0..).zip(&self.known).map(|(index, Known { name, watched, .. })| {
            let (rank, seen) = (shared.rank_of(index), &shared.seen[index]);
            MemberSnapshot {
                name: Arc::clone(name),
                rank,
                is_active: rank == active,
                health: watched.health(),
                since: watched.since(),
                against: watched.against(),
                passed_total: watched.passed_total(),
                failed_total: watched.failed_total(),
                refused_total: seen.refused.load(Ordering::Relaxed),
                picked_total: seen.picked.load(Ordering::Relaxed),
            }
        });
        Snapshot {
            active: Arc::clone(shared.label(active)),
            first: Arc::clone(shared.label(0)),
            rank: active,
            epoch,
            last: self.last.clone(),
            stuck: self.stuck,
            later: self.later,
            members: members.collect(),
            failovers_total: self.failovers,
            failbacks_total: self.failbacks,
            by_hand_total: self.by_hand,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_of_members_are_found_by_their_numbers() {
        let members: Vec<_> = ["a", "b", "c", "d"].map(|it| Member::new(it, ())).into();
        let shared = Shared::new(&members, vec![0..2, 2..3, 3..4], &Policy::default());
        assert_eq!([0, 1, 2, 3].map(|it| shared.rank_of(it)), [0, 0, 1, 2]);
        assert_eq!(&**shared.label(0), "a, b");
    }
}
