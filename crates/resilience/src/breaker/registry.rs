//! Registry: a circuit for each endpoint, as many as are in use, and not more than may be.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_units::Moment;

use super::{Breaker, Listener, Policy, PolicyError, Snapshot, State};
use crate::sync::{Mutex, MutexGuard, locked};

/// Circuits by endpoint, made when they are first asked for.
///
/// A circuit that nobody has asked for in a while is forgotten, and when there are as many as may be, the one that was not
/// asked for the longest is, though a closed one before any that is open: so that endpoints that come and go, or keys that
/// somebody outside makes up, do not fill the memory. What still holds its circuit keeps it.
///
/// ```
/// use std::time::Duration;
/// use evenkeel_resilience::breaker::{Outcome, Policy, Registry};
/// use evenkeel_resilience::Moment;
///
/// let policy = Policy::consecutive(1);
/// let circuits = Registry::<String>::try_new(policy, 1_000, Duration::from_secs(600))?;
/// let now = Moment::at(Duration::from_secs(1));
/// let circuit = circuits.get(now, "10.0.0.7:8080");
/// let ticket = circuit.admit(now)?;
/// circuit.record(now, ticket, Outcome::Failure);
/// assert!(circuits.get(now, "10.0.0.7:8080").admit(now).is_err());
/// assert!(circuits.get(now, "10.0.0.8:8080").admit(now).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Registry<K> {
    /// The most circuits.
    most: usize,
    idle: Duration,
    state: Mutex<Circuits<K>>,
    listeners: Option<Box<ListenerOf<K>>>,
}

type ListenerOf<K> = dyn Fn(&K) -> Listener + Send + Sync;

#[derive(Debug)]
struct Circuits<K> {
    policy: Policy,
    by_key: BTreeMap<K, Circuit>,
    /// The keys by when they were last asked for; each moment has a number, as many may be the same.
    by_use: BTreeMap<(Moment, u64), K>,
    uses: u64,
    forgotten: u64,
}

#[derive(Debug)]
struct Circuit {
    breaker: Arc<Breaker>,
    used: (Moment, u64),
}

/// Closed circuits are forgotten before open ones, among so many that were not asked for the longest.
const LOOKED_AT: usize = 8;

impl<K: Ord + Clone> Registry<K> {
    /// Of circuits with one policy: `most` of them, 1 at least, each forgotten when nobody asked for it for longer than
    /// `idle`. That should be a few times the longest wait of the policy.
    ///
    /// # Errors
    /// When the policy contradicts itself.
    pub fn try_new(policy: Policy, most: usize, idle: Duration) -> Result<Self, PolicyError> {
        policy.check()?;
        let state = Mutex::new(Circuits {
            policy,
            by_key: BTreeMap::new(),
            by_use: BTreeMap::new(),
            uses: 0,
            forgotten: 0,
        });
        Ok(Self { most: most.max(1), idle, state, listeners: None })
    }

    /// The same where `of` makes who is told of the changes of state of an endpoint's circuit; it must not ask for a circuit.
    ///
    /// ```
    /// use std::time::Duration;
    /// use evenkeel_resilience::breaker::{Policy, Registry};
    /// use evenkeel_resilience::observe::Events;
    /// use evenkeel_resilience::Moment;
    ///
    /// let events = Events::new(|name, event| eprintln!("{name}: {event}"));
    /// let circuits = Registry::try_new(Policy::default(), 1_000, Duration::from_secs(600))?
    ///     .listeners(move |endpoint| events.of(format!("prices {endpoint}")));
    /// circuits.get(Moment::START, &"10.0.0.7:8080").force_open(Moment::START);
    /// # Ok::<(), evenkeel_resilience::breaker::PolicyError>(())
    /// ```
    pub fn listeners(self, of: impl Fn(&K) -> Listener + Send + Sync + 'static) -> Self {
        Self { listeners: Some(Box::new(of)), ..self }
    }

    /// The circuit of an endpoint. The key is copied only when that circuit is made.
    pub fn get<Q>(&self, now: Moment, key: &Q) -> Arc<Breaker>
    where
        K: Borrow<Q>,
        Q: Ord + ToOwned<Owned = K> + ?Sized,
    {
        let mut state = self.lock();
        state.expire(now, self.idle);
        state.uses += 1;
        let used = (now, state.uses);
        if let Some(circuit) = state.by_key.get_mut(key) {
            let before = std::mem::replace(&mut circuit.used, used);
            let breaker = Arc::clone(&circuit.breaker);
            if let Some(key) = state.by_use.remove(&before) {
                state.by_use.insert(used, key);
            }
            return breaker;
        }
        while state.by_key.len() >= self.most {
            state.make_room();
        }
        let key = key.to_owned();
        let breaker = Breaker::unchecked(state.policy.clone(), super::chance());
        let breaker = Arc::new(match &self.listeners {
            Some(of) => breaker.listener(of(&key)),
            None => breaker,
        });
        let circuit = Circuit { breaker: Arc::clone(&breaker), used };
        state.by_key.insert(key.clone(), circuit);
        state.by_use.insert(used, key);
        breaker
    }

    /// How many circuits there are.
    pub fn len(&self) -> usize {
        self.lock().by_key.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Circuits that were forgotten, since the beginning. Where it grows fast, `most` is too small.
    pub fn forgotten_total(&self) -> u64 {
        self.lock().forgotten
    }

    /// All numbers of all circuits, by endpoint.
    pub fn snapshots(&self, now: Moment) -> Vec<(K, Snapshot)> {
        self.circuits().into_iter().map(|(key, breaker)| (key, breaker.snapshot(now))).collect()
    }

    /// All circuits, by endpoint.
    pub(crate) fn circuits(&self) -> Vec<(K, Arc<Breaker>)> {
        let state = self.lock();
        state.by_key.iter().map(|(key, it)| (key.clone(), Arc::clone(&it.breaker))).collect()
    }

    /// Gives all circuits another policy, and those to come. The windows stay.
    ///
    /// # Errors
    /// When the policy contradicts itself; nothing has changed then.
    pub fn reload(&self, now: Moment, policy: Policy) -> Result<(), PolicyError> {
        policy.check()?;
        let mut state = self.lock();
        for circuit in state.by_key.values() {
            circuit.breaker.reload(now, policy.clone())?;
        }
        state.policy = policy;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Circuits<K>> {
        locked(&self.state)
    }
}

impl<K> fmt::Debug for Registry<K> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let circuits = locked(&self.state).by_key.len();
        to.debug_struct("Registry").field("circuits", &circuits).finish_non_exhaustive()
    }
}

impl<K: Ord + Clone> Circuits<K> {
    /// Forgets what nobody asked for in a while.
    fn expire(&mut self, now: Moment, idle: Duration) {
        while let Some((oldest, _)) = self.by_use.first_key_value()
            && now - oldest.0 > idle
        {
            let oldest = *oldest;
            self.forget(oldest);
        }
    }

    /// Forgets one.
    fn make_room(&mut self) {
        let is_closed =
            |key: &K| self.by_key.get(key).is_none_or(|it| it.breaker.state() == State::Closed);
        let mut oldest = self.by_use.iter().take(LOOKED_AT);
        let closed = oldest.find(|it| is_closed(it.1)).map(|it| *it.0);
        if let Some(used) = closed.or_else(|| self.by_use.keys().next().copied()) {
            self.forget(used);
        }
    }

    fn forget(&mut self, used: (Moment, u64)) {
        if let Some(key) = self.by_use.remove(&used) {
            self.by_key.remove(&key);
            self.forgotten += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::breaker::Outcome;
    use proptest::prelude::*;

    fn at(second: u64) -> Moment {
        Moment::at(Duration::from_secs(second))
    }

    fn registry(most: usize) -> Registry<u8> {
        Registry::try_new(Policy::consecutive(1), most, Duration::from_mins(1)).unwrap()
    }

    fn open(registry: &Registry<u8>, now: Moment, key: u8) {
        let breaker = registry.get(now, &key);
        let ticket = breaker.admit(now).unwrap();
        breaker.record(now, ticket, Outcome::Failure);
    }

    fn keys(registry: &Registry<u8>) -> Vec<u8> {
        registry.snapshots(at(0)).into_iter().map(|it| it.0).collect()
    }

    #[test]
    fn one_endpoint_has_one_circuit() {
        let registry = registry(9);
        assert!(Arc::ptr_eq(&registry.get(at(0), &1), &registry.get(at(60), &1)));
    }

    #[test]
    fn a_circuit_that_nobody_asks_for_is_forgotten() {
        let registry = registry(9);
        registry.get(at(0), &1);
        registry.get(at(50), &2);
        registry.get(at(61), &3);
        assert_eq!(keys(&registry), [2, 3]);
    }

    #[test]
    fn a_full_registry_forgets_the_closed_circuit_that_was_not_asked_for_the_longest() {
        let registry = registry(3);
        open(&registry, at(0), 1);
        registry.get(at(1), &2);
        registry.get(at(2), &3);
        registry.get(at(3), &2);
        registry.get(at(4), &4);
        assert_eq!(keys(&registry), [1, 2, 4]);
        assert_eq!(registry.forgotten_total(), 1);
    }

    #[test]
    fn another_policy_is_that_of_all_circuits() {
        let registry = registry(3);
        registry.get(at(0), &1);
        registry.reload(at(0), Policy::consecutive(2)).unwrap();
        open(&registry, at(0), 1);
        open(&registry, at(0), 2);
        assert!(registry.snapshots(at(0)).iter().all(|it| it.1.state == State::Closed));
    }

    #[test]
    fn each_circuit_tells_its_own_listener() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let to = Arc::clone(&told);
        let registry = registry(3).listeners(move |key| {
            let (key, to) = (*key, Arc::clone(&to));
            Arc::new(move |it| to.lock().unwrap().push((key, it.to)))
        });
        open(&registry, at(0), 7);
        registry.get(at(0), &8);
        assert_eq!(*told.lock().unwrap(), [(7, State::Open)]);
    }

    proptest! {
        #[test]
        fn there_never_are_more_circuits_than_may_be_nor_idle_ones(
            asks in prop::collection::vec((0u64..40, any::<u8>()), 1..100), most in 1usize..9,
        ) {
            let registry = registry(most);
            let mut now = 0;
            let mut last = BTreeMap::new();
            for (seconds, key) in asks {
                now += seconds;
                registry.get(at(now), &key);
                last.insert(key, now);
                let keys = keys(&registry);
                prop_assert!(keys.len() <= most && keys.contains(&key));
                prop_assert!(keys.iter().all(|it| now - last[it] <= 60));
                prop_assert_eq!(keys.len(), registry.lock().by_use.len());
            }
        }
    }
}
