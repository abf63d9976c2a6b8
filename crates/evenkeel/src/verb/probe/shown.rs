//! Shown: what came of a probe, for people and for programs.

use evenkeel_probe::{Address, Reading, Series, Verdict};
use evenkeel_units::{Clock as _, Human, SystemClock};
use serde_json::{Map, Value, json};

use crate::screen;

/// One address, and what came of it.
pub(super) struct Row {
    target: String,
    scheme: &'static str,
    pub(super) verdict: Verdict,
    series: Series,
}

impl Row {
    pub(super) fn new(address: &Address, series: Series, verdict: Verdict) -> Self {
        Self { target: address.to_string(), scheme: address.scheme().name(), verdict, series }
    }

    /// The reading that says why: the last, or that which was lost.
    fn reading(&self) -> &Reading {
        match (&self.series.worst, self.verdict) {
            (Some(worst), Verdict::Unhealthy | Verdict::Unknown) => worst,
            _ => &self.series.last,
        }
    }

    fn json(&self) -> Value {
        let (series, reading) = (&self.series, self.reading());
        let phases: Map<_, _> = reading
            .phases
            .iter()
            .map(|(phase, took)| (phase.key().to_owned(), took.as_secs_f64().into()))
            .collect();
        let now = SystemClock::start().wall();
        let certificate = reading.certificate.map(|it| {
            let days = it.left(now).map(|it| it.as_secs() / 86_400);
            json!({"expires": it.expires.to_string(), "days_left": days})
        });
        let seconds = series.took.map(|it| {
            let [least, mean, most] = it.map(|it| it.as_secs_f64());
            json!({"min": least, "mean": mean, "max": most})
        });
        json!({
            "target": self.target,
            "scheme": self.scheme,
            "healthy": match self.verdict {
                Verdict::Healthy => Some(true),
                Verdict::Unhealthy => Some(false),
                Verdict::Unknown | Verdict::Unasked => None,
            },
            "detail": reading.detail,
            "total_seconds": reading.took.as_secs_f64(),
            "phases": phases,
            "peer": reading.peer.map(peer),
            "certificate": certificate,
            "facts": reading.facts,
            "warnings": reading.warnings,
            "asked": series.asked,
            "answered": series.healthy,
            "lost_ratio": series.lost(),
            "answer_seconds": seconds,
            "lasted_seconds": series.lasted.as_secs_f64(),
        })
    }

    fn text(&self, color: bool) -> String {
        let (series, reading) = (&self.series, self.reading());
        let (word, paint) = match self.verdict {
            Verdict::Healthy => ("healthy", "32"),
            Verdict::Unhealthy => ("UNHEALTHY", "31"),
            Verdict::Unknown => ("UNKNOWN", "33"),
            Verdict::Unasked => ("NOT ASKED", "33"),
        };
        let word = screen::verdict(word, paint, color);
        let mut lines = vec![format!("{word}  {}  {}", self.target, reading.detail)];
        let mut more = |line: String| lines.push(format!("{:11}{line}", ""));
        if self.verdict != Verdict::Unasked {
            let phases: Vec<_> = reading
                .phases
                .iter()
                .map(|(phase, took)| format!("{} {}", phase.name(), Human(*took)))
                .collect();
            more(format!("{} in all: {}", Human(reading.took), phases.join(", ")));
        }
        if series.asked > 1 {
            let times = series.took.map(|it| it.map(|it| Human(it).to_string()));
            let times = times
                .map(|[least, mean, most]| format!(", in {least} to {most}, {mean} on average"));
            let (healthy, asked, lasted) = (series.healthy, series.asked, Human(series.lasted));
            let times = times.unwrap_or_default();
            more(format!("healthy {healthy} of {asked} times in {lasted}{times}"));
        }
        let facts: Vec<_> =
            reading.facts.iter().map(|(name, it)| format!("{name} {}", plain(it))).collect();
        if !facts.is_empty() {
            more(facts.join(", "));
        }
        reading.warnings.iter().for_each(|it| more(format!("warning: {it}")));
        lines.join("\n")
    }
}

pub(super) fn json(rows: &[Row], healthy: bool) -> Value {
    json!({"healthy": healthy, "probes": rows.iter().map(Row::json).collect::<Vec<_>>()})
}

pub(super) fn text(rows: &[Row], color: bool) -> String {
    rows.iter().map(|it| it.text(color)).collect::<Vec<_>>().join("\n")
}

/// With its port, where there is one.
fn peer(it: std::net::SocketAddr) -> String {
    if it.port() == 0 { it.ip().to_string() } else { it.to_string() }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
