//! `chaos run`: an experiment by itself, from a document to a verdict.

use evenkeel_drill::Runs;
use evenkeel_model::document::ProbeKind;
use evenkeel_units::Seed;

use crate::args::chaos::ChaosRunArgs;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;
use crate::verb::chaos::approve::approved;
use crate::verb::documents::{Choice, fresh_seed, gather, read, refuse_errors, wrong};
use crate::verb::drill::{agree, conducted, shown, tell};
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
    if !plan.steady_state.iter().any(|it| !matches!(it.kind, ProbeKind::Load { .. })) {
        screen.warn(
            "no probe is asked, so no abort condition can come true, and nobody sees how the service takes it; \
             add one to `steadyState`",
        );
    }
    if args.dry_run {
        return dry_run(&plan, &args.dir, args.requester.as_deref(), screen);
    }
    approved(&plan, &args.dir, args.requester.as_deref())?;
    agree(&plan, args.yes)?;
    let runs = Runs::at(&args.dir);
    let over = conducted(plan, name, Some(&runs), None, None, screen, |_| {}).await?;
    let folder = runs.folder(&over.outcome.run.id);
    let next = match over.outcome.verdict.exit_code {
        0 => {
            let which = args.name.as_ref().map(|it| format!(" --name {it}")).unwrap_or_default();
            let (files, dir) = (shown(&args.files), args.dir.display());
            format!("evenkeel chaos run {files}{which} --dir {dir}")
        }
        _ => format!("evenkeel report {} --as markdown", folder.display()),
    };
    tell(&over, &folder, &over.files, &next, screen)
}
