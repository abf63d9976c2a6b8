//! Target: which targets a job has, and under which labels.

use std::collections::BTreeSet;
use std::time::Duration;

use evenkeel_series::Labels;
use hyper::Uri;
use md5::{Digest as _, Md5};

use crate::config::{Scheme, Scrape, StaticGroup};
use crate::relabel::{Pairs, relabel};

/// A target of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The labels of all of its series.
    pub labels: Labels,
    /// What was known of it before the rules of the job.
    pub discovered: Labels,
    /// Where it is asked.
    pub url: Uri,
    /// How often.
    pub every: Duration,
    /// How long that may take.
    pub timeout: Duration,
}

/// A target that the rules of its job drop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// What was known of it.
    pub discovered: Labels,
    /// Why, where it is not the rules that drop it.
    pub why: Option<String>,
}

const JOB: &str = "job";
const ADDRESS: &str = "__address__";
const SCHEME: &str = "__scheme__";
const PATH: &str = "__metrics_path__";
const INTERVAL: &str = "__scrape_interval__";
const TIMEOUT: &str = "__scrape_timeout__";
const PARAMETER: &str = "__param_";
const INSTANCE: &str = "instance";

impl Target {
    /// How long after the beginning of an interval it is due, in milliseconds.
    pub(super) fn offset(&self) -> i64 {
        let hash = Md5::digest(format!("{:?} {}", self.labels, self.url).as_bytes());
        let first = hash.iter().take(8).fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        let every = u64::try_from(self.every.as_millis()).unwrap_or(u64::MAX).max(1);
        (first % every).cast_signed()
    }
}

/// The targets of a job, each once, and those that its rules drop.
pub(super) fn targets(scrape: &Scrape, groups: &[StaticGroup]) -> (Vec<Target>, Vec<Dropped>) {
    let (mut kept, mut dropped): (Vec<Target>, _) = (Vec::new(), Vec::new());
    let mut known = BTreeSet::new();
    for (group, address) in groups.iter().flat_map(|it| it.targets.iter().map(move |to| (it, to))) {
        let discovered = discovered(scrape, group, address);
        let before = labels(&discovered, |_| true);
        match target(scrape, discovered, before.clone()) {
            Ok(Some(target)) => {
                if known.insert((target.labels.clone(), target.url.to_string())) {
                    kept.push(target);
                }
            }
            Ok(None) => dropped.push(Dropped { discovered: before, why: None }),
            Err(why) => dropped.push(Dropped { discovered: before, why: Some(why) }),
        }
    }
    (kept, dropped)
}

fn discovered(scrape: &Scrape, group: &StaticGroup, address: &str) -> Pairs {
    let mut pairs = Pairs::new();
    let mut set = |name: &str, value: String| drop(pairs.insert(name.to_owned(), value));
    set(JOB, scrape.job.clone());
    set(SCHEME, scrape.scheme.name().to_owned());
    set(PATH, scrape.path.clone());
    set(INTERVAL, time(scrape.every));
    set(TIMEOUT, time(scrape.timeout));
    // The first value of a parameter may be rewritten, the others are as they are.
    for (name, value) in scrape.parameters.iter().rev() {
        set(&format!("{PARAMETER}{name}"), value.clone());
    }
    set(ADDRESS, address.to_owned());
    pairs.extend(group.labels.clone());
    pairs
}

fn target(scrape: &Scrape, mut pairs: Pairs, discovered: Labels) -> Result<Option<Target>, String> {
    if !relabel(&scrape.relabel, &mut pairs) {
        return Ok(None);
    }
    let value = |name: &str| pairs.get(name).map_or("", String::as_str);
    let address = value(ADDRESS);
    if address.is_empty() {
        return Err("it has no address".to_owned());
    }
    if Scheme::parse(value(SCHEME)).is_none() {
        return Err(format!("`{}` is neither http nor https", value(SCHEME)));
    }
    let read = |name: &str| {
        let time = crate::config::duration(value(name)).filter(|it| !it.is_zero());
        time.ok_or_else(|| format!("`{name}` is no time: `{}`", value(name)))
    };
    let (every, timeout) = (read(INTERVAL)?, read(TIMEOUT)?);
    if timeout > every {
        return Err("its timeout is longer than its interval".to_owned());
    }
    let path = value(PATH);
    let slash = if path.starts_with('/') { "" } else { "/" };
    let query = query(scrape, &pairs, path.contains('?'));
    let url = format!("{}://{address}{slash}{path}{query}", value(SCHEME));
    let url: Uri = url.parse().map_err(|_| format!("`{address}` is no address of a target"))?;
    if url.authority().is_none_or(|it| it.as_str() != address || it.as_str().contains('@')) {
        return Err(format!("`{address}` is no address of a target"));
    }
    if value(INSTANCE).is_empty() {
        let address = address.to_owned();
        pairs.insert(INSTANCE.to_owned(), address);
    }
    let labels = labels(&pairs, |name| !name.starts_with("__"));
    Ok(Some(Target { labels, discovered, url, every, timeout }))
}

fn query(scrape: &Scrape, pairs: &Pairs, has_query: bool) -> String {
    let mut parameters = scrape.parameters.clone();
    for (label, value) in pairs {
        let Some(name) = label.strip_prefix(PARAMETER) else { continue };
        match parameters.iter_mut().find(|it| it.0 == name) {
            Some(first) => first.1.clone_from(value),
            None => parameters.push((name.to_owned(), value.clone())),
        }
    }
    let mut text = String::new();
    for (name, value) in parameters {
        text.push(if text.is_empty() && !has_query { '?' } else { '&' });
        text.extend([encoded(&name), "=".to_owned(), encoded(&value)]);
    }
    text
}

/// As a part of a query of a URL.
fn encoded(text: &str) -> String {
    let mut url = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                url.push(char::from(byte));
            }
            other => url.push_str(&format!("%{other:02X}")),
        }
    }
    url
}

/// A time as Prometheus writes it: `1m30s`, `200ms`; days and more only where nothing is left.
pub fn time(time: Duration) -> String {
    const UNITS: [(&str, u128, bool); 7] = [
        ("y", 365 * 86_400_000, true),
        ("w", 7 * 86_400_000, true),
        ("d", 86_400_000, true),
        ("h", 3_600_000, false),
        ("m", 60_000, false),
        ("s", 1_000, false),
        ("ms", 1, false),
    ];
    let (mut text, mut rest) = (String::new(), time.as_millis());
    for (unit, size, is_whole) in UNITS {
        if rest >= size && !(is_whole && rest % size > 0) {
            text.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

fn labels(pairs: &Pairs, keep: impl Fn(&str) -> bool) -> Labels {
    let pairs = pairs.iter().filter(|(name, _)| keep(name));
    Labels::of(pairs.map(|(name, value)| (name.as_str(), value.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn of(text: &str) -> (Vec<Target>, Vec<Dropped>) {
        let config = Config::read("prometheus.yml", text.as_bytes().to_vec()).unwrap();
        let scrape = &config.scrapes[0];
        targets(scrape, &scrape.groups)
    }

    #[test]
    fn times_are_written_as_prometheus_writes_them() {
        for (millis, text) in [
            (0, "0s"),
            (200, "200ms"),
            (1_500, "1s500ms"),
            (90_000, "1m30s"),
            (86_400_000, "1d"),
            (90_000_000, "25h"),
            (14 * 86_400_000, "2w"),
        ] {
            assert_eq!(time(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn a_target_has_the_labels_of_its_job_and_group_and_its_address() {
        let (found, _) =
            of("scrape_configs: [{job_name: shop, params: {m: [a b, c]}, static_configs: \
             [{targets: ['a:1', 'b:2', 'a:1'], labels: {zone: x, __hidden: y}}]}]");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].labels.to_string(), r#"{instance="a:1", job="shop", zone="x"}"#);
        assert_eq!(found[0].url, "http://a:1/metrics?m=a%20b&m=c");
        assert_eq!((found[0].every.as_secs(), found[0].timeout.as_secs()), (60, 10));
    }

    #[test]
    fn rules_rewrite_where_and_how_a_target_is_asked() {
        let (found, dropped) =
            of("scrape_configs: [{job_name: probe, metrics_path: /probe, relabel_configs: [\
             {source_labels: [__address__], target_label: __param_target}, \
             {source_labels: [__param_target], target_label: instance}, \
             {source_labels: [instance], regex: 'b.*', action: drop}, \
             {target_label: __address__, replacement: 'exporter:9115'}, \
             {target_label: __scrape_interval__, replacement: 30s}], \
             static_configs: [{targets: ['a:1', 'b:2']}]}]");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].url, "http://exporter:9115/probe?target=a%3A1");
        assert_eq!(found[0].labels.get("instance"), "a:1");
        assert_eq!(found[0].every.as_secs(), 30);
        assert_eq!(dropped[0].discovered.get("__address__"), "b:2");
    }

    #[test]
    fn an_address_that_is_none_is_dropped_with_the_reason() {
        let (found, dropped) = of("scrape_configs: [{job_name: a, relabel_configs: [\
             {target_label: __address__, replacement: 'me@evil/x'}], static_configs: [{targets: ['a:1']}]}]");
        assert_eq!(found, []);
        assert_eq!(dropped[0].why.as_deref(), Some("`me@evil/x` is no address of a target"));
    }

    #[test]
    fn a_target_keeps_its_moment_and_others_have_others() {
        let (found, _) =
            of("scrape_configs: [{job_name: a, static_configs: [{targets: ['a:1', 'b:2']}]}]");
        let offsets: Vec<_> = found.iter().map(Target::offset).collect();
        assert!(offsets[0] != offsets[1] && offsets.iter().all(|it| (0..60_000).contains(it)));
        assert_eq!(found[0].offset(), found[0].clone().offset());
    }
}
