//! The end of a load on a terminal: how much, how fast, what failed, and what was judged.

use evenkeel_model::Outcome;
use evenkeel_model::outcome::{Figures, Times};
use evenkeel_units::Bytes;

use super::{DIM, LINES, Paper, borne, checks, fitting, pad, plain, verdict, written};
use crate::{bearing, figure};

/// The most routes that are shown.
const ROUTES: usize = 12;

/// Heads of the columns of times.
const TIMES: [&str; 7] = ["mean", "p50", "p90", "p95", "p99", "p99.9", "max"];

/// The summary of a load, like [`summary`](super::summary) of a drill.
pub fn load(outcome: &Outcome, files: &[String], next: &str, width: usize, color: bool) -> String {
    let ink = Paper { width: fitting(width), color };
    let mut top = verdict(outcome, ink);
    top.push(String::new());
    top.extend(amounts(outcome));
    top.extend(times(outcome, ink));
    top.extend(routes(outcome, ink));
    let mut rest = borne(outcome, ink);
    rest.extend(written(files, next, ink));
    let room = LINES.saturating_sub(top.len() + rest.len());
    top.extend(checks(&outcome.checks, room, ink));
    top.extend(rest);
    top.truncate(LINES);
    top.join("\n") + "\n"
}

/// What was sent, and what became of it.
fn amounts(outcome: &Outcome) -> Vec<String> {
    let (totals, sending) = (&outcome.totals, &outcome.sending);
    let mut lines = vec![
        format!(
            "{} requests in {}: {} answered right, {} failed, {} missed",
            figure::count(totals.sent),
            figure::span(outcome.duration),
            figure::count(totals.good),
            figure::count(totals.failed),
            figure::count(totals.missed),
        ),
        format!(
            "{} answered right · {} received",
            figure::rate(totals.throughput_per_second),
            Bytes(sending.bytes_received),
        ),
    ];
    if !totals.errors.is_empty() {
        let each =
            totals.errors.iter().map(|(class, count)| format!("{class} {}", figure::count(*count)));
        lines.push(format!("failures: {}", each.collect::<Vec<_>>().join(", ")));
    }
    lines
}

fn times(outcome: &Outcome, ink: Paper) -> Vec<String> {
    let totals = &outcome.totals;
    let heads = TIMES.map(str::to_owned);
    let mut lines = vec![String::new(), ink.paint(DIM, &line("", &heads))];
    lines.push(line("response", &each(&totals.response()).map(time)));
    lines.push(line("service", &each(&totals.service).map(time)));
    lines.push(line("send lag", &each(&outcome.sending.lag).map(time)));
    lines
}

/// Times in the order of the columns.
fn each(times: &Times) -> [Option<f64>; 7] {
    let Times {
        mean_seconds,
        p50_seconds,
        p90_seconds,
        p95_seconds,
        p99_seconds,
        p999_seconds,
        max_seconds,
    } = *times;
    [mean_seconds, p50_seconds, p90_seconds, p95_seconds, p99_seconds, p999_seconds, max_seconds]
}

fn time(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "–".to_owned(), bearing::micros)
}

fn line(name: &str, cells: &[String]) -> String {
    let cells = cells.iter().map(|it| {
        let blanks = 9usize.saturating_sub(figure::columns(it));
        " ".repeat(blanks) + it
    });
    format!("{name:<10}{}", cells.collect::<String>()).trim_end().to_owned()
}

/// Each route, when there are several, and each transaction.
fn routes(outcome: &Outcome, ink: Paper) -> Vec<String> {
    let routes = outcome.routes.iter().map(|it| (&it.name, &it.figures));
    let several = outcome.routes.len() > 1 || !outcome.transactions.is_empty();
    let all: Vec<_> = routes
        .chain(outcome.transactions.iter().map(|it| (&it.name, &it.figures)))
        .filter(|_| several)
        .collect();
    if all.is_empty() {
        return Vec::new();
    }
    let name = ink.width.saturating_sub(5 * 10).min(40);
    let row = |it: &str, cells: [String; 5]| {
        let cells = cells.iter().map(|it| {
            let blanks = 10usize.saturating_sub(figure::columns(it));
            " ".repeat(blanks) + it
        });
        pad(&figure::cut(&plain(it), name), name) + &cells.collect::<String>()
    };
    let heads = ["right", "failed", "p50", "p95", "p99"].map(str::to_owned);
    let mut lines = vec![String::new(), ink.paint(DIM, &row("route", heads))];
    let cells = |it: &Figures| {
        let [p50, p95, p99] = [it.p50_seconds, it.p95_seconds, it.p99_seconds].map(time);
        [figure::count(it.good), figure::count(it.failed), p50, p95, p99]
    };
    lines.extend(all.iter().take(ROUTES).map(|(name, figures)| row(name, cells(figures))));
    if all.len() > ROUTES {
        lines.push(ink.paint(DIM, &format!("and {} more", all.len() - ROUTES)));
    }
    lines
}
