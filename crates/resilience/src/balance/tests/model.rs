//! Tests of the balancer: whoever is put aside, against a model that is as simple as can be.

use proptest::prelude::*;
use proptest::strategy::Strategy as Generator;

use super::{Strategy, *};

/// An endpoint of the model.
#[derive(Clone, Debug, Default)]
struct Known {
    is_healthy: bool,
    streak: u32,
    until: Option<u64>,
    times: u32,
    /// Calls that went well and that failed, of this interval.
    calls: (u32, u32),
}

impl Known {
    fn is_available(&self) -> bool {
        self.is_healthy && self.until.is_none()
    }

    fn admit(&mut self) {
        (self.streak, self.calls) = (0, (0, 0));
    }
}

/// All of them, by the second.
#[derive(Debug)]
struct Model {
    of: Vec<Known>,
    sweep_at: u64,
}

const INTERVAL: u64 = 10;
const EJECTION: u64 = 30;
const EJECTION_MAX: u64 = 100;

impl Model {
    fn tick(&mut self, now: u64, healthy: &[bool]) {
        for (it, healthy) in self.of.iter_mut().zip(healthy) {
            let was = it.is_available();
            it.is_healthy = *healthy;
            it.until = it.until.filter(|until| *until > now);
            if it.is_available() && !was {
                it.admit();
            }
        }
        if self.sweep_at > now {
            return;
        }
        let intervals = 1 + (now - self.sweep_at) / INTERVAL;
        self.sweep_at = now + INTERVAL;
        let mut bad = Vec::new();
        for (index, it) in self.of.iter_mut().enumerate() {
            let (good, failed) = mem::take(&mut it.calls);
            if it.until.is_none() {
                it.times = it.times.saturating_sub(intervals as u32);
                if good + failed >= 4 && failed * 4 >= (good + failed) * 3 {
                    bad.push((f64::from(good) / f64::from(good + failed), index));
                }
            }
        }
        bad.sort_by(|one, other| one.0.total_cmp(&other.0));
        bad.into_iter().for_each(|(_, index)| self.eject(now, index));
    }

    fn eject(&mut self, now: u64, index: usize) {
        let ejected = self.of.iter().filter(|it| it.until.is_some()).count();
        let most = (self.of.len() / 2).max(usize::from(self.of.len() > 1));
        let it = &mut self.of[index];
        if it.until.is_none() && ejected < most {
            it.times += 1;
            it.until = Some(now + (EJECTION * u64::from(it.times)).min(EJECTION_MAX));
        }
    }

    fn record(&mut self, now: u64, index: usize, ok: bool, healthy: &[bool]) {
        let it = &mut self.of[index];
        match ok {
            true => (it.streak, it.calls.0) = (0, it.calls.0 + 1),
            false => (it.streak, it.calls.1) = (it.streak + 1, it.calls.1 + 1),
        }
        if !ok && it.streak.is_multiple_of(3) {
            self.tick(now, healthy);
            self.eject(now, index);
        }
    }

    /// Whether so few may be called that all are.
    fn is_panic(&self) -> bool {
        self.of.iter().filter(|it| it.is_available()).count() * 2 < self.of.len()
    }
}

fn policy(strategy: Strategy) -> Policy {
    let outliers = Outliers {
        consecutive: Some(3),
        success_rate: None,
        failure_share: Some(FailureShare {
            share: Ratio::percent(75),
            min_calls: 4,
            min_endpoints: 1,
        }),
        interval: Duration::from_secs(INTERVAL),
        ejection: Duration::from_secs(EJECTION),
        ejection_max: Duration::from_secs(EJECTION_MAX),
        share_max: Ratio::percent(50),
    };
    Policy { outliers: Some(outliers), ..Policy::of(strategy) }
}

#[derive(Clone, Debug)]
enum Step {
    Call { ok: bool },
    Fails { whom: prop::sample::Index },
    Says { of: prop::sample::Index, healthy: bool },
    Waits { seconds: u64 },
}

fn steps() -> impl Generator<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => any::<bool>().prop_map(|ok| Step::Call { ok }),
        6 => any::<prop::sample::Index>().prop_map(|whom| Step::Fails { whom }),
        1 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(of, healthy)| Step::Says { of, healthy }),
        1 => (1u64..45).prop_map(|seconds| Step::Waits { seconds }),
    ];
    prop::collection::vec(step, 1..150)
}

fn strategy() -> impl Generator<Value = Strategy> {
    let hash = ConsistentHash { table: 101, load_max_percent: Some(150) };
    prop::sample::select(vec![
        Strategy::RoundRobin,
        Strategy::LeastConnections,
        Strategy::default(),
        Strategy::ConsistentHash(hash),
    ])
}

proptest! {
    #[test]
    fn whoever_is_put_aside_is_as_the_model_says_and_is_not_called(
        endpoints in 1usize..7, strategy in strategy(), steps in steps(), seed: u64,
    ) {
        let balancer = Balancer::seeded(policy(strategy), Seed(seed)).unwrap();
        balancer.replace(at(0), (0..endpoints).map(|it| Member::new(it.to_string(), it))).unwrap();
        let known = Known { is_healthy: true, ..Known::default() };
        let mut model = Model { of: vec![known; endpoints], sweep_at: INTERVAL };
        let mut healthy = vec![true; endpoints];
        let mut now = 0;
        for step in steps {
            balancer.tick(at(now));
            model.tick(now, &healthy);
            match step {
                Step::Waits { seconds } => now += seconds,
                Step::Says { of, healthy: said } => {
                    let index = of.index(endpoints);
                    healthy[index] = said;
                    balancer.endpoint(&index.to_string()).unwrap().set_healthy(said);
                }
                Step::Fails { whom } => {
                    // A call that was under way before, wherever it is.
                    let index = whom.index(endpoints);
                    let endpoint = balancer.endpoint(&index.to_string()).unwrap();
                    balancer.record(at(now), Balancer::begin(at(now), endpoint), Outcome::Failure);
                    model.record(now, index, false, &healthy);
                }
                Step::Call { ok } => {
                    let ticket = balancer.admit(at(now), None);
                    let Some(ticket) = ticket else {
                        return Err(TestCaseError::fail("half of them may always be called, or all"));
                    };
                    let index = *ticket.endpoint().value();
                    prop_assert!(model.of[index].is_available() || model.is_panic(), "{index}: {model:?}");
                    balancer.record(at(now), ticket, Outcome::from_ok(ok));
                    model.record(now, index, ok, &healthy);
                }
            }
            balancer.tick(at(now));
            model.tick(now, &healthy);
            let seen = balancer.snapshot(at(now));
            prop_assert_eq!(seen.is_panic, model.is_panic());
            for (seen, wanted) in seen.endpoints.iter().zip(&model.of) {
                let until = seen.ejected.map(|it| it.0.elapsed().as_secs());
                prop_assert_eq!((until, seen.ejections, seen.streak), (wanted.until, wanted.times, wanted.streak));
                prop_assert_eq!(seen.is_called, wanted.is_available() || model.is_panic());
                prop_assert_eq!(seen.in_flight, 0);
            }
        }
    }
}
