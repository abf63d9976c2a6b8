//! Proof: tests of the rules, for `promtool test rules`.
//!
//! For every pair of windows there is a history in which its factor is exceeded by a fiftieth and the alert must fire, and
//! such in which a fiftieth is missing and it must not. No other pair holds in them, or the alert of the pair is asked for
//! by its own label, so that a wrong factor or window of one clause is not hidden by another.
//!
//! ```text
//! compat   the ratios over the two windows of the pair are just above, or one of them just below and the other well
//!          above; all others are nothing
//! exact    quiet for as long as the long window, then a burst that fills it just so, and all well after the short one;
//!          with few events, as many bad ones as prove it, and one less
//! ```
//!
//! Exact rules add up what was recorded in days and weeks, at each evaluation. Their tests have but one: every history is
//! as long as the longest, and what is asked is asked at its end.

use std::time::Duration;

use evenkeel_stats::wilson;

use super::{ERROR_RATIO, Group, Subject, duration, exact, promql};
use crate::Share;
use crate::burn::Rule;
use crate::interval::millis;
use crate::share::decimal;

/// Hundredths of the factor: just above, just below, and well above.
const ABOVE: u64 = 102;
const BELOW: u64 = 98;
const WELL_ABOVE: u64 = 150;

/// Events in a step of the exact histories: so many that nothing is rounded away.
const EVENTS: u64 = 1_000_000_000;

/// Few events are not more than this.
const FEW_MAX: u64 = 100_000;

/// Steps of a history that are written down; a pair that needs more has no test.
const STEPS_MAX: u64 = 20_000;

/// Tests of [the rules of Sloth](super::compat), which are in `rule_file`.
pub fn compat(of: &Subject, rule_file: &str) -> String {
    let minute = Duration::from_mins(1);
    let mut text = head(rule_file, minute, &super::compat::rules(of));
    for rule in alerted(of) {
        for (long, short) in [(ABOVE, ABOVE), (BELOW, WELL_ABOVE), (WELL_ABOVE, BELOW)] {
            if rule.short.is_none() && short == BELOW {
                continue;
            }
            let until = rule.pending + 2 * minute;
            let steps = until.as_secs() / 60;
            let level = |window| match () {
                () if window == rule.long => share(rule, of, long),
                () if Some(window) == rule.short => share(rule, of, short),
                () => 0.0,
            };
            let factor = rule.factor;
            let about =
                format!("{long} % of {factor} in the long window, {short} % in the short one");
            text += &test(minute, of, rule, &about);
            for window in of.windows() {
                let level = format!("{}+0x{steps}", number(level(window)));
                let series = labelled(of, ERROR_RATIO, window);
                text += &format!("  - series: {}\n    values: \"{level}\"\n", yaml(&series));
            }
            text += "  promql_expr_test:\n";
            text += &asked(of, rule, None, until, long == ABOVE);
        }
    }
    text
}

/// Tests of [the exact rules](super::exact), which are in `rule_file`. Where only a share can be asked, there are none.
pub fn exact(of: &Subject, rule_file: &str) -> String {
    let step = exact::tile(of);
    let counted = matches!(of.queries, super::Queries::Events { .. });
    let rules = || alerted(of).filter(|_| counted);
    let bursts: Vec<_> = rules()
        .flat_map(|rule| Burst::all(of, rule, step).into_iter().map(move |it| (rule, it)))
        .collect();
    let waits = rules().filter_map(|it| {
        u64::try_from(it.pending.as_millis().div_ceil(step.as_millis().max(1))).ok()
    });
    let end = bursts.iter().map(|(_, it)| it.end()).chain(waits).max().unwrap_or(1);
    let mut text = head(rule_file, times(step, end), &exact::rules(of));
    for (rule, burst) in &bursts {
        text += &burst.tests(of, rule, step, end);
    }
    for rule in rules().filter(|it| !it.pending.is_zero()) {
        text += &waiting(of, rule, step, end);
    }
    text
}

/// The pairs of windows that there are alerts of.
fn alerted(of: &Subject) -> impl Iterator<Item = &Rule> {
    of.burn.iter().filter(|it| of.alerting.of(it.severity).is_some())
}

/// A history for one pair of windows: quiet, and then a burst that fills the long one just so.
struct Burst {
    /// What it is about.
    about: String,
    /// Steps in which nothing is bad.
    quiet: u64,
    /// Events of each step.
    total: u64,
    /// Bad ones of each step of the burst.
    bad: Vec<u64>,
    /// Steps after which the short window holds none of it.
    over: u64,
    /// Whether the alert fires at the end of the burst.
    fires: bool,
}

impl Burst {
    /// Just above and just below the factor with plenty of events; and with few, as many bad ones as it takes and one less.
    fn all(of: &Subject, rule: &Rule, step: Duration) -> Vec<Self> {
        let Some(quiet) = steps(rule.long, step) else { return Vec::new() };
        let plenty = [ABOVE, BELOW].map(|percent| {
            let bad = share(rule, of, percent) * quiet as f64 * EVENTS as f64;
            let about = format!("{percent} % of {}", rule.factor);
            Self::of(rule, step, about, EVENTS, bad.round() as u64, percent == ABOVE)
        });
        let few = rule.low_traffic.into_iter().flat_map(|it| {
            let plenty = it.plenty.min(FEW_MAX);
            let mut totals = vec![1, plenty.saturating_sub(1) / quiet.max(1)];
            totals.dedup();
            totals.retain(|total| (1..plenty).contains(&(total * quiet)));
            let limit = share(rule, of, 100);
            totals.into_iter().flat_map(move |total| {
                let all = total * quiet;
                let least = (it.bad_min..=all).find(|bad| wilson(*bad, all, it.z).low > limit);
                let around = least.map(|it| [(it, true), (it.saturating_sub(1), false)]);
                around.into_iter().flatten().map(move |(bad, fires)| {
                    Self::of(rule, step, format!("{bad} of {all}"), total, bad, fires)
                })
            })
        });
        plenty.into_iter().chain(few).chain(Self::fading(of, rule, step)).flatten().collect()
    }

    /// The long window is well above the factor, and the short one just above or just below.
    fn fading(of: &Subject, rule: &Rule, step: Duration) -> [Option<Self>; 2] {
        [ABOVE, BELOW].map(|percent| {
            let (quiet, short) = (steps(rule.long, step)?, steps(rule.short?, step)?);
            let many = share(rule, of, WELL_ABOVE) * quiet as f64 * EVENTS as f64;
            let last = (share(rule, of, percent) * EVENTS as f64).round() as u64;
            let about = format!("{percent} % of {} in the short window alone", rule.factor);
            let mut it =
                Self::of(rule, step, about, EVENTS, many.round() as u64, percent == ABOVE)?;
            // One step more than it needs: sums of Prometheus 2 hold the first moment of their window as well.
            it.bad.extend((0..=short).map(|_| last));
            (rule.keep_firing.is_zero() && it.bad.len() as u64 <= quiet).then_some(it)
        })
    }

    /// `None` where so much cannot be bad, or windows are no whole number of steps, or there are too many.
    fn of(
        rule: &Rule,
        step: Duration,
        about: String,
        total: u64,
        bad: u64,
        fires: bool,
    ) -> Option<Self> {
        let quiet = steps(rule.long, step)?;
        let short = steps(rule.short.unwrap_or(step), step)?.max(1);
        // So long that not more is bad than there is, where the factor is high for its budget.
        let length = short.max(bad.div_ceil(total)).max(1);
        let (each, more) = (bad / length, bad % length);
        let bad = (0..length).map(|at| each + u64::from(at < more)).collect();
        (length < quiet).then_some(Self { about, quiet, total, bad, over: short + 1, fires })
    }

    /// The step with which all is over.
    fn end(&self) -> u64 {
        self.quiet + self.bad.len() as u64 + self.over - 1
    }

    /// A test of the moment at which the burst ends, and one of that at which the short window holds none of it; both at the
    /// step `end`.
    fn tests(&self, of: &Subject, rule: &Rule, step: Duration, end: u64) -> String {
        let burst_end = self.quiet + self.bad.len() as u64 - 1;
        let mut text = self.test(of, rule, step, (burst_end, end), self.fires);
        // A short window that is not asked does not say that it is over.
        let told = rule.low_traffic.map_or(0, |it| it.short_min) <= self.total * (self.over - 1);
        if rule.short.is_some() && rule.keep_firing.is_zero() && told {
            text += &self.test(of, rule, step, (self.end(), end), false);
        }
        text
    }

    /// What holds at a step of the burst, which is that of the history at which rules are evaluated.
    fn test(
        &self,
        of: &Subject,
        rule: &Rule,
        step: Duration,
        at: (u64, u64),
        fires: bool,
    ) -> String {
        let (at, end) = at;
        let after = if at == self.end() { ", when it is over" } else { "" };
        let mut text = test(step, of, rule, &format!("{}{after}", self.about));
        // All is bad before the long window. Nothing happens in the step before it, which sums of Prometheus 2 still hold.
        let begins = (end + 1).saturating_sub(self.quiet);
        let counts = (0..=end).map(|step| {
            let after = (step + at).checked_sub(end + self.quiet);
            let bad = after.and_then(|it| self.bad.get(usize::try_from(it).ok()?)).copied();
            match step + 1 {
                // Rules are evaluated at the first step of all too.
                1 => (0, self.total),
                it if it == begins => (0, 0),
                it if it < begins => (self.total, self.total),
                _ => (bad.unwrap_or_default(), self.total),
            }
        });
        let (bad, total): (Vec<u64>, Vec<u64>) = counts.unzip();
        text += &histories(of, step, end, |step, wide| {
            let until = usize::try_from(step + 1).unwrap_or(usize::MAX);
            let from = until.saturating_sub(usize::try_from(wide).unwrap_or(usize::MAX));
            let inside = |of: &[u64]| of.get(from..until).unwrap_or_default().iter().sum();
            (inside(&bad), inside(&total))
        });
        let burn = Some(duration(rule.long));
        text += "  promql_expr_test:\n";
        text + &asked(of, rule, burn.as_deref(), times(step, end), fires)
    }
}

/// A rule that has to hold for some time: all is bad, and nobody is told at once.
fn waiting(of: &Subject, rule: &Rule, step: Duration, end: u64) -> String {
    let mut text = test(step, of, rule, "it has to hold for some time");
    let bad = |at: u64| if at == 0 { 0 } else { EVENTS };
    text += &histories(of, step, 2 * end, |at, wide| (wide * bad(at), wide * EVENTS));
    let burn = Some(duration(rule.long));
    text += "  promql_expr_test:\n";
    text += &asked(of, rule, burn.as_deref(), times(step, end), true);
    let at_once = Rule { pending: Duration::ZERO, ..rule.clone() };
    text += &asked(of, &at_once, burn.as_deref(), times(step, end), false);
    text + &asked(of, &at_once, burn.as_deref(), times(step, 2 * end), true)
}

/// What is recorded of each window that is asked directly, from the first step to `end`. `counts` says the bad events and
/// all of them, in so many steps up to one.
fn histories(
    of: &Subject,
    step: Duration,
    end: u64,
    counts: impl Fn(u64, u64) -> (u64, u64),
) -> String {
    let mut text = String::new();
    for window in exact::windows(of).into_iter().filter(|it| *it <= exact::DIRECT_MAX) {
        let wide = steps(window, step).unwrap_or(1).max(1);
        let (bad, total): (Vec<_>, Vec<_>) = (0..=end).map(|at| counts(at, wide)).unzip();
        for (name, values) in [(exact::BAD, bad), (exact::TOTAL, total)] {
            let series = yaml(&labelled(of, name, window));
            text += &format!("  - series: {series}\n    values: \"{}\"\n", runs(&values));
        }
    }
    text
}

fn times(step: Duration, steps: u64) -> Duration {
    step.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX))
}

/// How many steps a window is, if it is a whole number of them and not too many.
fn steps(window: Duration, step: Duration) -> Option<u64> {
    let (window, step) = (millis(window), millis(step).max(1));
    (window.is_multiple_of(step) && window / step <= STEPS_MAX).then_some(window / step)
}

/// The share of bad events at so many hundredths of the factor.
fn share(rule: &Rule, of: &Subject, percent: u64) -> f64 {
    let budget = Share::from(of.objective.rest());
    rule.factor.times(budget).times(Share::of(percent, 100)).get()
}

/// Groups are evaluated in their order, because otherwise an alert may look at what was recorded before.
fn head(rule_file: &str, step: Duration, groups: &[Group]) -> String {
    let (file, step) = (promql::quoted(rule_file), duration(step));
    let order: String =
        groups.iter().map(|it| format!("- {}\n", promql::quoted(&it.name))).collect();
    format!(
        "rule_files:\n- {file}\nevaluation_interval: {step}\ngroup_eval_order:\n{order}tests:\n"
    )
}

fn test(step: Duration, of: &Subject, rule: &Rule, about: &str) -> String {
    let name = promql::quoted(&format!("{}: {}, {about}", of.id(), rule.name));
    format!("- name: {name}\n  interval: {}\n  input_series:\n", duration(step))
}

fn asked(of: &Subject, rule: &Rule, burn: Option<&str>, at: Duration, fires: bool) -> String {
    // Where rules are evaluated but once, nothing has held for long.
    let waits = burn.is_some() && !rule.pending.is_zero();
    let mut labels = vec![
        ("alertname", of.alerting.name.as_str()),
        ("alertstate", if waits { "pending" } else { "firing" }),
        ("sloth_severity", rule.severity.name()),
    ];
    labels.extend(burn.map(|it| (exact::BURN_LABEL, it)));
    let id = of.id();
    labels.push(("sloth_id", &id));
    let labels: Vec<_> =
        labels.iter().map(|(name, value)| format!("{name}={}", promql::quoted(value))).collect();
    let expr = yaml(&format!("count(ALERTS{{{}}})", labels.join(", ")));
    let samples = if fires { "\n    - labels: '{}'\n      value: 1" } else { " []" };
    format!("  - expr: {expr}\n    eval_time: {}\n    exp_samples:{samples}\n", duration(at))
}

/// A record as the rules make it, with all its labels.
fn labelled(of: &Subject, name: &str, window: Duration) -> String {
    let record = of.record_of(name, window, "");
    let label = |(name, value): (&String, &String)| format!("{name}={}", promql::quoted(value));
    let labels: Vec<_> = record.labels.iter().map(label).collect();
    format!("{name}{}{{{}}}", duration(window), labels.join(", "))
}

/// Between single quotes, in which nothing is special but they themselves.
fn yaml(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// With all the digits it has, and no exponent.
fn number(value: f64) -> String {
    if value > 0.0 && value < 1e-3 { format!("{value:.18}") } else { decimal(value) }
}

/// Values as promtool writes series: `0x12 5+5x3`, each stretch of even growth one word.
fn runs(values: &[u64]) -> String {
    let mut words = Vec::new();
    let mut rest = values;
    while let [first, after @ ..] = rest {
        let Some(second) = after.first() else {
            words.push(first.to_string());
            break;
        };
        let growth = i128::from(*second) - i128::from(*first);
        let even = |it: &[u64]| matches!(it, [a, b] if i128::from(*b) - i128::from(*a) == growth);
        let times = rest.windows(2).take_while(|it| even(it)).count();
        words.push(format!("{first}{growth:+}x{times}"));
        rest = rest.get(times + 1..).unwrap_or_default();
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::tests::subject;
    use super::*;
    use crate::burn::Severity;

    fn tests_in(text: &str) -> usize {
        text.matches("\n- name: \"shop-pay: ").count()
    }

    #[test]
    fn every_pair_of_windows_is_tested_on_either_side_of_its_factor() {
        let of = subject();
        assert_eq!(tests_in(&compat(&of, "rules.yml")), 9);
        assert_eq!(tests_in(&exact(&of, "rules.yml")), 42);
        let quiet = Subject { alerting: super::super::Alerting::default(), ..of };
        assert_eq!(tests_in(&compat(&quiet, "rules.yml")), 0);
    }

    #[test]
    fn a_burst_fills_the_long_window_just_so() {
        let of = subject();
        let all = Burst::all(&of, &of.burn[1], Duration::from_mins(5));
        let it = &all[0];
        assert_eq!((it.quiet, it.bad.len(), it.over, it.fires), (72, 6, 7, true));
        let share = it.bad.iter().sum::<u64>() as f64 / (it.quiet * EVENTS) as f64;
        assert!((share - 1.02 * 6.0 * 0.001).abs() < 1e-9, "{share}");
    }

    #[test]
    fn few_events_prove_it_or_do_not_by_one() {
        let of = subject();
        let all = Burst::all(&of, &of.burn[0], Duration::from_mins(5));
        let about: Vec<_> = all.iter().take(6).map(|it| it.about.as_str()).collect();
        assert_eq!(
            about,
            ["102 % of 14.4", "98 % of 14.4", "3 of 12", "2 of 12", "22 of 996", "21 of 996"]
        );
    }

    #[test]
    fn what_cannot_be_reached_has_no_test() {
        let of = Subject { objective: "10%".parse().unwrap(), ..subject() };
        assert!(Burst::all(&of, &of.burn[0], Duration::from_mins(5)).is_empty());
        let odd = Rule::new("odd", Severity::Page, Duration::from_secs(3_601), None, Share::ONE);
        assert!(Burst::all(&of, &odd, Duration::from_mins(5)).is_empty());
    }

    #[test]
    fn values_are_written_as_stretches_of_even_growth() {
        assert_eq!(runs(&[0, 0, 0, 5, 10, 15, 15, 10]), "0+0x2 5+5x2 15-5x1");
        assert_eq!(runs(&[7]), "7");
        assert_eq!(runs(&[]), "");
    }

    #[test]
    fn small_numbers_have_no_exponent() {
        assert_eq!(number(0.0), "0");
        assert_eq!(number(0.01428), "0.01428");
        assert_eq!(number(0.000_014_28), "0.000014280000000000");
    }
}
