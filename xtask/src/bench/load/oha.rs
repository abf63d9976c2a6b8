//! oha: how it is had, and what it prints about one load.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::peer::Answered;
use crate::{packages, say};

const VERSION: &str = "1.16.0";

/// The one its own releases are built with.
const PROFILE: &str = "release-ci";

/// What it says of requests that were under way when the time was over.
const CUT_OFF: &str = "aborted due to deadline";

/// Where the program is. It is no package of Debian: where it is missing, Cargo builds it once into the
/// user's cache, which takes some minutes.
pub(super) fn program() -> Result<PathBuf> {
    if let Some(found) = packages::find("oha")? {
        return Ok(found);
    }
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || env::var_os("HOME").map(|it| PathBuf::from(it).join(".cache"));
    let cache = cache.or_else(home).context("there is no HOME to keep oha in")?;
    let root = cache.join("evenkeel-bench").join("oha");
    let program = root.join("bin").join("oha");
    if program.is_file() {
        return Ok(program);
    }
    say(&format!("missing: oha, needed by the bench of the load, as a peer; building {VERSION}"))?;
    let status = Command::new(env!("CARGO"))
        .args(["install", "oha", "--quiet", "--locked", "--version", VERSION])
        .args(["--profile", PROFILE, "--root"])
        .arg(&root)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "cargo install oha failed ({status})");
    Ok(program)
}

/// Reads its summary. A load with errors is no measure of anything.
pub(super) fn read(printed: &str) -> Result<Answered> {
    let said: Value = serde_json::from_str(printed).context("oha did not print JSON")?;
    let counts = |key: &str| said[key].as_object().into_iter().flatten();
    for (code, _) in counts("statusCodeDistribution") {
        ensure!(code.starts_with('2'), "oha had answers of status {code}");
    }
    for (error, number) in counts("errorDistribution") {
        ensure!(error == CUT_OFF, "oha had errors: {error} ({number} times)");
    }
    let requests: f64 = counts("statusCodeDistribution").filter_map(|it| it.1.as_f64()).sum();
    let total = said["summary"]["total"].as_f64().context("oha did not print how long it took")?;
    ensure!(total > 0.0, "oha took no time");
    let p99 = said["latencyPercentiles"]["p99"].as_f64();
    Ok(Answered { requests, per_second: requests / total, p99 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = r#"{"summary": {"successRate": 1.0, "total": 2.0, "requestsPerSec": 5000.5},
        "latencyPercentiles": {"p50": 0.0004, "p99": 0.0017, "p99.9": 0.002},
        "statusCodeDistribution": {"200": 10000},
        "errorDistribution": {"aborted due to deadline": 64}}"#;

    #[test]
    fn the_summary_of_oha_is_read() {
        let expected = Answered { requests: 10_000.0, per_second: 5_000.0, p99: Some(0.0017) };
        assert_eq!(read(PRINTED).unwrap(), expected);
    }

    #[test]
    fn a_load_with_errors_is_refused() {
        let refused = PRINTED.replace(CUT_OFF, "Connection refused");
        assert!(read(&refused).unwrap_err().to_string().contains("Connection refused"));
        assert!(read(&PRINTED.replace("\"200\"", "\"503\"")).is_err());
        assert!(read("error: invalid value").is_err());
    }
}
