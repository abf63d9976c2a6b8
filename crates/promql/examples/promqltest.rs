//! Runs scripts of promqltest and says how many evaluations gave what was expected: `cargo xtask oracle promql`.
//!
//! Arguments: a folder of `.test` files; `--failures` lists what went wrong.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::{env, fs};

use evenkeel_promql::promqltest::Report;

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let list = arguments.iter().any(|it| it == "--failures");
    let Some(folder) = arguments.iter().find(|it| !it.starts_with("--")) else {
        writeln!(io::stderr(), "usage: promqltest FOLDER [--failures]")?;
        return Ok(ExitCode::from(2));
    };
    let mut files: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    files.retain(|file| file.path().extension().is_some_and(|it| it == "test"));
    files.sort_by_key(fs::DirEntry::file_name);
    let mut report = Report::default();
    for file in files {
        let name = file.path().file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let script = fs::read_to_string(file.path())?;
        report.take(&name, &script).map_err(|error| format!("{name}: {error}"))?;
    }
    let mut to = io::stdout().lock();
    if list {
        for (name, verdict) in report.failures() {
            if let Err(what) = &verdict.outcome {
                writeln!(to, "{name}.test:{}: {}\n    {what}", verdict.line, verdict.query)?;
            }
        }
        writeln!(to)?;
    }
    write!(to, "{report}")?;
    Ok(ExitCode::SUCCESS)
}
