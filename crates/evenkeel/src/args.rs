//! Arguments of the command. Their comments are its manual.

pub(crate) mod agent;
pub(crate) mod chaos;
pub(crate) mod failover;
pub(crate) mod gameday;
pub(crate) mod health;
pub(crate) mod load;
pub(crate) mod metrics;
pub(crate) mod probe;
pub(crate) mod proxy;
pub(crate) mod slo;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The reliability workbench: drills that take a service from baseline to verdict.
///
/// Exit codes: 0 pass · 1 verdict failed · 2 usage or invalid document · 3 could not run · 4 stopped by a
/// safety guard · 5 refused · 6 inconclusive · 70 bug in evenkeel · 130 interrupted. Whatever the code,
/// what was broken is mended and results are written before the process ends.
#[derive(Debug, Parser)]
#[command(name = "evenkeel", version, propagate_version = true, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Options of every verb.
#[derive(Args, Clone, Debug)]
pub(crate) struct Global {
    /// Results for people or for programs.
    #[arg(long, global = true, value_enum, default_value_t = Output::Table, value_name = "FORMAT")]
    pub(crate) output: Output,
    /// No progress, only the result.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Colours; `auto` also honours NO_COLOR and TERM=dumb.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(crate) color: Color,
    /// Go to this folder first.
    #[arg(short = 'C', global = true, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    #[value(alias = "text")]
    Table,
    /// For programs: seconds, ratios (0–1) and bytes, with the unit in the name of the key.
    Json,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Drill a fragile shop and a resilient one, and see the difference; no files, no root, under 90 s.
    Demo(DemoArgs),
    /// Write a first drill for a service of yours.
    Init(InitArgs),
    /// Report every error of every document, with file, line, column and fix.
    Check(CheckArgs),
    /// Explain a code of `check`, such as EK-D003.
    Explain(ExplainArgs),
    /// Print the JSON Schema of documents, or of one kind.
    Schema(SchemaArgs),
    /// Show what a drill would do, and do nothing.
    Plan(PlanArgs),
    /// Run drills and look at them.
    #[command(subcommand)]
    Drill(Drill),
    /// Send load: at a URL, or as a LoadTest says; compare loads, and bring tests over from other tools.
    #[command(subcommand)]
    Load(load::Load),
    /// Wait for coordinators (`evenkeel load run --agents`), and send a share of their load from this machine.
    Agent(agent::AgentArgs),
    /// Render a past run again from its journal.
    Report(ReportArgs),
    /// Faults: running an experiment by itself, what there is, mending what a crash left behind, and bringing experiments over from other tools.
    #[command(subcommand)]
    Chaos(Chaos),
    /// Game days: an experiment or a drill with the people around it.
    #[command(subcommand, name = "gameday")]
    GameDay(gameday::GameDay),
    /// Objectives: how they stand and why, rules for Prometheus, what alerts would have said, and bringing them over from other tools.
    #[command(subcommand)]
    Slo(slo::Slo),
    /// Say whether a change may go out, by what is left of an error budget: exit code 0 open, 1 closed, 6 no data to tell.
    Gate(Box<slo::GateArgs>),
    /// Metrics: a store in this process, with the API of Prometheus.
    #[command(subcommand)]
    Metrics(metrics::Metrics),
    /// Ask services how they are: HTTP, TCP, TLS, ping, gRPC, PostgreSQL, Redis; exit code 0 all healthy, 1 one is not, 3 one could
    /// not be asked.
    Probe(Box<probe::ProbeArgs>),
    /// Ask the members of a `load_balancer:` how they are, and say whom it calls; exit code 0 one of these answers, 1 none does, 3 none
    /// can be asked.
    Failover(failover::FailoverArgs),
    /// Health: the probes of services.
    #[command(subcommand)]
    Health(health::Health),
    /// Say what can be broken on this host, what cannot, and how to get it; changes nothing.
    Doctor,
    /// Start a proxy with the API of Toxiproxy, for tests that were written for it; loopback only.
    Proxy(proxy::ProxyArgs),
    /// Start the shop, a small service to drill.
    Shop(Box<evenkeel_shop::ShopArgs>),
    #[command(hide = true)]
    ShopPart(Box<evenkeel_shop::PartArgs>),
    #[command(hide = true)]
    Guardian(ChildArgs),
    #[command(hide = true)]
    Hold,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Drill {
    /// Run a drill; writes report.html, report.json, junit.xml, report.md and journal.jsonl into the run's
    /// folder.
    Run(RunArgs),
    /// List past runs.
    List(RunsArgs),
    /// Show the summary of a past run.
    Show(ShowArgs),
    /// Compare two past runs.
    Compare(CompareArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Chaos {
    /// Run an experiment by itself, without load: its probes say how the service takes it.
    Run(chaos::ChaosRunArgs),
    /// Wait for the times of experiments that have a `schedule`, and run each when it is due, until this is ended.
    Schedule(chaos::ChaosScheduleArgs),
    /// Mend what runs that were killed have left behind; exit code 5 when one is alive, which is left alone.
    Recover,
    /// Show which runs there are, what acts, and for how long yet.
    Status,
    /// End every run, mend what it broke, and let no fault act until that is lifted.
    Halt(HaltArgs),
    /// Approve an experiment as it is, for somebody else to run.
    Approve(chaos::ChaosApproveArgs),
    /// List the faults, what they need and what shows that they acted.
    Faults,
    /// Bring experiments over from other tools, and list what does not carry over.
    Import(ChaosImportArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ChaosImportArgs {
    /// An experiment of Chaos Toolkit, documents of Chaos Mesh or Litmus, a map `chaos_experiments`, a
    /// configuration `chaosmonkey`, or the plan of a game day in Markdown; `-` reads standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// What it is, when it does not say: experiments, chaosmonkey, litmus, chaos-mesh, chaostoolkit or gameday.
    #[arg(long = "as", value_name = "FORMAT")]
    pub(crate) format: Option<String>,
    /// The file to write. Default: standard output.
    #[arg(long, short = 'o', value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct HaltArgs {
    /// For whoever wonders why no fault acts.
    #[arg(long, value_name = "TEXT", default_value = "no reason given")]
    pub(crate) why: String,
    /// Let faults act again.
    #[arg(long, conflicts_with = "why")]
    pub(crate) lift: bool,
}

#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Where the drill and both runs are written.
    #[arg(long, value_name = "DIR", default_value = "evenkeel-demo")]
    pub(crate) dir: PathBuf,
    /// Seed of every random choice.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
}

#[derive(Args, Debug)]
pub(crate) struct InitArgs {
    /// Where your service answers, such as http://127.0.0.1:8080/health.
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// The file to write; an existing one is left alone.
    #[arg(long, value_name = "FILE", default_value = "drill.yaml")]
    pub(crate) file: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// Files, folders (their *.yaml and *.yml), or - for standard input. Beside documents of evenkeel: manifests of Kubernetes, for
    /// their probes; a prometheus.yml; and rules of Prometheus.
    #[arg(value_name = "PATH", default_value = ".")]
    pub(crate) paths: Vec<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// The code, as `check` prints it.
    pub(crate) code: String,
}

#[derive(Args, Debug)]
pub(crate) struct SchemaArgs {
    /// Service, SLO, AlertPolicy, ErrorBudgetPolicy, SLA, LoadTest, ChaosExperiment, Drill, GameDay, Resilience, or Report
    /// for report.json.
    pub(crate) kind: Option<String>,
}

/// Which drill.
#[derive(Args, Clone, Debug)]
pub(crate) struct DocumentArgs {
    /// Files with the drill and the documents it names.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Which drill, when there are several.
    #[arg(long, value_name = "NAME")]
    pub(crate) drill: Option<String>,
    /// Seed of every random choice.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
}

#[derive(Args, Debug)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) document: DocumentArgs,
}

#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) document: DocumentArgs,
    /// Do not ask before breaking something. Without a terminal nobody is asked: the service's
    /// `allowFaults` is what its owners agreed to.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Folder of the runs.
    #[arg(long, value_name = "DIR", default_value = RUNS)]
    pub(crate) dir: PathBuf,
    /// Store this run, if it passes, as the baseline of later ones, in place of the one stored now.
    #[arg(long)]
    pub(crate) accept: bool,
    /// Who runs it; whoever approved it has to be somebody else. Default: the user of the system.
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) requester: Option<String>,
}

/// Where runs are kept unless told otherwise.
pub(crate) const RUNS: &str = "evenkeel-runs";

#[derive(Args, Debug)]
pub(crate) struct RunsArgs {
    /// Folder of the runs.
    #[arg(long, value_name = "DIR", default_value = RUNS)]
    pub(crate) dir: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// Id of the run, its folder, or `last`.
    #[arg(default_value = "last")]
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) runs: RunsArgs,
}

#[derive(Args, Debug)]
pub(crate) struct CompareArgs {
    /// The run to compare with.
    pub(crate) baseline: String,
    /// The run that is compared.
    #[arg(default_value = "last")]
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) runs: RunsArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    /// Id of the run, its folder, or `last`.
    #[arg(default_value = "last")]
    pub(crate) run: String,
    /// text (the default), html, json, junit or markdown.
    #[arg(long = "as", value_name = "FORMAT")]
    pub(crate) format: Option<String>,
    #[command(flatten)]
    pub(crate) runs: RunsArgs,
}

/// What a process of our own passes to another; not for people.
#[derive(Args, Clone, Debug)]
pub(crate) struct ChildArgs {
    #[arg(allow_hyphen_values = true, trailing_var_arg = true)]
    pub(crate) rest: Vec<String>,
}
