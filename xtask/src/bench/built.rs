//! Built: programs of the workspace, as a user would build them, and where Cargo has put them.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::packages;

/// Builds with `arguments` for release, and says where the program `name` is.
pub(super) fn program(name: &str, arguments: &[&str]) -> Result<PathBuf> {
    let output = crate::cargo()
        .args(["build", "--release", "--locked", "--message-format=json-render-diagnostics"])
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(output.status.success(), "cargo build failed ({})", output.status);
    let said = String::from_utf8_lossy(&output.stdout);
    executable(name, &said).with_context(|| format!("cargo built no program `{name}`"))
}

/// The program among the messages of Cargo, one JSON object a line.
fn executable(name: &str, said: &str) -> Option<PathBuf> {
    let messages = said.lines().filter_map(|it| serde_json::from_str::<Value>(it).ok());
    messages
        .filter(|it| it["target"]["name"] == name)
        .find_map(|it| it["executable"].as_str().map(PathBuf::from))
}

/// What a program says about its version; an unknown one is no reason not to measure.
pub(super) fn first_line_of(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output().map(|it| it.stdout);
    let text = String::from_utf8_lossy(&output.unwrap_or_default()).into_owned();
    text.lines().next().unwrap_or("unknown").to_owned()
}

/// What Debian says of a program that says nothing of itself.
pub(super) fn version_of_package(name: &str) -> String {
    let mut query = Command::new("dpkg-query");
    let output = query.args(["--show", "--showformat=${Version}", name]).output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |it| String::from_utf8_lossy(&it.stdout).trim().to_owned(),
    )
}

/// What nginx says it is, which it says on standard error.
pub(super) fn version_of_nginx() -> Result<String> {
    let nginx = packages::find("nginx")?.context("there is no nginx")?;
    let output = Command::new(nginx).arg("-v").output().context("cannot run nginx")?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Ok(said.split_once('/').map_or(said.as_str(), |it| it.1).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_among_what_cargo_says() {
        let said = r#"{"reason":"compiler-artifact","target":{"name":"evenkeel"},"executable":null}
not JSON
{"reason":"compiler-artifact","target":{"name":"sink"},"executable":"/t/sink"}
{"reason":"compiler-artifact","target":{"name":"evenkeel"},"executable":"/t/evenkeel"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable("evenkeel", said), Some("/t/evenkeel".into()));
        assert_eq!(executable("send", said), None);
    }
}
