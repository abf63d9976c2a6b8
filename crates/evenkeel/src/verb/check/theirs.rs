//! Theirs: files of other tools among those that are checked: manifests of Kubernetes, a `prometheus.yml`, and rules.

use evenkeel_metrics::config::Config;
use evenkeel_metrics::rules;
use evenkeel_model::Diagnostic;
use evenkeel_model::decode::{API_VERSION, Findings};
use evenkeel_model::yaml;

use crate::manifest;

/// Keys of which a `prometheus.yml` has one at least.
const OF_CONFIG: [&str; 4] = ["scrape_configs", "rule_files", "alerting", "remote_write"];

/// What is wrong with a file of another tool, and how many documents are in it; `None`: it is ours, or nobody's.
pub(super) fn check(name: &str, bytes: &[u8]) -> Option<(usize, Vec<Diagnostic>)> {
    // Ours say what they are; nothing else is worth reading twice.
    let ours = API_VERSION.as_bytes();
    if bytes.windows(ours.len()).any(|it| it == ours) {
        return None;
    }
    let mut found = Findings::default();
    let roots = yaml::read(name, bytes.to_vec(), &mut found).roots;
    let is_config = roots.iter().any(|root| {
        root.entry("apiVersion").is_none() && OF_CONFIG.iter().any(|it| root.entry(it).is_some())
    });
    let wrong = if is_config {
        Config::inspect(&roots, found)
    } else if manifest::is_kubernetes(&roots) {
        manifest::inspect(&roots, found)
    } else {
        rules::inspect(name, &roots, found)?
    };
    Some((roots.len(), wrong))
}
