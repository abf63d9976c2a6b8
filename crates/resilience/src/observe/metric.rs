//! Metric: a name, a unit and a meaning; and what a machine says under it.

use std::borrow::Cow;

/// How a number goes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// What a number is of.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unit {
    /// Things that are counted; the name says which.
    Count,
    /// Seconds.
    Seconds,
    /// A share, 0 to 1.
    Ratio,
}

/// A number that machines of one pattern have. See the [list](super).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// The pattern, as in names: `circuit_breaker`. In the text of Prometheus, what is neither letter nor digit is `_`.
    pub pattern: &'static str,
    /// What it says, without unit and ending: `calls`.
    pub name: &'static str,
    /// How it goes.
    pub kind: Kind,
    /// What it is of.
    pub unit: Unit,
    /// What it means, in one sentence.
    pub help: &'static str,
}

impl Metric {
    /// Of things that are counted, which only grow.
    pub const fn counter(pattern: &'static str, name: &'static str, help: &'static str) -> Self {
        Self { pattern, name, kind: Kind::Counter, unit: Unit::Count, help }
    }

    /// Of things that are counted, which come and go.
    pub const fn gauge(pattern: &'static str, name: &'static str, help: &'static str) -> Self {
        Self { pattern, name, kind: Kind::Gauge, unit: Unit::Count, help }
    }

    /// The same in another unit.
    pub const fn of(self, unit: Unit) -> Self {
        Self { unit, ..self }
    }

    /// The name of its family in the text of Prometheus, without the `_total` of a counter: `resilience_circuit_breaker_calls`.
    pub fn family(&self) -> String {
        let unit = match self.unit {
            Unit::Count => "",
            Unit::Seconds => "_seconds",
            Unit::Ratio => "_ratio",
        };
        format!("resilience_{}_{}{unit}", of_letters(self.pattern), of_letters(self.name))
    }

    /// The name in OpenTelemetry: `resilience.circuit_breaker.calls`.
    pub fn dotted(&self) -> String {
        format!("resilience.{}.{}", self.pattern, self.name)
    }
}

/// A name in which Prometheus reads: one other letter, and it would refuse the numbers of all machines.
pub(super) fn of_letters(name: &str) -> String {
    let letter = |it: char| if it.is_ascii_alphanumeric() { it } else { '_' };
    name.chars().map(letter).collect()
}

/// A number at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Of what.
    pub metric: Metric,
    /// Labels beside `name`, as the metric has them.
    pub labels: Vec<(&'static str, Cow<'static, str>)>,
    /// The number.
    pub value: f64,
}

/// Where a machine says its numbers.
#[derive(Debug, Default)]
pub struct Measures {
    pub(super) samples: Vec<Sample>,
}

impl Measures {
    /// One number. Counters are exact up to 2⁵³.
    pub fn say(&mut self, metric: Metric, value: f64) {
        self.samples.push(Sample { metric, labels: Vec::new(), value });
    }

    /// One that is counted.
    pub fn count(&mut self, metric: Metric, value: impl Into<u64>) {
        self.say(metric, value.into() as f64);
    }

    /// One of several that differ by a label.
    pub fn say_by(
        &mut self,
        metric: Metric,
        label: &'static str,
        of: impl Into<Cow<'static, str>>,
        value: f64,
    ) {
        self.samples.push(Sample { metric, labels: vec![(label, of.into())], value });
    }

    /// One that is counted, of several that differ by a label.
    pub fn count_by(
        &mut self,
        metric: Metric,
        label: &'static str,
        of: impl Into<Cow<'static, str>>,
        value: impl Into<u64>,
    ) {
        self.say_by(metric, label, of, value.into() as f64);
    }
}
