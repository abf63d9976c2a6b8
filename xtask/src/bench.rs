//! Benches: what the load generator, faults, the metric store, resilience patterns and a drill cost, against the bars that the
//! project has set itself.
//!
//! A bench is never a test: its numbers belong to a machine and to the quiet around it. Whoever runs one
//! sees the spread over the rounds and what else the machine did meanwhile.
//!
//! ```text
//! load        the generator, in turns with its peers
//! faults      the proxy, in turns with its peers, and how strong faults are
//! metrics     the metric store, in turns with Prometheus and VictoriaMetrics
//! resilience  patterns and health probes, in turns with their peers
//! drill       what conducting a drill costs beside its load
//! figures     rows of figures, their spread, and their bars
//! machine     cores, processor time and memory of processes, load and steal
//! built       programs of ours, built for release
//! cargo       programs of others that Cargo builds
//! options     how a bench is run
//! round       what a case measures, again and again
//! running     programs that run on their cores until they are not needed
//! ```

mod built;
mod cargo;
mod drill;
mod faults;
mod figures;
mod load;
mod machine;
mod metrics;
mod options;
mod resilience;
mod round;
mod running;

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use self::figures::Row;
use self::machine::Noise;
use self::options::{Options, Output};

/// The page with the numbers.
const PAGE: &str = "docs/performance.md";

/// Of which a median means something, unless a bench has more.
const ROUNDS: usize = 5;

/// What stands around those of a bench in it.
fn marks(bench: &str) -> [String; 2] {
    ["from here", "to here"].map(|it| format!("<!-- cargo xtask bench {bench} --write: {it} -->\n"))
}

/// What a bench has found.
struct Found {
    bench: &'static str,
    rows: Vec<Row>,
    noise: Noise,
    versions: Vec<(&'static str, String)>,
    /// What could not be measured, and why.
    notes: Vec<String>,
}

/// Runs a bench; `None` when the arguments mean none. The code is 1 when a bar is missed or open.
pub(crate) fn run(arguments: &[String]) -> Result<Option<u8>> {
    let Some((which, rest)) = arguments.split_first() else { return Ok(None) };
    let (cases, rounds) = match which.as_str() {
        "load" => (load::names(), ROUNDS),
        "faults" => (faults::names(), ROUNDS),
        "metrics" => (metrics::names(), ROUNDS),
        "resilience" => (resilience::names(), resilience::ROUNDS),
        "drill" => (Vec::new(), ROUNDS),
        _ => return Ok(None),
    };
    let Some(options) = Options::read(rest, &cases, rounds)? else { return Ok(None) };
    // Before a bench stays on one of them.
    let cores = machine::core_count();
    let found = match which.as_str() {
        "load" => load::run(&options)?,
        "faults" => faults::run(&options)?,
        "metrics" => metrics::run(&options)?,
        "resilience" => resilience::run(&options)?,
        _ => drill::run()?,
    };
    let text = match options.output {
        Output::Json => serde_json::to_string_pretty(&found.to_json())?,
        Output::Text => found.to_text(),
    };
    writeln!(io::stdout(), "{text}").context("cannot write to standard output")?;
    if options.write {
        let page = crate::root().join(PAGE);
        let text = fs::read_to_string(&page).with_context(|| format!("cannot read {PAGE}"))?;
        let text = replaced(&text, which, &found.to_markdown(&command(arguments), cores))?;
        fs::write(&page, text).with_context(|| format!("cannot write {PAGE}"))?;
    }
    Ok(Some(u8::from(found.rows.iter().any(|it| it.holds() == Some(false) || it.is_open()))))
}

/// What others would type: where a program lay that was measured as it is, is nobody's concern.
fn command(arguments: &[String]) -> String {
    let mut shown = vec!["cargo xtask bench"];
    let mut before = "";
    for word in arguments.iter().map(String::as_str) {
        shown.push(if before == "--evenkeel" { "PROGRAM" } else { word });
        before = word;
    }
    shown.join(" ")
}

/// The page with another block between the marks of a bench.
fn replaced(page: &str, bench: &str, block: &str) -> Result<String> {
    let [first, last] = marks(bench);
    let cut = page.split_once(&first).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(&last)?;
        Some(format!("{before}{first}\n{block}\n{last}{after}"))
    });
    cut.with_context(|| {
        format!(
            "{PAGE} says nowhere where the numbers go: write these two lines there\n{first}{last}"
        )
    })
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
            "notes": self.notes,
        })
    }

    fn to_text(&self) -> String {
        let mut text = figures::table(&self.rows);
        text.push_str(&format!("\nmachine   {}\n", self.noise));
        for (name, version) in &self.versions {
            text.push_str(&format!("{name:<8}  {version}\n"));
        }
        for note in &self.notes {
            text.push_str(&format!("warning   {note}\n"));
        }
        text.push_str(&self.verdict());
        text
    }

    fn to_markdown(&self, command: &str, cores: usize) -> String {
        let versions: Vec<_> =
            self.versions.iter().map(|(name, it)| format!("{name} {it}")).collect();
        let notes: String = self.notes.iter().map(|it| format!("- {it}\n")).collect();
        let gap = if notes.is_empty() { "" } else { "\n" };
        format!(
            "`{command}`, on {}, {cores} cores; {}.\nVersions: {}.\n\n{}\n{notes}{gap}{}.\n",
            machine::processor(),
            self.noise,
            versions.join("; "),
            figures::markdown(&self.rows),
            self.verdict()
        )
    }

    fn verdict(&self) -> String {
        let bars: Vec<_> = self.rows.iter().filter_map(Row::holds).collect();
        let missed = bars.iter().filter(|it| !**it).count();
        let open = match self.rows.iter().filter(|it| it.is_open()).count() {
            0 => String::new(),
            open => format!(", {open} not measured"),
        };
        match missed {
            0 => format!("all {} bars hold{open}", bars.len()),
            _ => format!("{missed} of {} bars missed{open}", bars.len()),
        }
    }
}

/// A folder that is gone when the bench is.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        let folder = env::temp_dir().join(format!("evenkeel-bench-{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // It lies where the system cleans up, should this fail.
        drop(fs::remove_dir_all(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let [first, last] = marks("faults");
        let page = format!("before\n{first}old\n{last}after\n");
        let new = format!("before\n{first}\nnew\n\n{last}after\n");
        assert_eq!(replaced(&page, "faults", "new\n").unwrap(), new);
        assert_eq!(replaced(&new, "faults", "new\n").unwrap(), new);
    }

    #[test]
    fn the_page_does_not_say_where_a_program_lay() {
        let words = ["faults", "--evenkeel", "/home/me/evenkeel", "--write"].map(str::to_owned);
        assert_eq!(command(&words), "cargo xtask bench faults --evenkeel PROGRAM --write");
    }

    #[test]
    fn a_page_without_marks_is_left_alone() {
        let [first, last] = marks("load");
        for page in
            ["before\nafter\n".to_owned(), format!("{last}{first}"), marks("faults").concat()]
        {
            assert!(replaced(&page, "load", "new\n").unwrap_err().to_string().contains(&first));
        }
    }
}
