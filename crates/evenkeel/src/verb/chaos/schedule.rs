//! `chaos schedule`: waits for the times of experiments, and runs each when it is due.
//!
//! It stays in the foreground, so that whatever starts services (systemd, a container, a terminal) starts and ends it.
//! One experiment runs at a time. Each run is one of `chaos run`: hours, approvals and a halt are asked when it is due, and
//! its reports are written. What is refused or fails is said, and the next time is waited for.

use std::time::Duration;

use evenkeel_drill::Signals;
use evenkeel_model::{Library, Plan};
use evenkeel_units::{Clock, Seed, SystemClock};
use jiff::Timestamp;

use super::run::{Terms, carried_out};
use super::timetable::{Timetable, Turn};
use crate::args::chaos::ChaosScheduleArgs;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;
use crate::verb::documents::{fresh_seed, gather, plural, read, refuse_errors, wrong};
use crate::verb::drill::agree;
use crate::verb::plan::nothing_lacks;

/// How long is slept at once: the clocks of people may step, and a host may sleep.
const NAP: Duration = Duration::from_secs(20);

/// How many times of each experiment are told at the start.
const TOLD: usize = 3;

/// Waits and runs until somebody ends it.
pub(crate) async fn run(args: ChaosScheduleArgs, screen: &Screen) -> Result<Exit, Failure> {
    let found = read(gather(&args.files)?);
    refuse_errors(&found, screen)?;
    let library = &found.library;
    let rows = scheduled(library, &args.name)?;
    let plan = |name: &str| {
        let seed = args.seed.map_or_else(fresh_seed, Seed);
        library.plan_experiment(name, seed).map_err(|errors| wrong(&errors, screen))
    };
    // What cannot be run is said now, and not in the middle of a night.
    let mut rows_with_zones = Vec::new();
    for name in rows {
        let plan: Plan = plan(name)?;
        nothing_lacks(&plan)?;
        agree(&plan, args.yes)?;
        rows_with_zones.extend(plan.schedule.map(|it| (name.to_owned(), it)));
    }

    let clock = SystemClock::start();
    let mut signals = Signals::new()
        .map_err(|error| Failure::could_not_run(format!("cannot watch for signals: {error}")))?;
    let mut table = Timetable::new(rows_with_zones, clock.wall());
    table.lines(TOLD).iter().for_each(|it| screen.say(it));
    while let Some((at, next)) = table.next() {
        screen.say(&format!("waiting for {next}"));
        tokio::select! {
            biased;
            signal = signals.next() => {
                screen.say(&format!("{signal}: nothing runs, and nothing is waited for any more"));
                return Ok(Exit::OK);
            }
            () = until(&clock, at) => {}
        }
        for turn in table.due(clock.wall()) {
            let name = match turn {
                Turn::Due(name) => name,
                Turn::Missed { .. } => {
                    screen.warn(&said(&turn, "nobody was awake then"));
                    continue;
                }
            };
            let terms = Terms { dir: &args.dir, requester: args.requester.as_deref() };
            let next = |_: &_, folder: &str| format!("evenkeel report {folder}");
            match Box::pin(carried_out(plan(&name)?, &terms, next, screen)).await {
                Ok(Exit::INTERRUPTED) => return Ok(Exit::INTERRUPTED),
                Err(failure) if failure.exit == Exit::BUG => return Err(failure),
                Ok(_) => {}
                Err(failure) => screen.complain(&failure),
            }
        }
        for missed in table.passed(clock.wall()) {
            screen.warn(&said(&missed, "another run was on"));
        }
    }
    Ok(Exit::OK)
}

/// The experiments that are waited for: those that are named, or all that have times.
fn scheduled<'l>(library: &'l Library, named: &[String]) -> Result<Vec<&'l str>, Failure> {
    let has_times = |it: &&str| library.experiment(it).is_some_and(|it| it.schedule.is_some());
    let all = library.experiments();
    for name in named {
        let help = format!("there is {}", all.join(", "));
        match all.iter().find(|it| *it == name) {
            None => {
                return Err(Failure::usage(format!("there is no experiment `{name}`")).help(help));
            }
            Some(it) if !has_times(it) => {
                return Err(Failure::usage(format!("`{name}` has no `schedule`"))
                    .help("write one such as `schedule: \"0 14 * * Mon-Fri\"`"));
            }
            Some(_) => {}
        }
    }
    let wanted = |it: &&str| named.is_empty() || named.iter().any(|name| name == it);
    let chosen: Vec<&str> = all.into_iter().filter(has_times).filter(wanted).collect();
    if chosen.is_empty() {
        return Err(Failure::usage("no experiment in these files has a `schedule`")
            .help("write one such as `schedule: \"0 14 * * Mon-Fri\"`; `evenkeel chaos run` runs an experiment now"));
    }
    Ok(chosen)
}

/// What is said of times that were missed.
fn said(turn: &Turn, why: &str) -> String {
    match turn {
        Turn::Due(name) => format!("{name}: due"),
        Turn::Missed { name, first, times: 1 } => format!("{name}: skipped, {first}: {why}"),
        Turn::Missed { name, first, times } => {
            format!("{name}: skipped, {} since {first}: {why}", plural(*times, "time"))
        }
    }
}

/// Waits until people's clocks show a moment.
async fn until(clock: &SystemClock, at: Timestamp) {
    while let Ok(left) = Duration::try_from(at.duration_since(clock.wall()))
        && !left.is_zero()
    {
        tokio::time::sleep(left.min(NAP)).await;
    }
}
