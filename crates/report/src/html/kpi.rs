//! The five figures: how much, how slow, how often right, how soon well again, at what cost. Of a load that breaks
//! nothing the last two are how much was answered, and how late it was sent.

use evenkeel_model::outcome::{BudgetFigures, CheckResult, FaultFigures, Figures};
use evenkeel_units::Moment;
use maud::{Markup, html};

use super::piece::{self, figure as card};
use super::view::View;
use crate::chart::spark::spark;
use crate::chart::stroke::Pen;
use crate::figure;
use crate::mark::{self, Tone};
use crate::reaction::{Reaction, reaction};
use crate::steps::Step;

/// Nothing for a run in which nothing was sent: five dashes say less than none.
pub(super) fn cards(view: &View) -> Markup {
    if !view.has_time() && view.outcome.totals == Figures::default() {
        return html! {};
    }
    if !view.has_load() {
        return html! {
            div.kpis {
                (requests(view))
                @if view.has_waits() { (longest(view)) }
                (availability(view))
                (detection(view))
                (recovery(view))
            }
        };
    }
    html! {
        div.kpis {
            (requests(view))
            (p99(view))
            (availability(view))
            @if view.outcome.plan.faults.is_empty() && view.outcome.budgets.is_empty() {
                // A load breaks nothing and may have no budget: how much was answered, and how well it was sent.
                (throughput(view))
                (lag(view))
            } @else {
                (recovery(view))
                (budget(view))
            }
        }
    }
}

/// Tone of a figure by the check on it; plain when nothing was asked of it.
fn judged(view: &View, words: &[&str]) -> Tone {
    view.check_on(words).map_or(Tone::Plain, |it| mark::check(it.result))
}

/// A figure of every step as a spark, on the axis of time of all charts.
fn course(view: &View, mut of: impl FnMut(&Step) -> Option<f64>) -> Markup {
    let points: Vec<_> = view.steps.timed().map(|(at, it)| (view.time.x(at), of(it))).collect();
    spark(&points)
}

fn requests(view: &View) -> Markup {
    let totals = &view.outcome.totals;
    let (number, unit) = figure::short_count(totals.sent);
    let note = html! {
        @if view.has_load() { "peak " b { (figure::rate(totals.peak_per_second)) } }
        @else { "asked all through the run" }
        @if totals.missed > 0 { " · " b { (figure::count(totals.missed)) } " never sent" }
    };
    let course = course(view, |it| (it.seconds > 0).then(|| it.rate(it.good + it.bad)));
    let name = if view.has_load() { "Requests" } else { "Answers" };
    card(Tone::Plain, name, html! { (number) small { (unit) } }, note, course)
}

fn p99(view: &View) -> Markup {
    let totals = &view.outcome.totals;
    let check = view.check_on(&["p99"]);
    let note = html! {
        @match (check, totals.p99_seconds) {
            (_, None) => "no request was answered right",
            (Some(it), _) => { "limit " b { (it.limit) } },
            (None, Some(_)) => { "median " b { (figure::time_or_none(totals.p50_seconds)) } },
        }
        @if let Some(time) = view.baseline().and_then(|it| it.p99_seconds) {
            " · baseline " b { (figure::time(time)) }
        }
    };
    // By its logarithm, as in the chart below, or one bad second would flatten all others.
    let course = course(view, |it| it.p99.map(|it| it.max(1e-6).ln()));
    let value = piece::big(&figure::time_or_none(totals.p99_seconds));
    card(judged(view, &["p99"]), "p99 response time", value, note, course)
}

/// Of few answers the longest says more than a percentile.
fn longest(view: &View) -> Markup {
    let all = &view.outcome.totals.all;
    let note = html! { "median " b { (figure::time_or_none(all.p50_seconds)) } };
    let value = piece::big(&figure::time_or_none(all.max_seconds));
    let tone = judged(view, &["response_time", "p99", "p95"]);
    card(tone, "Longest answer", value, note, html! {})
}

fn detection(view: &View) -> Markup {
    let acted = view.acted().count();
    let showed: Vec<_> = view.acted().filter_map(|(_, _, it)| it.detected_after).collect();
    let note = html! {
        @if acted == 0 { "nothing was broken" }
        @else { b { (showed.len()) } " of " b { (acted) } " faults showed" }
    };
    let value = showed.into_iter().max().map_or(figure::NONE.to_owned(), figure::span);
    card(judged(view, &["detection"]), "Time to detect", piece::big(&value), note, html! {})
}

fn availability(view: &View) -> Markup {
    let totals = &view.outcome.totals;
    let note = html! {
        @match (totals.failed, totals.missed) {
            (0, 0) if totals.good > 0 => "nothing failed",
            (0, 0) => "nothing was sent",
            (failed, 0) => { b { (figure::count(failed)) } " failed" },
            (failed, missed) => { b { (figure::count(failed)) } " failed · " b { (figure::count(missed)) } " never sent" },
        }
    };
    let course = course(view, |it| it.bad_ratio().map(|it| -it));
    let value = piece::big(&figure::share_or_none(totals.availability_ratio));
    let words = ["availability", "error_rate", "error rate"];
    card(judged(view, &words), "Availability", value, note, course)
}

fn throughput(view: &View) -> Markup {
    let totals = &view.outcome.totals;
    let reached = view.outcome.checks.iter().find(|it| it.name == "planned load reached");
    let note = html! {
        @match reached {
            Some(it) => { b { (it.measured) } " of the planned load was sent" },
            None => "answered right each second",
        }
    };
    let tone = match reached.map(|it| it.result) {
        Some(CheckResult::Fail) => Tone::Bad,
        _ => judged(view, &["throughput"]),
    };
    let course = course(view, |it| (it.seconds > 0).then(|| it.rate(it.good)));
    card(tone, "Throughput", piece::big(&figure::rate(totals.throughput_per_second)), note, course)
}

fn lag(view: &View) -> Markup {
    let sending = &view.outcome.sending;
    let kept_up = view.outcome.checks.iter().find(|it| it.name == "generator kept up");
    let note = html! {
        @match (kept_up, sending.lag.p50_seconds) {
            (Some(it), _) => (it.measured),
            (None, Some(median)) => { "median " b { (figure::time(median)) } },
            (None, None) => "nothing was sent",
        }
    };
    let tone = match kept_up.map(|it| it.result) {
        Some(CheckResult::Pass) | None => Tone::Plain,
        Some(_) => Tone::Doubt,
    };
    let value = piece::big(&figure::time_or_none(sending.lag.p99_seconds));
    card(tone, "p99 send lag", value, note, html! {})
}

fn recovery(view: &View) -> Markup {
    let faults: Vec<&FaultFigures> = view.acted().map(|(_, _, it)| it).collect();
    let count = |wanted| faults.iter().filter(|it| reaction(it) == wanted).count();
    let (lost, unseen) = (count(Reaction::NotRecovered), count(Reaction::NotObserved));
    let slowest = faults.iter().filter_map(|it| it.recovered_after).max();
    let check = view.check_on(&["recovery"]);
    let (tone, value) = match slowest {
        _ if faults.is_empty() => (Tone::Plain, figure::NONE.to_owned()),
        _ if lost > 0 => (Tone::Bad, "never".to_owned()),
        None => (Tone::Plain, figure::NONE.to_owned()),
        Some(slowest) => {
            (check.map_or(Tone::Good, |it| mark::check(it.result)), figure::span(slowest))
        }
    };
    let seen = faults.iter().filter_map(|it| it.detected_after).max();
    let note = html! {
        @if faults.is_empty() { "nothing was broken" }
        @else if lost > 0 { "after " b { (lost) } " of " b { (faults.len()) } " faults" }
        @else if unseen > 0 { b { (unseen) } " of " b { (faults.len()) } " faults not observed" }
        @else if let Some(seen) = seen { "shown within " b { (figure::span(seen)) } }
        @else { "no fault was noticed" }
        @if let Some(check) = check.filter(|_| !faults.is_empty()) { " · limit " b { (check.limit) } }
    };
    card(tone, "Time to recover", piece::big(&value), note, strip(view))
}

/// When each fault acted, and how long the service took to be well again.
fn strip(view: &View) -> Markup {
    let faults: Vec<_> = view.acted().take(6).collect();
    if faults.is_empty() {
        return html! {};
    }
    let (mut acting, mut mending) = (Pen::default(), Pen::default());
    let row = 900.0 / faults.len() as f64;
    for (index, (_, from, it)) in faults.iter().enumerate() {
        let to = it.to.map_or(*from, Moment::as_secs_f64);
        let well = to + reaction(it).mending(view.time.hi());
        let foot = (index + 1) as f64 * row - row * 0.2;
        let (x, end) = (view.time.x(*from), view.time.x(to).max(view.time.x(*from) + 6.0));
        acting.rect((x, foot), end - x, row * 0.6);
        mending.rect((end, foot), (view.time.x(well) - end).max(0.0), row * 0.6);
    }
    html! {
        svg.spark.strip viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true" {
            path.acting d=(acting.done()) {}
            path.mending d=(mending.done()) {}
        }
    }
}

fn budget(view: &View) -> Markup {
    let budgets = &view.outcome.budgets;
    let worst = budgets
        .iter()
        .filter(|it| it.total > 0)
        .max_by(|a, b| a.spent_ratio.total_cmp(&b.spent_ratio));
    let Some(worst) = worst else {
        let none = if budgets.is_empty() { "no objective with a budget" } else { "no data" };
        let note = html! { (none) };
        return card(Tone::Plain, "Budget spent", html! { (figure::NONE) }, note, html! {});
    };
    let mut bad = 0;
    let course = course(view, |it| {
        bad += it.bad;
        Some(bad as f64)
    });
    let note = html! {
        b { (figure::minutes(worst.window_spent_minutes)) } " of " (figure::minutes(worst.window_budget_minutes))
        " in " (figure::time(worst.window.as_secs_f64()))
    };
    let value = piece::big(&figure::share(worst.spent_ratio));
    card(spent(worst), "Budget spent", value, note, course)
}

/// Tone of a budget: overspent, as good as spent, or fine; plain without data.
pub(super) fn spent(it: &BudgetFigures) -> Tone {
    match it.spent_ratio {
        _ if it.total == 0 => Tone::Plain,
        ratio if ratio > 1.0 => Tone::Bad,
        ratio if ratio > 0.75 => Tone::Warn,
        ratio if ratio.is_finite() => Tone::Good,
        _ => Tone::Plain,
    }
}
