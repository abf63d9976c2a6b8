//! axe: the rules of accessibility that tests hold pages against, fetched from the npm registry.
//!
//! axe-core is a script that is run in a page and tells what is wrong with it. It is pinned by the hash of its archive, is
//! kept under the folder of what was built, and is no part of anything that is shipped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha512};

use crate::say;

const VERSION: &str = "4.14.1";
/// Of the archive, as the registry has it.
const SHA512: &str = "\
    1477dafa598d8d065f273d6af302aa203c02e83131707b7fa648cd41bd3d6b73\
    4f8c22a0dab86ee6a6f64b8afbe804b214d36db85a2826965edfb3a0b9d546b5";
/// Where packages come from unless npm was told otherwise.
const REGISTRY: &str = "https://registry.npmjs.org";
/// The name under which the tests are told where the script is.
pub(crate) const VARIABLE: &str = "EVENKEEL_AXE";

/// The script, fetched unless it is there.
pub(crate) fn script(target: &Path) -> Result<PathBuf> {
    let folder = target.join(format!("axe-core-{VERSION}"));
    let script = folder.join("package/axe.min.js");
    if script.is_file() {
        return Ok(script);
    }
    let registry = std::env::var("npm_config_registry").unwrap_or_else(|_| REGISTRY.to_owned());
    let url = format!("{}/axe-core/-/axe-core-{VERSION}.tgz", registry.trim_end_matches('/'));
    say(&format!(
        "missing: axe-core {VERSION}, needed by the tests of accessibility; fetching it"
    ))?;
    fs::create_dir_all(&folder).context("cannot make a folder for axe-core")?;
    let archive = folder.join("axe-core.tgz");
    let mut curl = Command::new("curl");
    curl.args(["--fail", "--silent", "--show-error", "--location", "--retry", "3"]);
    run(curl.args(["--max-filesize", "8000000", "--output"]).arg(&archive).arg(&url))?;
    let bytes = fs::read(&archive).context("cannot read the archive of axe-core")?;
    let found = Sha512::digest(&bytes).iter().map(|it| format!("{it:02x}")).collect::<String>();
    ensure!(found == SHA512, "{url} is not the archive that is pinned: its hash is {found}");
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(&archive).arg("-C").arg(&folder);
    run(tar.args(["package/axe.min.js", "package/LICENSE"]))?;
    Ok(script)
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(status.success(), "{command:?} failed ({status})");
    Ok(())
}
