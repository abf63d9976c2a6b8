//! Status: what the server is, what it scrapes, and what it holds.

use std::collections::BTreeMap;

use evenkeel_metrics::scrape::{Health, Target, time};
use evenkeel_series::METRIC_NAME;
use evenkeel_units::Clock;

use super::answer::{Failed, Said};
use super::asked::Asked;
use super::json;
use crate::server::World;

/// The version of Prometheus whose API this is: clients ask for it to know what they may ask.
const API_VERSION: &str = "3.0.0";

fn map(pairs: &[(&str, &str)]) -> String {
    let mut data = String::new();
    json::names(&mut data, pairs.iter().copied());
    data
}

pub(super) fn build() -> Said {
    Said::data(map(&[
        ("version", API_VERSION),
        ("revision", concat!("evenkeel-", env!("CARGO_PKG_VERSION"))),
        ("branch", ""),
        ("buildUser", ""),
        ("buildDate", ""),
        ("goVersion", ""),
    ]))
}

pub(super) fn runtime<C: Clock>(world: &World<C>) -> Said {
    let (began, (read_at, is_fine)) = (date(Some(world.began)), world.watch.read());
    let folder = world.data.display().to_string();
    let retention = match world.store.options().retention {
        Some(time) => evenkeel_units::Human(time).to_string(),
        None => String::new(),
    };
    let mut data = String::from("{\"startTime\":");
    json::text(&mut data, &began);
    data.push_str(",\"CWD\":");
    json::text(&mut data, &folder);
    data.push_str(&format!(",\"reloadConfigSuccess\":{is_fine},\"lastConfigTime\":"));
    json::text(&mut data, &date(Some(read_at)));
    data.push_str(",\"corruptionCount\":0,\"storageRetention\":");
    json::text(&mut data, &retention);
    data.push('}');
    Said::data(data)
}

pub(super) fn flags<C: Clock>(world: &World<C>) -> Said {
    let folder = world.data.display().to_string();
    Said::data(map(&[("storage.tsdb.path", &folder)]))
}

pub(super) fn config<C: Clock>(world: &World<C>) -> Said {
    Said::data(map(&[("yaml", &world.wanted().config.text)]))
}

/// What lives in memory, and of what there is most, `limit` of each (10).
pub(super) fn store<C: Clock>(world: &World<C>, asked: &Asked) -> Result<Said, Failed> {
    let limit = asked.limit("limit")?.unwrap_or(10);
    let it = world.store.statistics();
    let (from, to) = it.live_moments.unwrap_or_default();
    let (mut metrics, mut pairs) = (Vec::new(), Vec::new());
    let (mut values, mut bytes) = (BTreeMap::new(), BTreeMap::new());
    world.store.snapshot().living_by_label(|name, value, series| {
        if name == METRIC_NAME {
            metrics.push((value.to_owned(), series));
        }
        pairs.push((format!("{name}={value}"), series));
        *values.entry(name.to_owned()).or_insert(0) += 1;
        *bytes.entry(name.to_owned()).or_insert(0) += value.len();
    });
    let (series, count) = (it.live_series, pairs.len());
    let mut data = format!(
        "{{\"headStats\":{{\"numSeries\":{series},\"numLabelPairs\":{count},\"minTime\":{from},\"maxTime\":{to}}}"
    );
    for (name, mut all) in [
        ("seriesCountByMetricName", metrics),
        ("labelValueCountByLabelName", values.into_iter().collect()),
        ("memoryInBytesByLabelName", bytes.into_iter().collect()),
        ("seriesCountByLabelValuePair", pairs),
    ] {
        all.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        data.push_str(&format!(",\"{name}\":"));
        json::list(&mut data, all.iter().take(limit), |to, (name, value)| {
            to.push_str("{\"name\":");
            json::text(to, name);
            to.push_str(&format!(",\"value\":{value}}}"));
        });
    }
    data.push('}');
    Ok(Said::data(data))
}

pub(super) fn alertmanagers<C: Clock>(world: &World<C>) -> Said {
    let mut data = String::from("{\"activeAlertmanagers\":");
    json::list(&mut data, world.watch.tellers().all(), |to, (url, why)| {
        let why = why.as_deref().map(|it| ("lastError", it));
        let fields: Vec<_> = [("url", &*url)].into_iter().chain(why).collect();
        to.push_str(&map(&fields));
    });
    data.push_str(",\"droppedAlertmanagers\":[]}");
    Said::data(data)
}

pub(super) fn targets<C: Clock>(world: &World<C>, asked: &Asked) -> Said {
    let state = asked.text("state").to_ascii_lowercase();
    let pool = asked.text("scrapePool");
    let is_asked = |name: &str| pool.is_empty() || pool == name;
    let mut data = String::from("{\"activeTargets\":");
    let active = if state == "dropped" { Vec::new() } else { world.watched.active() };
    let active = active.into_iter().filter(|it| is_asked(&it.0));
    json::list(&mut data, active, |to, (job, target, health)| one(to, &job, &target, &health));
    data.push_str(",\"droppedTargets\":");
    let dropped = if state == "active" { Vec::new() } else { world.watched.dropped() };
    let dropped = dropped.into_iter().filter(|it| is_asked(&it.0));
    json::list(&mut data, dropped, |to, (job, it)| {
        to.push_str("{\"discoveredLabels\":");
        json::labels(to, &it.discovered);
        to.push_str(",\"scrapePool\":");
        json::text(to, &job);
        to.push('}');
    });
    data.push('}');
    Said::data(data)
}

fn one(to: &mut String, job: &str, target: &Target, health: &Health) {
    let url = target.url.to_string();
    let state = match (health.asked, &health.error) {
        (None, _) => "unknown",
        (Some(_), None) => "up",
        (Some(_), Some(_)) => "down",
    };
    let asked = date(health.asked);
    to.push_str("{\"discoveredLabels\":");
    json::labels(to, &target.discovered);
    to.push_str(",\"labels\":");
    json::labels(to, &target.labels);
    let (every, timeout) = (time(target.every), time(target.timeout));
    for (name, value) in [
        ("scrapePool", job),
        ("scrapeUrl", &url),
        ("globalUrl", &url),
        ("lastError", health.error.as_deref().unwrap_or_default()),
        ("lastScrape", &asked),
        ("health", state),
        ("scrapeInterval", &every),
        ("scrapeTimeout", &timeout),
    ] {
        to.push_str(&format!(",\"{name}\":"));
        json::text(to, value);
    }
    to.push_str(&format!(",\"lastScrapeDuration\":{}}}", health.took.as_secs_f64()));
}

/// A moment as a date; what never was, was in the year 1, as Go has it.
pub(super) fn date(at: Option<i64>) -> String {
    let at = at.map(|it| jiff::Timestamp::from_millisecond(it).unwrap_or_default());
    at.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |it| it.to_string())
}
