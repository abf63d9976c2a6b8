//! Burning: the alerts of objectives, round by round.
//!
//! An alert has the name, the labels and the annotations that the rules of `slo rules --mode exact` give it, so that one
//! Alertmanager sends it the same way whoever noticed. One that a faster alert makes superfluous is pending until that is over;
//! who was told of it goes on to be told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_metrics::rules::{Filling, Template};
use evenkeel_series::{Labels, Source};
use evenkeel_slo::burn::Rule;
use evenkeel_slo::burn::alert::State as Course;
use evenkeel_slo::burn::board::Board;
use evenkeel_slo::rules::{Makes, PromRule, Queries, duration, exact};
use evenkeel_slo::{Counts, Objective, Share, Standing};
use jiff::Timestamp;

use super::alerts::{Alert, Alerts, Found, Notice, State};
use super::before::Known;
use super::figures;
use super::group::Setting;
use super::pace::Pace;
use super::shown::{Health, Kind, Shown, ShownRule};
use super::tell::{RESEND, VALID_TIMES, link};

/// The file that groups of objectives stand in, where rules have one.
const FILE: &str = "objectives";

/// The alerts of an objective.
#[derive(Debug)]
pub(super) struct Burning {
    objective: Arc<Objective>,
    /// Of the rules that tell somebody.
    board: Board,
    /// The same, in order.
    told: Vec<Told>,
    is_fresh: bool,
    at: Option<i64>,
    health: Health,
    /// How many times a rule was evaluated, …
    evaluations: u64,
    /// … and how many times one could not be.
    failures: u64,
}

/// A rule that tells somebody.
#[derive(Debug)]
struct Told {
    name: String,
    /// Those of its alert, its name among them.
    labels: Labels,
    annotations: BTreeMap<String, Template>,
    /// What says the same of the series that are written.
    query: String,
    alerts: Alerts,
}

impl Burning {
    /// Nothing burns yet.
    ///
    /// # Errors
    /// When an annotation is a template that is not understood.
    pub(super) fn of(objective: Arc<Objective>) -> Result<Self, String> {
        // What is asked of a Prometheus does not matter here: the round has counted.
        let subject = objective.subject_of(Queries::Raw { bad_ratio: String::new() });
        let (mut rules, mut told) = (Vec::new(), Vec::new());
        for rule in &objective.burn {
            if let Some(written) = exact::alert(&subject, rule) {
                told.push(Told::of(&objective, rule, written)?);
                rules.push(rule.clone());
            }
        }
        let board = Board::new(objective.promise, rules);
        Ok(Self {
            objective,
            board,
            told,
            is_fresh: true,
            at: None,
            health: Health::Unknown,
            evaluations: 0,
            failures: 0,
        })
    }

    /// Whether it is of an objective.
    pub(super) fn is_of(&self, objective: &Objective) -> bool {
        *self.objective == *objective
    }

    /// Takes in how the objective stands at a moment; `Err` says why nobody can tell.
    pub(super) fn see(
        &mut self,
        at: Timestamp,
        standing: Result<&Standing, String>,
        setting: &Setting<'_>,
        store: &dyn Source,
    ) {
        let moment = at.as_millisecond();
        self.at = Some(moment);
        self.evaluations += self.told.len() as u64;
        let standing = match standing {
            Ok(it) => it,
            Err(why) => {
                self.failures += self.told.len() as u64;
                self.health = Health::Failing(why);
                return;
            }
        };
        self.health = Health::Fine;
        if std::mem::take(&mut self.is_fresh) {
            self.restore(moment, store);
        }
        let mut counts: BTreeMap<Duration, Option<Counts>> = BTreeMap::new();
        for it in &standing.burning {
            counts.insert(it.rule.long, it.reading.long);
            counts.extend(it.rule.short.map(|short| (short, it.reading.short)));
        }
        self.board.on(at, |length| counts.get(&length).copied().flatten());
        let inhibited: BTreeMap<_, _> = self.board.firing().collect();
        let states: Vec<_> = self.board.alerts().map(|(_, state)| state).collect();
        for (place, (told, course)) in self.told.iter_mut().zip(states).enumerate() {
            let is_silent =
                self.objective.inhibits && inhibited.get(&place).is_some_and(Option::is_some);
            let fires = told.alerts.fires(&told.labels);
            let state = match course {
                Course::Inactive => None,
                Course::Pending { since } => Some((State::Pending, since)),
                Course::Firing { since } | Course::Fading { since, .. } => {
                    let state = if is_silent && !fires { State::Pending } else { State::Firing };
                    Some((state, since))
                }
            };
            let of_rule = |it: &&evenkeel_slo::standing::Burning| it.rule.name == told.name;
            let rate = standing.burning.iter().find(of_rule).and_then(|it| it.long);
            let value = rate.map_or(f64::NAN, Share::get);
            let Setting { external, url, .. } = *setting;
            let filling = Filling { labels: &told.labels, value, external, url };
            let texts = told.annotations.iter();
            let annotations =
                texts.map(|(name, text)| (name.clone(), text.filled(&filling))).collect();
            let state = state.map(|(state, since)| (state, since.as_millisecond()));
            told.alerts.set(moment, &told.labels, state, Found { annotations, value });
        }
    }

    /// Takes up what was there before a restart.
    fn restore(&mut self, at: i64, store: &dyn Source) {
        let rules: Vec<_> = self.board.alerts().map(|(rule, _)| rule.clone()).collect();
        for (place, (rule, told)) in rules.iter().zip(&mut self.told).enumerate() {
            let Some(known) = Known::of(store, &told.labels, at) else { continue };
            let since =
                if known.was_firing { known.active_at } else { known.since(at, rule.pending) };
            let Ok(since) = Timestamp::from_millisecond(since) else { continue };
            let course = match known.was_firing {
                true => Course::Firing { since },
                false => Course::Pending { since },
            };
            self.board.restore(place, course);
            if known.was_firing {
                // Who was told is told on, although a faster one may fire meanwhile.
                let found = Found { annotations: BTreeMap::new(), value: f64::NAN };
                let state = Some((State::Firing, known.active_at));
                told.alerts.set(at, &told.labels, state, found);
            }
        }
    }

    /// Who is to be told what.
    pub(super) fn due(&mut self, at: i64, setting: &Setting<'_>) -> Vec<Notice> {
        // While nobody can tell how it is, nobody is told that it goes on.
        if self.health != Health::Fine {
            return Vec::new();
        }
        let valid = RESEND.max(setting.every) * VALID_TIMES;
        let each = self.told.iter_mut();
        each.flat_map(|it| it.alerts.due(at, RESEND, valid, &link(setting.url, &it.query)))
            .collect()
    }

    /// The alerts that are there, and those that are over.
    pub(super) fn alerts(&self) -> impl Iterator<Item = &Alerts> {
        self.told.iter().map(|it| &it.alerts)
    }

    /// As a group of rules; `None` when it tells nobody.
    pub(super) fn shown(&self, pace: &Pace, took: Duration) -> Option<Shown> {
        if self.told.is_empty() {
            return None;
        }
        let rules = self.board.alerts().zip(&self.told);
        Some(Shown {
            name: self.objective.name.clone(),
            file: FILE.to_owned(),
            limit: 0,
            pace: *pace,
            at: self.at,
            took,
            evaluations: self.evaluations,
            failures: self.failures,
            rules: rules.map(|((rule, _), told)| self.rule(rule, told)).collect(),
        })
    }

    fn rule(&self, rule: &Rule, told: &Told) -> ShownRule {
        let owned = |(name, text): (&String, &Template)| (name.clone(), text.text().to_owned());
        let labels = told.labels.iter().filter(|it| &*it.name != "alertname");
        let alerts: Vec<Alert> = told.alerts.active().cloned().collect();
        ShownRule {
            name: told.labels.get("alertname").to_owned(),
            query: told.query.clone(),
            labels: labels.map(|it| (it.name.to_string(), it.value.to_string())).collect(),
            health: self.health.clone(),
            at: self.at,
            took: Duration::ZERO,
            kind: Kind::Alerts {
                pending: rule.pending,
                keep_firing: rule.keep_firing,
                annotations: told.annotations.iter().map(owned).collect(),
                alerts,
            },
        }
    }
}

impl Told {
    fn of(objective: &Objective, rule: &Rule, written: PromRule) -> Result<Self, String> {
        let (name, annotations) = match written.makes {
            Makes::Alert { name, annotations, .. } => (name, annotations),
            Makes::Record(name) => (name, BTreeMap::new()),
        };
        let template = |(key, text): (String, String)| match Template::parse(&text) {
            Ok(it) => Ok((key, it)),
            Err(why) => Err(format!(
                "the annotation `{key}` of `{}` is no template that is understood: {why}",
                objective.name
            )),
        };
        let window = duration(rule.long);
        // The series that the rules of `exact` ask have these.
        let of_series = objective.labels.iter().map(|(name, value)| (&**name, &**value));
        let of_series = of_series.chain([("sloth_window", &*window)]);
        let given = written.labels.iter().map(|(name, value)| (&**name, &**value));
        let labels = Labels::of(of_series.chain(given).chain([("alertname", &*name)]));
        Ok(Self {
            name: rule.name.clone(),
            labels,
            annotations: annotations.into_iter().map(template).collect::<Result<_, _>>()?,
            query: query(objective, rule),
            alerts: Alerts::default(),
        })
    }
}

/// The condition of a rule, asked of the series that a round writes.
fn query(objective: &Objective, rule: &Rule) -> String {
    let labels = figures::labels(objective);
    let clause = |window: Duration| {
        let labels = labels.with("__name__", "slo_burn_rate").with("window", &duration(window));
        format!("{labels} > {}", rule.factor)
    };
    match rule.short {
        Some(short) => format!("{} and ignoring (window) {}", clause(rule.long), clause(short)),
        None => clause(rule.long),
    }
}
