//! Arguments of `slo`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use evenkeel_slo::attribution::Cause;
use evenkeel_units::parse_duration;
use jiff::Timestamp;

use super::RUNS;
use crate::verb::slo::causes::event;

#[derive(Debug, Subcommand)]
pub(crate) enum Slo {
    /// Ask a service what it counts at its /metrics, and write first objectives for it, with a prometheus.yml that collects
    /// what they need.
    Init(SloInitArgs),
    /// Show how objectives stand: what was reached, what is left of the budget, which alerts fire. Exit code 1 when a budget
    /// is exhausted, 6 when there is no data to tell.
    Status(SourceArgs),
    /// Watch objectives on the terminal: budgets, burn rates and alerts as they change; a line each where there is no terminal.
    /// `q` or Ctrl-C ends it.
    Watch(WatchArgs),
    /// Write how objectives stand and how they got there as one HTML file: burn-down, who burned it, the indicator, alerts.
    Report(SloReportArgs),
    /// Show how what is left of a budget was computed, and who burned it: formulas, inputs, what was asked, how much data there
    /// was; bad events by label, deploy, incident and drill.
    Explain(ExplainArgs),
    /// Show what is owed by agreements: of each the period that is over, and the one that goes on. Exit code 1 when something is
    /// owed, 6 when there is no data to tell.
    Sla(SourceArgs),
    /// Write objectives as recording and alerting rules of Prometheus, with tests of them for promtool.
    Rules(RulesArgs),
    /// Write a dashboard for Grafana, of the series that the rules of objectives record.
    Dashboard(DashboardArgs),
    /// Play history through the alerts of objectives, and through the usual ones: pages a month, what they would have caught.
    Backtest(BacktestArgs),
    /// Bring objectives and policies over from other tools, and list what does not carry over.
    Import(SloImportArgs),
}

/// First objectives.
#[derive(Args, Debug)]
pub(crate) struct SloInitArgs {
    /// Where the service exposes its metrics, such as http://127.0.0.1:8080/metrics.
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// What the service is called. Default: after its address.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The objectives to write.
    #[arg(long, value_name = "FILE", default_value = "slo.yaml")]
    pub(crate) file: PathBuf,
    /// The configuration of `metrics serve` to write.
    #[arg(long, value_name = "FILE", default_value = "prometheus.yml")]
    pub(crate) config: PathBuf,
}

/// Objectives as a page.
#[derive(Args, Debug)]
pub(crate) struct SloReportArgs {
    #[command(flatten)]
    pub(crate) asked: ExplainArgs,
    /// The file to write.
    #[arg(long, short = 'o', value_name = "FILE", default_value = "slo-report.html")]
    pub(crate) out: PathBuf,
}

/// A file of another tool, as documents of ours.
#[derive(Args, Debug)]
pub(crate) struct SloImportArgs {
    /// Documents of OpenSLO, Sloth or Pyrra, a file of slo-generator, a `slo/v1 ServiceLevelObjective`, a map `slo_configs`, or
    /// a policy about error budgets; `-` reads standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// What it is, when it does not say: openslo, sloth, pyrra, slo-generator, service-level, slo-configs or
    /// error-budget-policy.
    #[arg(long = "as", value_name = "FORMAT")]
    pub(crate) format: Option<String>,
    /// The file to write. Default: standard output.
    #[arg(long, short = 'o', value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// Objectives, and where they are counted.
#[derive(Args, Debug)]
pub(crate) struct SourceArgs {
    /// Files with SLOs and what they name; `-` reads standard input.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Only this objective; more than once for several.
    #[arg(long, value_name = "NAME")]
    pub(crate) slo: Vec<String>,
    /// The directory of a store or of a run, or the URL of a server with the API of Prometheus. A URL may have a name and a password; a
    /// token is read from EVENKEEL_SOURCE_TOKEN. Default: what EVENKEEL_SOURCE says.
    #[arg(long, value_name = "URL|DIR")]
    pub(crate) source: Option<String>,
    /// As of this moment, such as 2026-03-01T12:00:00Z. Default: now.
    #[arg(long, value_name = "MOMENT")]
    pub(crate) at: Option<Timestamp>,
}

/// Objectives, again and again.
#[derive(Args, Debug)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// How long to wait before they are looked at again.
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = length)]
    pub(crate) every: Duration,
}

/// Objectives, and what went on while their budgets burned.
#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) went_on: EventArgs,
}

/// What went on: deploys, incidents and drills.
#[derive(Args, Debug)]
pub(crate) struct EventArgs {
    /// Something that went on, as KIND:NAME=FROM..TO, where the kind is deploy, incident or drill; a deploy without its end is
    /// to blame for an hour. More than once for several.
    #[arg(long = "event", value_name = "EVENT", value_parser = event)]
    pub(crate) events: Vec<Cause>,
    /// A file with such events: a line of JSON each, with `kind`, `name`, `from` and `to`.
    #[arg(long = "events", value_name = "FILE")]
    pub(crate) event_files: Vec<PathBuf>,
    /// Folder of the runs of drills, each of which is an event.
    #[arg(long, value_name = "DIR", default_value = RUNS)]
    pub(crate) runs: PathBuf,
}

/// Rules of Prometheus.
#[derive(Args, Debug)]
pub(crate) struct RulesArgs {
    /// Files with SLOs and what they name; `-` reads standard input.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Only this objective; more than once for several.
    #[arg(long, value_name = "NAME")]
    pub(crate) slo: Vec<String>,
    /// `exact` divides sums of events and asks for evidence; `compat` writes what Sloth writes; `corrected` what Sloth writes
    /// with its plugin `denominator_corrected_rules`.
    #[arg(long, value_enum, default_value_t = RulesMode::Exact, value_name = "MODE")]
    pub(crate) mode: RulesMode,
    /// A file for `rule_files`, or a PrometheusRule of the Prometheus operator.
    #[arg(long = "as", value_enum, default_value_t = RulesForm::File, value_name = "FORM")]
    pub(crate) form: RulesForm,
    /// How often rules are evaluated, at least every five minutes. Default: as the server does.
    #[arg(long, value_name = "DURATION", value_parser = evaluated)]
    pub(crate) interval: Option<Duration>,
    /// A label of the record that says that an objective is there, `sloth_slo_info`; more than once for several.
    #[arg(long = "info", value_name = "NAME=VALUE", value_parser = label)]
    pub(crate) info: Vec<(String, String)>,
    /// Alerts on symptoms as well, for each service whose objectives are meant: HighErrorRate, HighLatency, HighCPU and
    /// PodCrashLooping, on metrics of the usual names.
    #[arg(long)]
    pub(crate) symptoms: bool,
    /// Write `rules.yaml`, a test of each objective, for `promtool test rules`, and a `prometheus.yml` and an `alertmanager.yml`
    /// that go with them into this folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) with_tests: Option<PathBuf>,
}

/// A dashboard for Grafana.
#[derive(Args, Debug)]
pub(crate) struct DashboardArgs {
    /// Files with SLOs and what they name; `-` reads standard input.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Only this objective; more than once for several.
    #[arg(long, value_name = "NAME")]
    pub(crate) slo: Vec<String>,
    /// What it is called.
    #[arg(long, value_name = "TEXT", default_value = "Objectives")]
    pub(crate) title: String,
    /// The file to write. Default: standard output.
    #[arg(long, short = 'o', value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RulesMode {
    Compat,
    Corrected,
    Exact,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RulesForm {
    File,
    Resource,
}

/// A time in which something happens.
fn length(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(Duration::ZERO) => {
            Err("nothing can happen in no time; give one such as `30s`".to_owned())
        }
        it => it.map_err(|it| format!("{}: {}", it.problem, it.help)),
    }
}

/// How far Prometheus looks back for the last sample of a series, unless it is told otherwise.
const LOOKBACK: Duration = Duration::from_mins(5);

fn evaluated(text: &str) -> Result<Duration, String> {
    let every = length(text)?;
    if every > LOOKBACK {
        let why = "Prometheus looks back 5m for a sample, so that what is recorded less often is gone in between, and alerts with it; \
            give 5m or less";
        return Err(why.to_owned());
    }
    Ok(every)
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    let is_name = |it: char| it.is_ascii_alphanumeric() || it == '_';
    let begins = name.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_');
    match begins && name.chars().all(is_name) {
        true if name.starts_with("sloth_") => {
            Err(format!("`{name}` says which objective it is: choose a name without `sloth_`"))
        }
        true => Ok((name.to_owned(), value.to_owned())),
        false => Err(format!("`{name}` is no name of a label: letters, digits and `_` are")),
    }
}

/// What alerts would have said.
#[derive(Args, Debug)]
pub(crate) struct BacktestArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// How far back. Default: the window of each objective; of a run, all of its load.
    #[arg(long, value_name = "DURATION", value_parser = length)]
    pub(crate) over: Option<Duration>,
    /// Slices that events are counted in. Default: 5m; of a run, 1s.
    #[arg(long, value_name = "DURATION", value_parser = length)]
    pub(crate) slice: Option<Duration>,
    /// Something that somebody should have been told of, as FROM..TO in RFC 3339; more than once for several. Default: the
    /// faults of a run.
    #[arg(long = "incident", value_name = "FROM..TO", value_parser = interval)]
    pub(crate) incidents: Vec<(Timestamp, Timestamp)>,
    /// A page belongs to an incident up to so long after its end.
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = parse_duration)]
    pub(crate) grace: Duration,
}

fn interval(text: &str) -> Result<(Timestamp, Timestamp), String> {
    let wrong =
        || "write two moments such as 2026-03-01T12:00:00Z..2026-03-01T13:00:00Z".to_owned();
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let moment = |it: &str| it.trim().parse::<Timestamp>().map_err(|_| wrong());
    let (from, to) = (moment(from)?, moment(to)?);
    if from < to { Ok((from, to)) } else { Err("it ends before it begins".to_owned()) }
}

/// May this go out?
#[derive(Args, Debug)]
pub(crate) struct GateArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// What kind of change it is; a policy excepts some, such as security_patches.
    #[arg(long = "type", value_name = "KIND", default_value = "normal")]
    pub(crate) kind: String,
    /// Why it has to go out, for kinds that pass a closed gate.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Who asks. Default: the user of the system.
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) who: Option<String>,
    /// Where it is kept that a closed gate was passed: a line of JSON each time.
    #[arg(long, value_name = "FILE", default_value = "gate-audit.jsonl")]
    pub(crate) audit: PathBuf,
}
