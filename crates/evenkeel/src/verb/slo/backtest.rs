//! `slo backtest`: what alerts would have said of a time that is over.

use std::time::Duration;

use evenkeel_drill::Run;
use evenkeel_model::Library;
use evenkeel_model::document::Document;
use evenkeel_serve::objectives::history;
use evenkeel_slo::backtest::{self, Candidate, Report, rank};
use evenkeel_slo::burn::{Rule, Severity};
use evenkeel_slo::explain::present;
use evenkeel_slo::reading::burn_rules;
use evenkeel_slo::{Coverage, Interval, Intervals, Objective, Share, Unit};
use evenkeel_units::Human;
use serde_json::{Value, json};

use super::asked::{Asked, asked, unasked};
use super::status::percent;
use crate::args::slo::BacktestArgs;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;
use crate::verb::documents::plural;

/// Slices that events of series are counted in; a run knows its seconds.
const SLICE: Duration = Duration::from_mins(5);

/// Plays history through alerts.
pub(crate) async fn run(args: BacktestArgs, screen: &Screen) -> Result<Exit, Failure> {
    let Asked { library, objectives, source, at, run } = asked(&args.source, screen)?;
    let time = run.as_ref().and_then(Run::time);
    let slice = args.slice.unwrap_or_else(|| time.map_or(SLICE, |_| Duration::from_secs(1)));
    let mut incidents: Intervals =
        args.incidents.iter().map(|(from, to)| Interval::new(*from, *to)).collect();
    if let (true, Some(run)) = (args.incidents.is_empty(), &run) {
        // What a drill breaks somebody should be told of.
        incidents = run.faults_on_clocks().into_iter().map(|it| it.1).collect();
    }
    let mut all = Vec::new();
    for it in &objectives {
        let length = args.over.unwrap_or_else(|| time.map_or(it.length, Interval::length));
        let over = Interval::new(at.checked_sub(length).unwrap_or(at), at);
        let told = history(&source, it, over, slice).await.map_err(unasked)?;
        let within = incidents.within(over);
        let sets = candidates(it, &library);
        let ranked = rank(it.promise, sets, Severity::Page, &told, &within, args.grace);
        all.push((it, told.coverage(over), within.pieces(), ranked));
    }
    let rows: Vec<_> = all
        .iter()
        .map(|(it, coverage, incidents, ranked)| {
            let covered = coverage.present.as_secs_f64() / coverage.of.as_secs_f64().max(1e-3);
            json!({
                "name": it.name,
                "coverage_ratio": covered,
                "incidents": incidents,
                "suggestion": best(ranked, *incidents).map(|it| &it.0.name),
                "sets": ranked.iter().map(row).collect::<Vec<_>>(),
            })
        })
        .collect();
    screen.show(&json!({"at": at, "objectives": rows}), || {
        all.iter()
            .map(|(it, coverage, incidents, ranked)| shown(it, *coverage, *incidents, ranked))
            .collect()
    })?;
    let is_empty = all.iter().any(|(_, coverage, _, _)| coverage.present.is_zero());
    Ok(if is_empty { Exit::INCONCLUSIVE } else { Exit::OK })
}

/// A set of rules, and how well it told of incidents.
type Set = (Candidate, Report);

/// The alerts of the objective, those of every policy among the documents, those that people use, and faster and slower ones.
fn candidates(of: &Objective, library: &Library) -> Vec<Candidate> {
    let unit = of.asking.unit();
    let set = |name: &str, rules, inhibits| Candidate { name: name.to_owned(), rules, inhibits };
    let mut all = vec![set("own", of.burn.clone(), of.inhibits)];
    all.extend(library.items().iter().filter_map(|it| match it.document() {
        Document::AlertPolicy(it) if !it.name.is_empty() => {
            Some(set(&it.name, burn_rules(it, of.length, unit), it.inhibit))
        }
        _ => None,
    }));
    all.retain(|it| !it.rules.is_empty());
    // Where time is counted, there are no few events.
    let fit =
        |it: Rule| Rule { low_traffic: it.low_traffic.filter(|_| unit == Unit::Events), ..it };
    let usual = backtest::candidates(of.length).into_iter();
    all.extend(usual.map(|it| Candidate { rules: it.rules.into_iter().map(fit).collect(), ..it }));
    all
}

fn row(of: &Set) -> Value {
    let seconds = |it: &[Duration]| it.iter().map(Duration::as_secs_f64).collect::<Vec<_>>();
    let window = |it: &Rule| {
        json!({
            "severity": it.severity.name(),
            "factor": it.factor.get(),
            "long_seconds": it.long.as_secs_f64(),
            "short_seconds": it.short.map(|it| it.as_secs_f64()),
        })
    };
    let (Candidate { name, rules, .. }, report) = of;
    json!({
        "name": name,
        "windows": rules.iter().map(window).collect::<Vec<_>>(),
        "pages": report.pages,
        "pages_per_30_days": report.pages_per_month,
        "pages_due": report.pages_due,
        "incidents_detected": report.detected,
        "precision_ratio": report.precision().map(Share::get),
        "recall_ratio": report.recall().map(Share::get),
        "detection_seconds": seconds(&report.detection),
        "reset_seconds": seconds(&report.reset),
    })
}

/// The best of those that are ranked; none where there was nothing to tell of, or nobody told of it.
fn best(ranked: &[Set], incidents: usize) -> Option<&Set> {
    ranked.first().filter(|it| incidents > 0 && it.1.detected > 0)
}

fn shown(of: &Objective, over: Coverage, incidents: usize, ranked: &[Set]) -> String {
    // What comes of a few minutes is no rate of a month.
    let is_long = over.of >= Duration::from_hours(24);
    let mut text = format!("{}  {}\n", of.name, present(over));
    let width = ranked.iter().map(|it| it.0.name.chars().count()).max().unwrap_or_default();
    for (Candidate { name, .. }, it) in ranked {
        let month = is_long.then(|| format!(", {:.1} in 30 days", it.pages_per_month));
        let (pages, month) = (plural(it.pages, "page"), month.unwrap_or_default());
        text += &format!("  {name:width$}  {pages}{month}");
        // How good that is, only incidents say.
        if incidents > 0 {
            let slowest = it.slowest().map(|it| format!("; told after {} at most", Human(it)));
            let reset = it.reset.iter().max().map(|it| format!(", over {} later", Human(*it)));
            text += &format!(
                "; precision {}, recall {}{}{}",
                percent(it.precision()),
                percent(it.recall()),
                slowest.unwrap_or_default(),
                reset.unwrap_or_default()
            );
        }
        text += "\n";
    }
    if incidents == 0 {
        text += "  name what should have been told of by `--incident FROM..TO`, and it is said which is best\n";
    }
    if let Some((Candidate { name, rules, .. }, _)) = best(ranked, incidents) {
        text += &format!("  suggested: {name}\n");
        for it in rules {
            let short = it.short.map(|it| format!(" and {}", Human(it))).unwrap_or_default();
            let (severity, factor) = (it.severity.name(), it.factor);
            text += &format!("    {severity} at {factor} over {}{short}\n", Human(it.long));
        }
    }
    text
}
