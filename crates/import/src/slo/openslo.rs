//! OpenSLO: documents of v1, of v1alpha, from which it came, and of v2alpha, which it may become.
//!
//! Source: <https://github.com/OpenSLO/OpenSLO>. Each of several objectives of one document becomes an SLO of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use evenkeel_model::document::{
    AlertPolicy, Alerting, Alerts, BurnWindow, Labels, Limit, Measure, Slo, TimeSlices, Window,
};
use evenkeel_model::yaml::{Entry, Node, Place, Sort};
use evenkeel_units::Ratio;

use self::metric::{Wanted, indicator};
use super::draft::{Draft, on_series};
use super::values::{burn_window, label_name};
use crate::fields::{Fields, items};
use crate::notes::cut;

mod metric;
mod window;

/// Documents to which others refer, and the names that are referred to.
#[derive(Default)]
pub(super) struct Others {
    by_name: BTreeMap<(String, String), Node>,
    named: BTreeSet<String>,
}

impl Others {
    fn get(&self, kind: &str, name: &str) -> Option<Node> {
        self.by_name.get(&(kind.to_owned(), name.to_owned())).cloned()
    }
}

/// The fields that name another document.
const REFERENCES: [&str; 4] = ["indicatorRef", "sliRef", "alertPolicyRef", "conditionRef"];

/// Keeps what is referred to.
pub(super) fn gather<'a>(roots: impl Iterator<Item = &'a Node>, draft: &mut Draft) {
    for root in roots {
        let text = |path: &str| root.at(path).and_then(Node::text).unwrap_or_default().to_owned();
        let (kind, name) = (text("kind"), text("metadata/name"));
        references(root, &mut draft.others.named);
        if kind != "SLO" {
            draft.others.by_name.insert((kind, name), root.clone());
        }
    }
}

fn references(node: &Node, named: &mut BTreeSet<String>) {
    for entry in node.entries() {
        let is_list = ["alertPolicies", "conditions"].contains(&entry.key.as_str());
        let texts = items(&entry.value).iter().filter_map(Node::text);
        if is_list || REFERENCES.contains(&entry.key.as_str()) {
            named.extend(texts.map(str::to_owned));
        }
        for item in items(&entry.value) {
            references(item, named);
        }
    }
}

pub(super) fn import(root: &Node, draft: &mut Draft) {
    let mut fields = Fields::of(root, root.place, draft);
    let version = fields.text("apiVersion", draft).unwrap_or_default();
    let version = version.rsplit('/').next().unwrap_or_default();
    let kind = fields.text("kind", draft).unwrap_or_default();
    let name = root.at("metadata/name").and_then(Node::text).unwrap_or_default();
    let what = format!("the {} `{}`", cut(kind), cut(name));
    match kind {
        "SLO" => slo(fields, root, version == "v1alpha", draft),
        // They are read where they are referred to.
        "SLI" | "AlertCondition" | "AlertPolicy" if draft.others.named.contains(name) => {}
        "SLI" | "AlertCondition" => draft.leave_at(root.place, what, "nothing refers to it"),
        "AlertPolicy" => by_itself(root, name, draft),
        "Service" => {
            draft.leave_at(
                root.place,
                what,
                "a name is all that objectives need; a drill wants a Service of ours",
            );
        }
        "DataSource" => {
            draft.leave_at(
                root.place,
                what,
                "where series are read from is said on the command line",
            );
        }
        "AlertNotificationTarget" => {
            draft.leave_at(root.place, what, "alerts are routed by their labels, in Alertmanager");
        }
        _ => draft.leave_at(root.place, what, "there is no such kind here"),
    }
}

/// A policy that no objective names.
fn by_itself(root: &Node, name: &str, draft: &mut Draft) {
    let mut windows = Vec::new();
    let Some(spec) = root.entry("spec") else { return };
    policy(&spec.value, spec.key_place, &mut windows, draft);
    if !windows.is_empty() {
        let policy = AlertPolicy { name: name.to_owned(), ..AlertPolicy::of(windows) };
        draft.add_alerts(root.place, policy);
    }
}

/// What all objectives of a document have.
struct Common<'a> {
    name: &'a str,
    service: Option<String>,
    description: Option<String>,
    labels: Labels,
    window: Window,
    method: String,
    alerting: Option<Alerting>,
    place: Place,
}

fn slo(mut fields: Fields<'_>, root: &Node, is_alpha: bool, draft: &mut Draft) {
    let place = root.place;
    let (mut name, mut title, mut labels) = ("", None, Labels::new());
    if let Some(mut metadata) = fields.map("metadata", draft) {
        name = metadata.text("name", draft).unwrap_or_default();
        title = metadata.text("displayName", draft);
        labels = lists_of_labels(&mut metadata, draft);
        metadata.leave("annotations", "they are for other tools", draft);
        metadata.finish(draft);
    }
    let Some(mut spec) = fields.map("spec", draft) else {
        draft.leave_at(place, format!("the SLO `{}`", cut(name)), "it has no `spec`");
        return;
    };
    fields.finish(draft);
    let description = spec.text("description", draft).or(title).map(str::to_owned);
    let service = spec.text("service", draft).map(|it| draft.service(place, it));
    let wanted = wanted(&mut spec, draft);
    let window = window::window(&mut spec, place, draft);
    let method = spec.text("budgetingMethod", draft).unwrap_or("Occurrences").to_owned();
    let alerting = alert_policies(&mut spec, draft);
    let objectives = spec.items("objectives");
    spec.finish(draft);
    let Some(window) = window else {
        draft.leave_at(place, format!("the SLO `{}`", cut(name)), "its window is none of ours");
        return;
    };
    let common = Common { name, service, description, labels, window, method, alerting, place };
    for (n, item) in objectives.iter().enumerate() {
        // Sloth, for whom v1alpha is written, counts objectives from 0 and names them after their service.
        let name = match (is_alpha, objectives.len()) {
            (true, _) => {
                let service = common.service.as_deref();
                let parts = service.into_iter().chain([name]).collect::<Vec<_>>().join("-");
                format!("{parts}-{n}")
            }
            (false, 1) => common.name.to_owned(),
            (false, _) => format!("{}-{}", common.name, n + 1),
        };
        objective(item, &name, wanted.as_ref(), &common, draft);
    }
}

/// The indicator, here or elsewhere.
fn wanted(fields: &mut Fields<'_>, draft: &mut Draft) -> Option<Wanted> {
    for key in ["indicator", "sli"] {
        if let Some(entry) = fields.take(key) {
            return Some(Wanted { node: entry.value.clone(), place: entry.key_place });
        }
    }
    for key in ["indicatorRef", "sliRef"] {
        let Some(entry) = fields.take(key) else { continue };
        let name = entry.value.text().unwrap_or_default();
        if let Some(node) = draft.others.get("SLI", name) {
            return Some(Wanted { place: node.place, node });
        }
        draft.leave(entry, "there is no such SLI in the file: import both in one");
    }
    None
}

fn objective(
    item: &Node,
    name: &str,
    whole: Option<&Wanted>,
    common: &Common<'_>,
    draft: &mut Draft,
) {
    let mut fields = Fields::of(item, item.place, draft);
    let title = fields.text("displayName", draft).map(str::to_owned);
    let target = fields.take("target").and_then(|it| draft.target(it));
    let percent = fields.take("targetPercent").and_then(|it| draft.objective(it));
    let limit = limit(&mut fields, draft);
    let own = wanted(&mut fields, draft);
    let ratio = fields.take("ratioMetrics");
    let ratio = ratio.map(|it| metric::alpha(it, draft));
    fields.leave(
        "compositeWeight",
        "the whole promises nothing there: write an SLO with `sli: {composite: …}` and an objective",
        draft,
    );
    let mut labels = common.labels.clone();
    labels.extend(lists_of_labels(&mut fields, draft));
    let slices = slices(&mut fields, &common.method, draft);
    fields.finish(draft);
    let wanted = own.as_ref().or(whole);
    let measure = match ratio {
        Some(it) => it,
        None => wanted.and_then(|it| indicator(it, limit, draft)),
    };
    let (Some(measure), Some(objective)) = (measure, target.or(percent)) else {
        draft.leave_at(
            item.place,
            format!("the SLO `{}`", cut(name)),
            "its indicator or its target is missing",
        );
        return;
    };
    let is_figure = matches!(measure, Measure::Figure(_));
    let slices = match (is_figure, slices) {
        (true, None) => {
            let why =
                "each reading counts there; here each minute in which all of them keep the limit";
            draft.leave_at(item.place, "how often it is read", why);
            Some(TimeSlices { length: TimeSlices::LENGTH, target: None })
        }
        (true, Some(it)) => {
            if it.target.is_some() {
                let why = "in a slice all readings keep the limit here, or the slice is bad";
                draft.leave_at(item.place, "`timeSliceTarget`", why);
            }
            Some(TimeSlices { target: None, ..it })
        }
        (false, it) => it,
    };
    let description = match (&common.description, title) {
        (Some(all), Some(own)) if *all != own => Some(format!("{all}: {own}")),
        (all, own) => own.or_else(|| all.clone()),
    };
    let made = Slo {
        description,
        service: common.service.clone(),
        objective: Some(objective),
        window: common.window.clone(),
        time_slices: slices,
        alerting: common.alerting.clone(),
        labels,
        ..on_series(name, measure)
    };
    draft.add_slo(common.place, made);
}

/// What a threshold metric must be.
fn limit(fields: &mut Fields<'_>, draft: &mut Draft) -> Option<Limit> {
    let sign = match fields.text("op", draft) {
        Some("lte") => "<=",
        Some("gte") => ">=",
        Some("lt") => "<",
        Some("gt") => ">",
        _ => "",
    };
    let value = fields.take("value");
    if sign.is_empty() {
        // Objectives of ratios have a value that means nothing.
        return None;
    }
    Limit::parse(&format!("{sign} {}", draft.number(value?)?))
}

fn slices(fields: &mut Fields<'_>, method: &str, draft: &mut Draft) -> Option<TimeSlices> {
    let target = fields.take("timeSliceTarget").and_then(|it| draft.fraction(it));
    let entry = fields.take("timeSliceWindow");
    if method == "Occurrences" {
        return None;
    }
    let length = match entry {
        Some(entry) => match entry.value.sort() {
            // A bare number is of minutes.
            Sort::Number(minutes) => Duration::try_from_secs_f64(minutes * 60.0).ok(),
            _ => draft.span(entry),
        },
        None => None,
    };
    let length = length.filter(|it| !it.is_zero()).unwrap_or(TimeSlices::LENGTH);
    let target = target.filter(|it| method == "Timeslices" && *it > Ratio::ZERO);
    Some(TimeSlices { length, target })
}

/// Labels of the metadata, of which one may have several values.
fn lists_of_labels(fields: &mut Fields<'_>, draft: &mut Draft) -> Labels {
    let Some(map) = fields.map("labels", draft) else { return Labels::new() };
    let mut labels = Labels::new();
    for entry in map.rest() {
        let values: Vec<_> = items(&entry.value).iter().filter_map(Node::text).collect();
        match label_name(&entry.key) {
            Some(name) if !values.is_empty() => {
                labels.insert(name, values.join(","));
            }
            _ => draft.leave(entry, "a label is named by letters, digits and `_`, and has a text"),
        }
    }
    labels
}

/// Who is told, by policies here or elsewhere.
fn alert_policies(fields: &mut Fields<'_>, draft: &mut Draft) -> Option<Alerting> {
    let list = fields.items("alertPolicies");
    // Who names no policy has nobody told.
    if list.is_empty() {
        return None;
    }
    let mut windows = Vec::new();
    for item in list {
        let named = item.text().or_else(|| item.at("alertPolicyRef").and_then(Node::text));
        let node = match named {
            Some(name) => draft.others.get("AlertPolicy", name),
            None => Some(item.clone()),
        };
        match node {
            Some(node) => {
                let spec = node.at("spec").cloned().unwrap_or(node);
                policy(&spec, item.place, &mut windows, draft);
            }
            None => {
                let what = format!("the AlertPolicy `{}`", cut(named.unwrap_or_default()));
                draft.leave_at(item.place, what, "there is none in the file: import both in one");
            }
        }
    }
    let policy = match windows.is_empty() {
        true => Alerts::Standard,
        false => Alerts::Own(Box::new(AlertPolicy::of(windows))),
    };
    Some(Alerting { policy, ..Alerting::default() })
}

fn policy(spec: &Node, place: Place, windows: &mut Vec<BurnWindow>, draft: &mut Draft) {
    let mut fields = Fields::of(spec, place, draft);
    fields.skip(&["description"]);
    if let Some(entry) = fields.take("alertWhenBreaching")
        && entry.value.text() == Some("false")
    {
        draft.leave(entry, "an alert is about a breach");
    }
    for (key, why) in [
        ("alertWhenResolved", "Alertmanager tells of the end, when its receivers ask for it"),
        ("alertWhenNoData", "`noData` says what time without data means"),
    ] {
        if let Some(entry) = fields.take(key)
            && entry.value.text() == Some("true")
        {
            draft.leave(entry, why);
        }
    }
    let why = "alerts are routed by their labels, in Alertmanager";
    fields.leave("notificationTargets", why, draft);
    for item in fields.items("conditions") {
        let named = item.text().or_else(|| item.at("conditionRef").and_then(Node::text));
        let node = match named {
            Some(name) => draft.others.get("AlertCondition", name),
            None => Some(item.clone()),
        };
        match node {
            Some(node) => {
                let spec = node.at("spec").cloned().unwrap_or(node);
                windows.extend(condition(&spec, item.place, draft));
            }
            None => {
                let what = format!("the AlertCondition `{}`", cut(named.unwrap_or_default()));
                draft.leave_at(item.place, what, "there is none in the file: import both in one");
            }
        }
    }
    fields.finish(draft);
}

fn condition(spec: &Node, place: Place, draft: &mut Draft) -> Option<BurnWindow> {
    let mut fields = Fields::of(spec, place, draft);
    fields.skip(&["description"]);
    let severity = fields.text("severity", draft).unwrap_or("ticket");
    let mut condition = fields.map("condition", draft)?;
    let kind = condition.text("kind", draft).unwrap_or("burnrate");
    condition.skip(&["op"]);
    let factor = number_of(condition.take("threshold"), draft);
    let long = condition.take("lookbackWindow").and_then(|it| draft.span(it));
    let after = condition.take("alertAfter").and_then(|it| it.value.text());
    condition.finish(draft);
    fields.finish(draft);
    if !kind.eq_ignore_ascii_case("burnrate") {
        draft.leave_at(
            place,
            format!("a condition of kind `{}`", cut(kind)),
            "only burn rates carry over",
        );
        return None;
    }
    let after = after.and_then(super::values::span).unwrap_or_default();
    Some(burn_window(severity, factor?, long?, after))
}

fn number_of(entry: Option<&Entry>, draft: &mut Draft) -> Option<f64> {
    entry.and_then(|it| draft.number(it)).filter(|it| *it > 0.0)
}
