//! Cargo: programs of others that are no packages of Debian.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::{packages, say};

/// Where a program of a crate is. Where it is missing, Cargo builds it once into the user's cache, which takes some
/// minutes.
pub(super) fn installed(name: &str, program: &str, version: &str, how: &[&str]) -> Result<PathBuf> {
    if let Some(found) = packages::find(program)? {
        return Ok(found);
    }
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || env::var_os("HOME").map(|it| PathBuf::from(it).join(".cache"));
    let cache =
        cache.or_else(home).with_context(|| format!("there is no HOME to keep {name} in"))?;
    let root = cache.join("evenkeel-bench").join(name);
    let program = root.join("bin").join(program);
    if program.is_file() {
        return Ok(program);
    }
    say(&format!("missing: {name}, needed by the benches, as a peer; building {version}"))?;
    let status = Command::new(env!("CARGO"))
        .args(["install", name, "--quiet", "--locked", "--version", version])
        .args(how)
        .arg("--root")
        .arg(&root)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "cargo install {name} failed ({status})");
    Ok(program)
}
