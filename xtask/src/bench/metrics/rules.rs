//! Rules: what a Prometheus pays for the rules of objectives, ours and those of Sloth.
//!
//! Two servers get the same counters of three days, and of thirty days what their rules have recorded so far: the ratio of
//! five minutes for those of Sloth, bad and all events of five minutes for ours. Then they evaluate. Sloth's rules are
//! those of `--mode compat`, which `cargo xtask oracle sloth` compares with Sloth's own.
//!
//! A round, of a minute in life, takes fifteen seconds here, and whatever rules say of their interval is shortened likewise.
//! What a round costs does not depend on it: it is the history that is read.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use rustix::time::{ClockId, clock_gettime};

use super::engine::{Engine, Maker};
use super::fill::field;
use super::http::Connection;
use crate::bench::figures::{Bar, Row, Unit};
use crate::bench::round::{self, Line, Round, bar, line};
use crate::say;

/// What the case is called on the command line.
pub(super) const NAME: &str = "rules";

const TITLE: &str = "a round of the rules of an objective, by Prometheus";

const LINES: &[Line] = &[
    line("exact_cpu_seconds", "ours, CPU", Unit::Millis),
    line("sloth_cpu_seconds", "Sloth's, CPU", Unit::Millis),
    bar("rules_cpu_ratio", "CPU, ours / Sloth's", Unit::Times, Bar::AtMost(0.5)),
];

const OBJECTIVES: usize = 30;
const INSTANCES: usize = 5;
const CODES: [(&str, f64); 2] = [("200", 60.0), ("500", 0.03)];

/// The history, a sample a minute.
const MINUTES: i64 = 30 * 24 * 60;
const QUICK_MINUTES: i64 = 6 * 60;
/// Of it, how much there is of counters: a little more than the longest window that is asked of them.
const RAW_MINUTES: i64 = 73 * 60;
/// How many minutes a request holds of each series. Prometheus takes no sample that is an hour older than the newest.
const MINUTES_A_REQUEST: i64 = 30;

/// A round, and how often a minute of life goes into a minute.
const ROUND: Duration = Duration::from_secs(15);
const FASTER: u32 = 4;

/// Whose rules.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Whose {
    Ours,
    Sloth,
}

impl Whose {
    const fn mode(self) -> &'static str {
        match self {
            Self::Ours => "exact",
            Self::Sloth => "compat",
        }
    }

    const fn key(self) -> &'static str {
        match self {
            Self::Ours => "exact_cpu_seconds",
            Self::Sloth => "sloth_cpu_seconds",
        }
    }

    /// The records that its sums are made of, and what they say.
    const fn recorded(self) -> &'static [(&'static str, f64)] {
        match self {
            Self::Ours => &[("slo:sli_bad:increase5m", 0.75), ("slo:sli_total:increase5m", 1500.0)],
            Self::Sloth => &[("slo:sli_error:ratio_rate5m", 0.0005)],
        }
    }

    /// Which windows objectives are alerted by.
    const fn alerting(self) -> &'static str {
        match self {
            Self::Ours => "",
            Self::Sloth => "  alerting: {policy: sloth}\n",
        }
    }
}

/// What is needed to measure.
pub(super) struct Setting<'a> {
    /// Our program, which writes the rules.
    pub(super) ours: &'a Path,
    /// Prometheus.
    pub(super) prometheus: &'a Path,
    /// Where it runs.
    pub(super) core: &'a str,
    /// Where it keeps what it knows.
    pub(super) folder: &'a Path,
    pub(super) rounds: usize,
    pub(super) quick: bool,
}

/// Measures, and says the figures.
pub(super) fn rows(of: &Setting<'_>) -> Result<Vec<Row>> {
    let mut rounds: Vec<Round> = (0..of.rounds).map(|_| Round::default()).collect();
    for whose in [Whose::Sloth, Whose::Ours] {
        say(&format!("{NAME}: {} rules", whose.mode()))?;
        let mut engine = prepared(of, whose)?;
        for round in &mut rounds {
            let before = engine.precise_cpu()?;
            // So many rounds as the slowest group takes to have its turn.
            std::thread::park_timeout(ROUND * FASTER);
            let cpu = engine.precise_cpu()? - before;
            round.say(whose.key(), cpu / f64::from(FASTER) / OBJECTIVES as f64);
        }
        let told = engine.ask("/api/v1/rules")?;
        ensure!(!told.contains("\"health\":\"err\""), "rules fail: {told}");
        ensure!(told.contains("\"health\":\"ok\""), "no rule was evaluated");
    }
    for round in &mut rounds {
        round.say_ratio("rules_cpu_ratio", "exact_cpu_seconds", "sloth_cpu_seconds");
    }
    Ok(round::rows(NAME, TITLE, LINES, &rounds))
}

/// A Prometheus with all of its history, which has evaluated its rules for a while.
fn prepared(of: &Setting<'_>, whose: Whose) -> Result<Engine> {
    let folder = of.folder.join(format!("rules-{}", whose.mode()));
    fs::create_dir(&folder).context("cannot make a folder")?;
    let rules = rules(of.ours, whose, &folder)?;
    let mut engine = Engine::start(Maker::Prometheus, of.prometheus, of.core, folder.clone())?;
    send(&engine, whose, of.quick)?;
    fs::write(folder.join("rules.yml"), rules).context("cannot write a file")?;
    let seconds = ROUND.as_secs();
    let config = format!("global: {{evaluation_interval: {seconds}s}}\nrule_files: [rules.yml]\n");
    fs::write(folder.join("prometheus.yml"), config).context("cannot write a file")?;
    let id = i32::try_from(engine.id()).ok().and_then(Pid::from_raw).context("no process")?;
    kill_process(id, Signal::HUP).context("cannot have a server read its files again")?;
    std::thread::park_timeout(ROUND * (FASTER + 1));
    engine.ask("/-/ready")?;
    Ok(engine)
}

/// The rules as our program writes them, faster.
fn rules(program: &Path, whose: Whose, folder: &Path) -> Result<String> {
    let documents: Vec<_> = (0..OBJECTIVES).map(|it| document(it, whose)).collect();
    let windows = "apiVersion: evenkeel.dev/v1\nkind: AlertPolicy\nmetadata: {name: sloth}\nspec:\n  windows:\n\
        \x20   - {severity: page, budget: 2%, long: 1h, short: 5m}\n\
        \x20   - {severity: page, budget: 5%, long: 6h, short: 30m}\n\
        \x20   - {severity: ticket, budget: 10%, long: 1d, short: 2h}\n\
        \x20   - {severity: ticket, budget: 10%, long: 3d, short: 6h}\n";
    let text = format!("{}---\n{windows}", documents.join("---\n"));
    fs::write(folder.join("slos.yaml"), text).context("cannot write a file")?;
    let output = Command::new(program)
        .args(["slo", "rules", "slos.yaml", "--mode", whose.mode()])
        .current_dir(folder)
        .output()
        .context("cannot run our program")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "it writes no rules: {}", said.trim());
    let text = String::from_utf8(output.stdout).context("rules that are no text")?;
    Ok(text.replace("\n  interval: 4m\n", "\n  interval: 1m\n"))
}

fn service(number: usize) -> String {
    format!("service-{number:04}")
}

fn document(number: usize, whose: Whose) -> String {
    let (service, alerting) = (service(number), whose.alerting());
    let series = |more: &str| format!("'http_requests_total{{service=\"{service}\"{more}}}'");
    let (bad, total) = (series(",code=~\"5..\""), series(""));
    format!(
        "apiVersion: evenkeel.dev/v1\nkind: SLO\nmetadata: {{name: {service}-up}}\nspec:\n  service: {service}\n  \
         objective: 99.9%\n  sli: {{availability: {{bad: {bad}, total: {total}}}}}\n{alerting}"
    )
}

/// A series: its labels as remote write has them, what it is each minute, and by how much it grows.
struct Series {
    labels: Vec<u8>,
    is: f64,
    grows: f64,
    /// For how many minutes before the end there is any of it.
    minutes: i64,
}

fn series(whose: Whose, minutes: i64) -> Vec<Series> {
    let mut all = Vec::new();
    for number in 0..OBJECTIVES {
        let service = service(number);
        for instance in 0..INSTANCES {
            for (code, grows) in CODES {
                let instance = format!("10.0.0.{instance}:9100");
                let pairs = [
                    ("__name__", "http_requests_total"),
                    ("code", code),
                    ("instance", &instance),
                    ("service", &service),
                ];
                let minutes = minutes.min(RAW_MINUTES);
                all.push(Series { labels: labels(&pairs), is: 0.0, grows, minutes });
            }
        }
        let id = format!("{service}-up");
        for (record, is) in whose.recorded() {
            let pairs = [
                ("__name__", *record),
                ("sloth_id", &id),
                ("sloth_service", &service),
                ("sloth_slo", "up"),
                ("sloth_window", "5m"),
            ];
            all.push(Series { labels: labels(&pairs), is: *is, grows: 0.0, minutes });
        }
    }
    all
}

fn labels(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in pairs {
        let mut label = Vec::new();
        field(&mut label, 0x0a, name.as_bytes());
        field(&mut label, 0x12, value.as_bytes());
        field(&mut bytes, 0x0a, &label);
    }
    bytes
}

/// Sends the history until now, some minutes of all series at a time.
fn send(to: &Engine, whose: Whose, quick: bool) -> Result<()> {
    let minutes = if quick { QUICK_MINUTES } else { MINUTES };
    let end = clock_gettime(ClockId::Realtime).tv_sec * 1_000;
    let all = series(whose, minutes);
    let mut connection = Connection::open(to.address())?;
    let mut encoder = snap::raw::Encoder::new();
    let mut from = minutes;
    while from > 0 {
        let until = (from - MINUTES_A_REQUEST).max(0);
        let mut body = Vec::new();
        for it in all.iter().filter(|it| it.minutes >= from) {
            let mut inner = it.labels.clone();
            for left in (until..from).rev() {
                let passed = (minutes - left) as f64;
                // No two samples are alike, as in life.
                let value = it.is * (1.0 + (passed * 0.7).sin() / 10.0) + it.grows * passed;
                field(&mut inner, 0x12, &sample(end - left * 60_000, value));
            }
            field(&mut body, 0x0a, &inner);
        }
        connection.write(&encoder.compress_vec(&body).context("cannot compress")?)?;
        from = until;
    }
    Ok(())
}

/// A float at a moment.
fn sample(at: i64, value: f64) -> Vec<u8> {
    let mut bytes = vec![0x09];
    bytes.extend(value.to_le_bytes());
    bytes.push(0x10);
    let mut left = at.cast_unsigned();
    while left >= 0x80 {
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_written_as_remote_write_has_it() {
        let bytes = sample(1_700_000_000_000, 1.0);
        let expected =
            [&[0x09][..], &1.0_f64.to_le_bytes(), &[0x10, 0x80, 0xd0, 0x95, 0xff, 0xbc, 0x31]];
        assert_eq!(bytes, expected.concat());
    }

    #[test]
    fn both_have_the_same_counters_and_records_of_their_own() {
        let of = |whose| series(whose, MINUTES).len() / OBJECTIVES;
        assert_eq!((of(Whose::Ours), of(Whose::Sloth)), (12, 11));
    }
}
