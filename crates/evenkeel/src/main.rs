//! `evenkeel`: the reliability workbench. Arguments in, exit code out.

mod args;
mod exit;
mod live;
mod loopback;
mod manifest;
mod screen;
mod verb;
mod web;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Verb};
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

fn main() -> ExitCode {
    // A panic is our bug, whatever the verb was: it has a code of its own.
    std::panic::catch_unwind(|| run(Cli::parse())).unwrap_or_else(|_| Exit::BUG.into())
}

fn run(cli: Cli) -> ExitCode {
    match cli.verb {
        Verb::Guardian(args) => evenkeel_fault::guardian::run(&args.rest),
        Verb::Hold => evenkeel_fault::holder::run(),
        _ => for_people(cli).into(),
    }
}

fn for_people(cli: Cli) -> Exit {
    let screen = Screen::new(&cli.global);
    let moved = match &cli.global.directory {
        Some(directory) => std::env::set_current_dir(directory).map_err(|error| {
            Failure::usage(format!("cannot go to {}: {error}", directory.display()))
        }),
        None => Ok(()),
    };
    match moved.and_then(|()| dispatch(cli.verb, &screen)) {
        Ok(exit) => exit,
        Err(failure) => {
            screen.complain(&failure);
            failure.exit
        }
    }
}

fn dispatch(verb: Verb, screen: &Screen) -> Result<Exit, Failure> {
    match verb {
        Verb::Demo(args) => on_runtime(verb::demo::run(args, screen)),
        Verb::Init(args) => on_runtime(verb::init::run(args, screen)),
        Verb::Check(args) => verb::check::run(&args, screen),
        Verb::Explain(args) => verb::schema::explain(&args, screen),
        Verb::Schema(args) => verb::schema::run(&args, screen),
        Verb::Plan(args) => verb::plan::run(&args, screen),
        Verb::Drill(args::Drill::Run(args)) => on_runtime(verb::drill::run(args, screen)),
        Verb::Drill(args::Drill::List(args)) => verb::runs::list(&args, screen),
        Verb::Drill(args::Drill::Show(args)) => verb::runs::show(&args, screen),
        Verb::Drill(args::Drill::Compare(args)) => verb::runs::compare(&args, screen),
        Verb::Load(args::load::Load::Run(args)) => on_runtime(verb::load::run::run(*args, screen)),
        Verb::Load(args::load::Load::Compare(args)) => verb::runs::compare_loads(&args, screen),
        Verb::Load(args::load::Load::Import(args)) => verb::load::import::run(&args, screen),
        Verb::Load(args::load::Load::Plan(args)) => verb::load::import::plan(&args, screen),
        Verb::Agent(args) => on_runtime(verb::agent::run(args, screen)),
        Verb::Report(args) => verb::runs::report(&args, screen),
        Verb::Chaos(args::Chaos::Run(args)) => on_runtime(verb::chaos::run::run(args, screen)),
        Verb::Chaos(args::Chaos::Schedule(args)) => {
            on_runtime(verb::chaos::schedule::run(args, screen))
        }
        Verb::Chaos(args::Chaos::Recover) => on_runtime(verb::chaos::recover(screen)),
        Verb::Chaos(args::Chaos::Status) => verb::chaos::status::status(screen),
        Verb::Chaos(args::Chaos::Halt(args)) => on_runtime(verb::chaos::halt::run(args, screen)),
        Verb::Chaos(args::Chaos::Approve(args)) => verb::chaos::approve::run(&args, screen),
        Verb::Chaos(args::Chaos::Faults) => verb::chaos::faults(screen),
        Verb::Chaos(args::Chaos::Import(args)) => verb::chaos::import::run(&args, screen),
        Verb::Slo(args::slo::Slo::Init(args)) => on_runtime(verb::slo::init::run(args, screen)),
        Verb::Slo(args::slo::Slo::Report(args)) => on_runtime(verb::slo::report::run(args, screen)),
        Verb::Slo(args::slo::Slo::Status(args)) => on_runtime(verb::slo::status::run(args, screen)),
        Verb::Slo(args::slo::Slo::Watch(args)) => on_runtime(verb::slo::watch::run(args, screen)),
        Verb::Slo(args::slo::Slo::Explain(args)) => {
            on_runtime(verb::slo::explain::run(args, screen))
        }
        Verb::Slo(args::slo::Slo::Sla(args)) => on_runtime(verb::slo::sla::run(args, screen)),
        Verb::Slo(args::slo::Slo::Rules(args)) => verb::slo::rules::run(&args, screen),
        Verb::Slo(args::slo::Slo::Dashboard(args)) => verb::slo::dashboard::run(&args, screen),
        Verb::Slo(args::slo::Slo::Backtest(args)) => {
            on_runtime(verb::slo::backtest::run(args, screen))
        }
        Verb::Gate(args) => on_runtime(verb::slo::gate::run(*args, screen)),
        Verb::Slo(args::slo::Slo::Import(args)) => verb::slo::import::run(&args, screen),
        Verb::GameDay(args::gameday::GameDay::Run(args)) => {
            on_runtime(verb::gameday::run(args, screen))
        }
        Verb::Metrics(args::metrics::Metrics::Serve(args)) => {
            on_runtime(verb::metrics::serve(args, screen))
        }
        Verb::Metrics(args::metrics::Metrics::Import(args)) => verb::metrics::import(&args, screen),
        Verb::Probe(args) => on_runtime_at_once(verb::probe::run(*args, screen)),
        Verb::Failover(args) => on_runtime_at_once(verb::failover::run(args, screen)),
        Verb::Health(args::health::Health::Manifest(args)) => verb::health::manifest(args, screen),
        Verb::Doctor => verb::doctor::run(screen),
        Verb::Proxy(args) => on_runtime(verb::proxy::run(args, screen)),
        Verb::Shop(args) => verb::shop::run(*args),
        Verb::ShopPart(args) => verb::shop::part(*args),
        // These two end with a code of their own before this.
        Verb::Guardian(_) | Verb::Hold => Ok(Exit::OK),
    }
}

/// Runs a verb on a runtime of one thread: conducting is waiting, and load has a thread of its own.
fn on_runtime<T>(verb: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    runtime()?.block_on(verb)
}

/// As [`on_runtime`], and ends with the verb: the system cannot be told to give up a name that it looks up.
fn on_runtime_at_once<T>(verb: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = runtime()?;
    let ended = runtime.block_on(verb);
    runtime.shutdown_background();
    ended
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::bug(format!("cannot start: {error}")))
}
