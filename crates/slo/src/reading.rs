//! Reading: documents as the engine takes them.
//!
//! ```text
//!   SLO                 Objective: window, questions, burn-rate rules, exclusions, and the subject of rules for Prometheus
//!   AlertPolicy         rules of burn rates
//!   ErrorBudgetPolicy   Policy and Gate
//!   SLA                 Agreement
//! ```
//!
//! Zones are looked up by whoever reads, since a database of them is a thing of the system.

use std::time::Duration;

use evenkeel_model::Library;
use evenkeel_model::document::{
    self, AlertPolicy, Alerts, BurnThreshold, BurnWindow, CalendarPeriod, CreditTier,
    ErrorBudgetPolicy, ExclusionEnd, ExclusionTime, Labels, Notice, Sla, Slo,
};
use evenkeel_units::Ratio;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::asking::{Asking, AskingError};
use crate::burn::{LowTraffic, Rule, Severity, factor};
use crate::exclusion::{Exclusion, Recurrence, RecurrenceError, When};
use crate::gate::Gate;
use crate::interval::{Interval, Intervals};
use crate::policy::{Action, Level, Policy, PolicyError, Scope};
use crate::rules::{self, Queries, Subject, duration};
use crate::sla::{Agreement, AgreementError, Band};
use crate::window::{Calendar, Period, Window};
use crate::{Share, Unit};

/// Why documents make no objective.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadingError {
    /// There is nothing to ask.
    #[error(transparent)]
    Asking(#[from] AskingError),
    /// A zone that the system does not know.
    #[error("`{of}`: there is no time zone `{zone}`")]
    Zone {
        /// Where it stands.
        of: String,
        /// The zone.
        zone: String,
    },
    /// A moment beyond the end of time, or a rule that says nothing.
    #[error("`{of}`: an exclusion does not begin at any time")]
    Moment {
        /// Where it stands.
        of: String,
    },
    /// A rule of recurrence that is not understood.
    #[error("`{of}`: an exclusion recurs by a rule that is not understood: {why}")]
    Recurrence {
        /// Where it stands.
        of: String,
        /// Why.
        #[source]
        why: RecurrenceError,
    },
    /// An alert policy that is not there.
    #[error("`{of}` is alerted of by `{policy}`, which is not among the documents")]
    NoPolicy {
        /// The objective.
        of: String,
        /// The policy.
        policy: String,
    },
    /// Levels that contradict each other.
    #[error("`{of}`: {why}")]
    Levels {
        /// The policy.
        of: String,
        /// Why.
        #[source]
        why: PolicyError,
    },
    /// Tiers that contradict each other.
    #[error("`{of}`: {why}")]
    Tiers {
        /// The agreement.
        of: String,
        /// Why.
        #[source]
        why: AgreementError,
    },
}

/// Says the rules of a zone by its IANA name.
pub type Zones = fn(&str) -> Option<TimeZone>;

/// An objective, with everything around it that judges or tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// What it is called.
    pub name: String,
    /// The service it is about.
    pub service: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// The share of good events, or of good time.
    pub promise: Ratio,
    /// The time it is about.
    pub window: Window,
    /// The same as one length, where one has to do.
    pub length: Duration,
    /// What it asks of series.
    pub asking: Asking,
    /// When its budget burns too fast.
    pub burn: Vec<Rule>,
    /// Whether slower alerts are silent while a faster one fires.
    pub inhibits: bool,
    /// Times that do not count.
    pub exclusions: Vec<Exclusion>,
    /// How it is alerted of; `None`: nobody is told.
    pub alerting: Option<rules::Alerting>,
    /// What is written on everything that comes of it.
    pub labels: Labels,
}

impl Objective {
    /// What `slo` says, with the documents of `library` that it names.
    ///
    /// # Errors
    /// When it is not counted on series, or names what is not there.
    pub fn of(slo: &Slo, library: &Library, zones: Zones) -> Result<Self, ReadingError> {
        Self::asking(Asking::of(slo, &|name| library.slo(name))?, slo, library, zones)
    }

    /// The same where the requests of a load are counted, and no series.
    ///
    /// # Errors
    /// When it is not counted by requests, or names what is not there.
    pub fn of_requests(slo: &Slo, library: &Library, zones: Zones) -> Result<Self, ReadingError> {
        Self::asking(Asking::of_requests(slo)?, slo, library, zones)
    }

    fn asking(
        asking: Asking,
        slo: &Slo,
        library: &Library,
        zones: Zones,
    ) -> Result<Self, ReadingError> {
        let promise = slo.promise().ok_or_else(|| AskingError::NoPromise(slo.name.clone()))?;
        let policy = policy_of(slo, library)?;
        let burn = policy.as_ref().map(|it| burn_rules(it, slo.window.length(), asking.unit()));
        Ok(Self {
            name: slo.name.clone(),
            service: slo.service.clone(),
            owner: slo.owner.clone(),
            promise,
            window: window(&slo.window, &slo.name, zones)?,
            length: slo.window.length(),
            asking,
            burn: burn.unwrap_or_default(),
            inhibits: policy.is_none_or(|it| it.inhibit),
            exclusions: exclusions(&slo.exclusions, &owner(slo), &slo.name, zones)?,
            alerting: slo.alerting.as_ref().map(|it| alerting(it, &slo.name)),
            labels: slo.labels.clone(),
        })
    }

    /// The same as an agreement counts it: over its window, and without the times that it excludes as well.
    ///
    /// # Errors
    /// When nobody knows a zone of the agreement, or one of its exclusions says nothing.
    pub fn agreed(mut self, by: &Sla, zones: Zones) -> Result<Self, ReadingError> {
        if let Some(it) = &by.window {
            (self.window, self.length) = (window(it, &by.name, zones)?, it.length());
        }
        let who = format!("SLA/{}", by.name);
        self.exclusions.extend(exclusions(&by.exclusions, &who, &by.name, zones)?);
        Ok(self)
    }

    /// What of an interval counts.
    pub fn counted_of(&self, interval: Interval) -> Intervals {
        let excluded = self.exclusions.iter().flat_map(|it| it.within(interval));
        excluded.collect::<Intervals>().outside(interval)
    }

    /// As the rules of Prometheus need it. A window of the calendar is one of the same length there, and rolls. What names
    /// its service first is called by the rest, as Sloth does: `shop-pay` of the service `shop` is `pay` of it, so that both
    /// together are the name again.
    ///
    /// # Errors
    /// When its two sides cannot be divided by one another.
    pub fn subject(&self) -> Result<Subject, AskingError> {
        Ok(self.subject_of(self.asking.queries()?))
    }

    /// The same with queries of somebody else.
    pub fn subject_of(&self, queries: Queries) -> Subject {
        let service = self.service.clone().unwrap_or_else(|| self.name.clone());
        let rest = self.name.strip_prefix(&service).and_then(|it| it.strip_prefix('-'));
        Subject {
            name: rest.unwrap_or(&self.name).to_owned(),
            service,
            objective: self.promise,
            window: self.length,
            queries,
            burn: self.burn.clone(),
            alerting: self.alerting.clone().unwrap_or_default(),
            labels: self.labels.clone(),
            info: Labels::new(),
            interval: None,
        }
    }
}

fn policy_of(slo: &Slo, library: &Library) -> Result<Option<AlertPolicy>, ReadingError> {
    let Some(alerting) = &slo.alerting else { return Ok(None) };
    Ok(Some(match &alerting.policy {
        Alerts::Standard => AlertPolicy::standard(slo.window.length()),
        Alerts::Own(it) => (**it).clone(),
        Alerts::Named(name) => {
            let missing = || ReadingError::NoPolicy { of: slo.name.clone(), policy: name.clone() };
            library.alert_policy(name).cloned().ok_or_else(missing)?
        }
    }))
}

/// The rules of a policy, for an objective with such a window, whose counts are of `unit`.
pub fn burn_rules(policy: &AlertPolicy, window: Duration, unit: Unit) -> Vec<Rule> {
    let low_traffic = policy.low_traffic.map(low_traffic);
    let rule = |it: &BurnWindow| Rule {
        pending: it.sustained,
        clear: policy.hysteresis.rest(),
        keep_firing: it.keep_firing,
        low_traffic: low_traffic.filter(|_| unit == Unit::Events),
        labels: it.labels.clone(),
        ..burn_rule(it, window)
    };
    policy.windows.iter().map(rule).collect()
}

/// The rule of two windows, for an objective with such a window, with nothing else said.
pub(crate) fn burn_rule(of: &BurnWindow, window: Duration) -> Rule {
    let factor = match of.threshold {
        BurnThreshold::Factor(it) => Share::decimal(it).unwrap_or(Share::ZERO),
        BurnThreshold::Budget(share) => factor(share, window, of.long),
    };
    let name = format!("{} {}", of.severity.name(), duration(of.long));
    Rule::new(name, of.severity.into(), of.long, of.short, factor)
}

fn low_traffic(of: document::LowTraffic) -> LowTraffic {
    let z = evenkeel_stats::normal::quantile(f64::midpoint(1.0, of.confidence.get())).min(Z_MAX);
    LowTraffic { bad_min: of.min_bad, short_min: of.min_events, plenty: of.below, z }
}

/// Nobody is surer.
const Z_MAX: f64 = 6.0;

impl From<document::Severity> for Severity {
    fn from(it: document::Severity) -> Self {
        match it {
            document::Severity::Ticket => Self::Ticket,
            document::Severity::Page => Self::Page,
        }
    }
}

fn alerting(of: &document::Alerting, slo: &str) -> rules::Alerting {
    let extra = |it: &Notice| rules::Extra {
        labels: it.labels.clone(),
        annotations: it.annotations.clone(),
    };
    let all = rules::Extra { labels: of.labels.clone(), annotations: of.annotations.clone() };
    rules::Alerting {
        name: of.name.clone().unwrap_or_else(|| alert_name(slo)),
        all,
        page: of.page.as_ref().map(extra),
        ticket: of.ticket.as_ref().map(extra),
    }
}

/// `CheckoutFastBudgetBurns` of `checkout-fast`.
fn alert_name(slo: &str) -> String {
    let words = slo.split(|it: char| !it.is_ascii_alphanumeric());
    let word = |it: &str| {
        let mut letters = it.chars();
        let first = letters.next().map(|it| it.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    words.map(word).collect::<String>() + "BudgetBurns"
}

fn zone(name: &str, of: &str, zones: Zones) -> Result<TimeZone, ReadingError> {
    let missing = || ReadingError::Zone { of: of.to_owned(), zone: name.to_owned() };
    zones(name).ok_or_else(missing)
}

/// A window of a document; `of` is what it stands in.
///
/// # Errors
/// When nobody knows its zone.
pub fn window(it: &document::Window, of: &str, zones: Zones) -> Result<Window, ReadingError> {
    let calendar = match it {
        document::Window::Rolling(length) => return Ok(Window::Rolling(*length)),
        document::Window::Calendar(it) => it,
    };
    let period = match calendar.period {
        CalendarPeriod::Day => Period::Day,
        CalendarPeriod::Week => Period::Week,
        CalendarPeriod::Month => Period::Month,
        CalendarPeriod::Quarter => Period::Quarter,
        CalendarPeriod::Year => Period::Year,
    };
    let usual = Calendar::new(period, zone(&calendar.time_zone, of, zones)?);
    Ok(Window::Calendar(match calendar.from {
        Some(anchor) => Calendar { anchor, ..usual },
        None => usual,
    }))
}

/// Who excludes what an objective excludes.
fn owner(of: &Slo) -> String {
    of.owner.clone().unwrap_or_else(|| format!("SLO/{}", of.name))
}

fn exclusions(
    all: &[document::Exclusion],
    owner: &str,
    of: &str,
    zones: Zones,
) -> Result<Vec<Exclusion>, ReadingError> {
    all.iter()
        .enumerate()
        .map(|(number, it)| {
            let reason = it.reason.clone();
            let zone = zone(&it.time_zone, of, zones)?;
            let entered = it.entered.map(|it| moment(it, &zone, of)).transpose()?;
            Ok(Exclusion {
                name: format!("exclusion {}", number + 1),
                who: it.by.clone().unwrap_or_else(|| owner.to_owned()),
                why: reason.unwrap_or_else(|| "no reason is given".to_owned()),
                // What does not say when it was entered was announced.
                entered: entered.unwrap_or(Timestamp::MIN),
                when: when(it, of, zone)?,
            })
        })
        .collect()
}

fn moment(it: ExclusionTime, zone: &TimeZone, of: &str) -> Result<Timestamp, ReadingError> {
    match it {
        ExclusionTime::Instant(it) => Ok(it),
        ExclusionTime::Local(it) => it
            .to_zoned(zone.clone())
            .map(|it| it.timestamp())
            .map_err(|_| ReadingError::Moment { of: of.to_owned() }),
    }
}

fn when(it: &document::Exclusion, of: &str, zone: TimeZone) -> Result<When, ReadingError> {
    let moment = |it| moment(it, &zone, of);
    let from = moment(it.from)?;
    let lasts = match it.end {
        ExclusionEnd::Until(end) => Interval::new(from, moment(end)?).length(),
        ExclusionEnd::After(lasts) => lasts,
    };
    let Some(rule) = &it.rule else { return Ok(When::Once(Interval::lasting(from, lasts))) };
    let start = match it.from {
        ExclusionTime::Local(it) => it,
        ExclusionTime::Instant(it) => it.to_zoned(zone.clone()).datetime(),
    };
    let recurrence = Recurrence::new(start, zone, lasts, &rule.to_string());
    recurrence
        .map(When::Recurring)
        .map_err(|why| ReadingError::Recurrence { of: of.to_owned(), why })
}

/// The policy that an objective falls under: one that names it, else one of its service, else one of all.
pub fn budget_policy<'a>(
    policies: impl IntoIterator<Item = &'a ErrorBudgetPolicy>,
    of: &Objective,
) -> Option<&'a ErrorBudgetPolicy> {
    let closeness = |it: &&ErrorBudgetPolicy| match (&it.service, it.objectives.as_slice()) {
        (_, [_, ..]) => it.objectives.contains(&of.name).then_some(2),
        (Some(service), []) => (of.service.as_ref() == Some(service)).then_some(1),
        (None, []) => Some(0),
    };
    let meant = policies.into_iter().filter_map(|it| Some((closeness(&it)?, it)));
    // Of those that are as close, the first.
    let closer = |best: (u8, _), it: (u8, _)| if it.0 > best.0 { it } else { best };
    meant.reduce(closer).map(|(_, it)| it)
}

/// What is done as a budget goes, of a document.
///
/// # Errors
/// When two levels are at the same share, or there are too many.
pub fn policy(of: &ErrorBudgetPolicy) -> Result<Policy, ReadingError> {
    let level = |it: &document::BudgetThreshold| Level {
        remaining: it.remaining,
        actions: it.actions.iter().map(action).collect(),
    };
    let levels = of.thresholds.iter().map(level).collect();
    Policy::new(levels, of.hysteresis)
        .map_err(|why| ReadingError::Levels { of: of.name.clone(), why })
}

fn action(of: &document::Action) -> Action {
    let text = |it: &Option<String>| it.clone().unwrap_or_default();
    match of {
        document::Action::Notify { target, description } => {
            Action::Notify { target: target.clone(), message: text(description) }
        }
        document::Action::Review { description } => {
            Action::Review { description: text(description) }
        }
        document::Action::Freeze { scope, spares, description } => {
            let name = scope.clone().unwrap_or_else(|| Scope::everything().name);
            let scope = Scope { name, spares: spares.clone() };
            Action::Freeze { scope, description: text(description) }
        }
        document::Action::Ticket { target, description } => {
            let parts: Vec<_> = target.iter().chain(description).cloned().collect();
            Action::Ticket { description: parts.join(": ") }
        }
        document::Action::Incident { priority, description } => {
            Action::Incident { priority: text(priority), description: text(description) }
        }
    }
}

impl From<&document::Gate> for Gate {
    fn from(it: &document::Gate) -> Self {
        Self {
            minimum: it.min_remaining,
            closed_by: it.closed_by.map(Into::into),
            exceptions: it.exceptions.clone(),
        }
    }
}

/// What was agreed on with a customer. The credit is never more than everything.
///
/// # Errors
/// When tiers contradict each other.
pub fn agreement(of: &Sla) -> Result<Agreement, ReadingError> {
    let band = |it: &CreditTier| Band { below: it.below, credit: it.credit };
    Agreement::new(of.credits.iter().map(band).collect(), Ratio::ONE)
        .map_err(|why| ReadingError::Tiers { of: of.name.clone(), why })
}

#[cfg(test)]
mod tests;
