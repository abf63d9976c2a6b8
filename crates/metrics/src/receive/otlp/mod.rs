//! OTLP: metrics of OpenTelemetry, as Prometheus stores them.
//!
//! ```text
//! message  what is on the wire
//! json     the same as text
//! name     what Prometheus calls it
//! native   exponential buckets as native histograms
//! ```
//!
//! Gauges and sums are series, histograms are classic ones, exponential histograms native ones, summaries quantiles. The
//! resource becomes the labels `job` and `instance` and, where it says more, a series `target_info`. What counts from one
//! request to the next (delta) is refused: added up here it would be wrong after any request that was lost or sent again,
//! and every SDK and collector can send what counts from the start.

mod json;
mod message;
mod name;
mod native;

use std::collections::BTreeMap;
use std::sync::Arc;

use evenkeel_series::{METRIC_NAME, Point, STALE};
use prost::Message as _;

use self::message::{
    AnyValue, Data, Exponential, Histogram, KeyValue, Metric, Number, NumberPoint, Request,
    Resource, ResourceMetrics, Said, Status, Summary,
};
use self::name::Sort;
use super::wire::Wire;
use super::{Left, ReceiveError};
use crate::exposition::Kind;
use crate::intake::{Batch, Intake, Meaning};
use crate::otlp::message::{ExportResponse, PartialSuccess};

/// Counts from the start.
const CUMULATIVE: i32 = 2;
/// The flag of a point that says that there is none.
const NOTHING: u32 = 1;

/// What is made of one request, at most: metrics, points, their attributes.
const MESSAGES_MAX: usize = 2_000_000;

/// What is made of one request of JSON, at most: a map of it takes seven bytes there, and six hundred in memory.
const MAPS_MAX: usize = 500_000;

/// How a request is written, and its answer.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// As protobuf.
    Protobuf,
    /// As JSON.
    Json,
}

/// What came of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Samples that were taken in.
    pub samples: usize,
    /// Exemplars, which are not kept.
    pub exemplars: usize,
    /// What was not.
    pub left: Left,
}

impl Answer {
    /// What the sender is answered.
    pub fn message(&self, form: Form) -> Vec<u8> {
        let rejected = self.left.invalid + self.left.refused.total();
        let partial_success = (rejected > 0).then(|| PartialSuccess {
            rejected_data_points: i64::try_from(rejected).unwrap_or(i64::MAX),
            error_message: self.left.to_string(),
        });
        match (form, partial_success) {
            (Form::Protobuf, partial_success) => ExportResponse { partial_success }.encode_to_vec(),
            (Form::Json, None) => b"{}".to_vec(),
            (Form::Json, Some(it)) => {
                // Whole numbers of 64 bits are texts.
                let rejected = it.rejected_data_points.to_string();
                let partial = serde_json::json!({"rejectedDataPoints": rejected, "errorMessage": it.error_message});
                serde_json::json!({"partialSuccess": partial}).to_string().into_bytes()
            }
        }
    }
}

/// What the sender of a request is answered of which nothing was taken in: a `google.rpc.Status`.
pub fn complaint(text: &str, form: Form) -> Vec<u8> {
    match form {
        Form::Protobuf => Status { message: text.to_owned() }.encode_to_vec(),
        Form::Json => serde_json::json!({"message": text}).to_string().into_bytes(),
    }
}

/// Takes in the body of a request.
///
/// # Errors
/// When it is no such request, or too large a one; nothing of it was taken in then. When the store takes nothing in.
pub fn otlp<I: Intake>(body: &[u8], form: Form, store: &I) -> Result<Answer, ReceiveError> {
    let request = match form {
        Form::Protobuf if messages(body, 0)? > MESSAGES_MAX => {
            return Err(ReceiveError::TooMany(MESSAGES_MAX));
        }
        Form::Protobuf => Request::decode(body).map_err(|_| ReceiveError::Message)?,
        // Every value but the first follows one of these.
        Form::Json if count(body, b"[{,:") > 4 * MESSAGES_MAX => {
            return Err(ReceiveError::TooMany(MESSAGES_MAX));
        }
        Form::Json if count(body, b"{") > MAPS_MAX => {
            return Err(ReceiveError::TooMany(MAPS_MAX));
        }
        Form::Json => json::request(body)?,
    };
    let mut taking = Taking::new(store);
    request.resources.iter().for_each(|it| taking.resource(it));
    let (mut left, exemplars) = (taking.left, taking.exemplars);
    let count = taking.batch.len();
    left.refused = store.append(&taking.batch)?;
    for (metric, meaning) in &taking.meanings {
        store.describe(metric, meaning);
    }
    Ok(Answer { samples: count - left.refused.total().min(count), exemplars, left })
}

/// How many bytes are one of some.
fn count(body: &[u8], of: &[u8]) -> usize {
    body.iter().filter(|it| of.contains(it)).count()
}

/// The numbers of the fields in which messages lie, level by level: resources, scopes, metrics, their data, points.
const NESTED: [&[u64]; 5] = [&[1], &[1, 2], &[1, 2], &[5, 7, 9, 10, 11], &[1]];

/// How many fields there are down to those of points, counted without making anything of them: what takes two bytes on the
/// wire takes a hundred in memory.
fn messages(body: &[u8], level: usize) -> Result<usize, ReceiveError> {
    let (mut wire, mut count) = (Wire(body), 0);
    while let Some((number, value)) = wire.field()? {
        count += 1;
        if NESTED.get(level).is_some_and(|it| it.contains(&number)) {
            count += messages(value.message()?, level + 1)?;
        }
    }
    Ok(count)
}

type Pairs = BTreeMap<String, String>;

/// A request on its way into a store.
struct Taking<'a, I: Intake> {
    store: &'a I,
    batch: Batch<I::Series>,
    meanings: BTreeMap<String, Meaning>,
    left: Left,
    exemplars: usize,
    /// Labels of everything of the present resource.
    base: Pairs,
    /// The newest moment of the present resource.
    newest: Option<i64>,
}

impl<'a, I: Intake> Taking<'a, I> {
    fn new(store: &'a I) -> Self {
        Self {
            store,
            batch: Batch::default(),
            meanings: BTreeMap::new(),
            left: Left::default(),
            exemplars: 0,
            base: Pairs::new(),
            newest: None,
        }
    }

    fn resource(&mut self, of: &ResourceMetrics) {
        let nobody = Resource::default();
        let attributes = &of.resource.as_ref().unwrap_or(&nobody).attributes;
        (self.base, self.newest) = (identity(attributes), None);
        for metric in of.scopes.iter().flat_map(|it| &it.metrics) {
            self.metric(metric);
        }
        let more: Vec<_> = attributes.iter().filter(|it| !is_identity(&it.key)).cloned().collect();
        let Some(at) = self.newest.filter(|_| !more.is_empty() && !self.base.is_empty()) else {
            return;
        };
        let meaning =
            Meaning { kind: Kind::Gauge, help: "Target metadata".to_owned(), unit: String::new() };
        self.meanings.insert("target_info".to_owned(), meaning);
        self.push("target_info", &more, None, Point { at, value: 1.0 });
    }

    fn metric(&mut self, metric: &Metric) {
        let Some(data) = &metric.data else { return };
        let (sort, kind) = match data {
            Data::Gauge(_) => (Sort::Gauge, Kind::Gauge),
            Data::Sum(sum) if sum.is_monotonic => (Sort::Counter, Kind::Counter),
            Data::Sum(_) => (Sort::Other, Kind::Gauge),
            Data::Histogram(_) | Data::Exponential(_) => (Sort::Other, Kind::Histogram),
            Data::Summary(_) => (Sort::Other, Kind::Summary),
        };
        let (name, unit) = name::metric(&metric.name, &metric.unit, sort);
        if name.is_empty() {
            self.left.invalid(|| "a metric without a name".to_owned());
            return;
        }
        let temporality = match data {
            Data::Sum(sum) => sum.temporality,
            Data::Histogram(it) => it.temporality,
            Data::Exponential(it) => it.temporality,
            Data::Gauge(_) | Data::Summary(_) => CUMULATIVE,
        };
        let (points, exemplars) = size(data);
        self.exemplars += exemplars;
        if temporality != CUMULATIVE {
            let why = "counts from one request to the next: send cumulative temporality";
            self.left.invalid(|| format!("`{name}` {why}"));
            self.left.invalid += points.max(1) - 1;
            return;
        }
        match data {
            Data::Gauge(it) => self.numbers(&name, &it.points),
            Data::Sum(it) => self.numbers(&name, &it.points),
            Data::Histogram(it) => self.classic(&name, it),
            Data::Exponential(it) => self.native(&name, it),
            Data::Summary(it) => self.summary(&name, it),
        }
        let meaning = Meaning { kind, help: metric.description.clone(), unit };
        self.meanings.insert(name, meaning);
    }

    fn numbers(&mut self, name: &str, points: &[NumberPoint]) {
        for point in points {
            let value = match point.value {
                _ if point.flags & NOTHING != 0 => STALE,
                Some(Number::Float(value)) => value,
                Some(Number::Whole(value)) => value as f64,
                None => {
                    self.left.invalid(|| format!("a point of `{name}` has no value"));
                    continue;
                }
            };
            self.push(name, &point.attributes, None, Point { at: millis(point.nanos), value });
        }
    }

    fn classic(&mut self, name: &str, histogram: &Histogram) {
        for point in &histogram.points {
            let at = millis(point.nanos);
            let is_nothing = point.flags & NOTHING != 0;
            let value = |it: f64| Point { at, value: if is_nothing { STALE } else { it } };
            if !point.counts.is_empty() && point.counts.len() != point.bounds.len() + 1 {
                self.left.invalid(|| format!("a point of `{name}` has other buckets than bounds"));
                continue;
            }
            let bucket = format!("{name}_bucket");
            let mut sum = 0_u64;
            for (bound, count) in point.bounds.iter().zip(&point.counts) {
                sum = sum.saturating_add(*count);
                let le = ("le", number(*bound));
                self.push(&bucket, &point.attributes, Some(le), value(sum as f64));
            }
            let count = point.count as f64;
            let le = ("le", "+Inf".to_owned());
            self.push(&bucket, &point.attributes, Some(le), value(count));
            self.push(&format!("{name}_count"), &point.attributes, None, value(count));
            if let Some(sum) = point.sum {
                self.push(&format!("{name}_sum"), &point.attributes, None, value(sum));
            }
        }
    }

    fn native(&mut self, name: &str, histogram: &Exponential) {
        for point in &histogram.points {
            let at = millis(point.nanos);
            if point.flags & NOTHING != 0 {
                self.push(name, &point.attributes, None, Point { at, value: STALE });
                continue;
            }
            let Some(native) = native::histogram(point) else {
                self.left.invalid(|| format!("the buckets of a point of `{name}` are too wide"));
                continue;
            };
            if let Some(series) = self.series(name, &point.attributes, None) {
                self.newest = self.newest.max(Some(at));
                self.batch.histograms.push((series, at, Arc::new(native)));
            }
        }
    }

    fn summary(&mut self, name: &str, summary: &Summary) {
        for point in &summary.points {
            let at = millis(point.nanos);
            let is_nothing = point.flags & NOTHING != 0;
            let value = |it: f64| Point { at, value: if is_nothing { STALE } else { it } };
            let attributes = &point.attributes;
            self.push(&format!("{name}_sum"), attributes, None, value(point.sum));
            self.push(&format!("{name}_count"), attributes, None, value(point.count as f64));
            for it in &point.quantiles {
                let quantile = ("quantile", number(it.quantile));
                self.push(name, attributes, Some(quantile), value(it.value));
            }
        }
    }

    fn push(
        &mut self,
        name: &str,
        attributes: &[KeyValue],
        with: Option<(&str, String)>,
        point: Point,
    ) {
        if let Some(series) = self.series(name, attributes, with) {
            self.newest = self.newest.max(Some(point.at));
            self.batch.points.push((series, point));
        }
    }

    fn series(
        &mut self,
        name: &str,
        attributes: &[KeyValue],
        with: Option<(&str, String)>,
    ) -> Option<I::Series> {
        let mut pairs = labels(attributes);
        pairs.extend(self.base.clone());
        pairs.extend(with.map(|(name, value)| (name.to_owned(), value)));
        pairs.insert(METRIC_NAME.to_owned(), name.to_owned());
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        match self.store.series(&pairs) {
            Ok(series) => Some(series),
            Err(error) => {
                self.left.invalid(|| error.to_string());
                None
            }
        }
    }
}

/// How many points there are, and how many exemplars of them.
fn size(of: &Data) -> (usize, usize) {
    match of {
        Data::Gauge(message::Gauge { points }) | Data::Sum(message::Sum { points, .. }) => {
            (points.len(), points.iter().map(|it| it.exemplars.len()).sum())
        }
        Data::Histogram(it) => {
            (it.points.len(), it.points.iter().map(|it| it.exemplars.len()).sum())
        }
        Data::Exponential(it) => {
            (it.points.len(), it.points.iter().map(|it| it.exemplars.len()).sum())
        }
        Data::Summary(it) => (it.points.len(), 0),
    }
}

/// Attributes as labels; of those that become one label, the values are joined.
fn labels(attributes: &[KeyValue]) -> Pairs {
    let mut sorted: Vec<_> = attributes.iter().collect();
    sorted.sort_by(|one, other| one.key.cmp(&other.key));
    let mut pairs = Pairs::new();
    for attribute in sorted {
        let value = attribute.value.as_ref().map(text).unwrap_or_default();
        if value.is_empty() {
            continue;
        }
        let joined = pairs.entry(name::label(&attribute.key)).or_default();
        if !joined.is_empty() {
            joined.push(';');
        }
        joined.push_str(&value);
    }
    pairs
}

fn is_identity(key: &str) -> bool {
    matches!(key, "service.name" | "service.namespace" | "service.instance.id")
}

/// Job and instance of a resource.
fn identity(attributes: &[KeyValue]) -> Pairs {
    let value = |key: &str| {
        let found = attributes.iter().find(|it| it.key == key)?;
        found.value.as_ref().map(text).filter(|it| !it.is_empty())
    };
    let job = value("service.name").map(|name| match value("service.namespace") {
        Some(space) => format!("{space}/{name}"),
        None => name,
    });
    let instance = value("service.instance.id");
    let both = [("job", job), ("instance", instance)];
    both.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn text(value: &AnyValue) -> String {
    match &value.said {
        Some(Said::Text(it)) => it.clone(),
        Some(Said::Flag(it)) => it.to_string(),
        Some(Said::Whole(it)) => it.to_string(),
        Some(Said::Float(it)) => number(*it),
        None => String::new(),
    }
}

/// A number as a label, as Prometheus writes it.
fn number(it: f64) -> String {
    match it {
        it if it.is_infinite() => (if it > 0.0 { "+Inf" } else { "-Inf" }).to_owned(),
        it => it.to_string(),
    }
}

const fn millis(nanos: u64) -> i64 {
    (nanos / 1_000_000).cast_signed()
}

#[cfg(test)]
mod tests;
