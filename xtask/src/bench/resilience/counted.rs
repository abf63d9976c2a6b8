//! Counted: instructions a call, by cachegrind.
//!
//! A program is run twice, with few calls and with many; what the second executes beyond the first is that of the calls.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// The figure.
pub(super) const KEY: &str = "instructions_per_call";

const FEW: u64 = 2_000;
const MANY: u64 = 12_000;

/// Of one call of a subject.
pub(super) fn instructions(program: &Path, subject: &str) -> Result<f64> {
    let few = all(program, subject, FEW)?;
    let many = all(program, subject, MANY)?;
    Ok((many - few) / (MANY - FEW) as f64)
}

fn all(program: &Path, subject: &str, calls: u64) -> Result<f64> {
    let output = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
        .arg(program)
        .args([subject, &calls.to_string()])
        .output()
        .context("cannot run valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "valgrind failed ({}): {}", output.status, said.trim());
    refs(&said).with_context(|| format!("valgrind counted nothing: {}", said.trim()))
}

/// The number behind `I refs:`, which older versions spread with blanks.
fn refs(said: &str) -> Option<f64> {
    let line = said.lines().find(|it| it.contains("refs:") && it.contains("== I"))?;
    line.rsplit_once(':')?.1.trim().replace(',', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_read_as_either_version_writes_them() {
        let old = "==7== Cachegrind\n==7== \n==7== I   refs:      12,345,678\n";
        let new = "==7== Cachegrind\n==7== I refs:        12,345,678\n";
        assert_eq!(
            [refs(old), refs(new)].map(|it| it.map(|it| it.to_string())),
            [Some("12345678".to_owned()), Some("12345678".to_owned())]
        );
        assert!(refs("valgrind: no such program").is_none());
    }
}
