//! Words: how an objective stands, in a word and in a sentence.

use evenkeel_slo::burn::Severity;
use evenkeel_slo::gate::Verdict;
use evenkeel_slo::standing::Burning;
use evenkeel_slo::{Exhaustion, Share, Status, Window};
use evenkeel_units::Human;

use super::Sheet;
use super::view::View;
use super::went::found;
use crate::figure;
use crate::mark::Tone;

/// How it stands.
pub(super) struct Words {
    pub(super) tone: Tone,
    /// In a pill.
    pub(super) pill: &'static str,
    /// As the heading of the verdict.
    pub(super) headline: String,
}

/// How an objective stands: what is spent first, then what burns, then what is about to be spent.
pub(super) fn of(sheet: &Sheet) -> Words {
    let standing = &sheet.standing;
    let fires = |severity| {
        standing.firing().find(|it| it.rule.severity == severity).map(|it| it.rule.name.as_str())
    };
    let (tone, pill, headline) = match (standing.status, fires(Severity::Page)) {
        (Status::NoData, _) => (Tone::Plain, "no data", "Nothing was counted".to_owned()),
        (Status::Exhausted, _) => (Tone::Bad, "exhausted", "The error budget is exhausted".into()),
        (_, Some(rule)) => {
            (Tone::Bad, "burning", format!("The error budget burns fast: {rule} fires"))
        }
        (Status::Critical, None) => {
            (Tone::Warn, "nearly spent", "The error budget is nearly spent".into())
        }
        (Status::Warning, None) => (Tone::Warn, "at risk", "The error budget is at risk".into()),
        (Status::Healthy, None) => match fires(Severity::Ticket) {
            Some(rule) => (Tone::Warn, "leaking", format!("The error budget leaks: {rule} fires")),
            None => (Tone::Good, "within budget", "The promise is kept".into()),
        },
    };
    Words { tone, pill, headline }
}

/// What was reached, what is left, and what took most of it.
pub(super) fn cause(view: &View) -> String {
    let sheet = view.sheet;
    let account = &sheet.standing.account;
    let window = window(sheet);
    let (Some(left), Some(reached)) = (view.left(), account.budget.counts.ratio()) else {
        return format!("There is no data {window}, which is neither good nor bad.");
    };
    let promise = figure::share(sheet.objective.promise.get());
    let mut said = format!("{} was reached of {promise} {window}, ", figure::share(reached));
    said += &match left {
        it if it.is_infinite() => "where nothing may fail.".to_owned(),
        it if it < 0.0 => format!("and {} more than the budget was spent.", figure::share(-it)),
        it => format!("and {} of the budget is left.", figure::share(it)),
    };
    if let Some(it) = pace(view) {
        said += " ";
        said += &it;
    }
    if let Some(worst) = view.went.culprits.first().filter(|_| left.is_finite()) {
        let spent = share(Some(worst.share)).unwrap_or(0.0) * (1.0 - left);
        let name = found(view, worst).map_or(worst.name.clone(), |it| View::called(it.1));
        said += &format!(" Of what is known, {name} took most: {}.", figure::share(spent));
    }
    said
}

/// What comes of it if it goes on like this.
pub(super) fn pace(view: &View) -> Option<String> {
    let standing = &view.sheet.standing;
    let (rate, over) = standing.recent?;
    let at = format!(
        "At the pace of the last {} ({})",
        Human(over.length()),
        figure::factor(rate.get())
    );
    match standing.exhaustion? {
        Exhaustion::Already => None,
        Exhaustion::Never | Exhaustion::NotInWindow => Some(format!("{at} it lasts.")),
        Exhaustion::After { lasts, .. } if lasts > standing.account.bounds.length() => {
            Some(format!("{at} it lasts."))
        }
        Exhaustion::After { lasts, at: dry } => Some(format!(
            "{at} it runs dry in {}, on {}.",
            figure::rough(lasts),
            view.moment_with_day(dry)
        )),
    }
}

/// The window, after `of 99.9%`: `over the last 30d`.
pub(super) fn window(sheet: &Sheet) -> String {
    match &sheet.objective.window {
        Window::Rolling(length) => format!("over the last {}", Human(*length)),
        Window::Calendar(it) => format!("in this {}", it.period.name()),
    }
}

/// The window, on its own: `rolling 30d`.
pub(super) fn window_name(sheet: &Sheet) -> String {
    match &sheet.objective.window {
        Window::Rolling(length) => format!("rolling {}", Human(*length)),
        Window::Calendar(it) => format!("calendar {}", it.period.name()),
    }
}

/// What the gate says, and how good that is.
pub(super) const fn gate(of: Verdict) -> (Tone, &'static str) {
    match of {
        Verdict::Open => (Tone::Good, "open"),
        Verdict::Inconclusive => (Tone::Plain, "no data"),
        Verdict::Closed => (Tone::Bad, "closed"),
    }
}

/// What an alert does. Whether one with a `for` has held for so long, a single look does not tell.
pub(super) fn alert(of: &Burning) -> (Tone, &'static str) {
    match (of.holds, &of.inhibited_by) {
        (None, _) => (Tone::Plain, "no data"),
        (Some(false), _) => (Tone::Good, "quiet"),
        (Some(true), Some(_)) => (Tone::Plain, "inhibited"),
        (Some(true), None) if !of.rule.pending.is_zero() => (Tone::Warn, "pending"),
        (Some(true), None) if of.rule.severity == Severity::Page => (Tone::Bad, "firing"),
        (Some(true), None) => (Tone::Warn, "firing"),
    }
}

/// How good it is that so much is left, between the marks of who judges it.
pub(super) fn left(of: Status) -> Tone {
    match of {
        Status::NoData => Tone::Plain,
        Status::Healthy => Tone::Good,
        Status::Warning | Status::Critical => Tone::Warn,
        Status::Exhausted => Tone::Bad,
    }
}

/// A share as a number.
pub(super) fn share(of: Option<Share>) -> Option<f64> {
    of.map(Share::get)
}
