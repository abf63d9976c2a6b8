//! oha: how it is had, and what it prints about one load.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::peer::Answered;
use crate::bench::cargo;

const VERSION: &str = "1.16.0";

/// The one its own releases are built with.
const PROFILE: &str = "release-ci";

/// What it says of requests that were under way when the time was over.
const CUT_OFF: &str = "aborted due to deadline";

/// Where the program is. It is no package of Debian.
pub(super) fn program() -> Result<PathBuf> {
    cargo::installed("oha", "oha", VERSION, &["--profile", PROFILE])
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
