//! Benches: what the load generator and a drill cost, against the bars that the project has set itself.
//!
//! A bench is never a test: its numbers belong to a machine and to the quiet around it. Whoever runs one
//! sees the spread over the rounds and what else the machine did meanwhile.
//!
//! ```text
//! load     the generator against the clock, and in turns with wrk
//! drill    what conducting a drill costs beside its load
//! figures  rows of figures, their spread, and their bars
//! send     what our generator prints
//! wrk      what wrk prints
//! machine  cores, processor time of children, load and steal
//! built    programs of the workspace, built for release
//! ```

mod built;
mod drill;
mod figures;
mod load;
mod machine;
mod send;
mod wrk;

use std::io::{self, Write as _};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use figures::Row;
use machine::Noise;

/// Of which a median means something.
const ROUNDS: usize = 5;

/// How a bench is run.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    rounds: usize,
    json: bool,
}

/// What a bench has found.
struct Found {
    bench: &'static str,
    rows: Vec<Row>,
    noise: Noise,
    versions: Vec<(&'static str, String)>,
}

/// Runs a bench; `None` when the arguments mean none. The code is 1 when a bar is missed.
pub(crate) fn run(arguments: &[String]) -> Result<Option<u8>> {
    let Some((which, rest)) = arguments.split_first() else { return Ok(None) };
    let Some(options) = options(rest)? else { return Ok(None) };
    let found = match which.as_str() {
        "load" => load::run(options.rounds)?,
        "drill" => drill::run()?,
        _ => return Ok(None),
    };
    let text = match options.json {
        true => serde_json::to_string_pretty(&found.to_json())?,
        false => found.to_text(),
    };
    writeln!(io::stdout(), "{text}").context("cannot write to standard output")?;
    Ok(Some(u8::from(found.rows.iter().any(|it| it.holds() == Some(false)))))
}

fn options(mut rest: &[String]) -> Result<Option<Options>> {
    let mut options = Options { rounds: ROUNDS, json: false };
    while let [name, value, others @ ..] = rest {
        match (name.as_str(), value.as_str()) {
            ("--rounds", number) => {
                options.rounds = number.parse().context("`--rounds` takes a number")?;
                ensure!(options.rounds > 0, "`--rounds` takes at least 1");
            }
            ("--output", "json") => options.json = true,
            ("--output", "text") => options.json = false,
            _ => return Ok(None),
        }
        rest = others;
    }
    Ok(rest.is_empty().then_some(options))
}

impl Found {
    fn to_json(&self) -> Value {
        let versions: serde_json::Map<_, _> =
            self.versions.iter().map(|(name, it)| ((*name).to_owned(), json!(it))).collect();
        json!({
            "bench": self.bench,
            "rows": self.rows.iter().map(Row::to_json).collect::<Vec<_>>(),
            "noise": self.noise.to_json(),
            "versions": versions,
        })
    }

    fn to_text(&self) -> String {
        let mut text = figures::table(&self.rows);
        text.push_str(&format!("\nmachine   {}\n", self.noise));
        for (name, version) in &self.versions {
            text.push_str(&format!("{name:<8}  {version}\n"));
        }
        let bars: Vec<_> = self.rows.iter().filter_map(Row::holds).collect();
        let missed = bars.iter().filter(|it| !**it).count();
        text.push_str(&match missed {
            0 => format!("all {} bars hold", bars.len()),
            _ => format!("{missed} of {} bars missed", bars.len()),
        });
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn five_rounds_and_text_unless_asked_otherwise() {
        assert_eq!(options(&[]).unwrap(), Some(Options { rounds: 5, json: false }));
        let asked = options(&words("--output json --rounds 7")).unwrap();
        assert_eq!(asked, Some(Options { rounds: 7, json: true }));
    }

    #[test]
    fn what_is_not_understood_is_not_run() {
        for line in ["--output yaml", "--rounds", "--fast 1", "7"] {
            assert_eq!(options(&words(line)).unwrap(), None, "{line}");
        }
        for line in ["--rounds 0", "--rounds many"] {
            assert!(options(&words(line)).is_err(), "{line}");
        }
    }
}
