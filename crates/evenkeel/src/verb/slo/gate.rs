//! `gate`: whether a change may go out, by what is left of an error budget.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use evenkeel_serve::objectives::judge;
use evenkeel_slo::Charter;
use evenkeel_slo::gate::{Audit, Decision, Request, Verdict};
use serde_json::{Value, json};

use super::asked::{Asked, asked, unasked};
use super::status::row;
use crate::args::slo::GateArgs;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;
use crate::verb::chaos::approve::person;

/// Asks the gate of every objective that is meant; all of them have to be open.
pub(crate) async fn run(args: GateArgs, screen: &Screen) -> Result<Exit, Failure> {
    let Asked { library, objectives, source, at, .. } = asked(&args.source, screen)?;
    let who = person(args.who.as_deref());
    let (kind, reason) = (args.kind.as_str(), args.reason.as_deref());
    let mut all = Vec::new();
    for it in &objectives {
        let charter = Charter::of(library.error_budget_policies(), it);
        let charter = charter.map_err(|error| Failure::usage(error.to_string()))?;
        let judged = judge(&source, it, at).await.map_err(unasked)?;
        let decision =
            charter.decide(Request { kind, reason, who: Some(&who), at }, &judged.standing);
        all.push((it, row(it, &judged), decision));
    }
    let verdict = all.iter().map(|it| it.2.verdict).max().unwrap_or(Verdict::Inconclusive);
    // What another gate stops has passed none.
    for (it, _, decision) in &mut all {
        decision.audit = decision.audit.take().filter(|_| verdict == Verdict::Open);
        if let Some(audit) = &decision.audit {
            keep(&args.audit, &entry(&it.name, audit))?;
        }
    }
    let rows: Vec<_> = all.iter().map(|(it, row, of)| decided(&it.name, row, of)).collect();
    let value = json!({"at": at, "type": kind, "verdict": word(verdict), "objectives": rows});
    screen.show(&value, || {
        let mut text = format!("{}\n", word(verdict));
        for (it, _, decision) in &all {
            text += &format!("  {}  {}\n", it.name, word(decision.verdict));
            decision.grounds.iter().for_each(|it| text += &format!("    {it}\n"));
        }
        text
    })?;
    Ok(match verdict {
        Verdict::Open => Exit::OK,
        Verdict::Closed => Exit::FAILED,
        Verdict::Inconclusive => Exit::INCONCLUSIVE,
    })
}

const fn word(of: Verdict) -> &'static str {
    match of {
        Verdict::Open => "open",
        Verdict::Closed => "closed",
        Verdict::Inconclusive => "inconclusive",
    }
}

fn decided(name: &str, row: &Value, of: &Decision) -> Value {
    json!({
        "name": name,
        "verdict": word(of.verdict),
        "grounds": of.grounds.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "status": row["status"],
        "budget_remaining_ratio": row["budget_remaining_ratio"],
        "audit": of.audit.as_ref().map(|it| entry(name, it)),
    })
}

/// What is kept of a closed gate that was passed.
fn entry(name: &str, of: &Audit) -> Value {
    json!({
        "at": of.at,
        "objective": name,
        "who": of.who,
        "type": of.kind,
        "reason": of.reason,
        "overruled": word(of.overruled),
        "grounds": of.grounds,
    })
}

/// Appends a line. What cannot be kept does not pass.
fn keep(path: &Path, entry: &Value) -> Result<(), Failure> {
    let append = || {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        file.write_all(format!("{entry}\n").as_bytes())?;
        file.sync_all()
    };
    append().map_err(|error| {
        Failure::could_not_run(format!("cannot keep the reason in {}: {error}", path.display()))
            .help("name a file with `--audit` that can be written")
    })
}
