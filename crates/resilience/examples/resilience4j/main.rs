//! Replays what resilience4j's breaker did, and says how often ours does the same: `cargo xtask oracle breaker`.
//!
//! Arguments: the folder of the recordings; `--failures` lists what differs.

#[path = "../../tests/it/oracle.rs"]
mod oracle;

use std::env;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Some(folder) = arguments.iter().find(|it| !it.starts_with("--")) else {
        writeln!(io::stderr(), "usage: resilience4j FOLDER [--failures]")?;
        return Ok(ExitCode::from(2));
    };
    let tally = oracle::replay(Path::new(folder))?;
    let mut to = io::stdout().lock();
    if arguments.iter().any(|it| it == "--failures") {
        tally.failures.iter().try_for_each(|it| writeln!(to, "{it}"))?;
    }
    writeln!(to, "{} open indices, {} traces as recorded", tally.indices, tally.traces)?;
    writeln!(to, "{} passed, {} failed", tally.indices + tally.traces, tally.failures.len())?;
    Ok(ExitCode::from(u8::from(!tally.failures.is_empty())))
}
