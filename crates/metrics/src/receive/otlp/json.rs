//! JSON: the same messages as text, as the mapping of protobuf 3 has them and OTLP narrows it.
//!
//! Names are in camel case or as in protobuf; whole numbers of 64 bits are texts or numbers; of an enumeration the number is
//! given, or its name; `NaN` and the infinite ones are texts; what is not known is passed over.
//!
//! Source: <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>.

use serde_json::{Map, Value};

use super::super::ReceiveError;
use super::message::{
    AnyValue, Buckets, Data, Dropped, Exponential, ExponentialPoint, Gauge, Histogram,
    HistogramPoint, KeyValue, Metric, Number, NumberPoint, Quantile, Request, Resource,
    ResourceMetrics, Said, ScopeMetrics, Sum, Summary, SummaryPoint,
};

/// The numbers of the names of temporalities.
const TEMPORALITIES: [(&str, i32); 3] = [
    ("AGGREGATION_TEMPORALITY_UNSPECIFIED", 0),
    ("AGGREGATION_TEMPORALITY_DELTA", 1),
    ("AGGREGATION_TEMPORALITY_CUMULATIVE", 2),
];

/// A request.
pub(super) fn request(body: &[u8]) -> Result<Request, ReceiveError> {
    let value: Value =
        serde_json::from_slice(body).map_err(|it| ReceiveError::Json(it.to_string()))?;
    let request = object(&value, "the body")?;
    let resources = request.list("resourceMetrics", resource_metrics)?;
    Ok(Request { resources })
}

type Read<T> = Result<T, ReceiveError>;

fn resource_metrics(of: &Object<'_>) -> Read<ResourceMetrics> {
    let resource =
        of.one("resource", |it| Ok(Resource { attributes: it.list("attributes", key_value)? }))?;
    let scopes =
        of.list("scopeMetrics", |it| Ok(ScopeMetrics { metrics: it.list("metrics", metric)? }))?;
    Ok(ResourceMetrics { resource, scopes })
}

fn metric(of: &Object<'_>) -> Read<Metric> {
    let gauge = of.one("gauge", |it| Ok(Gauge { points: it.list("dataPoints", number_point)? }))?;
    let sum = of.one("sum", |it| {
        Ok(Sum {
            points: it.list("dataPoints", number_point)?,
            temporality: it.temporality()?,
            is_monotonic: it.flag("isMonotonic")?,
        })
    })?;
    let histogram = of.one("histogram", |it| {
        let points = it.list("dataPoints", histogram_point)?;
        Ok(Histogram { points, temporality: it.temporality()? })
    })?;
    let exponential = of.one("exponentialHistogram", |it| {
        let points = it.list("dataPoints", exponential_point)?;
        Ok(Exponential { points, temporality: it.temporality()? })
    })?;
    let summary =
        of.one("summary", |it| Ok(Summary { points: it.list("dataPoints", summary_point)? }))?;
    let data = gauge.map(Data::Gauge).or(sum.map(Data::Sum));
    let data = data.or(histogram.map(Data::Histogram)).or(exponential.map(Data::Exponential));
    Ok(Metric {
        name: of.text("name")?,
        description: of.text("description")?,
        unit: of.text("unit")?,
        data: data.or(summary.map(Data::Summary)),
    })
}

fn number_point(of: &Object<'_>) -> Read<NumberPoint> {
    let value = match (of.number("asDouble")?, of.whole("asInt")?) {
        (Some(it), _) => Some(Number::Float(it)),
        (None, it) => it.map(Number::Whole),
    };
    Ok(NumberPoint {
        nanos: of.count("timeUnixNano")?,
        value,
        exemplars: of.list("exemplars", dropped)?,
        attributes: of.list("attributes", key_value)?,
        flags: of.whole("flags")?.unwrap_or_default(),
    })
}

fn histogram_point(of: &Object<'_>) -> Read<HistogramPoint> {
    Ok(HistogramPoint {
        nanos: of.count("timeUnixNano")?,
        count: of.count("count")?,
        sum: of.number("sum")?,
        counts: of.values("bucketCounts", whole)?,
        bounds: of.values("explicitBounds", number)?,
        exemplars: of.list("exemplars", dropped)?,
        attributes: of.list("attributes", key_value)?,
        flags: of.whole("flags")?.unwrap_or_default(),
    })
}

fn exponential_point(of: &Object<'_>) -> Read<ExponentialPoint> {
    let buckets = |it: &Object<'_>| {
        let offset = it.whole("offset")?.unwrap_or_default();
        Ok(Buckets { offset, counts: it.values("bucketCounts", whole)? })
    };
    Ok(ExponentialPoint {
        attributes: of.list("attributes", key_value)?,
        nanos: of.count("timeUnixNano")?,
        count: of.count("count")?,
        sum: of.number("sum")?,
        scale: of.whole("scale")?.unwrap_or_default(),
        zero_count: of.count("zeroCount")?,
        positive: of.one("positive", buckets)?,
        negative: of.one("negative", buckets)?,
        flags: of.whole("flags")?.unwrap_or_default(),
        exemplars: of.list("exemplars", dropped)?,
        zero_threshold: of.number("zeroThreshold")?.unwrap_or_default(),
    })
}

fn summary_point(of: &Object<'_>) -> Read<SummaryPoint> {
    let quantile = |it: &Object<'_>| {
        Ok(Quantile {
            quantile: it.number("quantile")?.unwrap_or_default(),
            value: it.number("value")?.unwrap_or_default(),
        })
    };
    Ok(SummaryPoint {
        nanos: of.count("timeUnixNano")?,
        count: of.count("count")?,
        sum: of.number("sum")?.unwrap_or_default(),
        quantiles: of.list("quantileValues", quantile)?,
        attributes: of.list("attributes", key_value)?,
        flags: of.whole("flags")?.unwrap_or_default(),
    })
}

fn key_value(of: &Object<'_>) -> Read<KeyValue> {
    let value = of.one("value", |it| {
        let text = it.get("stringValue").and_then(Value::as_str);
        let flag = it.get("boolValue").and_then(Value::as_bool);
        let said = match (text, flag) {
            (Some(it), _) => Some(Said::Text(it.to_owned())),
            (None, Some(it)) => Some(Said::Flag(it)),
            (None, None) => match it.whole("intValue")? {
                Some(it) => Some(Said::Whole(it)),
                None => it.number("doubleValue")?.map(Said::Float),
            },
        };
        Ok(AnyValue { said })
    })?;
    Ok(KeyValue { key: of.text("key")?, value })
}

fn dropped(_: &Object<'_>) -> Read<Dropped> {
    Ok(Dropped {})
}

/// A map, and what it is called in a complaint.
struct Object<'a> {
    fields: &'a Map<String, Value>,
}

fn object<'a>(value: &'a Value, what: &str) -> Read<Object<'a>> {
    let fields = value.as_object().ok_or_else(|| wrong(what, "an object"))?;
    Ok(Object { fields })
}

fn wrong(name: &str, what: &str) -> ReceiveError {
    ReceiveError::Json(format!("`{name}` is not {what}"))
}

impl<'a> Object<'a> {
    /// A field by its name in camel case, or as protobuf has it; `null` is as if it were not there.
    fn get(&self, name: &str) -> Option<&'a Value> {
        let found = self.fields.get(name).or_else(|| {
            let snake = name.chars().fold(String::new(), |mut to, it| {
                if it.is_ascii_uppercase() {
                    to.push('_');
                }
                to.push(it.to_ascii_lowercase());
                to
            });
            self.fields.get(&snake)
        });
        found.filter(|it| !it.is_null())
    }

    fn one<T>(&self, name: &str, read: impl Fn(&Object<'a>) -> Read<T>) -> Read<Option<T>> {
        self.get(name).map(|it| read(&object(it, name)?)).transpose()
    }

    fn values<T>(&self, name: &str, read: impl Fn(&'a Value) -> Option<T>) -> Read<Vec<T>> {
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let list = value.as_array().ok_or_else(|| wrong(name, "a list"))?;
        let each = list.iter().map(|it| read(it).ok_or_else(|| wrong(name, "a list of numbers")));
        each.collect()
    }

    fn list<T>(&self, name: &str, read: impl Fn(&Object<'a>) -> Read<T>) -> Read<Vec<T>> {
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let list = value.as_array().ok_or_else(|| wrong(name, "a list"))?;
        list.iter().map(|it| read(&object(it, name)?)).collect()
    }

    fn text(&self, name: &str) -> Read<String> {
        let Some(value) = self.get(name) else { return Ok(String::new()) };
        value.as_str().map(str::to_owned).ok_or_else(|| wrong(name, "a text"))
    }

    fn flag(&self, name: &str) -> Read<bool> {
        let Some(value) = self.get(name) else { return Ok(false) };
        value.as_bool().ok_or_else(|| wrong(name, "`true` or `false`"))
    }

    fn number(&self, name: &str) -> Read<Option<f64>> {
        self.get(name).map(|it| number(it).ok_or_else(|| wrong(name, "a number"))).transpose()
    }

    fn whole<T: TryFrom<i128>>(&self, name: &str) -> Read<Option<T>> {
        self.get(name).map(|it| whole(it).ok_or_else(|| wrong(name, "a whole number"))).transpose()
    }

    fn count(&self, name: &str) -> Read<u64> {
        Ok(self.whole(name)?.unwrap_or_default())
    }

    fn temporality(&self) -> Read<i32> {
        const NAME: &str = "aggregationTemporality";
        let by_name = self.get(NAME).and_then(Value::as_str);
        let known = by_name.and_then(|it| TEMPORALITIES.iter().find(|known| known.0 == it));
        match known {
            Some((_, number)) => Ok(*number),
            None => Ok(self.whole(NAME)?.unwrap_or_default()),
        }
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(it) => it.as_f64(),
        // These are no numbers of JSON.
        Value::String(it) => match it.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            it => it.parse().ok().filter(|it: &f64| it.is_finite()),
        },
        _ => None,
    }
}

fn whole<T: TryFrom<i128>>(value: &Value) -> Option<T> {
    let whole = match value {
        Value::Number(it) => {
            let signed = it.as_i64().map(i128::from);
            signed.or_else(|| it.as_u64().map(i128::from)).or_else(|| {
                // Such as `1e3`; beyond this not every whole number is one.
                let float = it.as_f64().filter(|it| it.abs() < 9e15 && it.fract().abs() <= 0.0);
                float.map(|it| i128::from(it as i64))
            })?
        }
        Value::String(it) => it.parse().ok()?,
        _ => return None,
    };
    T::try_from(whole).ok()
}
