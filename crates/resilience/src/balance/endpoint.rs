//! Endpoint: one of those that are called, and what is known of it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use evenkeel_units::Moment;

use super::alarm::Alarm;
use super::latency::Latency;
use crate::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};

/// An endpoint as it is given to a [`Balancer`](super::Balancer).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member<T> {
    /// What it is called by, and told apart: `10.0.0.7:8080`, `checkout-3`. A consistent hash is of this.
    pub name: String,
    /// What calls need: an address, a client, a service.
    pub value: T,
    /// Its share beside the others: 1 to 10,000. 1 by default.
    pub weight: u32,
}

impl<T> Member<T> {
    /// Of weight 1.
    pub fn new(name: impl Into<String>, value: T) -> Self {
        Self { name: name.into(), value, weight: 1 }
    }

    /// The same of another weight.
    pub fn weight(self, weight: u32) -> Self {
        Self { weight, ..self }
    }
}

/// One of those that are called. It derefs to the value it was made with, and lives as long as calls to it are under way, also when it
/// was removed.
pub struct Endpoint<T> {
    value: T,
    name: Arc<str>,
    is_healthy: AtomicBool,
    pub(super) in_flight: AtomicU32,
    pub(super) latency: Latency,
    /// What it has saved up of a weighted rotation. Here, so that it lasts when others come and go.
    pub(super) saved: AtomicI64,
    /// Whether it is put aside as it refused calls itself.
    pub(super) is_shut: AtomicBool,
    /// Failures in a row.
    pub(super) streak: AtomicU32,
    pub(super) succeeded: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) ignored: AtomicU64,
    pub(super) cancelled: AtomicU64,
    alarm: Arc<Alarm>,
}

impl<T> Endpoint<T> {
    pub(super) fn new(name: String, value: T, alarm: Arc<Alarm>) -> Self {
        Self {
            value,
            name: name.into(),
            is_healthy: AtomicBool::new(true),
            in_flight: AtomicU32::new(0),
            latency: Latency::default(),
            saved: AtomicI64::new(0),
            is_shut: AtomicBool::new(false),
            streak: AtomicU32::new(0),
            succeeded: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            ignored: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            alarm,
        }
    }

    /// What it is called by.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// What it was made with.
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// Says how it is, as whoever probes it knows: one that is not healthy is not called, from the next pick on. Each is taken to be healthy until
    /// somebody says otherwise. It costs an atomic write where it is no news, so say it as often as you like.
    pub fn set_healthy(&self, healthy: bool) {
        if self.is_healthy.swap(healthy, Ordering::AcqRel) != healthy {
            self.alarm.ring();
        }
    }

    /// What was said last of how it is. It may be put aside all the same: see [`Balancer::explain`](super::Balancer::explain).
    pub fn is_healthy(&self) -> bool {
        self.is_healthy.load(Ordering::Acquire)
    }

    /// Calls under way.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }
}

impl<T> Deref for Endpoint<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> fmt::Debug for Endpoint<T> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Endpoint")
            .field("name", &self.name)
            .field("is_healthy", &self.is_healthy())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

/// Leave to make one call to an endpoint, which counts as under way. Give it back with
/// [`Balancer::record`](super::Balancer::record), [`release`](super::Balancer::release) or
/// [`abandon`](super::Balancer::abandon): one that is lost counts as a call that runs for ever. A [`Pick`](super::Pick) gives itself
/// back.
#[must_use = "a call that is never recorded counts as under way for ever"]
pub struct Ticket<T> {
    pub(super) endpoint: Arc<Endpoint<T>>,
    pub(super) started: Moment,
}

impl<T> Ticket<T> {
    /// Whom to call.
    pub const fn endpoint(&self) -> &Arc<Endpoint<T>> {
        &self.endpoint
    }
}

impl<T> fmt::Debug for Ticket<T> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Ticket")
            .field("endpoint", &self.endpoint.name)
            .field("started", &self.started)
            .finish()
    }
}
