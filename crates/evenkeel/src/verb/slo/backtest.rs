//! `slo backtest`: what alerts would have said of a time that is over.

use std::time::Duration;

use evenkeel_serve::objectives::history;
use evenkeel_slo::backtest::{Report, rank};
use evenkeel_slo::burn::{Rule, Severity, catalogue};
use evenkeel_slo::{Interval, Intervals, Objective, Share, Unit};
use evenkeel_units::Human;
use serde_json::{Value, json};

use super::asked::{library, objectives, source, unasked};
use super::status::percent;
use crate::args::slo::BacktestArgs;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// Plays history through alerts.
pub(crate) async fn run(args: BacktestArgs, screen: &Screen) -> Result<Exit, Failure> {
    let library = library(&args.source.files, screen)?;
    let objectives = objectives(&library, &args.source.slo, screen)?;
    let (source, at) = source(&args.source)?;
    let incidents = args.incidents.iter().map(|(from, to)| Interval::new(*from, *to));
    let incidents: Intervals = incidents.collect();
    let mut all = Vec::new();
    for it in &objectives {
        let from = at.checked_sub(args.over.unwrap_or(it.length)).unwrap_or(at);
        let over = Interval::new(from, at);
        let told = history(&source, it, over, args.slice).await.map_err(unasked)?;
        let within = incidents.within(over);
        let ranked = rank(it.promise, candidates(it), Severity::Page, &told, &within, args.grace);
        all.push((it, told.coverage(over), ranked));
    }
    let rows: Vec<_> = all
        .iter()
        .map(|(it, coverage, ranked)| {
            let sets: Vec<_> = ranked.iter().map(|(name, report)| row(name, report)).collect();
            let covered = coverage.present.as_secs_f64() / coverage.of.as_secs_f64().max(1e-3);
            json!({
                "name": it.name,
                "coverage_ratio": covered,
                "incidents": incidents.pieces(),
                "suggestion": ranked.first().map(|it| &it.0),
                "sets": sets,
            })
        })
        .collect();
    screen.show(&json!({"at": at, "objectives": rows}), || {
        all.iter().map(|(it, _, ranked)| shown(it, ranked)).collect()
    })?;
    let is_empty = all.iter().any(|(_, coverage, _)| coverage.present.is_zero());
    Ok(if is_empty { Exit::INCONCLUSIVE } else { Exit::OK })
}

/// The alerts of the objective, and those that people use.
fn candidates(of: &Objective) -> Vec<(String, Vec<Rule>)> {
    let usual = |rules: Vec<Rule>| -> Vec<Rule> {
        // Where time is counted, there are no few events.
        let of_time = of.asking.unit() == Unit::Time;
        let fit = |it: Rule| Rule { low_traffic: it.low_traffic.filter(|_| !of_time), ..it };
        rules.into_iter().map(fit).collect()
    };
    let mut all = vec![("own".to_owned(), of.burn.clone())];
    all.retain(|(_, rules)| !rules.is_empty());
    all.extend([
        ("workbook".to_owned(), usual(catalogue::workbook(of.length))),
        ("sloth".to_owned(), usual(catalogue::sloth(of.length))),
        ("1h 6h 24h".to_owned(), usual(catalogue::hour_to_day(of.length))),
    ]);
    all
}

fn row(name: &str, of: &Report) -> Value {
    let seconds = |it: &[Duration]| it.iter().map(Duration::as_secs_f64).collect::<Vec<_>>();
    json!({
        "name": name,
        "pages": of.pages,
        "pages_per_30_days": of.pages_per_month,
        "pages_due": of.pages_due,
        "incidents_detected": of.detected,
        "precision_ratio": of.precision().map(Share::get),
        "recall_ratio": of.recall().map(Share::get),
        "detection_seconds": seconds(&of.detection),
        "reset_seconds": seconds(&of.reset),
    })
}

fn shown(of: &Objective, ranked: &[(String, Report)]) -> String {
    let mut text = format!("{}\n", of.name);
    for (name, it) in ranked {
        let slowest = it.slowest().map(|it| format!(", after {} at most", Human(it)));
        text += &format!(
            "  {name:10} {} pages, {:.1} in 30 days; precision {}, recall {}{}\n",
            it.pages,
            it.pages_per_month,
            percent(it.precision()),
            percent(it.recall()),
            slowest.unwrap_or_default()
        );
    }
    text
}
