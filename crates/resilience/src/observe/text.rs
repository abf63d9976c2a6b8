//! Text: numbers as Prometheus reads them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::metric::of_letters;
use super::{Kind, Metric, Sample, Unit};

/// How numbers are written.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' own text, 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.0, with units.
    OpenMetrics,
}

impl Format {
    /// What a scrape that sends this `Accept` is to be answered with: what it likes better (`q`), and of two that it likes alike
    /// OpenMetrics, which says more; Prometheus' own text to who knows neither.
    pub fn accepted(accept: &str) -> Self {
        let open = liking(accept, "application/openmetrics-text");
        match open > 0.0 && open >= liking(accept, "text/plain") {
            true => Self::OpenMetrics,
            false => Self::Prometheus,
        }
    }

    /// The `Content-Type` of the answer.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The quality of a media type in an `Accept` (RFC 9110, section 12.5.1): 1 if nothing is said, 0 if it is not there.
fn liking(accept: &str, media: &str) -> f64 {
    let of = |range: &str| {
        let mut parts = range.split(';').map(str::trim);
        let is_it = parts.next().is_some_and(|it| it.eq_ignore_ascii_case(media));
        let quality = parts.find_map(|it| it.strip_prefix("q=").or_else(|| it.strip_prefix("Q=")));
        is_it.then(|| quality.map_or(1.0, |it| it.parse().unwrap_or(0.0)))
    };
    accept.split(',').filter_map(|it| of(it.trim())).fold(0.0, f64::max)
}

pub(super) fn write(samples: &[(Arc<str>, Sample)], format: Format) -> String {
    let mut families: BTreeMap<String, Vec<&(Arc<str>, Sample)>> = BTreeMap::new();
    for named in samples {
        families.entry(named.1.metric.family()).or_default().push(named);
    }
    let mut text = String::new();
    for (family, samples) in families {
        let Some((_, first)) = samples.first() else { continue };
        let Metric { kind, unit, help, .. } = first.metric;
        let total = if kind == Kind::Counter { "_total" } else { "" };
        let series = format!("{family}{total}");
        let (about, kind) = (
            // A counter is announced without its ending in OpenMetrics.
            if format == Format::OpenMetrics { &family } else { &series },
            if kind == Kind::Counter { "counter" } else { "gauge" },
        );
        text += &format!(
            "# HELP {about} {}\n# TYPE {about} {kind}\n",
            escaped(help, format == Format::OpenMetrics)
        );
        if format == Format::OpenMetrics
            && let Some(unit) = name_of(unit)
        {
            text += &format!("# UNIT {about} {unit}\n");
        }
        for (name, sample) in samples {
            text += &format!("{series}{{name=\"{}\"", escaped(name, true));
            for (label, of) in &sample.labels {
                let label = of_letters(label);
                text += &format!(",{label}=\"{}\"", escaped(of, true));
            }
            text += &format!("}} {}\n", number(sample.value));
        }
    }
    if format == Format::OpenMetrics {
        text += "# EOF\n";
    }
    text
}

fn number(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    }
}

const fn name_of(unit: Unit) -> Option<&'static str> {
    match unit {
        Unit::Count => None,
        Unit::Seconds => Some("seconds"),
        Unit::Ratio => Some("ratio"),
    }
}

/// As inside of quotes; where there are none, a quote stands for itself.
fn escaped(text: &str, quoted: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => escaped += "\\\\",
            '\n' => escaped += "\\n",
            '"' if quoted => escaped += "\\\"",
            other => escaped.push(other),
        }
    }
    escaped
}
