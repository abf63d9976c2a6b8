//! `drill run`: from a document to a verdict.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use evenkeel_drill::folder::{self, JOURNAL};
use evenkeel_drill::{ConductError, Run, Runs, Setup, conduct, judge};
use evenkeel_load::fleet::Fleet;
use evenkeel_model::diagnostic::in_one_line;
use evenkeel_model::plan::RunHead;
use evenkeel_model::{Entry, Outcome, Plan};
use evenkeel_report::{Format, render, text};
use evenkeel_units::{Clock, Human, SystemClock};
use serde_json::json;

use super::chaos::approve::approved;
use super::documents::plan_of;
use crate::args::RunArgs;
use crate::exit::{Exit, Failure};
use crate::live::Watcher;
use crate::screen::Screen;

/// A run that is over, and where it is kept.
pub(crate) struct Over {
    pub(crate) outcome: Outcome,
    pub(crate) files: Vec<String>,
    /// All that happened.
    pub(crate) run: Run,
}

/// Runs a drill.
pub(crate) async fn run(args: RunArgs, screen: &Screen) -> Result<Exit, Failure> {
    let plan = plan_of(&args.document, screen)?;
    approved(&plan, &args.dir, args.requester.as_deref())?;
    agree(&plan, args.yes)?;
    let runs = Runs::at(&args.dir);
    let stored = stored_baseline(&runs, &plan.drill)?;
    let name = plan.drill.clone();
    let over = conducted(plan, &name, Some(&runs), stored.as_ref(), None, screen, |_| {}).await?;
    let passed = over.outcome.verdict.exit_code == 0;
    let mut files = over.files.clone();
    files.extend(keep_baseline(&over.outcome, &runs, stored.is_none() || args.accept)?);
    let folder = runs.folder(&over.outcome.run.id);
    let next = match passed {
        true => format!(
            "evenkeel drill run {} --dir {}",
            shown(&args.document.files),
            args.dir.display()
        ),
        false => format!("evenkeel report {} --as markdown", folder.display()),
    };
    tell(&over, &folder, &files, &next, screen)
}

/// Says how a run ended and what was written; its exit code.
pub(crate) fn tell(
    over: &Over,
    folder: &Path,
    files: &[String],
    next: &str,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let outcome = &over.outcome;
    screen.show(
        &json!({
            "run": outcome.run.id,
            "folder": folder.display().to_string(),
            "files": over.files,
            "exit_code": outcome.verdict.exit_code,
            "verdict": outcome.verdict,
            "score": outcome.score,
        }),
        || text::summary(outcome, files, next, screen.width(), screen.color),
    )?;
    Ok(outcome.verdict.result.into())
}

/// The run that later ones of this name are compared with.
pub(crate) fn stored_baseline(runs: &Runs, name: &str) -> Result<Option<Outcome>, Failure> {
    runs.baseline(name).map_err(|error| {
        Failure::could_not_run(format!("cannot read the stored baseline: {error}"))
            .help(format!("remove {}", runs.baseline_file(name).display()))
    })
}

/// Keeps a run that passed as the baseline of later ones, when that is `wanted`; says where.
pub(crate) fn keep_baseline(
    outcome: &Outcome,
    runs: &Runs,
    wanted: bool,
) -> Result<Option<String>, Failure> {
    if outcome.verdict.exit_code != 0 || !wanted {
        return Ok(None);
    }
    let file = runs
        .store_baseline(outcome)
        .map_err(|error| Failure::could_not_run(format!("cannot store the baseline: {error}")))?;
    Ok(Some(format!("{} (what later runs are compared with)", file.display())))
}

pub(crate) fn shown(files: &[PathBuf]) -> String {
    files.iter().map(|it| it.display().to_string()).collect::<Vec<_>>().join(" ")
}

/// Asks before something is broken, where there is somebody to ask.
pub(crate) fn agree(plan: &Plan, yes: bool) -> Result<(), Failure> {
    if yes || plan.faults.is_empty() || !io::stdin().is_terminal() || agreed(plan)? {
        return Ok(());
    }
    Err(Failure::refused("nothing was run").help("say `y`, or give `--yes`"))
}

fn agreed(plan: &Plan) -> Result<bool, Failure> {
    let faults: Vec<_> = plan.faults.iter().map(|it| it.label.as_str()).collect();
    let question = format!("{} will break: {}. Go on? [y/N] ", plan.drill, faults.join(", "));
    let mut answer = String::new();
    io::stderr()
        .lock()
        .write_all(question.as_bytes())
        .and_then(|()| io::stdin().lock().read_line(&mut answer))
        .map_err(|error| Failure::could_not_run(format!("cannot ask: {error}")))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Conducts a run, judges it, and writes its reports into its folder, if it is to be kept. A fleet sends the load, if
/// there is one.
pub(crate) async fn conducted(
    plan: Plan,
    name: &str,
    runs: Option<&Runs>,
    stored: Option<&Outcome>,
    fleet: Option<Fleet>,
    screen: &Screen,
    mut also: impl FnMut(&Entry),
) -> Result<Over, Failure> {
    super::plan::nothing_lacks(&plan)?;
    let state_dir = evenkeel_fault::state_dir();
    super::chaos::mend_first(&state_dir, screen).await?;
    let started = SystemClock::start().wall();
    let made = runs.map(|it| it.create(name, started)).transpose().map_err(|error| {
        Failure::could_not_run(format!("cannot make a folder for the run: {error}"))
    })?;
    let (id, folder) = match made {
        Some((id, folder)) => (id, Some(folder)),
        None => (folder::id(name, started), None),
    };
    let own_binary = std::env::current_exe()
        .map_err(|error| Failure::could_not_run(format!("cannot find the own binary: {error}")))?;
    let head = RunHead {
        id,
        started: started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let length = Human(plan.length());
    let what = if plan.load.is_some() { " of load" } else { "" };
    screen.say(&format!("{name}: seed {}, {length}{what}", plan.seed));
    let mut watcher = Watcher::new(screen, &plan);
    let baseline = stored.cloned();
    let setup = Setup {
        head,
        plan: plan.clone(),
        baseline,
        folder: folder.clone(),
        state_dir,
        fleet,
        own_binary,
    };
    let run = Box::pin(conduct(setup, |scene| {
        also(scene.entry);
        watcher.see(scene);
    }));
    let run = run.await;
    let run = run.map_err(|error| match error {
        ConductError::Broken(_) => Failure::bug(in_one_line(&error)),
        _ => Failure::could_not_run(in_one_line(&error)),
    })?;
    let outcome = judge(&run, None).map_err(|error| Failure::could_not_run(in_one_line(&error)))?;
    let (files, trouble) = folder.map(|it| write_reports(&outcome, &it)).unwrap_or_default();
    if let Some(trouble) = trouble {
        // A report that could not be written changes nothing about the verdict.
        screen.complain(&trouble);
    }
    Ok(Over { outcome, files, run })
}

/// Writes every report of a run, each whole or not at all. What could be written, and why the rest could not.
fn write_reports(outcome: &Outcome, folder: &Path) -> (Vec<String>, Option<Failure>) {
    let formats = [Format::Html, Format::Json, Format::Junit, Format::Markdown];
    let mut files = Vec::new();
    let mut trouble = None;
    for format in formats {
        let path = folder.join(format.file_name());
        match write_whole(&path, &render(outcome, format)) {
            Ok(()) => files.push(path.display().to_string()),
            Err(error) => {
                trouble = Some(Failure::could_not_run(format!(
                    "cannot write {}: {error}",
                    path.display()
                )));
            }
        }
    }
    files.push(folder.join(JOURNAL).display().to_string());
    (files, trouble)
}

/// Writes a file as a whole or not at all.
pub(crate) fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let half = path.with_extension("half");
    let written = std::fs::write(&half, text).and_then(|()| std::fs::rename(&half, path));
    if written.is_err() {
        std::fs::remove_file(&half).unwrap_or_default();
    }
    written
}
