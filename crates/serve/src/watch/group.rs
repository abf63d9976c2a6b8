//! Group: rules of a file, evaluated one after the other at moments of their own.
//!
//! All rules of a group are evaluated at one moment, in their order: a rule sees what those before it have just written.
//! Groups are evaluated at moments that are their own within the interval, by a hash of their names.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_metrics::rules::{self, Alerting, Filling, Makes, Rule};
use evenkeel_promql::{Cancel, Element, Options, Sample, Value};
use evenkeel_series::{Labels, METRIC_NAME, Source};
use evenkeel_tsdb::Store;
use evenkeel_units::Clock;

use super::alerts::{Alerts, Delays, Found, Notice};
use super::before::{self, Known};
use super::moment::{after, millis};
use super::pace::Pace;
use super::shown::{Health, Kind, Shown, ShownRule};
use super::tell::{RESEND, VALID_TIMES, link};
use super::written::Written;

/// A rule that takes longer is given up, as a query is.
const TIMEOUT: Duration = Duration::from_mins(2);
/// In so many turns alerts are taken up as they were before a restart: in the first one the samples of now may not be there yet.
const RESTORING: u64 = 2;
/// What an alert is called by.
pub(super) const ALERT_NAME: &str = "alertname";

/// What rules are evaluated with.
pub(super) struct Setting<'a> {
    pub(super) store: &'a Store,
    pub(super) clock: &'a dyn Clock,
    /// How often rules are evaluated that do not say it.
    pub(super) every: Duration,
    /// How long before their moment queries ask, where the group does not say it.
    pub(super) offset: Duration,
    /// Labels of everything that leaves the store.
    pub(super) external: &'a BTreeMap<String, String>,
    /// Where the server is reached.
    pub(super) url: &'a str,
    /// Ends what is evaluated.
    pub(super) cancel: &'a Cancel,
}

/// A group that is evaluated.
#[derive(Debug)]
pub(super) struct Running {
    group: rules::Group,
    pace: Pace,
    rules: Vec<Ran>,
    at: Option<i64>,
    took: Duration,
    /// How many times a rule was evaluated, …
    evaluations: u64,
    /// … and how many times one could not be.
    failures: u64,
}

/// What a rule has come to.
#[derive(Debug, Default)]
struct Ran {
    written: Written,
    alerts: Alerts,
    /// How many times it was evaluated by this process.
    turns: u64,
    health: Health,
    at: Option<i64>,
    took: Duration,
}

impl Running {
    pub(super) fn new(group: rules::Group, setting: &Setting<'_>) -> Self {
        let every = group.every.unwrap_or(setting.every);
        let now = setting.clock.wall().as_millisecond();
        Self {
            pace: Pace::new(every, offset(&group, every), now),
            rules: group.rules.iter().map(|_| Ran::default()).collect(),
            group,
            at: None,
            took: Duration::ZERO,
            evaluations: 0,
            failures: 0,
        }
    }

    /// When it is due.
    pub(super) const fn next(&self) -> i64 {
        self.pace.next()
    }

    /// The file it stands in, and its name.
    pub(super) fn key(&self) -> (String, String) {
        (self.group.file.clone(), self.group.name.clone())
    }

    /// Goes on where a group of the same name was: rules that make the same keep what they have come to, whatever they ask, and
    /// what the others have written is ended.
    pub(super) fn take_over(&mut self, old: Self, store: &Store, at: i64) {
        self.pace.go_on(old.pace);
        (self.evaluations, self.failures) = (old.evaluations, old.failures);
        let mut left: Vec<_> = old.group.rules.into_iter().zip(old.rules).map(Some).collect();
        for (rule, ran) in self.group.rules.iter().zip(&mut self.rules) {
            let same = |it: &&mut Option<(Rule, Ran)>| {
                it.as_ref().is_some_and(|it| make_the_same(&it.0, rule))
            };
            if let Some((_, was)) = left.iter_mut().find(same).and_then(Option::take) {
                *ran = was;
            }
        }
        for (_, mut ran) in left.into_iter().flatten() {
            ran.end(store, at);
        }
    }

    /// Ends all that it has written.
    pub(super) fn end(&mut self, store: &Store, at: i64) {
        self.rules.iter_mut().for_each(|it| it.end(store, at));
    }

    /// Evaluates it as of the moment at which it was due, and says who is to be told what.
    pub(super) fn evaluate(&mut self, setting: &Setting<'_>) -> Vec<Notice> {
        let at = self.pace.begin(setting.clock.wall().as_millisecond());
        let began = setting.clock.now();
        let mut notices = Vec::new();
        for (rule, ran) in self.group.rules.iter().zip(&mut self.rules) {
            let began = setting.clock.now();
            let done = ran.evaluate(rule, &self.group, at, setting);
            self.evaluations += 1;
            self.failures += u64::from(done.is_err());
            ran.health = done.map_or_else(Health::Failing, |()| Health::Fine);
            (ran.at, ran.took) = (Some(at), setting.clock.now() - began);
            // While nobody can tell how it is, nobody is told that it goes on.
            if ran.health == Health::Fine {
                let valid = RESEND.max(self.pace.every()) * VALID_TIMES;
                let url = link(setting.url, rule.query.text());
                notices.extend(ran.alerts.due(at, RESEND, valid, &url));
            }
        }
        (self.at, self.took) = (Some(at), setting.clock.now() - began);
        notices
    }

    /// As it is shown.
    pub(super) fn shown(&self) -> Shown {
        let each = self.group.rules.iter().zip(&self.rules);
        Shown {
            name: self.group.name.clone(),
            file: self.group.file.clone(),
            limit: self.group.limit.unwrap_or(0),
            pace: self.pace,
            at: self.at,
            took: self.took,
            evaluations: self.evaluations,
            failures: self.failures,
            rules: each.map(|(rule, ran)| shown(rule, ran)).collect(),
        }
    }
}

/// How long after multiples of its interval a group is evaluated, so that not all are at once.
fn offset(group: &rules::Group, every: Duration) -> i64 {
    let bytes = group.file.bytes().chain([0]).chain(group.name.bytes());
    // FNV-1a: the same after a restart.
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, it| {
        (hash ^ u64::from(it)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash % millis(every).max(1).unsigned_abs()).cast_signed()
}

/// Whether two rules make series, or alerts, of one name and with the same labels.
fn make_the_same(one: &Rule, other: &Rule) -> bool {
    match (&one.makes, &other.makes) {
        (Makes::Alerts(one), Makes::Alerts(other)) => {
            (&one.name, &one.labels) == (&other.name, &other.labels)
        }
        (one, other) => one == other,
    }
}

fn shown(rule: &Rule, ran: &Ran) -> ShownRule {
    let owned = |(name, text): (&String, &rules::Template)| (name.clone(), text.text().to_owned());
    let (name, labels, kind) = match &rule.makes {
        Makes::Series { name, labels } => (name, labels.clone(), Kind::Records),
        Makes::Alerts(it) => {
            let kind = Kind::Alerts {
                pending: it.pending,
                keep_firing: it.keep_firing,
                annotations: it.annotations.iter().map(owned).collect(),
                alerts: ran.alerts.active().cloned().collect(),
            };
            (&it.name, it.labels.iter().map(owned).collect(), kind)
        }
    };
    ShownRule {
        name: name.clone(),
        query: rule.query.text().to_owned(),
        labels,
        health: ran.health.clone(),
        at: ran.at,
        took: ran.took,
        kind,
    }
}

impl Ran {
    fn evaluate(
        &mut self,
        rule: &Rule,
        group: &rules::Group,
        at: i64,
        setting: &Setting<'_>,
    ) -> Result<(), String> {
        // What is asked and written is of a moment before the one at which alerts begin and end.
        let asked = at - millis(group.offset.unwrap_or(setting.offset));
        let turn = self.turns;
        self.turns += 1;
        let snapshot = setting.store.snapshot();
        let found = found(rule, &snapshot, asked, setting)?;
        let too_many = |many: usize, what: &str| match group.limit {
            Some(most) if many > most => {
                Err(format!("exceeded limit of {most} with {many} {what}"))
            }
            _ => Ok(()),
        };
        match &rule.makes {
            Makes::Series { name, labels } => {
                too_many(found.len(), "series")?;
                let named =
                    found.into_iter().map(|it| (named(&it.labels, name, labels), it.sample));
                self.written.write(setting.store, asked, named.collect())
            }
            Makes::Alerts(alerting) => {
                let found = alerts(alerting, found, setting)?;
                let Alerting { pending, keep_firing, .. } = *alerting;
                if turn == 0 && !keep_firing.is_zero() {
                    self.take_up(alerting, &snapshot, asked, setting);
                }
                let since = |labels: &Labels| {
                    let is_known = turn < RESTORING;
                    let known = is_known.then(|| Known::of(&snapshot, labels, asked)).flatten();
                    known.map(|it| it.since(at, pending))
                };
                self.alerts.see(at, Delays { pending, keep_firing }, found, since);
                if let Err(error) = too_many(self.alerts.active().count(), "alerts") {
                    self.alerts.clear();
                    self.written.end(setting.store, asked)?;
                    return Err(error);
                }
                self.written.write(setting.store, asked, self.alerts.series())
            }
        }
    }

    /// Takes up what was firing before a restart. What it was about may be gone, and it is kept firing still: for how long
    /// already nobody has written down, so it is for the whole time once more.
    fn take_up(&mut self, of: &Alerting, store: &dyn Source, at: i64, setting: &Setting<'_>) {
        for (labels, known) in before::firing(store, of, at) {
            let fired_at = after(known.active_at, of.pending);
            let found = told(of, &labels, f64::NAN, setting);
            self.alerts.take_up(labels, known.active_at, fired_at, found);
        }
    }

    fn end(&mut self, store: &Store, at: i64) {
        // A store that takes nothing has said so to whoever asked it last.
        self.written.end(store, at).unwrap_or_default();
    }
}

/// What a rule asks for.
fn found(
    rule: &Rule,
    store: &dyn Source,
    at: i64,
    setting: &Setting<'_>,
) -> Result<Vec<Element>, String> {
    let end = setting.clock.now() + TIMEOUT;
    let is_over = || setting.clock.now() >= end;
    let options = Options {
        subquery_step: millis(setting.every).max(1),
        cancel: Some(setting.cancel.clone()),
        is_over: Some(&is_over),
        ..Options::default()
    };
    let answer = rule.query.instant(store, at, &options).map_err(|it| it.to_string())?;
    match answer.value {
        Value::Vector(all) => Ok(all),
        Value::Scalar(it) => {
            Ok(vec![Element { labels: Labels::default(), sample: Sample::Float(it) }])
        }
        Value::Text(_) | Value::Matrix(_) => Err("the query finds no vector".to_owned()),
    }
}

/// The labels of what is recorded.
fn named(of: &Labels, name: &str, labels: &BTreeMap<String, String>) -> Labels {
    let own = of.iter().map(|it| (&*it.name, &*it.value));
    let given = labels.iter().map(|(name, value)| (&**name, &**value));
    Labels::of(own.chain(given).chain([(METRIC_NAME, name)]))
}

/// The alerts of what was found.
fn alerts(
    of: &Alerting,
    found: Vec<Element>,
    setting: &Setting<'_>,
) -> Result<BTreeMap<Labels, Found>, String> {
    let mut all = BTreeMap::new();
    for Element { labels, sample } in found {
        let value = match sample {
            Sample::Float(it) => it,
            Sample::Histogram(_) => 0.0,
        };
        let Setting { external, url, .. } = *setting;
        let filling = Filling { labels: &labels, value, external, url };
        let given: Vec<_> =
            of.labels.iter().map(|(name, text)| (&**name, text.filled(&filling))).collect();
        let own = labels.iter().filter(|it| &*it.name != METRIC_NAME);
        let own = own.map(|it| (&*it.name, &*it.value));
        let given = given.iter().map(|(name, value)| (*name, &**value));
        let whole = Labels::of(own.chain(given).chain([(ALERT_NAME, &*of.name)]));
        if all.insert(whole.clone(), told(of, &labels, value, setting)).is_some() {
            return Err(format!("two alerts come to be {whole}"));
        }
    }
    Ok(all)
}

/// What people read of an alert.
fn told(of: &Alerting, labels: &Labels, value: f64, setting: &Setting<'_>) -> Found {
    let Setting { external, url, .. } = *setting;
    let filling = Filling { labels, value, external, url };
    let texts = of.annotations.iter();
    let annotations = texts.map(|(name, text)| (name.clone(), text.filled(&filling))).collect();
    Found { annotations, value }
}

#[cfg(test)]
mod generated;
#[cfg(test)]
mod tests;
