//! Registry: machines by name, whose numbers are read when somebody asks.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use evenkeel_units::Moment;

use super::{Format, Machine, Measures, Sample, text};
use crate::sync::{Mutex, MutexGuard, locked};

/// Machines by name. A machine is added once; a call then costs what it did before, since its counters are its own, and are
/// read when somebody asks. The lock here is taken to add and to ask, never by a call.
///
/// ```
/// use std::sync::Arc;
/// use evenkeel_resilience::{Bulkhead, bulkhead::Policy, observe::{Format, Registry}};
/// use evenkeel_resilience::Moment;
///
/// let registry = Registry::new();
/// let prices = Arc::new(Bulkhead::try_new(Policy::at_once(5))?);
/// registry.add("prices", Arc::clone(&prices))?;
///
/// let permit = prices.try_enter()?;
/// let text = registry.text(Moment::START, Format::Prometheus);
/// assert!(text.contains("resilience_bulkhead_available_concurrent_calls{name=\"prices\"} 4\n"));
/// # drop(permit); Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct Registry {
    machines: Mutex<Machines>,
}

/// By pattern, then by name.
type Machines = BTreeMap<(&'static str, Arc<str>), Arc<dyn Machine>>;

/// There is a machine of this pattern and name already; two would be one series.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is a {pattern} named {name:?} already: take another name, or remove that one first")]
pub struct Taken {
    /// The pattern.
    pub pattern: &'static str,
    /// The name.
    pub name: Arc<str>,
}

impl Registry {
    /// Without machines.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a machine, mostly an `Arc` of one, by the name of what it protects. Machines of several patterns may have the same name.
    ///
    /// # Errors
    /// When there is one of this pattern and name; that one stays.
    pub fn add(
        &self,
        name: impl Into<Arc<str>>,
        machine: impl Machine + 'static,
    ) -> Result<(), Taken> {
        self.add_all(&name.into(), vec![Arc::new(machine)])
    }

    /// Adds machines of several patterns by one name: all or, when there is one of them already, none.
    pub(crate) fn add_all(&self, name: &Arc<str>, new: Vec<Arc<dyn Machine>>) -> Result<(), Taken> {
        let mut machines = self.lock();
        let key = |it: &Arc<dyn Machine>| (it.pattern(), Arc::clone(name));
        if let Some((pattern, name)) = new.iter().map(key).find(|it| machines.contains_key(it)) {
            return Err(Taken { pattern, name });
        }
        machines.extend(new.into_iter().map(|it| (key(&it), it)));
        Ok(())
    }

    /// Takes out all machines of this name, and says how many there were. Their series end.
    pub fn remove(&self, name: &str) -> usize {
        let mut machines = self.lock();
        let before = machines.len();
        machines.retain(|key, _| &*key.1 != name);
        before - machines.len()
    }

    /// The numbers of all machines now, by pattern and then by name.
    pub fn samples(&self, now: Moment) -> Vec<(Arc<str>, Sample)> {
        self.samples_of(now, |_| true)
    }

    /// Those of some patterns.
    pub(super) fn samples_of(
        &self,
        now: Moment,
        pattern: impl Fn(&str) -> bool,
    ) -> Vec<(Arc<str>, Sample)> {
        // What is measured may be slow, or be added to meanwhile: not under the lock.
        let machines: Vec<_> = {
            let machines = self.lock();
            let wanted = machines.iter().filter(|it| pattern(it.0.0));
            wanted.map(|(key, it)| (Arc::clone(&key.1), Arc::clone(it))).collect()
        };
        let mut found = Vec::new();
        for (name, machine) in machines {
            let mut measures = Measures::default();
            machine.measure(now, &mut measures);
            found.extend(measures.samples.into_iter().map(|it| (Arc::clone(&name), it)));
        }
        found
    }

    /// What a scrape is answered with.
    pub fn text(&self, now: Moment, format: Format) -> String {
        text::write(&self.samples(now), format)
    }

    fn lock(&self) -> MutexGuard<'_, Machines> {
        // A map of shared machines is whole after each change.
        locked(&self.machines)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_set().entries(self.lock().keys()).finish()
    }
}
