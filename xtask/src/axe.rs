//! axe: the rules of accessibility that tests hold pages against.
//!
//! axe-core is a script that is run in a page and tells what is wrong with it. It is taken from a package of Python that
//! carries it, is pinned by its hash, is kept under the folder of what was built, and is no part of anything that is shipped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};

use crate::say;

/// Who carries it, and in which version: axe-core 4.12.1.
const PACKAGE: (&str, &str) = ("axe-playwright-python", "0.1.8");
/// Of the script.
const SHA256: &str = "84494fec757e4710dc751c8d7a636e457f4532f08f85c86dc9070133fbff53bc";
/// The name under which the tests are told where the script is.
pub(crate) const VARIABLE: &str = "EVENKEEL_AXE";

/// The script, fetched unless it is there.
pub(crate) fn script(target: &Path) -> Result<PathBuf> {
    let (package, version) = PACKAGE;
    let folder = target.join(format!("{package}-{version}"));
    let script = folder.join("axe_playwright_python/axe.min.js");
    if script.is_file() {
        return Ok(script);
    }
    say(&format!("missing: {package} {version}, whose axe-core the tests of accessibility need"))?;
    fs::create_dir_all(&folder).context("cannot make a folder for axe-core")?;
    let mut pip = Command::new("pip3");
    pip.args(["download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest"]).arg(&folder);
    run(pip.arg(format!("{package}=={version}")))?;
    let name = format!("{}-{version}-py3-none-any.whl", package.replace('-', "_"));
    let mut unpack = Command::new("python3");
    unpack.args(["-m", "zipfile", "-e"]).args([&folder.join(name), &folder]);
    run(&mut unpack)?;
    let bytes = fs::read(&script).context("cannot read axe-core")?;
    let found = Sha256::digest(&bytes).iter().map(|it| format!("{it:02x}")).collect::<String>();
    if found != SHA256 {
        fs::remove_file(&script)?;
    }
    ensure!(found == SHA256, "axe-core of {package} is not what is pinned: its hash is {found}");
    Ok(script)
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status();
    let status = status.with_context(|| format!("cannot run {command:?}"))?;
    ensure!(status.success(), "{command:?} failed ({status})");
    Ok(())
}
