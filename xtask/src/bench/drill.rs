//! Bench of a drill: what conducting it costs beside the load itself, as its own report says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::figures::{Bar, Row, Unit};
use super::machine::{Busy, Noise};
use super::{Folder, Found, built};
use crate::say;

const CASE: &str = "drill of the demo, resilient run";

/// Of one core, beside the load and the proxy.
const CPU_MAX: f64 = 0.02;
const MEMORY_MAX: f64 = 60e6;

/// Runs the demo once.
pub(super) fn run() -> Result<Found> {
    let evenkeel = built::program("evenkeel", &["-p", "evenkeel"])?;
    let folder = Folder::new()?;
    let before = Busy::now()?;
    say("the demo takes about a minute")?;
    let output = Command::new(evenkeel)
        .args(["--output", "json", "demo", "--dir"])
        .arg(&folder.0)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run evenkeel")?;
    // A demo that a busy machine has spoilt still says what conducting it cost.
    if !output.status.success() {
        say(&format!("warning: the demo did not go as it should ({})", output.status))?;
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let report = report_of(&said, &folder.0).context("the demo did not say where its run is")?;
    let text =
        fs::read_to_string(&report).with_context(|| format!("cannot read {}", report.display()))?;
    let noise = Noise::between(&before, &Busy::now()?);
    let versions = vec![
        ("evenkeel", env!("CARGO_PKG_VERSION").to_owned()),
        ("rustc", built::first_line_of("rustc", "--version")),
        ("kernel", built::first_line_of("uname", "-r")),
    ];
    Ok(Found { bench: "drill", rows: rows(&text)?, noise, versions, notes: Vec::new() })
}

/// Where the report of the resilient run is.
fn report_of(said: &str, folder: &Path) -> Option<PathBuf> {
    let said: Value = serde_json::from_str(said).ok()?;
    Some(folder.join(said["resilient"]["folder"].as_str()?).join("report.json"))
}

fn rows(report: &str) -> Result<Vec<Row>> {
    let report: Value = serde_json::from_str(report).context("the report is not JSON")?;
    let row = |key, label, unit, most: Option<f64>| {
        let value = report["footprint"][key].as_f64();
        Ok(Row {
            case: CASE.to_owned(),
            key: str::to_owned(key),
            label: str::to_owned(label),
            unit,
            values: vec![value.with_context(|| format!("the report has no footprint.{key}"))?],
            bar: most.map(Bar::AtMost),
        })
    };
    [
        row("conducting_cpu_ratio", "conducting, of a core", Unit::Percent, Some(CPU_MAX)),
        row("peak_memory_bytes", "peak memory", Unit::Megabytes, Some(MEMORY_MAX)),
    ]
    .into_iter()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_of_the_resilient_run_is_found() {
        let said = r#"{"fragile": {"folder": "/t/a"}, "resilient": {"folder": "/t/b"}}"#;
        assert_eq!(report_of(said, Path::new("/t")), Some("/t/b/report.json".into()));
        assert_eq!(report_of("error: no free ports", Path::new("/t")), None);
    }

    #[test]
    fn both_bars_are_judged_by_the_footprint() {
        let report =
            r#"{"footprint": {"conducting_cpu_ratio": 0.021, "peak_memory_bytes": 31200000}}"#;
        let holds: Vec<_> = rows(report).unwrap().iter().map(Row::holds).collect();
        assert_eq!(holds, [Some(false), Some(true)]);
        assert!(rows("{}").is_err());
    }
}
