//! Cases: what is measured, the figures that come of it, and their bars.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fill::Fill;
use crate::bench::figures::{Bar, Row, Unit};
use crate::bench::round::{self, Line, Round, bar, line};

/// One thing that is measured, round by round.
pub(super) struct Case {
    /// What it is called on the command line.
    pub(super) name: &'static str,
    title: &'static str,
    pub(super) what: What,
    lines: &'static [Line],
}

/// What is measured.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum What {
    /// How samples are taken in, before they are asked for.
    Ingest,
    /// The same, with one sample of all series in each request.
    IngestAtOnce,
    /// A question.
    Query(Query),
    /// A round of objectives.
    Judging,
}

/// A question.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    /// `{time}` in it stands for the whole time there are samples of.
    text: &'static str,
    /// Asked again for every hour of it.
    is_range: bool,
}

impl Query {
    pub(super) fn path(&self, fill: &Fill) -> String {
        let text = self.text.replace("{time}", &format!("{}s", fill.seconds()));
        let (text, end) = (encoded(&text), fill.end_seconds());
        match self.is_range {
            false => format!("/api/v1/query?query={text}&time={end}"),
            true => {
                // A second before a sample: one that lies on the edge of a window is within it in 2.x, and not in 3.x.
                let end = end - 1;
                let start = end - fill.seconds() + 3_600;
                format!("/api/v1/query_range?query={text}&start={start}&end={end}&step=3600")
            }
        }
    }
}

fn encoded(text: &str) -> String {
    let plain = |it: &u8| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'.' | b'-');
    let byte = |it: u8| if plain(&it) { char::from(it).to_string() } else { format!("%{it:02X}") };
    text.bytes().map(byte).collect()
}

impl Case {
    /// Its figures over all rounds.
    pub(super) fn rows(&self, mut rounds: Vec<Round>) -> Vec<Row> {
        for round in &mut rounds {
            for (key, of, to) in RATIOS {
                round.say_ratio(key, of, to);
            }
        }
        round::rows(self.name, self.title, self.lines, &rounds)
    }
}

/// Figures of ours by those of peers.
const RATIOS: [(&str, &str, &str); 5] = [
    (
        "samples_ratio_to_prometheus",
        "evenkeel_samples_per_cpu_second",
        "prometheus_samples_per_cpu_second",
    ),
    (
        "samples_ratio_to_victoria-metrics",
        "evenkeel_samples_per_cpu_second",
        "victoria-metrics_samples_per_cpu_second",
    ),
    ("memory_ratio_to_prometheus", "evenkeel_memory_bytes", "prometheus_memory_bytes"),
    ("cpu_ratio_to_prometheus", "evenkeel_cpu_seconds", "prometheus_cpu_seconds"),
    ("cpu_ratio_to_victoria-metrics", "evenkeel_cpu_seconds", "victoria-metrics_cpu_seconds"),
];

/// How far the values of two engines are apart: what the farthest two numbers of their answers differ by, as a share.
/// `None` unless ours and Prometheus have answered.
pub(super) fn apart(answers: &BTreeMap<&str, String>) -> Option<f64> {
    let numbers = |name| {
        let answer: Value = serde_json::from_str(answers.get(name)?).ok()?;
        let found = answer["data"]["result"].as_array()?.clone();
        let values = |it: Value| match it.get("values") {
            Some(all) => all.as_array().cloned().unwrap_or_default(),
            None => vec![it["value"].clone()],
        };
        let number = |it: Value| it[1].as_str()?.parse::<f64>().ok();
        found.into_iter().flat_map(values).map(number).collect::<Option<Vec<_>>>()
    };
    let (ours, theirs) = (numbers("evenkeel")?, numbers("prometheus")?);
    if ours.len() != theirs.len() || ours.is_empty() {
        return Some(f64::INFINITY);
    }
    let apart = |(a, b): (&f64, &f64)| (a - b).abs() / a.abs().max(b.abs()).max(f64::MIN_POSITIVE);
    Some(ours.iter().zip(&theirs).map(apart).fold(0.0, f64::max))
}

const fn costs(prometheus: f64, victoria: f64) -> [Line; 6] {
    [
        line("evenkeel_cpu_seconds", "ours, CPU", Unit::Millis),
        line("prometheus_cpu_seconds", "Prometheus, CPU", Unit::Millis),
        line("victoria-metrics_cpu_seconds", "VictoriaMetrics, CPU", Unit::Millis),
        bar(
            "cpu_ratio_to_prometheus",
            "CPU, ours / Prometheus",
            Unit::Times,
            Bar::AtMost(prometheus),
        ),
        bar(
            "cpu_ratio_to_victoria-metrics",
            "CPU, ours / VictoriaMetrics",
            Unit::Times,
            Bar::AtMost(victoria),
        ),
        bar("apart_ratio", "ours differs from Prometheus by", Unit::Tiny, Bar::NeverAbove(1e-9)),
    ]
}

/// What it costs to take samples in.
const TAKEN_IN: [Line; 5] = [
    line("evenkeel_samples_per_cpu_second", "ours, samples a CPU second", Unit::Count),
    line("prometheus_samples_per_cpu_second", "Prometheus, samples a CPU second", Unit::Count),
    line(
        "victoria-metrics_samples_per_cpu_second",
        "VictoriaMetrics, samples a CPU second",
        Unit::Count,
    ),
    bar(
        "samples_ratio_to_prometheus",
        "samples a CPU second, ours / Prometheus",
        Unit::Times,
        Bar::AtLeast(3.0),
    ),
    bar(
        "samples_ratio_to_victoria-metrics",
        "samples a CPU second, ours / VictoriaMetrics",
        Unit::Times,
        Bar::AtLeast(1.0),
    ),
];

/// All there are.
pub(super) const CASES: &[Case] = &[
    Case {
        name: "ingest",
        title: "remote write of 10,000 counters, one sample of each at a time",
        what: What::Ingest,
        lines: &[
            TAKEN_IN[0],
            TAKEN_IN[1],
            TAKEN_IN[2],
            TAKEN_IN[3],
            TAKEN_IN[4],
            line("evenkeel_samples_per_second", "ours, samples/s", Unit::Count),
            line("prometheus_samples_per_second", "Prometheus, samples/s", Unit::Count),
            line("victoria-metrics_samples_per_second", "VictoriaMetrics, samples/s", Unit::Count),
            line("evenkeel_memory_bytes", "ours, memory, most", Unit::Megabytes),
            line("prometheus_memory_bytes", "Prometheus, memory, most", Unit::Megabytes),
            line("victoria-metrics_memory_bytes", "VictoriaMetrics, memory, most", Unit::Megabytes),
            bar(
                "memory_ratio_to_prometheus",
                "memory, ours / Prometheus",
                Unit::Times,
                Bar::AtMost(1.0),
            ),
            bar(
                "evenkeel_bytes_per_sample",
                "ours, bytes a sample on disk",
                Unit::Bytes,
                Bar::AtMost(2.0),
            ),
            line("prometheus_bytes_per_sample", "Prometheus, bytes a sample on disk", Unit::Bytes),
            line(
                "victoria-metrics_bytes_per_sample",
                "VictoriaMetrics, bytes a sample on disk",
                Unit::Bytes,
            ),
        ],
    },
    Case {
        name: "ingest-at-once",
        title: "remote write of the same, one sample of all in each request",
        what: What::IngestAtOnce,
        lines: &TAKEN_IN,
    },
    Case {
        name: "sum-of-all",
        title: "the rate of 10,000 counters over 30 days, as one sum",
        what: What::Query(Query {
            text: "sum(rate(http_requests_total[{time}]))",
            is_range: false,
        }),
        lines: &costs(1.0 / 50.0, 1.0 / 10.0),
    },
    Case {
        name: "sum-of-a-service",
        title: "the rate of the 10 counters of a service over 30 days",
        what: What::Query(Query {
            text: "sum(rate(http_requests_total{service=\"service-0042\"}[{time}]))",
            is_range: false,
        }),
        lines: &costs(1.0, 1.0),
    },
    Case {
        name: "range-of-a-service",
        title: "their rate in each hour of 30 days",
        what: What::Query(Query {
            text: "sum(rate(http_requests_total{service=\"service-0042\"}[1h]))",
            is_range: true,
        }),
        lines: &costs(1.0, 1.0),
    },
    Case {
        name: "objectives",
        title: "a round of 1,000 SLOs with four burn alerts and a budget of 30 days",
        what: What::Judging,
        lines: &[
            line("evenkeel_cpu_seconds", "ours, CPU", Unit::Millis),
            line("prometheus_cpu_seconds", "Prometheus with the rules of Sloth, CPU", Unit::Millis),
            bar(
                "cpu_ratio_to_prometheus",
                "CPU, ours / Prometheus",
                Unit::Times,
                Bar::AtMost(0.02),
            ),
            line("evenkeel_memory_bytes", "ours, memory", Unit::Megabytes),
            line("prometheus_memory_bytes", "Prometheus, memory", Unit::Megabytes),
            bar(
                "memory_ratio_to_prometheus",
                "memory, ours / Prometheus",
                Unit::Times,
                Bar::AtMost(0.25),
            ),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(value: &str) -> String {
        format!(r#"{{"data":{{"result":[{{"metric":{{}},"value":[1,"{value}"]}}]}}}}"#)
    }

    #[test]
    fn answers_that_differ_are_told_by_how_much() {
        let both = |ours: &str, theirs: &str| {
            apart(&BTreeMap::from([("evenkeel", answer(ours)), ("prometheus", answer(theirs))]))
        };
        assert_eq!(both("2", "2"), Some(0.0));
        assert_eq!(both("1", "2"), Some(0.5));
        assert_eq!(apart(&BTreeMap::from([("evenkeel", answer("2"))])), None);
        let none = BTreeMap::from([
            ("evenkeel", r#"{"data":{"result":[]}}"#.to_owned()),
            ("prometheus", answer("2")),
        ]);
        assert_eq!(apart(&none), Some(f64::INFINITY));
    }

    #[test]
    fn a_query_is_written_as_a_path() {
        assert_eq!(encoded("sum(x[5m])"), "sum%28x%5B5m%5D%29");
    }

    #[test]
    fn every_figure_of_a_case_has_a_name_of_its_own() {
        for case in CASES {
            let mut keys: Vec<_> = case.lines.iter().map(|it| it.key).collect();
            keys.sort_unstable();
            keys.dedup();
            assert_eq!(keys.len(), case.lines.len(), "{}", case.name);
        }
    }
}
