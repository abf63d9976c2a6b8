//! `load run`: from a URL or a document to load, figures and a verdict.

use std::path::PathBuf;

use evenkeel_drill::Runs;
use evenkeel_load::fleet::{Database, Fleet, Meeting};
use evenkeel_metrics::Target;
use evenkeel_model::library::plan_of_load;
use evenkeel_model::{Outcome, Plan};
use evenkeel_report::text;
use evenkeel_units::Seed;

use super::export::{Metrics, targets, write_files};
use super::summary::Summary;
use super::{given, max};
use crate::args::RUNS;
use crate::args::load::LoadRunArgs;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;
use crate::verb::agent;
use crate::verb::documents::{self, Choice, fresh_seed, gather};
use crate::verb::drill::{Over, conducted, keep_baseline, stored_baseline};
use crate::web::Web;

/// Who looks on while load is sent: databases that take metrics, and a browser.
pub(super) type Onlookers<'a> = (&'a [Target], Option<&'a Web>);

/// Sends load.
pub(crate) async fn run(args: LoadRunArgs, screen: &Screen) -> Result<Exit, Failure> {
    let seed = args.seed.map_or_else(fresh_seed, Seed);
    let url = args.targets.iter().find(|it| it.contains("://"));
    let plan = match (url, args.targets.as_slice()) {
        (Some(url), [_]) => plan_of_load(given::of_url(url, &args)?, seed),
        (Some(_), _) => return Err(Failure::usage("give one URL, or files")),
        (None, files) => of_files(files, &args, seed, screen)?,
    };
    // A load at a URL leaves nothing behind unless it is asked to.
    let folder = match (&args.dir, url) {
        (Some(folder), _) => Some(folder.clone()),
        (None, None) => Some(PathBuf::from(RUNS)),
        (None, Some(_)) => None,
    };
    let runs = folder.map(Runs::at);
    let targets = targets(&args, screen)?;
    let web = args.web.map(Web::open).transpose()?;
    if let Some(web) = &web {
        screen.warn(&format!("the load, while it goes on: {}", web.url()));
    }
    if let Some(search) = plan.load.as_ref().and_then(|it| max::Search::of(it.shape.as_ref()?)) {
        let onlookers = (&*targets, web.as_ref());
        return max::run(plan, search, runs.as_ref(), &args, onlookers, screen).await;
    }
    let onlookers = (&*targets, web.as_ref());
    let over = Box::pin(against_baseline(plan, runs.as_ref(), &args, onlookers, screen)).await;
    let Over { outcome, files, run } = over?;
    let next = match runs {
        None => String::new(),
        Some(_) => format!("evenkeel report {} --as html", outcome.run.id),
    };
    screen.show(&Summary::of(&outcome, &run)?, || {
        text::load(&outcome, &files, &next, screen.width(), screen.color)
    })?;
    Ok(outcome.verdict.result.into())
}

/// Sends load and compares it with the stored baseline; without one, a run that passed becomes it.
async fn against_baseline(
    plan: Plan,
    runs: Option<&Runs>,
    args: &LoadRunArgs,
    onlookers: Onlookers<'_>,
    screen: &Screen,
) -> Result<Over, Failure> {
    let Some(kept) = runs else { return send(plan, None, None, args, onlookers, screen).await };
    let stored = stored_baseline(kept, &plan.drill)?;
    let mut over = send(plan, runs, stored.as_ref(), args, onlookers, screen).await?;
    over.files.extend(keep_baseline(&over.outcome, kept, stored.is_none() || args.accept)?);
    Ok(over)
}

/// Sends load once, and gives out what was asked for.
pub(super) async fn send(
    plan: Plan,
    runs: Option<&Runs>,
    stored: Option<&Outcome>,
    args: &LoadRunArgs,
    onlookers: Onlookers<'_>,
    screen: &Screen,
) -> Result<Over, Failure> {
    let name = plan.drill.clone();
    let fleet = fleet(args, screen)?;
    let (targets, web) = onlookers;
    let mut metrics = Metrics::new(targets.to_vec());
    let also = |entry: &_| {
        metrics.see(entry, &plan, screen);
        web.iter().for_each(|it| it.see(entry));
    };
    let over = Box::pin(conducted(plan.clone(), &name, runs, stored, fleet, screen, also)).await;
    metrics.finish(screen).await;
    let mut over = over?;
    web.iter().for_each(|it| it.report(&over.outcome));
    over.files.extend(write_files(args, &over.run)?);
    Ok(over)
}

/// The machines that send it, when it is not this one.
fn fleet(args: &LoadRunArgs, screen: &Screen) -> Result<Option<Fleet>, Failure> {
    let (meeting, place) = match (&args.listen_agents, args.agents.as_slice(), args.expect) {
        (None, [], _) => return Ok(None),
        (Some(address), _, Some(expected)) => {
            (Meeting::Listen { address: address.clone(), expected }, Some((expected, address)))
        }
        (None, [url], Some(expected)) if Database::is_meant(url) => {
            let database = agent::database(url)?;
            (Meeting::Database { database, expected }, Some((expected, url)))
        }
        (Some(_), _, None) => return Err(nobody_expected()),
        (None, [url], None) if Database::is_meant(url) => return Err(nobody_expected()),
        (None, agents, None) => (Meeting::Call(agents.to_vec()), None),
        (None, _, Some(_)) => {
            return Err(Failure::usage("agents that are named are called, and not waited for")
                .help("leave out `--expect`"));
        }
    };
    let token = agent::token(args.agent_token_file.as_deref(), "--agent-token-file")?;
    let fleet = Fleet::new(meeting, token).map_err(|it| Failure::usage(it.to_string()))?;
    if let Some((expected, place)) = place {
        screen.say(&format!("waits for {expected} agents at {place}"));
    }
    Ok(Some(fleet.on_loss(args.on_lost_agent.into())))
}

fn nobody_expected() -> Failure {
    Failure::usage("nobody says how many agents will come").help("give `--expect N`")
}

/// The plan of the test that the arguments name.
fn of_files(
    files: &[String],
    args: &LoadRunArgs,
    seed: Seed,
    screen: &Screen,
) -> Result<Plan, Failure> {
    let paths: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
    let found = documents::read(gather(&paths)?);
    documents::refuse_errors(&found, screen)?;
    let choice = Choice {
        kind: "LoadTest",
        noun: "load test",
        option: "--test",
        none: "`evenkeel load run URL` needs none",
    };
    let name = choice.of(&found.library.load_tests(), args.test.as_deref())?;
    let Plan { load, service, .. } =
        found.library.plan_load(name, seed).map_err(|errors| documents::wrong(&errors, screen))?;
    let mut load = load.unwrap_or_else(|| unreachable!("the plan of a load has one"));
    given::change(&mut load, args)?;
    Ok(match load.shape {
        // The phases follow from the shape, which the options may have changed.
        Some(_) => Plan { service, ..plan_of_load(load, seed) },
        None => {
            return Err(Failure::usage(format!("`{name}` does not say how many requests to send"))
                .help("give it a `shape`, or give `--rate` or `--users`"));
        }
    })
}
