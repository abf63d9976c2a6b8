//! Oracles: how often answers are those that another implementation gives.
//!
//! What they ask lies beside the project (`../shared/oracles`), and is no part of it. The crate that is asked brings a
//! program that reads it.

use anyhow::{Context as _, Result, ensure};

use crate::{packages, root};

/// Runs the acceptance scripts of Prometheus. What goes wrong is counted, not judged: a test of the crate does that.
pub(crate) fn promql(arguments: &[String]) -> Result<u8> {
    run("promql", ("evenkeel-promql", "promqltest"), arguments)
}

/// Plays the examples of Sloth, with promtool as the referee.
pub(crate) fn sloth(arguments: &[String]) -> Result<u8> {
    packages::install_missing(packages::PROMETHEUS)?;
    run("sloth/examples", ("evenkeel-slo", "sloth"), arguments)
}

/// Replays what the breaker of resilience4j did.
pub(crate) fn breaker(arguments: &[String]) -> Result<u8> {
    run("breaker", ("evenkeel-resilience", "resilience4j"), arguments)
}

/// Runs a program of a crate, an example of it named after who is replayed, on a folder of the oracles.
fn run(folder: &str, (package, example): (&str, &str), arguments: &[String]) -> Result<u8> {
    let folder = root().join("../shared/oracles").join(folder);
    ensure!(folder.is_dir(), "{} is missing: put the oracles there", folder.display());
    let status = crate::cargo()
        .args(["run", "--quiet", "--locked", "--package", package, "--example", example])
        .arg("--")
        .arg(&folder)
        .args(arguments)
        .status()
        .context("cannot run cargo")?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
