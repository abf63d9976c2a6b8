//! A naive cache of lists that are searched, and the real one beside it through whatever callers do.

use std::task::{Poll, Waker};

use proptest::prelude::*;

use super::*;

const FRESH: u64 = 10;
const AT_ONCE: u64 = 20;
const USABLE: u64 = 60;
const FAILURE: u64 = 5;

type Brought = Result<(u32, Origin), Error<u32>>;

#[derive(Clone, Debug, PartialEq)]
enum Told {
    Answer(u32, Origin),
    Refresh(u32, Origin),
    Lead,
    Wait,
    Failed(Error<u32>),
}

#[derive(Debug)]
struct Kept {
    key: u8,
    used: bool,
    /// Value and when it was asked for.
    answer: Option<(u32, u64)>,
    /// What it brought and until when it is remembered.
    failure: Option<(Brought, u64)>,
}

impl Kept {
    fn usable(&self, now: u64) -> Option<(u32, u64)> {
        self.answer.filter(|it| now.saturating_sub(it.1) < USABLE)
    }

    fn failure(&self, now: u64) -> Option<Brought> {
        self.failure.clone().filter(|it| now < it.1).map(|it| it.0)
    }
}

#[derive(Debug)]
struct Call {
    key: u8,
    before: Option<(u32, u64)>,
    /// Whether it is the one of its key.
    current: bool,
    /// Callers that wait, by their numbers.
    waits: Vec<usize>,
    /// One that has been given the lead, and does not know yet.
    given: Option<usize>,
    landed: Option<Brought>,
}

#[derive(Default, Debug)]
struct Naive {
    capacity: usize,
    kept: Vec<Kept>,
    hand: usize,
    evicted: u64,
    calls: Vec<Call>,
}

impl Naive {
    fn current(&self, key: u8) -> Option<usize> {
        self.calls.iter().position(|it| it.current && it.key == key)
    }

    fn ask(&mut self, now: u64, key: u8) -> Told {
        let mut before = None;
        if let Some(kept) = self.kept.iter_mut().find(|it| it.key == key) {
            kept.used = true;
            match (kept.usable(now), kept.failure(now)) {
                (Some((value, asked)), _) if now.saturating_sub(asked) < FRESH => {
                    return Told::Answer(value, Origin::Fresh);
                }
                (Some((value, _)), Some(_)) => return Told::Answer(value, Origin::StaleIfError),
                (None, Some(Ok((value, origin)))) => return Told::Answer(value, origin),
                (None, Some(Err(error))) => return Told::Failed(error),
                (usable, None) => before = usable,
            }
        }
        let under_way = self.current(key).is_some();
        let told = match before {
            Some((value, asked)) if now - asked < AT_ONCE => match under_way {
                true => return Told::Answer(value, Origin::Stale),
                false => Told::Refresh(value, Origin::Stale),
            },
            _ if under_way => return Told::Wait,
            _ => Told::Lead,
        };
        let (waits, given, landed) = (Vec::new(), None, None);
        self.calls.push(Call { key, before, current: true, waits, given, landed });
        told
    }

    fn next_out(&mut self, now: u64) -> usize {
        loop {
            let at = if self.hand < self.kept.len() { self.hand } else { 0 };
            self.hand = at + 1;
            let kept = &mut self.kept[at];
            if kept.usable(now).is_none() && kept.failure(now).is_none() {
                return at;
            }
            if !kept.used {
                self.evicted += 1;
                return at;
            }
            kept.used = false;
        }
    }

    fn of(&mut self, now: u64, key: u8) -> Option<&mut Kept> {
        if let Some(at) = self.kept.iter().position(|it| it.key == key) {
            return self.kept.get_mut(at);
        }
        let new = Kept { key, used: false, answer: None, failure: None };
        if self.capacity == 0 {
            return None;
        }
        let at = match self.kept.len() < self.capacity {
            true => {
                self.kept.push(new);
                self.kept.len() - 1
            }
            false => {
                let at = self.next_out(now);
                self.kept[at] = new;
                at
            }
        };
        self.kept.get_mut(at)
    }

    fn keep(&mut self, now: u64, key: u8, value: u32, asked: u64) {
        if let Some(kept) = self.of(now, key)
            && kept.answer.is_none_or(|it| it.1 <= asked)
        {
            (kept.answer, kept.failure) = (Some((value, asked)), None);
        }
    }

    fn land(&mut self, now: u64, call: usize, asked: u64, result: Result<u32, Brought>) -> Brought {
        let (key, before) = (self.calls[call].key, self.calls[call].before);
        let present = self.kept.iter().find(|it| it.key == key).and_then(|it| it.answer);
        let best = before.into_iter().chain(present).filter(|it| now - it.1 < USABLE);
        let best = best.max_by_key(|it| it.1);
        let current = std::mem::take(&mut self.calls[call].current);
        let brought = match result {
            Ok(value) => {
                if current {
                    self.keep(now, key, value, asked);
                }
                Ok((value, Origin::Asked))
            }
            Err(failed) => {
                if current
                    && failed != Err(Error::Full)
                    && let Some(kept) = self.of(now, key)
                {
                    kept.failure = Some((failed.clone(), now + FAILURE));
                }
                match best {
                    Some((value, asked)) if now - asked < FRESH => Ok((value, Origin::Fresh)),
                    Some((value, _)) => Ok((value, Origin::StaleIfError)),
                    None => failed,
                }
            }
        };
        self.calls[call].landed = Some(brought.clone());
        brought
    }

    fn hand_on(&mut self, call: usize) {
        let call = &mut self.calls[call];
        match call.waits.is_empty() {
            true => call.current = false,
            false => call.given = Some(call.waits.remove(0)),
        }
    }
}

/// A caller that has the lead, or waits, in both worlds.
struct Leads {
    real: Lead<u8, u32, u32, SipKeys>,
    call: usize,
    asked: u64,
}

struct Waits {
    real: Follower<u8, u32, u32, SipKeys>,
    call: usize,
    number: usize,
}

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Ask(u8),
    Answer(usize),
    Fail(usize),
    AnswerBadly(usize),
    Refuse(usize),
    GiveUp(usize),
    Poll(usize),
    Leave(usize),
    Insert(u8, u64),
    Remove(u8),
    Reload(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0u64..15).prop_map(Step::Pass),
        9 => (0u8..6).prop_map(Step::Ask),
        3 => any::<usize>().prop_map(Step::Answer),
        2 => any::<usize>().prop_map(Step::Fail),
        1 => any::<usize>().prop_map(Step::AnswerBadly),
        1 => any::<usize>().prop_map(Step::Refuse),
        2 => any::<usize>().prop_map(Step::GiveUp),
        5 => any::<usize>().prop_map(Step::Poll),
        2 => any::<usize>().prop_map(Step::Leave),
        2 => (0u8..6, 0u64..30).prop_map(|(key, ago)| Step::Insert(key, ago)),
        1 => (0u8..6).prop_map(Step::Remove),
        1 => (0usize..6).prop_map(Step::Reload),
    ];
    prop::collection::vec(step, 1..250)
}

fn pick<T>(of: &mut Vec<T>, at: usize) -> Option<T> {
    (!of.is_empty()).then(|| of.swap_remove(at % of.len()))
}

fn plain(answer: Result<Answer<u32>, Error<u32>>) -> Brought {
    answer.map(|it| (it.value, it.origin))
}

fn asked(
    now: u64,
    real: Asked<u8, u32, u32, SipKeys>,
    (leads, waits): (&mut Vec<Leads>, &mut Vec<Waits>),
    (naive, number): (&mut Naive, usize),
    key: u8,
) -> Told {
    let mut leads = |real| leads.push(Leads { real, call: naive.calls.len() - 1, asked: now });
    match real {
        Asked::Answer(it) => Told::Answer(it.value, it.origin),
        Asked::Failed(error) => Told::Failed(error),
        Asked::Lead(real) => {
            leads(real);
            Told::Lead
        }
        Asked::Refresh(it, real) => {
            leads(real);
            Told::Refresh(it.value, it.origin)
        }
        Asked::Wait(real) => {
            if let Some(call) = naive.current(key) {
                naive.calls[call].waits.push(number);
                waits.push(Waits { real, call, number });
            }
            Told::Wait
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn it_is_as_a_naive_one_whatever_its_callers_do(steps in steps(), capacity in 0usize..6) {
        let cache: Cache = Arc::new(StaleCache::try_new(policy(capacity)).unwrap());
        let mut naive = Naive { capacity, ..Naive::default() };
        let (mut leads, mut waits): (Vec<Leads>, Vec<Waits>) = (Vec::new(), Vec::new());
        let mut now = 100;
        for (number, step) in steps.into_iter().enumerate() {
            let value = u32::try_from(number).unwrap();
            match step {
                Step::Pass(seconds) => now += seconds,
                Step::Ask(key) => {
                    let expected = naive.ask(now, key);
                    let real = cache.ask(at(now), &key);
                    let told = asked(now, real, (&mut leads, &mut waits), (&mut naive, number), key);
                    prop_assert_eq!(told, expected);
                }
                Step::Answer(which) | Step::AnswerBadly(which) | Step::Fail(which) | Step::Refuse(which) => {
                    let Some(Leads { real, call, asked }) = pick(&mut leads, which) else { continue };
                    let (told, result) = match step {
                        Step::Answer(_) => (real.land(at(now), Ok(value)), Ok(value)),
                        Step::AnswerBadly(_) => {
                            (real.land_failed(at(now), value), Err(Ok((value, Origin::Failed))))
                        }
                        _ => {
                            let is_refused = matches!(step, Step::Refuse(_));
                            let error = if is_refused { Error::Full } else { Error::Inner(value) };
                            (real.land(at(now), Err(error.clone())), Err(Err(error)))
                        }
                    };
                    prop_assert_eq!(plain(told), naive.land(now, call, asked, result));
                }
                Step::GiveUp(which) => {
                    let Some(lead) = pick(&mut leads, which) else { continue };
                    drop(lead.real);
                    naive.hand_on(lead.call);
                }
                Step::Poll(which) => {
                    let Some(mut wait) = pick(&mut waits, which) else { continue };
                    let call = &mut naive.calls[wait.call];
                    match wait.real.poll(at(now), Waker::noop()) {
                        Poll::Pending => {
                            prop_assert!(call.landed.is_none() && call.given != Some(wait.number));
                            waits.push(wait);
                        }
                        Poll::Ready(Outcome::Answer(answer)) => {
                            prop_assert_eq!(Some(plain(answer)), call.landed.clone());
                        }
                        Poll::Ready(Outcome::Lead(real)) => {
                            prop_assert!(call.landed.is_none());
                            prop_assert_eq!(call.given.take(), Some(wait.number));
                            leads.push(Leads { real, call: wait.call, asked: now });
                        }
                    }
                }
                Step::Leave(which) => {
                    let Some(wait) = pick(&mut waits, which) else { continue };
                    drop(wait.real);
                    let call = &mut naive.calls[wait.call];
                    call.waits.retain(|it| *it != wait.number);
                    if call.given.take_if(|it| *it == wait.number).is_some() && call.landed.is_none() {
                        naive.hand_on(wait.call);
                    }
                }
                Step::Insert(key, ago) => {
                    cache.insert(at(now - ago), key, value);
                    naive.keep(now - ago, key, value, now - ago);
                }
                Step::Remove(key) => {
                    let kept = naive.kept.iter().position(|it| it.key == key);
                    let call = naive.current(key);
                    prop_assert_eq!(cache.remove(&key), kept.is_some() || call.is_some());
                    kept.map(|it| naive.kept.swap_remove(it));
                    if let Some(call) = call {
                        naive.calls[call].current = false;
                    }
                }
                Step::Reload(capacity) => {
                    cache.reload(at(now), &policy(capacity)).unwrap();
                    naive.capacity = capacity;
                    while naive.kept.len() > capacity {
                        let at = naive.next_out(now);
                        naive.kept.swap_remove(at);
                    }
                }
            }
            // Of each key, one call may be under way that is not of before the key was removed.
            for key in 0..6 {
                prop_assert!(naive.calls.iter().filter(|it| it.current && it.key == key).count() <= 1);
            }
            let seen = cache.snapshot();
            prop_assert!(naive.kept.len() <= naive.capacity);
            prop_assert_eq!(seen.entries, naive.kept.len() as u64);
            prop_assert_eq!(seen.evictions, naive.evicted);
            prop_assert_eq!(seen.in_flight, naive.calls.iter().filter(|it| it.current).count() as u64);
        }
        drop((leads, waits));
        prop_assert_eq!(cache.snapshot().in_flight, 0);
    }
}
