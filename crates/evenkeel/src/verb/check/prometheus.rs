//! Prometheus: its own files among those that are checked, a `prometheus.yml` and rules.

use evenkeel_metrics::config::Config;
use evenkeel_metrics::rules;
use evenkeel_model::Diagnostic;
use evenkeel_model::decode::Findings;
use evenkeel_model::yaml;

/// Keys of which a `prometheus.yml` has one at least.
const OF_CONFIG: [&str; 4] = ["scrape_configs", "rule_files", "alerting", "remote_write"];

/// What is wrong with a file of Prometheus, and how many documents are in it; `None`: it is another file.
pub(super) fn check(name: &str, bytes: &[u8]) -> Option<(usize, Vec<Diagnostic>)> {
    // Ours say what they are; nothing else is worth reading twice.
    let ours = b"evenkeel.dev/";
    if bytes.windows(ours.len()).any(|it| it == ours) {
        return None;
    }
    let mut found = Findings::default();
    let roots = yaml::read(name, bytes.to_vec(), &mut found).roots;
    let is_config = roots.iter().any(|root| {
        root.entry("apiVersion").is_none() && OF_CONFIG.iter().any(|it| root.entry(it).is_some())
    });
    let wrong = match is_config {
        true => Config::inspect(&roots, found),
        false => rules::inspect(name, &roots, found)?,
    };
    Some((roots.len(), wrong))
}
