//! Config: a `prometheus.yml`, read.
//!
//! ```text
//! fields   maps key by key; what nobody asks for is a mistake
//! client   how a target is reached: TLS, and who we say we are
//! remote   remote_write: where samples are sent on to
//! scrape   scrape_configs: which targets, how often, within which limits
//! relabel  relabel_configs: rules that rewrite labels, keep or drop
//! shown    the file as others may see it
//! ```
//!
//! Nothing is dropped in silence. A field that nobody knows is a mistake; one without which something else would be
//! collected is refused; one that changes nothing here is a [`Note`]. All of them are said at once, each with its place.
//! Nothing is opened by reading: what stands in other files is named, and read when it is needed.

mod client;
pub(crate) mod fields;
mod relabel;
mod remote;
mod scrape;
mod shown;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use evenkeel_model::Diagnostic;
use evenkeel_model::decode::{Findings, codes};
use evenkeel_model::yaml::{self, Node, Place};

use self::fields::{Fields, Reading};
use crate::relabel::Rule;

pub use self::client::{Client, Credentials, Secret};
pub(crate) use self::fields::duration;
pub use self::remote::RemoteWrite;
pub(crate) use self::scrape::groups;
pub use self::scrape::{FileGroups, Limits, Scheme, Scrape, StaticGroup};

/// What a `prometheus.yml` asks for.
#[derive(Clone, Debug)]
pub struct Config {
    /// How often rules are evaluated.
    pub evaluation_every: Duration,
    /// Labels of everything that leaves this store.
    pub external_labels: BTreeMap<String, String>,
    /// What is scraped.
    pub scrapes: Vec<Scrape>,
    /// Where samples are sent on to.
    pub remote_writes: Vec<RemoteWrite>,
    /// Files with rules, as patterns.
    pub rule_files: Vec<PathBuf>,
    /// How long before the moment of an evaluation the queries of rules ask.
    pub rule_offset: Duration,
    /// Who is told of alerts.
    pub alertmanagers: Vec<Alertmanager>,
    /// What is done to the labels of alerts, and which are told.
    pub alert_relabel: Vec<Rule>,
    /// How long after the newest sample of a series an older one is taken in.
    pub out_of_order: Option<Duration>,
    /// How long samples are kept.
    pub retention: Option<Duration>,
    /// What the file says and nobody does here.
    pub notes: Vec<Note>,
    /// The file as others may see it: laid out anew, and without passwords and tokens.
    pub text: String,
}

/// An Alertmanager, or several that know of one another.
#[derive(Clone, Debug)]
pub struct Alertmanager {
    /// Where they are, as `host:port`.
    pub addresses: Vec<String>,
    /// How they are spoken to.
    pub scheme: Scheme,
    /// Before the path of the API.
    pub path_prefix: String,
    /// The longest that telling may take.
    pub timeout: Duration,
    /// What is done to the labels of alerts before it is told, and which it is told.
    pub relabel: Vec<Rule>,
    /// Certificates and credentials.
    pub client: Client,
}

impl Alertmanager {
    /// Where each is told of alerts.
    pub fn urls(&self) -> impl Iterator<Item = String> {
        let path = self.path_prefix.trim_matches('/');
        let slash = if path.is_empty() { "" } else { "/" };
        let scheme = self.scheme.name();
        self.addresses.iter().map(move |at| format!("{scheme}://{at}{slash}{path}/api/v2/alerts"))
    }
}

/// A field that changes nothing here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
    /// The field.
    pub field: String,
    /// Why it changes nothing.
    pub why: String,
}

/// What is the same for all scrapes unless they say otherwise.
#[derive(Clone, Debug)]
struct Global {
    every: Duration,
    timeout: Duration,
    limits: Limits,
}

/// How often a target is scraped when nobody says it, …
const EVERY: Duration = Duration::from_mins(1);
/// … and how long that may take.
const TIMEOUT: Duration = Duration::from_secs(10);

impl Default for Config {
    /// What an empty file asks for.
    fn default() -> Self {
        Self {
            evaluation_every: EVERY,
            external_labels: BTreeMap::new(),
            scrapes: Vec::new(),
            remote_writes: Vec::new(),
            rule_files: Vec::new(),
            rule_offset: Duration::ZERO,
            alertmanagers: Vec::new(),
            alert_relabel: Vec::new(),
            out_of_order: None,
            retention: None,
            notes: Vec::new(),
            text: String::new(),
        }
    }
}

impl Config {
    /// Reads the bytes of the file `name`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(name: &str, bytes: Vec<u8>) -> Result<Self, Vec<Diagnostic>> {
        let mut to = Reading::default();
        let roots = yaml::read(name, bytes, &mut to.found).roots;
        let config = of(&roots, &mut to);
        let (_, diagnostics, _) = to.found.into_parts();
        match diagnostics.is_empty() {
            true => {
                let text = roots.first().map(shown::shown).unwrap_or_default();
                Ok(Self { notes: to.notes, text, ..config })
            }
            false => Err(diagnostics),
        }
    }

    /// Everything that is wrong with documents that are read already; `found` is what was found then.
    pub fn inspect(roots: &[Node], found: Findings) -> Vec<Diagnostic> {
        let mut to = Reading { found, ..Reading::default() };
        drop(of(roots, &mut to));
        to.found.into_parts().1
    }

    /// Has every file that is named by a relative path looked for in a folder, which is that of the configuration.
    pub fn rebase(&mut self, folder: &Path) {
        let clients = self.alertmanagers.iter_mut().map(|it| &mut it.client);
        let clients = clients.chain(self.remote_writes.iter_mut().map(|it| &mut it.client));
        let mut paths: Vec<&mut PathBuf> = self.rule_files.iter_mut().collect();
        paths.extend(clients.flat_map(Client::files));
        for scrape in &mut self.scrapes {
            paths.extend(scrape.files.iter_mut().flat_map(|it| &mut it.patterns));
            paths.extend(scrape.client.files());
        }
        for path in paths {
            *path = folder.join(&*path);
        }
    }
}

fn of(roots: &[Node], to: &mut Reading) -> Config {
    match roots {
        [] => Config::default(),
        [root] => config(root, to),
        [_, second, ..] => {
            let problem = "a configuration is one document, and this is a second one";
            to.wrong(codes::TOO_MANY, second.place, problem, "Take out the `---`.");
            Config::default()
        }
    }
}

fn config(root: &Node, to: &mut Reading) -> Config {
    let mut fields = Fields::of(root, to);
    let mut config = Config::default();
    let mut global = Global { every: EVERY, timeout: TIMEOUT, limits: Limits::default() };
    if let Some(fields) = fields.map("global", to) {
        read_global(fields, &mut global, &mut config, to);
    }
    config.rule_files = fields.texts("rule_files", to).into_iter().map(PathBuf::from).collect();
    let mut jobs = BTreeSet::new();
    for node in fields.list("scrape_configs", to) {
        let Some(scrape) = scrape::read(node, &global, to) else { continue };
        if !jobs.insert(scrape.job.clone()) {
            let problem = format!("`job_name: {}` is given twice", fields::cut(&scrape.job));
            let help = "Give each scrape configuration a name of its own.";
            to.wrong(codes::DUPLICATE_NAME, node.locate("job_name"), problem, help);
        }
        config.scrapes.push(scrape);
    }
    if let Some(mut alerting) = fields.map("alerting", to) {
        config.alert_relabel = relabel::read(&mut alerting, "alert_relabel_configs", to);
        for node in alerting.list("alertmanagers", to) {
            config.alertmanagers.extend(alertmanager(node, to));
        }
        alerting.finish(to);
    }
    if let Some(storage) = fields.map("storage", to) {
        read_storage(storage, &mut config, to);
    }
    let why = "write the jobs under `scrape_configs`";
    fields.refuse("scrape_config_files", why, to);
    fields.refuse("remote_read", "queries are answered from this store alone", to);
    for node in fields.list("remote_write", to) {
        let Some(remote) = remote::read(node, to) else { continue };
        if config.remote_writes.iter().any(|it| it.name == remote.name) {
            let problem = format!("`{}` is written to twice", fields::cut(&remote.name));
            let help = "Give one of them a `name` of its own.";
            to.wrong(codes::DUPLICATE_NAME, node.place, problem, help);
        }
        config.remote_writes.push(remote);
    }
    fields.note("otlp", "names and labels are translated as they are by default", to);
    fields.note("runtime", "it is about the runtime of Go", to);
    fields.note("tracing", "no traces are written", to);
    fields.finish(to);
    config
}

fn read_global(mut fields: Fields<'_>, global: &mut Global, config: &mut Config, to: &mut Reading) {
    let positive = |it: Option<Duration>| it.filter(|it| !it.is_zero());
    global.every = positive(fields.time("scrape_interval", to)).unwrap_or(EVERY);
    let timeout = positive(fields.time("scrape_timeout", to));
    if let Some(timeout) = timeout.filter(|it| *it > global.every) {
        longer_than_interval(fields.place_of("scrape_timeout"), timeout, global.every, to);
    }
    global.timeout = timeout.unwrap_or(TIMEOUT).min(global.every);
    let every = positive(fields.time("evaluation_interval", to));
    config.evaluation_every = every.unwrap_or(EVERY);
    config.external_labels = fields.names("external_labels", to);
    global.limits = Limits::read(&mut fields, Limits::default(), to);
    config.rule_offset = fields.time("rule_query_offset", to).unwrap_or_default();
    fields.note("query_log_file", "queries are not logged", to);
    fields.note("scrape_failure_log_file", "`/api/v1/targets` says why a scrape failed", to);
    scrape::note_formats(&mut fields, to);
    fields.finish(to);
}

fn longer_than_interval(place: Place, timeout: Duration, every: Duration, to: &mut Reading) {
    let (timeout, every) = (evenkeel_units::Human(timeout), evenkeel_units::Human(every));
    let problem = format!("a timeout of {timeout} is longer than the interval of {every}");
    to.wrong(codes::RANGE, place, problem, "Give a shorter timeout or a longer interval.");
}

fn read_storage(mut fields: Fields<'_>, config: &mut Config, to: &mut Reading) {
    if let Some(mut tsdb) = fields.map("tsdb", to) {
        config.out_of_order = tsdb.time("out_of_order_time_window", to);
        if let Some(mut retention) = tsdb.map("retention", to) {
            config.retention = retention.time("time", to);
            retention.refuse("size", "samples are kept for a time", to);
            retention.refuse("percentage", "samples are kept for a time", to);
            retention.finish(to);
        }
        tsdb.finish(to);
    }
    fields.note("exemplars", "exemplars are not stored", to);
    fields.finish(to);
}

fn alertmanager(node: &Node, to: &mut Reading) -> Option<Alertmanager> {
    let mut fields = Fields::of(node, to);
    let scheme = fields.value("scheme", "`http` or `https`", to, Scheme::parse);
    let path_prefix = fields.text("path_prefix", to).unwrap_or_default().to_owned();
    let timeout = fields.time("timeout", to).unwrap_or(TIMEOUT);
    fields.value("api_version", "`v2`, the version that there is", to, |it| {
        (it == "v2").then_some(())
    });
    let mut addresses = Vec::new();
    for node in fields.list("static_configs", to) {
        addresses.extend(scrape::static_group(node, to).map(|it| it.targets).unwrap_or_default());
    }
    let client = Client::read(&mut fields, to);
    let relabel = relabel::read(&mut fields, "alert_relabel_configs", to);
    fields.refuse("relabel_configs", "each address of `static_configs` is told", to);
    fields.refuse_discovery("Name the addresses under `static_configs`.", to);
    fields.finish(to);
    Some(Alertmanager {
        addresses,
        scheme: scheme.unwrap_or(Scheme::Http),
        path_prefix,
        timeout,
        relabel,
        client,
    })
}
