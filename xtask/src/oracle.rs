//! Oracles: how often answers are those that another implementation gives.
//!
//! What they ask lies beside the project (`../shared/oracles`), and is no part of it. The crate that is asked brings a
//! program that reads it.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::root;

/// Runs the acceptance scripts of Prometheus. What goes wrong is counted, not judged: a test of the crate does that.
pub(crate) fn promql(arguments: &[String]) -> Result<u8> {
    let scripts = root().join("../shared/oracles/promql");
    ensure!(scripts.is_dir(), "{} is missing: put the oracles there", scripts.display());
    let status = Command::new(env!("CARGO"))
        .current_dir(root())
        .args([
            "run",
            "--quiet",
            "--locked",
            "--package",
            "evenkeel-promql",
            "--example",
            "oracle",
            "--",
        ])
        .arg(&scripts)
        .args(arguments)
        .status()
        .context("cannot run cargo")?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
