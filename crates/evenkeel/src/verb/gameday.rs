//! `gameday run`: what people agreed on is confirmed, their experiment is run, and the record of the day is written.

use std::io::{self, BufRead, IsTerminal, Write};

use evenkeel_drill::Runs;
use evenkeel_model::document::{GameDay, GameDayScenario, Prerequisite};
use evenkeel_model::{Entry, Event};
use evenkeel_report::gameday::{self, Confirmed, Record};
use evenkeel_units::Seed;

use super::chaos::approve::{approved, person};
use super::chaos::run::passed_over;
use super::documents::{Choice, fresh_seed, gather, read, refuse_errors, wrong};
use super::drill::{agree, conducted, tell, write_whole};
use super::plan::dry_run;
use crate::args::gameday::GameDayRunArgs;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// Runs a game day, or shows what it would do.
pub(crate) async fn run(args: GameDayRunArgs, screen: &Screen) -> Result<Exit, Failure> {
    let found = read(gather(&args.files)?);
    refuse_errors(&found, screen)?;
    let choice = Choice {
        kind: "GameDay",
        noun: "game day",
        option: "--name",
        none: "`evenkeel chaos import FILE` brings one over from Markdown",
    };
    let library = &found.library;
    let name = choice.of(&library.game_days(), args.name.as_deref())?;
    let Some(day) = library.game_day(name) else {
        return Err(Failure::bug(format!("the game day `{name}` is there and is not")));
    };
    let seed = args.seed.map_or_else(fresh_seed, Seed);
    let plan = match &day.runs {
        GameDayScenario::Experiment(it) => library.plan_experiment(it, seed),
        GameDayScenario::Drill(it) => library.plan(it, seed),
    };
    let plan = plan.map_err(|errors| wrong(&errors, screen))?;
    let requester = args.requester.as_deref();
    if args.dry_run {
        if !screen.is_json() {
            screen.print(&outline(day))?;
        }
        return dry_run(&plan, &args.dir, requester, screen);
    }
    approved(&plan, &args.dir, requester)?;
    let confirmed = confirmed(day, &args).await?;
    agree(&plan, args.yes)?;
    if !plan.is_drawn() {
        return passed_over(&plan, screen);
    }

    let runs = Runs::at(&args.dir);
    let mut entries: Vec<Entry> = Vec::new();
    let keep = |it: &Entry| {
        if !matters_little(&it.event) {
            entries.push(it.clone());
        }
    };
    let mut over = conducted(plan, name, Some(&runs), None, None, screen, keep).await?;
    let folder = runs.folder(&over.outcome.run.id);
    let record = Record::new(day, confirmed, &entries, &over.outcome);
    let texts = [
        ("gameday.md", gameday::markdown(&record)),
        ("gameday.html", gameday::html(&record)),
        ("gameday.json", record.json()),
    ];
    for (name, text) in texts {
        let path = folder.join(name);
        match write_whole(&path, &text) {
            Ok(()) => over.files.push(path.display().to_string()),
            // As with reports: the verdict stands.
            Err(error) => screen.complain(&Failure::could_not_run(format!(
                "cannot write {}: {error}",
                path.display()
            ))),
        }
    }
    let next = format!("write down what was learned in {}", folder.join("gameday.md").display());
    tell(&over, &folder, &over.files, &next, screen)
}

/// What comes every second, and is told by what follows from it.
const fn matters_little(event: &Event) -> bool {
    matches!(
        event,
        Event::Second { .. }
            | Event::AgentSecond { .. }
            | Event::Watched { .. }
            | Event::Baseline { .. }
            | Event::Tick
    )
}

/// What was agreed on, for people.
fn outline(day: &GameDay) -> String {
    let mut lines = vec![day.title.clone().unwrap_or_else(|| day.name.clone())];
    lines.extend(day.objective.iter().map(|it| format!("objective: {it}")));
    lines.extend(day.participants.iter().map(|it| format!("takes part: {it}")));
    lines.extend(day.prerequisites.iter().map(|it| match it {
        Prerequisite::Text(text) => format!("confirmed before: {text}"),
        Prerequisite::Probe(probe) => format!("asked before: {probe}"),
    }));
    lines.extend(day.steps.iter().enumerate().map(|(n, it)| format!("{}. {it}", n + 1)));
    lines.extend(day.timeline.iter().map(|it| format!("{it} ({})", day.time_zone)));
    lines.extend(day.success.iter().map(|it| format!("people judge: {it}")));
    lines.join("\n") + "\n"
}

/// Asks what has to be so; everything that is not is said at once.
async fn confirmed(day: &GameDay, args: &GameDayRunArgs) -> Result<Vec<Confirmed>, Failure> {
    let who = person(args.requester.as_deref());
    let (mut confirmed, mut lacking) = (Vec::new(), Vec::new());
    for it in &day.prerequisites {
        let what = it.to_string();
        let so = match it {
            Prerequisite::Probe(probe) => match evenkeel_drill::ask(probe).await {
                Some(seen) if seen.held => Ok(format!("asked: {}", seen.detail)),
                Some(seen) => Err(seen.detail),
                None => Err("there is no load to ask about yet".to_owned()),
            },
            Prerequisite::Text(text) if args.confirmed || says_yes(text)? => {
                Ok(format!("confirmed by {who}"))
            }
            Prerequisite::Text(_) => Err("nobody has confirmed it".to_owned()),
        };
        match so {
            Ok(how) => confirmed.push(Confirmed { what, how }),
            Err(why) => lacking.push(format!("{what}: {why}")),
        }
    }
    if lacking.is_empty() {
        return Ok(confirmed);
    }
    let help = "probes are asked; `--confirmed` says that all that is left to people is so";
    Err(Failure::refused(format!("not ready: {}", lacking.join("\n  "))).help(help))
}

/// Asks whoever sits there.
fn says_yes(text: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    let mut answer = String::new();
    io::stderr()
        .lock()
        .write_all(format!("{text}: is it so? [y/N] ").as_bytes())
        .and_then(|()| io::stdin().lock().read_line(&mut answer))
        .map_err(|error| Failure::could_not_run(format!("cannot ask: {error}")))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
