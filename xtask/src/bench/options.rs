//! Options: how a bench is run.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};

/// Of a load, unless a case needs more.
const SECONDS: u32 = 5;

/// A round of two seconds shows that everything works, and nothing else.
const QUICK_SECONDS: u32 = 2;
const QUICK_MINUTES: f64 = 0.1;

/// How a bench is run.
#[derive(Debug, PartialEq)]
pub(super) struct Options {
    /// None: the usual ones.
    pub(super) cases: Vec<String>,
    pub(super) rounds: usize,
    pub(super) seconds: u32,
    /// How long memory is watched. `None`: as long as its bar says.
    pub(super) minutes: Option<f64>,
    /// Whether only is to be seen that everything works.
    pub(super) quick: bool,
    /// A program that is measured as it is, instead of one that is built now.
    pub(super) program: Option<PathBuf>,
    /// Whether the page with the numbers is written.
    pub(super) write: bool,
    pub(super) output: Output,
}

/// How results are printed.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Text,
    Json,
}

impl Options {
    /// Reads the arguments behind the name of a bench that has such `cases` and takes so many `rounds` unless told; `None` when
    /// they mean nothing.
    pub(super) fn read(
        arguments: &[String],
        cases: &[&str],
        rounds: usize,
    ) -> Result<Option<Self>> {
        let mut options = Self {
            cases: Vec::new(),
            rounds,
            seconds: SECONDS,
            minutes: None,
            quick: false,
            program: None,
            write: false,
            output: Output::Text,
        };
        let mut rest = arguments.iter().map(String::as_str);
        while let Some(word) = rest.next() {
            let flag = word.starts_with("--");
            if !flag && !cases.is_empty() {
                ensure!(cases.contains(&word), "there is no `{word}`, but {}", cases.join(", "));
                options.cases.push(word.to_owned());
                continue;
            }
            match word {
                "--quick" => {
                    (options.rounds, options.seconds) = (1, QUICK_SECONDS);
                    options.minutes = Some(QUICK_MINUTES);
                    options.quick = true;
                    continue;
                }
                "--write" => {
                    options.write = true;
                    continue;
                }
                _ => {}
            }
            let Some(value) = rest.next() else { return Ok(None) };
            match (word, value) {
                ("--rounds", number) => options.rounds = at_least_1(word, number)? as usize,
                ("--seconds", number) => options.seconds = at_least_1(word, number)?,
                ("--minutes", number) => match number.parse() {
                    Ok(minutes) if minutes > 0.0 && minutes < 1e6 => {
                        options.minutes = Some(minutes);
                    }
                    _ => bail!("`--minutes` takes a number above 0"),
                },
                ("--evenkeel", program) => options.program = Some(program.into()),
                ("--output", "json") => options.output = Output::Json,
                ("--output", "text") => options.output = Output::Text,
                _ => return Ok(None),
            }
        }
        Ok(Some(options))
    }
}

fn at_least_1(flag: &str, number: &str) -> Result<u32> {
    let number = number.parse().with_context(|| format!("`{flag}` takes a number"))?;
    ensure!(number > 0, "`{flag}` takes at least 1");
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Option<Options>> {
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        Options::read(&words, &["h1-128", "h2c"], 5)
    }

    #[test]
    fn the_usual_rounds_of_the_usual_cases_and_text_unless_asked_otherwise() {
        let usual = read("").unwrap().unwrap();
        assert_eq!((usual.rounds, usual.seconds, usual.output), (5, 5, Output::Text));
        assert_eq!((usual.cases.len(), usual.minutes, usual.write), (0, None, false));
        let line = "h2c --output json --rounds 7 h1-128 --minutes 0.5 --write --evenkeel /e";
        let asked = read(line).unwrap().unwrap();
        assert_eq!((asked.rounds, asked.output, asked.write), (7, Output::Json, true));
        assert_eq!(asked.cases, ["h2c", "h1-128"]);
        assert_eq!((asked.minutes, asked.program), (Some(0.5), Some("/e".into())));
    }

    #[test]
    fn a_quick_run_is_one_round() {
        let quick = read("--quick").unwrap().unwrap();
        assert_eq!((quick.rounds, quick.seconds, quick.minutes), (1, 2, Some(0.1)));
    }

    #[test]
    fn what_is_not_understood_is_not_run() {
        for line in ["--output yaml", "--rounds", "--fast 1"] {
            assert_eq!(read(line).unwrap(), None, "{line}");
        }
        for line in ["--rounds 0", "--rounds many", "--seconds 0", "--minutes -1", "h3"] {
            assert!(read(line).is_err(), "{line}");
        }
        let words = ["h1-128".to_owned()];
        assert_eq!(Options::read(&words, &[], 5).unwrap(), None);
    }
}
