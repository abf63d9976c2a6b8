//! Chores of the house: run the tests with what they need, check the rules of the house, and measure.
//!
//! Deliberately absent: anything that a plain `cargo` command does already.

mod axe;
mod bench;
mod guest;
mod oracle;
mod packages;
mod tidy;

use std::env;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

const USAGE: &str = "\
usage: cargo xtask test [-- ARGUMENTS OF CARGO TEST]   install what the tests need, run them all
       cargo xtask tidy                               check the rules of the house alone
       cargo xtask guest                              run the tests of packets on Debian's kernel, in qemu
       cargo xtask oracle breaker [--failures]        how often circuits do what those of resilience4j did
       cargo xtask oracle promql [--failures]         how often queries give what Prometheus gives
       cargo xtask oracle sloth [--failures]          how often rules say what those of Sloth say, and what is true
       cargo xtask bench load [CASE…]                 what a request costs our generator, and its peers
                   [--rounds N] [--seconds S] [--minutes M] [--quick] [--evenkeel PROGRAM] [--write]
       cargo xtask bench faults [CASE…]               what the proxy costs, and its peers; how strong faults are
                   [--rounds N] [--seconds S] [--quick] [--evenkeel PROGRAM] [--write]
       cargo xtask bench metrics [CASE…]              what samples, queries and objectives cost, and its peers
                   [--rounds N] [--quick] [--evenkeel PROGRAM] [--write]
       cargo xtask bench resilience [CASE…]           what resilience patterns and probes cost, and their peers
                   [--rounds N] [--quick] [--write]
       cargo xtask bench drill                        what conducting a drill costs
                   bench takes --output json; its exit code is 1 when a bar is missed";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (chore, rest) = match arguments.split_first() {
        Some((chore, rest)) => (chore.as_str(), rest),
        None => ("help", arguments.as_slice()),
    };
    let rest = rest.strip_prefix(&["--".to_owned()]).unwrap_or(rest);
    let done = match (chore, rest) {
        ("test", extra) => test(extra),
        ("tidy", []) => tidy(),
        ("guest", []) => guest::run(),
        ("oracle", [which, rest @ ..]) if which == "breaker" => oracle::breaker(rest),
        ("oracle", [which, rest @ ..]) if which == "promql" => oracle::promql(rest),
        ("oracle", [which, rest @ ..]) if which == "sloth" => oracle::sloth(rest),
        ("bench", which) => bench::run(which).and_then(|done| match done {
            Some(code) => Ok(code),
            None => say(USAGE).map(|()| 2),
        }),
        ("help" | "--help" | "-h", []) => say(USAGE).map(|()| 0),
        _ => say(USAGE).map(|()| 2),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // Nobody is left to be told when standard error is closed.
            drop(say(&format!("error: {error:#}")));
            ExitCode::from(1)
        }
    }
}

/// Tells the person who waits. Results go to standard output; chores have none.
fn say(text: &str) -> Result<()> {
    writeln!(io::stderr(), "{text}").context("cannot write to standard error")
}

/// The root of the project.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Where everything that is built is put.
fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |it| root().join(it))
}

/// Cargo in the project, as whoever calls it from a shell would have it.
fn cargo() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root());
    // What `cargo run` tells this program about itself is not true for others; crates were built anew because of it.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo
}

fn test(extra: &[String]) -> Result<u8> {
    packages::install_missing(packages::FOR_TESTS)?;
    let axe = axe::script(&target())?;
    let mut cargo = cargo();
    cargo.args(["test", "--locked"]).env(axe::VARIABLE, axe);
    // `--workspace` would win over a package that was asked for.
    if !extra.iter().any(|it| it == "--package" || it.starts_with("-p")) {
        cargo.arg("--workspace");
    }
    cargo.args(extra).env("PATH", packages::search_path()?);
    match ended(&mut cargo)? {
        0 if extra.is_empty() => ended(crate::cargo().args(INTERLEAVINGS)),
        code => Ok(code),
    }
}

/// The tests that try every interleaving of threads need a crate that is built for them.
const INTERLEAVINGS: [&str; 9] = [
    "test",
    "--locked",
    "--package",
    "evenkeel-resilience",
    "--no-default-features",
    "--features",
    "loom",
    "--test",
    "loom",
];

/// The exit code of tests.
fn ended(cargo: &mut Command) -> Result<u8> {
    let status = cargo.status().context("cannot run cargo")?;
    match status.code() {
        Some(code) => Ok(u8::try_from(code).unwrap_or(1)),
        None => bail!("cargo test was ended by a signal ({status})"),
    }
}

fn tidy() -> Result<u8> {
    let violations = tidy::check(root())?;
    for violation in &violations {
        say(&violation.to_string())?;
    }
    match violations.len() {
        0 => say("every rule of the house holds").map(|()| 0),
        many => say(&format!("{many} violations")).map(|()| 1),
    }
}
