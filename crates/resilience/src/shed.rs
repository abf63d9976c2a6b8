//! Load shedding: under overload, what matters less gives way first.
//!
//! ```text
//!  calls under way   0 ───────── 50 % ────── 70 % ────── 90 % ── 100 % of the capacity
//!  sheddable         admitted     │ shed
//!  sheddable plus    admitted                  │ shed
//!  critical          admitted                              │ shed
//!  critical plus     admitted                                       │ shed
//! ```
//!
//! A service that can bear only so many calls at once has to refuse some of them when more come. Without priorities it
//! refuses by chance, and a shop loses checkouts while crawlers are served. Here each priority has a share of the capacity up
//! to which it is admitted, so that the last part is kept for what matters most. Nobody waits: a call that is refused
//! at once is the cheapest.
//!
//! **When to use it**: at the door of a service whose requests differ in what they are worth. **When not**: if all are worth the
//! same, a [`bulkhead`](crate::bulkhead) says the same in fewer words; and behind a door where the caller cannot be told apart
//! from one who claims to be important: let the edge set the priority, and trust no header from outside.
//!
//! ```
//! use evenkeel_resilience::shed::{Policy, Priority, Shed};
//!
//! let shed = Shed::try_new(Policy { capacity: 2, ..Policy::default() })?;
//! let crawler = shed.try_enter(Priority::Sheddable)?;
//! assert!(shed.try_enter(Priority::Sheddable).is_err());
//! let checkout = shed.try_enter(Priority::Critical)?;
//! # drop((crawler, checkout));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The four priorities are the criticalities of B. Beyer et al., *Site Reliability Engineering*, 2016, ch. 21.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use evenkeel_units::Ratio;

use crate::Error;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// How much a call is worth, the most first.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Its loss is felt at once and by many: a checkout.
    CriticalPlus,
    /// Its loss is felt by a user. What is not marked is this.
    #[default]
    Critical,
    /// Partial absence is expected now and then; it is tried again in minutes or hours: a batch.
    SheddablePlus,
    /// Frequent absence is expected: a crawler, a preview.
    Sheddable,
}

impl Priority {
    /// All, the most important first.
    pub const ALL: [Self; 4] =
        [Self::CriticalPlus, Self::Critical, Self::SheddablePlus, Self::Sheddable];

    /// As in metrics and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CriticalPlus => "critical_plus",
            Self::Critical => "critical",
            Self::SheddablePlus => "sheddable_plus",
            Self::Sheddable => "sheddable",
        }
    }
}

/// What is shed when. [`Priority::CriticalPlus`] has all of the capacity.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Policy {
    /// Calls under way at the same time, at least 1.
    pub capacity: u32,
    /// The share of the capacity up to which [`Priority::Critical`] is admitted.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::ratio"))]
    pub critical: Ratio,
    /// The share of the capacity up to which [`Priority::SheddablePlus`] is admitted.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::ratio"))]
    pub sheddable_plus: Ratio,
    /// The share of the capacity up to which [`Priority::Sheddable`] is admitted.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::ratio"))]
    pub sheddable: Ratio,
}

impl Default for Policy {
    /// 100 calls at once. Half of them is what a service that is provisioned for the loss of one zone of two uses at its peak, and
    /// so what is always there for everybody; a tenth is kept for what matters most.
    fn default() -> Self {
        Self {
            capacity: 100,
            critical: Ratio::percent(90),
            sheddable_plus: Ratio::percent(70),
            sheddable: Ratio::percent(50),
        }
    }
}

impl Policy {
    /// Whether the values go together.
    ///
    /// # Errors
    /// The field that does not fit, and what to write instead.
    pub fn check(&self) -> Result<(), PolicyError> {
        if self.capacity == 0 {
            return Err(PolicyError::NoCapacity);
        }
        let [more, middle, less] =
            [self.critical, self.sheddable_plus, self.sheddable].map(Ratio::billionths);
        if middle > more {
            return Err(PolicyError::Inverted { more: "critical", less: "sheddable_plus" });
        }
        if less > middle {
            return Err(PolicyError::Inverted { more: "sheddable_plus", less: "sheddable" });
        }
        Ok(())
    }

    /// Up to how many calls under way each priority is admitted; at least one, as an idle service serves everybody that has a
    /// share at all.
    fn places(&self) -> [u32; 4] {
        [Ratio::percent(100), self.critical, self.sheddable_plus, self.sheddable].map(|share| {
            let billionths = u64::from(share.billionths());
            (u64::from(self.capacity) * billionths).div_ceil(1_000_000_000) as u32
        })
    }
}

/// Why a [`Policy`] cannot be followed.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// No capacity.
    #[error("`capacity` is 0, which lets no call through: write at least 1")]
    NoCapacity,
    /// What matters less has the larger share.
    #[error(
        "`{less}` is larger than `{more}`, which sheds what matters more first: write a share of at most that"
    )]
    Inverted {
        /// The more important field.
        more: &'static str,
        /// The less important field, with the larger share.
        less: &'static str,
    },
}

/// Calls of this priority give way now.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("shed, as calls of its priority are now")]
pub struct Rejected;

impl Rejected {
    /// As the error of a call that was not made.
    pub const fn into_error<E>(self) -> Error<E> {
        Error::Shed
    }
}

/// What happened, for a listener.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A call gave way.
    Shed {
        /// What it is worth.
        priority: Priority,
    },
}

/// Who is told, on the thread of the call, without a lock. It must be quick.
pub type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

/// What became of the calls of one priority.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Calls that were ever admitted.
    pub admitted: u64,
    /// Calls that were ever shed.
    pub shed: u64,
}

/// What a dashboard wants to know.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Calls that may be under way.
    pub capacity: u32,
    /// Calls that are under way.
    pub in_flight: u32,
    /// By priority, in the order of [`Priority::ALL`].
    pub counts: [Counts; 4],
}

/// Admits calls by what they are worth. Share it by an `Arc`; see the [module](self).
pub struct Shed {
    in_flight: AtomicU32,
    /// Up to how many calls under way each priority is admitted.
    places: [AtomicU32; 4],
    admitted: [AtomicU64; 4],
    refused: [AtomicU64; 4],
    listener: Option<Listener>,
}

impl Shed {
    /// Under a policy.
    ///
    /// # Errors
    /// When its values do not go together.
    pub fn try_new(policy: Policy) -> Result<Self, PolicyError> {
        policy.check()?;
        Ok(Self {
            in_flight: AtomicU32::new(0),
            places: policy.places().map(AtomicU32::new),
            admitted: [0; 4].map(AtomicU64::new),
            refused: [0; 4].map(AtomicU64::new),
            listener: None,
        })
    }

    /// The same with somebody who is told of calls that give way.
    pub fn listener(self, listener: Listener) -> Self {
        Self { listener: Some(listener), ..self }
    }

    /// Admits a call, if its priority has its turn now.
    ///
    /// # Errors
    /// If not.
    #[inline]
    pub fn try_enter(&self, priority: Priority) -> Result<Permit<&Self>, Rejected> {
        Permit::try_new(self, priority)
    }

    /// Makes a call, if its priority has its turn now.
    ///
    /// # Errors
    /// [`Error::Shed`] if not, in which case `call` was not run; else what the call itself failed with.
    pub async fn call<T, E, F>(
        &self,
        priority: Priority,
        call: impl FnOnce() -> F,
    ) -> Result<T, Error<E>>
    where
        F: Future<Output = Result<T, Error<E>>>,
    {
        let permit = self.try_enter(priority).map_err(Rejected::into_error)?;
        let answer = call().await;
        drop(permit);
        answer
    }

    /// Follows another policy from now on; calls under way go on.
    ///
    /// # Errors
    /// When its values do not go together; nothing has changed then.
    pub fn reload(&self, policy: &Policy) -> Result<(), PolicyError> {
        policy.check()?;
        for (kept, places) in self.places.iter().zip(policy.places()) {
            kept.store(places, Ordering::Relaxed);
        }
        Ok(())
    }

    /// What it is doing and has done.
    pub fn snapshot(&self) -> Snapshot {
        let counts = Priority::ALL.map(|it| Counts {
            admitted: self.admitted[it as usize].load(Ordering::Relaxed),
            shed: self.refused[it as usize].load(Ordering::Relaxed),
        });
        Snapshot {
            capacity: self.places[0].load(Ordering::Relaxed),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            counts,
        }
    }

    #[inline]
    fn take(&self, priority: Priority) -> bool {
        let places = self.places[priority as usize].load(Ordering::Relaxed);
        let mut taken = self.in_flight.load(Ordering::Relaxed);
        while taken < places {
            match self.in_flight.compare_exchange_weak(
                taken,
                taken + 1,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    self.admitted[priority as usize].fetch_add(1, Ordering::Relaxed);
                    return true;
                }
                Err(now) => taken = now,
            }
        }
        self.refuse(priority);
        false
    }

    #[cold]
    fn refuse(&self, priority: Priority) {
        self.refused[priority as usize].fetch_add(1, Ordering::Relaxed);
        if let Some(listener) = &self.listener {
            listener(&Event::Shed { priority });
        }
    }
}

impl fmt::Debug for Shed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shed").field("snapshot", &self.snapshot()).finish_non_exhaustive()
    }
}

/// An admitted call; dropped, it makes room. `H` leads to the [`Shed`]: a reference or an `Arc`.
#[must_use = "a permit that is dropped at once counts for nothing"]
#[derive(Debug)]
pub struct Permit<H: Deref<Target = Shed>> {
    shed: H,
}

impl<H: Deref<Target = Shed>> Permit<H> {
    /// [`Shed::try_enter`] with a handle that may outlive the caller.
    ///
    /// # Errors
    /// If calls of this priority give way now.
    #[inline]
    pub fn try_new(shed: H, priority: Priority) -> Result<Self, Rejected> {
        if shed.take(priority) { Ok(Self { shed }) } else { Err(Rejected) }
    }
}

impl<H: Deref<Target = Shed>> Drop for Permit<H> {
    #[inline]
    fn drop(&mut self) {
        self.shed.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
#[cfg(not(feature = "loom"))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy(capacity: u32, shares: [u32; 3]) -> Policy {
        let [critical, sheddable_plus, sheddable] = shares.map(Ratio::percent);
        Policy { capacity, critical, sheddable_plus, sheddable }
    }

    #[test]
    fn each_priority_is_admitted_up_to_its_share() {
        let shed = Shed::try_new(policy(10, [90, 70, 50])).unwrap();
        let mut permits = Vec::new();
        let fills = [
            Priority::Sheddable,
            Priority::SheddablePlus,
            Priority::Critical,
            Priority::CriticalPlus,
        ]
        .map(|it| {
            permits.extend(std::iter::from_fn(|| shed.try_enter(it).ok()));
            shed.snapshot().in_flight
        });
        assert_eq!(fills, [5, 7, 9, 10]);
        drop(permits);
        let seen = shed.snapshot();
        assert_eq!((seen.in_flight, seen.counts[3]), (0, Counts { admitted: 5, shed: 1 }));
    }

    #[test]
    fn the_smallest_share_lets_one_call_through_and_none_lets_none() {
        let shed = Shed::try_new(policy(3, [100, 1, 0])).unwrap();
        assert!(shed.try_enter(Priority::SheddablePlus).is_ok());
        assert!(shed.try_enter(Priority::Sheddable).is_err());
    }

    #[test]
    fn a_contradictory_policy_names_the_field_and_the_remedy() {
        for (policy, wanted) in [
            (policy(0, [90, 70, 50]), "`capacity` is 0"),
            (policy(1, [60, 70, 50]), "`sheddable_plus` is larger than `critical`"),
            (policy(1, [90, 40, 50]), "`sheddable` is larger than `sheddable_plus`"),
        ] {
            let said = Shed::try_new(policy).unwrap_err().to_string();
            assert!(said.contains(wanted), "{said}");
        }
        Policy::default().check().unwrap();
    }

    #[test]
    fn a_new_policy_holds_from_now_on_and_calls_under_way_go_on() {
        let shed = Shed::try_new(policy(2, [100, 100, 100])).unwrap();
        let both = (
            shed.try_enter(Priority::Critical).unwrap(),
            shed.try_enter(Priority::Critical).unwrap(),
        );
        shed.reload(&policy(1, [100, 100, 100])).unwrap();
        assert_eq!((shed.snapshot().capacity, shed.snapshot().in_flight), (1, 2));
        drop(both.0);
        assert!(shed.try_enter(Priority::CriticalPlus).is_err());
        drop(both.1);
        assert!(shed.try_enter(Priority::Sheddable).is_ok());
    }

    proptest! {
        #[test]
        fn nothing_is_shed_while_something_less_important_would_be_admitted(
            capacity in 1u32..50, mut shares in prop::array::uniform3(0u32..=100), under_way in 0u32..50,
        ) {
            shares.sort_by(|a, b| b.cmp(a));
            let shed = Shed::try_new(policy(capacity, shares)).unwrap();
            let _held: Vec<_> = (0..under_way).map(|_| shed.try_enter(Priority::CriticalPlus)).collect();
            let admitted = Priority::ALL.map(|it| shed.try_enter(it).is_ok());
            prop_assert!(admitted.is_sorted_by(|more, less| more >= less), "{admitted:?}");
        }
    }
}
