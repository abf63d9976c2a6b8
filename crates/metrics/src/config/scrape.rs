//! Scrape: which targets a job has, how often they are asked, and within which limits.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use evenkeel_model::decode::codes;
use evenkeel_model::yaml::{Node, Place};

use super::client::Client;
use super::fields::{Fields, Reading, size};
use super::{Global, longer_than_interval, relabel};
use crate::relabel::Rule;

/// How files of groups are read when nobody says how often.
const REFRESH: Duration = Duration::from_mins(5);

/// By which protocol a target is asked.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// Reads its name.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "http" => Some(Self::Http),
            "https" => Some(Self::Https),
            _ => None,
        }
    }

    /// As it stands in a URL.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// A job: targets that are scraped in one way.
#[derive(Clone, Debug)]
pub struct Scrape {
    /// Its name.
    pub job: String,
    /// How often each target is asked.
    pub every: Duration,
    /// How long that may take; at most `every`.
    pub timeout: Duration,
    /// Where the metrics are.
    pub path: String,
    /// By which protocol.
    pub scheme: Scheme,
    /// What stands behind the path.
    pub parameters: Vec<(String, String)>,
    /// Whether the labels that a target gives win over ours.
    pub honor_labels: bool,
    /// Whether the moments that a target gives are taken over.
    pub honor_timestamps: bool,
    /// Whether answers may come compressed.
    pub compression: bool,
    /// Targets that stand in the configuration.
    pub groups: Vec<StaticGroup>,
    /// Targets that stand in other files.
    pub files: Vec<FileGroups>,
    /// What is done to the labels of targets, and which are scraped.
    pub relabel: Vec<Rule>,
    /// What is done to the labels of samples, and which are kept.
    pub metric_relabel: Vec<Rule>,
    /// What is too much.
    pub limits: Limits,
    /// How targets are reached.
    pub client: Client,
}

/// Targets with labels of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StaticGroup {
    /// Where they are, as `host:port`.
    pub targets: Vec<String>,
    /// Their labels.
    pub labels: BTreeMap<String, String>,
}

/// Files that hold groups, as JSON or YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileGroups {
    /// Which; the last part of each may have `*` in it.
    pub patterns: Vec<PathBuf>,
    /// How often they are read.
    pub every: Duration,
}

/// What is too much: a scrape that has more fails as a whole.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of an answer, uncompressed.
    pub body: Option<usize>,
    /// Samples that are kept of one scrape.
    pub samples: Option<usize>,
    /// Labels of a sample.
    pub labels: Option<usize>,
    /// Bytes of the name of a label.
    pub label_name: Option<usize>,
    /// Bytes of the value of a label.
    pub label_value: Option<usize>,
    /// Targets of the job.
    pub targets: Option<usize>,
}

impl Limits {
    /// Those of a map, with `base` for those that it does not give.
    pub(super) fn read(fields: &mut Fields<'_>, base: Self, to: &mut Reading) -> Self {
        let body = fields.value("body_size_limit", "a size such as `10MB`", to, size);
        let mut limit = |key, base: Option<usize>| fields.limit(key, to).or(base);
        Self {
            body: body.filter(|it| *it > 0).or(base.body),
            samples: limit("sample_limit", base.samples),
            labels: limit("label_limit", base.labels),
            label_name: limit("label_name_length_limit", base.label_name),
            label_value: limit("label_value_length_limit", base.label_value),
            targets: limit("target_limit", base.targets),
        }
    }
}

/// Notes what is about forms in which metrics do not come here.
pub(super) fn note_formats(fields: &mut Fields<'_>, to: &mut Reading) {
    let text = "metrics come as OpenMetrics or in the text format";
    for key in ["scrape_protocols", "fallback_scrape_protocol", "scrape_native_histograms"] {
        fields.note(key, text, to);
    }
    let classic = "classic histograms are stored as they come";
    for key in [
        "scrape_classic_histograms",
        "always_scrape_classic_histograms",
        "convert_classic_histograms_to_nhcb",
        "native_histogram_bucket_limit",
        "native_histogram_min_bucket_factor",
    ] {
        fields.note(key, classic, to);
    }
    let names = "names may be any UTF-8";
    fields.note("metric_name_validation_scheme", names, to);
    fields.note("metric_name_escaping_scheme", names, to);
    fields.note("keep_dropped_targets", "all of them are shown", to);
    fields.note("extra_scrape_metrics", "they are not written", to);
}

pub(super) fn read(node: &Node, global: &Global, to: &mut Reading) -> Option<Scrape> {
    let mut fields = Fields::of(node, to);
    let job = fields.text("job_name", to);
    if job.is_none_or(str::is_empty) {
        let problem = "the field `job_name` is missing";
        to.wrong(codes::MISSING_FIELD, node.place, problem, "Give the job a name.");
    }
    let (every, timeout) = times(&mut fields, global, to);
    let path = fields.text("metrics_path", to).unwrap_or("/metrics").to_owned();
    let scheme = fields.value("scheme", "`http` or `https`", to, Scheme::parse);
    let parameters = parameters(&mut fields, to);
    let honor_labels = fields.flag("honor_labels", to).unwrap_or(false);
    let honor_timestamps = fields.flag("honor_timestamps", to).unwrap_or(true);
    let compression = fields.flag("enable_compression", to).unwrap_or(true);
    let place = fields.place_of("track_timestamps_staleness");
    if fields.flag("track_timestamps_staleness", to) == Some(true) {
        let problem = "`track_timestamps_staleness: true` is not supported: a series with moments of its own is \
            not ended";
        to.wrong(codes::UNSUPPORTED, place, problem, "Take it out.");
    }
    let groups = fields.list("static_configs", to);
    let groups = groups.iter().filter_map(|it| static_group(it, to)).collect();
    let files = fields.list("file_sd_configs", to);
    let files = files.iter().map(|it| file_groups(it, to)).collect();
    let relabel = relabel::read(&mut fields, "relabel_configs", to);
    let metric_relabel = relabel::read(&mut fields, "metric_relabel_configs", to);
    let limits = Limits::read(&mut fields, global.limits, to);
    let client = Client::read(&mut fields, to);
    note_formats(&mut fields, to);
    let help = "Name the targets under `static_configs`, or in files of `file_sd_configs`.";
    fields.refuse_discovery(help, to);
    fields.finish(to);
    Some(Scrape {
        job: job?.to_owned(),
        every,
        timeout,
        path,
        scheme: scheme.unwrap_or(Scheme::Http),
        parameters,
        honor_labels,
        honor_timestamps,
        compression,
        groups,
        files,
        relabel,
        metric_relabel,
        limits,
        client,
    })
}

fn times(fields: &mut Fields<'_>, global: &Global, to: &mut Reading) -> (Duration, Duration) {
    let positive = |it: Option<Duration>| it.filter(|it| !it.is_zero());
    let every = positive(fields.time("scrape_interval", to)).unwrap_or(global.every);
    let timeout = positive(fields.time("scrape_timeout", to));
    if let Some(timeout) = timeout.filter(|it| *it > every) {
        longer_than_interval(fields.place_of("scrape_timeout"), timeout, every, to);
    }
    (every, timeout.unwrap_or(global.timeout).min(every))
}

fn parameters(fields: &mut Fields<'_>, to: &mut Reading) -> Vec<(String, String)> {
    let Some(entry) = fields.take("params") else { return Vec::new() };
    // Names of parameters are anybody's; each has a list of values.
    let mut all = Vec::new();
    drop(Fields::of(&entry.value, to));
    for entry in entry.value.entries() {
        let values = match &entry.value.value {
            evenkeel_model::yaml::Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(&entry.value),
        };
        all.extend(values.iter().filter_map(|it| Some((entry.key.clone(), it.text()?.to_owned()))));
    }
    all
}

pub(super) fn static_group(node: &Node, to: &mut Reading) -> Option<StaticGroup> {
    let mut fields = Fields::of(node, to);
    let mut targets = Vec::new();
    for item in fields.list("targets", to) {
        match item.text() {
            Some(text) if is_address(text) => targets.push(text.to_owned()),
            _ => wrong_address(item.place, item.text().unwrap_or_default(), to),
        }
    }
    let labels = fields.names("labels", to);
    fields.finish(to);
    Some(StaticGroup { targets, labels })
}

/// A host, and a port where there is one, without anything else.
fn is_address(text: &str) -> bool {
    !text.is_empty()
        && !text.contains(['/', '?', '#', '@', ' '])
        && !text.contains(char::is_control)
}

fn wrong_address(place: Place, text: &str, to: &mut Reading) {
    let problem = format!("`{}` is no target", super::fields::cut(text));
    let help = "Write `host:port`; `scheme` and `metrics_path` are fields of the job.";
    to.wrong(codes::ADDRESS, place, problem, help);
}

fn file_groups(node: &Node, to: &mut Reading) -> FileGroups {
    let mut fields = Fields::of(node, to);
    let mut patterns = Vec::new();
    for item in fields.list("files", to) {
        let text = item.text().unwrap_or_default();
        let (folder, name) = text.rsplit_once('/').unwrap_or(("", text));
        let ends = [".json", ".yml", ".yaml"].iter().any(|it| name.ends_with(it));
        if folder.contains('*') || !ends || name.contains(['?', '[']) {
            let problem = format!("`{}` names no files of targets", super::fields::cut(text));
            let help = "End it with .json, .yml or .yaml; a `*` may stand behind the last `/`.";
            to.wrong(codes::RANGE, item.place, problem, help);
        }
        patterns.push(PathBuf::from(text));
    }
    let every = fields.time("refresh_interval", to).filter(|it| !it.is_zero());
    fields.finish(to);
    FileGroups { patterns, every: every.unwrap_or(REFRESH) }
}

/// The groups that a file of targets holds.
pub(crate) fn groups(
    name: &str,
    bytes: Vec<u8>,
) -> Result<Vec<StaticGroup>, Vec<evenkeel_model::Diagnostic>> {
    let mut to = Reading::default();
    let roots = evenkeel_model::yaml::read(name, bytes, &mut to.found).roots;
    let mut groups = Vec::new();
    for root in &roots {
        match &root.value {
            evenkeel_model::yaml::Value::List(items) => {
                groups.extend(items.iter().filter_map(|it| static_group(it, &mut to)));
            }
            _ => to.wrong(codes::TYPE, root.place, "a list of targets belongs here", ""),
        }
    }
    let (_, diagnostics, _) = to.found.into_parts();
    if diagnostics.is_empty() { Ok(groups) } else { Err(diagnostics) }
}
