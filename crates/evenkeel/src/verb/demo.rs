//! `demo`: the same drill on a fragile and on a resilient shop.
//!
//! Exit code 0 exactly when the first fails for the right reason and the second passes.

use std::net::TcpListener;
use std::path::Path;

use evenkeel_drill::Runs;
use evenkeel_model::outcome::{CheckKind, CheckResult, Ending};
use evenkeel_model::{Outcome, Plan};
use evenkeel_report::text;
use evenkeel_units::Seed;
use serde_json::json;

use super::documents::{fresh_seed, planned, read};
use super::drill::{Over, conducted};
use crate::args::DemoArgs;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

const DOCUMENT: &str = include_str!("../../assets/demo.yaml");
/// Where the shop is looked for first; it takes the ports up to `port + LINKS + 1`.
const FIRST_PORT: u16 = 7400;
/// From the port of the shop to those of its links.
const LINKS: u16 = 10;

/// Runs the demo.
pub(crate) async fn run(args: DemoArgs, screen: &Screen) -> Result<Exit, Failure> {
    let port = free_block().ok_or_else(|| {
        Failure::could_not_run("no block of free ports for the shop between 7400 and 9400")
            .help("stop what listens there")
    })?;
    let document = args.dir.join("drill.yaml");
    std::fs::create_dir_all(&args.dir)
        .and_then(|()| std::fs::write(&document, at_port(port)))
        .map_err(|error| {
            Failure::could_not_run(format!("cannot write {}: {error}", document.display()))
        })?;
    let plan = plan(&document, args.seed.map_or_else(fresh_seed, Seed), screen)?;
    let runs = Runs::at(&args.dir);

    screen.say("1 of 2: a shop without timeouts, retries and fallbacks");
    let fragile =
        conducted(made_fragile(plan.clone()), "fragile", Some(&runs), None, None, screen, |_| {})
            .await?;
    screen.say(&format!("        {}", fragile.outcome.verdict.headline));
    if fragile.outcome.verdict.result == Ending::Interrupted {
        return Ok(Ending::Interrupted.into());
    }
    screen.say("2 of 2: the same shop with them, in the same drill");
    let resilient = conducted(plan, "resilient", Some(&runs), None, None, screen, |_| {}).await?;
    screen.say(&format!("        {}", resilient.outcome.verdict.headline));

    if resilient.outcome.verdict.result == Ending::Interrupted {
        return Ok(Ending::Interrupted.into());
    }

    let told_apart = fails_for_the_right_reason(&fragile.outcome)
        && resilient.outcome.verdict.result == Ending::Pass;
    screen.show(
        &json!({
            "told_apart": told_apart,
            "document": document,
            "fragile": of(&fragile, &runs),
            "resilient": of(&resilient, &runs),
        }),
        || shown([&fragile, &resilient], &runs, &document, told_apart, screen),
    )?;
    Ok(if told_apart { Exit::OK } else { Exit::FAILED })
}

fn of(over: &Over, runs: &Runs) -> serde_json::Value {
    let Over { outcome, files, .. } = over;
    json!({
        "run": outcome.run.id, "folder": runs.folder(&outcome.run.id).display().to_string(), "files": files, "verdict": outcome.verdict, "score": outcome.score,
    })
}

fn shown(
    [fragile, resilient]: [&Over; 2],
    runs: &Runs,
    document: &Path,
    told_apart: bool,
    screen: &Screen,
) -> String {
    let mut lines = vec![
        text::side_by_side(
            &fragile.outcome,
            &resilient.outcome,
            ("fragile", "resilient"),
            screen.width(),
        ),
        text::hanging("fragile    ", &fragile.outcome.verdict.cause, screen.width()),
        text::hanging("resilient  ", &resilient.outcome.verdict.cause, screen.width()),
        String::new(),
    ];
    if !told_apart {
        lines.push("The demo did not go as it should: the fragile shop must fail under a slow neighbour, the resilient one pass.".to_owned());
        lines.push(text::summary(
            &resilient.outcome,
            &resilient.files,
            "evenkeel demo",
            screen.width(),
            screen.color,
        ));
    }
    for over in [fragile, resilient] {
        lines.push(format!(
            "report  {}",
            runs.folder(&over.outcome.run.id).join("report.html").display()
        ));
    }
    lines.push(format!("drill   {}", document.display()));
    lines.push(format!("next    evenkeel drill run {}", document.display()));
    lines.join("\n")
}

/// The fragile shop must fail because users waited for a slow neighbour, with every fault seen to act.
fn fails_for_the_right_reason(outcome: &Outcome) -> bool {
    let objective_failed = outcome.checks.iter().any(|it| {
        it.kind == CheckKind::Objective && it.result == CheckResult::Fail && it.phase.is_none()
    });
    let all_acted = outcome.faults.iter().all(|it| it.evidence.acted);
    let named = outcome
        .faults
        .iter()
        .any(|it| it.kind == "latency" && outcome.verdict.cause.contains(&it.label));
    outcome.verdict.result == Ending::Fail && objective_failed && all_acted && named
}

fn made_fragile(mut plan: Plan) -> Plan {
    if let Some(start) = &mut plan.service.start {
        start.command.push("--fragile".to_owned());
    }
    plan
}

fn plan(document: &Path, seed: Seed, screen: &Screen) -> Result<Plan, Failure> {
    let text = std::fs::read(document).map_err(|error| {
        Failure::could_not_run(format!("cannot read {}: {error}", document.display()))
    })?;
    let found = read(vec![(document.display().to_string(), text)]);
    planned(&found, None, Some(seed), screen)
}

/// The document with the ports that the shop takes when it is started at `port`.
fn at_port(port: u16) -> String {
    let ports = [
        ("@PORT@", port),
        ("@GATEWAY_1@", port + 1),
        ("@GATEWAY_2@", port + 2),
        ("@GATEWAY_3@", port + 3),
        ("@PAYMENT@", port + 5),
        ("@RECOMMENDATIONS@", port + 6),
        ("@PAYMENT_LINK@", port + LINKS),
        ("@RECOMMENDATIONS_LINK@", port + LINKS + 1),
    ];
    ports
        .iter()
        .fold(DOCUMENT.to_owned(), |text, (mark, port)| text.replace(mark, &port.to_string()))
}

/// The first port from which on everything the shop and its links need is free.
fn free_block() -> Option<u16> {
    (FIRST_PORT..FIRST_PORT + 2_000).step_by(20).find(|port| {
        (*port..=port + LINKS + 1).all(|it| TcpListener::bind(("127.0.0.1", it)).is_ok())
    })
}
