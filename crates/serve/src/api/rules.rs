//! Rules: what is evaluated at intervals, and the alerts that come of it.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_units::Clock;

use super::answer::{Failed, Said};
use super::asked::Asked;
use super::json;
use super::status::date;
use crate::server::World;
use crate::watch::{Alert, Health, Kind, Shown, ShownRule};

pub(super) fn alerts<C: Clock>(world: &World<C>) -> Said {
    let groups = world.watch.shown();
    let all = groups.iter().flat_map(|it| &it.rules).filter_map(|it| match &it.kind {
        Kind::Alerts { alerts, .. } => Some(alerts),
        Kind::Records => None,
    });
    let mut data = String::from("{\"alerts\":");
    json::list(&mut data, all.flatten(), alert);
    data.push('}');
    Said::data(data)
}

pub(super) fn rules<C: Clock>(world: &World<C>, asked: &Asked) -> Result<Said, Failed> {
    let alerts = match asked.text("type") {
        "" => None,
        "alert" => Some(true),
        "record" => Some(false),
        other => return Err(Failed::parameter("type", format!("not supported value {other:?}"))),
    };
    let is_among = |name: &str, value: &str| {
        let mut all = asked.all(name).peekable();
        all.peek().is_none() || all.any(|it| it == value)
    };
    let is_meant = |it: &&ShownRule| {
        alerts.is_none_or(|alerts| alerts == matches!(it.kind, Kind::Alerts { .. }))
            && is_among("rule_name[]", &it.name)
    };
    let with_alerts = !matches!(asked.text("exclude_alerts"), "true" | "1");
    let groups = world.watch.shown();
    let groups = groups
        .iter()
        .filter(|it| is_among("rule_group[]", &it.name) && is_among("file[]", &it.file))
        .map(|it| (it, it.rules.iter().filter(is_meant).collect::<Vec<_>>()))
        .filter(|(it, rules)| !rules.is_empty() || it.rules.is_empty());
    let mut data = String::from("{\"groups\":");
    json::list(&mut data, groups, |to, (it, rules)| group(to, it, &rules, with_alerts));
    data.push('}');
    Ok(Said::data(data))
}

fn group(to: &mut String, it: &Arc<Shown>, rules: &[&ShownRule], with_alerts: bool) {
    texts(to, '{', &[("name", &it.name), ("file", &it.file)]);
    to.push_str(",\"rules\":");
    json::list(to, rules, |to, it| rule(to, it, with_alerts));
    to.push_str(&format!(",\"interval\":{},\"limit\":{}", seconds(it.every()), it.limit));
    evaluated(to, it.at, it.took);
    to.push('}');
}

fn rule(to: &mut String, it: &ShownRule, with_alerts: bool) {
    texts(to, '{', &[("name", &it.name), ("query", &it.query)]);
    to.push_str(",\"labels\":");
    json::names(to, it.labels.iter().map(|(name, text)| (&**name, &**text)));
    let kind = match &it.kind {
        Kind::Records => "recording",
        Kind::Alerts { pending, keep_firing, annotations, alerts } => {
            to.push_str(",\"annotations\":");
            json::names(to, annotations.iter().map(|(name, text)| (&**name, &**text)));
            let (pending, keep_firing) = (seconds(*pending), seconds(*keep_firing));
            to.push_str(&format!(",\"duration\":{pending},\"keepFiringFor\":{keep_firing}"));
            if with_alerts {
                to.push_str(",\"alerts\":");
                json::list(to, alerts, alert);
            }
            let state = alerts.iter().map(|it| it.state).max_by_key(|it| it.name() == "firing");
            texts(to, ',', &[("state", state.map_or("inactive", |it| it.name()))]);
            "alerting"
        }
    };
    let (health, error) = match &it.health {
        Health::Unknown => ("unknown", ""),
        Health::Fine => ("ok", ""),
        Health::Failing(why) => ("err", &**why),
    };
    texts(to, ',', &[("health", health), ("type", kind)]);
    if !error.is_empty() {
        texts(to, ',', &[("lastError", error)]);
    }
    evaluated(to, it.at, it.took);
    to.push('}');
}

fn alert(to: &mut String, it: &Alert) {
    to.push_str("{\"labels\":");
    json::labels(to, &it.labels);
    to.push_str(",\"annotations\":");
    json::names(to, it.annotations.iter().map(|(name, text)| (&**name, &**text)));
    let value = json::scientific(it.value);
    let at = date(Some(it.active_at));
    texts(to, ',', &[("state", it.state.name()), ("activeAt", &at), ("value", &value)]);
    to.push('}');
}

fn evaluated(to: &mut String, at: Option<i64>, took: Duration) {
    texts(to, ',', &[("lastEvaluation", &date(at))]);
    to.push_str(&format!(",\"evaluationTime\":{}", seconds(took)));
}

/// Texts by their names, each behind a sign: `{` before the first of a map, then commas.
fn texts(to: &mut String, before: char, all: &[(&str, &str)]) {
    for (place, (name, text)) in all.iter().enumerate() {
        to.push(if place == 0 { before } else { ',' });
        json::text(to, name);
        to.push(':');
        json::text(to, text);
    }
}

fn seconds(of: Duration) -> f64 {
    of.as_secs_f64()
}
