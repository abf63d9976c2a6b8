//! `chaos run`: an experiment by itself, from a document to a verdict.

use std::path::Path;

use evenkeel_drill::Runs;
use evenkeel_model::Plan;
use evenkeel_model::document::{Probe, ProbeKind, When};
use evenkeel_units::Seed;
use serde_json::json;

use crate::args::chaos::ChaosRunArgs;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;
use crate::verb::chaos::approve::approved;
use crate::verb::documents::{Choice, fresh_seed, gather, read, refuse_errors, wrong};
use crate::verb::drill::{Over, agree, conducted, shown, tell};
use crate::verb::plan::dry_run;

/// Runs an experiment, or shows what it would do.
pub(crate) async fn run(args: ChaosRunArgs, screen: &Screen) -> Result<Exit, Failure> {
    let found = read(gather(&args.files)?);
    refuse_errors(&found, screen)?;
    let choice = Choice {
        kind: "ChaosExperiment",
        noun: "experiment",
        option: "--name",
        none: "`evenkeel chaos faults` shows what one can do; `evenkeel chaos import FILE` brings one over",
    };
    let name = choice.of(&found.library.experiments(), args.name.as_deref())?;
    let seed = args.seed.map_or_else(fresh_seed, Seed);
    let plan =
        found.library.plan_experiment(name, seed).map_err(|errors| wrong(&errors, screen))?;
    let is_asked =
        |it: &Probe| it.is_due(When::During) && !matches!(it.kind, ProbeKind::Load { .. });
    if !plan.steady_state.iter().any(is_asked) {
        screen.warn(
            "no probe is asked, so no abort condition can come true, and nobody sees how the service takes it; \
             add one to `steadyState`",
        );
    }
    if args.dry_run {
        return dry_run(&plan, &args.dir, args.requester.as_deref(), screen);
    }
    agree(&plan, args.yes)?;
    let terms = Terms { dir: &args.dir, requester: args.requester.as_deref() };
    let next = |over: &Over, folder: &str| match over.outcome.verdict.exit_code {
        0 => {
            let which = args.name.as_ref().map(|it| format!(" --name {it}")).unwrap_or_default();
            let (files, dir) = (shown(&args.files), args.dir.display());
            format!("evenkeel chaos run {files}{which} --dir {dir}")
        }
        _ => format!("evenkeel report {folder} --as markdown"),
    };
    carried_out(plan, &terms, next, screen).await
}

/// On whose behalf something is run, and where that is kept.
pub(super) struct Terms<'a> {
    /// Folder of the runs.
    pub(super) dir: &'a Path,
    /// Who runs it, when they say so.
    pub(super) requester: Option<&'a str>,
}

/// Runs an experiment that somebody has agreed to, and says how it ended and what to do `next`.
pub(super) async fn carried_out(
    plan: Plan,
    terms: &Terms<'_>,
    next: impl FnOnce(&Over, &str) -> String,
    screen: &Screen,
) -> Result<Exit, Failure> {
    approved(&plan, terms.dir, terms.requester)?;
    if !plan.is_drawn() {
        return passed_over(&plan, screen);
    }
    let runs = Runs::at(terms.dir);
    let name = plan.drill.clone();
    let over = conducted(plan, &name, Some(&runs), None, None, screen, |_| {}).await?;
    let folder = runs.folder(&over.outcome.run.id);
    let next = next(&over, &folder.display().to_string());
    tell(&over, &folder, &over.files, &next, screen)
}

/// Says that chance has spared everybody. Nothing was asked or broken, so nothing is kept, and nothing has held.
pub(crate) fn passed_over(plan: &Plan, screen: &Screen) -> Result<Exit, Failure> {
    let share = plan.monkey.as_ref().map(|it| it.probability).unwrap_or_default();
    let headline =
        format!("Not drawn: {share} of the runs break something, and this is none of them");
    let cause =
        "Nothing was asked and nothing was broken, so nothing is known about the hypothesis.";
    let value = json!({
        "run": null,
        "exit_code": Exit::OK.code(),
        "verdict": {"result": "not_drawn", "exit_code": Exit::OK.code(), "headline": headline, "cause": cause},
        "seed": plan.seed,
    });
    let line = || {
        format!("– NOT DRAWN  {headline} (exit 0)\n  {cause}\n  {}, seed {}", plan.drill, plan.seed)
    };
    screen.show(&value, line)?;
    Ok(Exit::OK)
}
