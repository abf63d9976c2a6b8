//! Metrics of one process in Prometheus' text format, written by hand: a few counters need no crate.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Mutex;
use std::time::Duration;

use hyper::{Method, StatusCode};

/// Upper bounds of the latency buckets, in seconds; dense around the objectives of a shop.
const BUCKETS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Counters and histograms.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<(&'static str, &'static str, u16), u64>>,
    durations: Mutex<BTreeMap<&'static str, Histogram>>,
    events: Mutex<BTreeMap<(Event, &'static str), u64>>,
}

/// What is counted beside requests, each with the neighbour it is about.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// A second attempt was made.
    Retry,
    /// A second attempt was not affordable.
    RetryDenied,
    /// A cheaper answer stood in for the real one.
    Fallback,
    /// A call was not made because the circuit was open.
    BreakerRejection,
    /// A call was not made because too many were under way.
    BulkheadRejection,
    /// A call took too long.
    Timeout,
    /// An instance was taken out of rotation.
    Ejection,
    /// An order was settled in the background.
    Settled,
}

impl Event {
    const fn family(self) -> (&'static str, &'static str) {
        match self {
            Self::Retry => ("retries_total", "Second attempts."),
            Self::RetryDenied => ("retries_denied_total", "Second attempts beyond the budget."),
            Self::Fallback => ("fallbacks_total", "Cheaper answers in place of real ones."),
            Self::BreakerRejection => ("breaker_rejections_total", "Calls an open circuit spared."),
            Self::BulkheadRejection => ("bulkhead_rejections_total", "Calls beyond the bulkhead."),
            Self::Timeout => ("timeouts_total", "Calls that took too long."),
            Self::Ejection => ("ejections_total", "Instances taken out of rotation."),
            Self::Settled => ("orders_settled_total", "Orders settled in the background."),
        }
    }
}

#[derive(Debug, Default)]
struct Histogram {
    /// Not cumulative; the last one is beyond every bound.
    counts: [u64; BUCKETS.len() + 1],
    sum: f64,
}

impl Metrics {
    /// Counts one answered request.
    pub(crate) fn request(
        &self,
        route: &'static str,
        method: &Method,
        status: StatusCode,
        took: Duration,
    ) {
        let seconds = took.as_secs_f64();
        if let Ok(mut requests) = self.requests.lock() {
            *requests.entry((route, known(method), status.as_u16())).or_default() += 1;
        }
        if let Ok(mut durations) = self.durations.lock() {
            let histogram = durations.entry(route).or_default();
            histogram.counts[BUCKETS.partition_point(|bound| *bound < seconds)] += 1;
            histogram.sum += seconds;
        }
    }

    /// Counts one event about `neighbour`.
    pub(crate) fn event(&self, event: Event, neighbour: &'static str) {
        if let Ok(mut events) = self.events.lock() {
            *events.entry((event, neighbour)).or_default() += 1;
        }
    }

    /// Everything counted so far, and the memory of this process.
    pub(crate) fn page(&self) -> Page {
        let mut page = Page::default();
        if let Ok(requests) = self.requests.lock() {
            page.family("http_requests_total", "counter", "Requests answered.");
            for ((route, method, code), count) in requests.iter() {
                let labels = format!("route=\"{route}\",method=\"{method}\",code=\"{code}\"");
                page.sample("http_requests_total", &labels, count);
            }
        }
        self.write_durations(&mut page);
        if let Ok(events) = self.events.lock() {
            let mut family = "";
            for ((event, neighbour), count) in events.iter() {
                let (name, help) = event.family();
                if name != family {
                    page.family(name, "counter", help);
                    family = name;
                }
                page.sample(name, &format!("dependency=\"{neighbour}\""), count);
            }
        }
        if let Some(bytes) = resident_memory() {
            page.gauge("process_resident_memory_bytes", "Memory held.", bytes);
        }
        page
    }

    fn write_durations(&self, page: &mut Page) {
        const NAME: &str = "http_request_duration_seconds";
        let Ok(durations) = self.durations.lock() else { return };
        page.family(NAME, "histogram", "Time to answer.");
        for (route, histogram) in durations.iter() {
            let mut total = 0;
            for (index, count) in histogram.counts.iter().enumerate() {
                total += count;
                let bound = BUCKETS.get(index).map_or("+Inf".to_owned(), ToString::to_string);
                let labels = format!("route=\"{route}\",le=\"{bound}\"");
                page.sample(&format!("{NAME}_bucket"), &labels, total);
            }
            let labels = format!("route=\"{route}\"");
            page.sample(&format!("{NAME}_sum"), &labels, histogram.sum);
            page.sample(&format!("{NAME}_count"), &labels, total);
        }
    }
}

/// A page of metrics being written.
#[derive(Debug, Default)]
pub(crate) struct Page {
    text: String,
}

impl Page {
    /// Opens a family; its samples follow.
    pub(crate) fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// One sample of the family opened last.
    pub(crate) fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        match labels {
            "" => self.text.push_str(&format!("{name} {value}\n")),
            _ => self.text.push_str(&format!("{name}{{{labels}}} {value}\n")),
        }
    }

    /// A family with one sample.
    pub(crate) fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, "", value);
    }

    /// What is served.
    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

/// Methods come from outside; a label per invention would never end.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        _ => "other",
    }
}

fn resident_memory() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_upwards_and_ends_with_the_total() {
        let metrics = Metrics::default();
        for millis in [3, 5, 250, 60_000] {
            let took = Duration::from_millis(millis);
            metrics.request("/products", &Method::GET, StatusCode::OK, took);
        }
        let text = metrics.page().into_text();
        for line in [
            "http_requests_total{route=\"/products\",method=\"GET\",code=\"200\"} 4",
            "http_request_duration_seconds_bucket{route=\"/products\",le=\"0.005\"} 2",
            "http_request_duration_seconds_bucket{route=\"/products\",le=\"0.2\"} 2",
            "http_request_duration_seconds_bucket{route=\"/products\",le=\"0.3\"} 3",
            "http_request_duration_seconds_bucket{route=\"/products\",le=\"+Inf\"} 4",
            "http_request_duration_seconds_count{route=\"/products\"} 4",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
    }

    #[test]
    fn an_invented_method_makes_no_new_label() {
        let metrics = Metrics::default();
        let method = Method::from_bytes(b"BREW").unwrap();
        metrics.request("other", &method, StatusCode::METHOD_NOT_ALLOWED, Duration::ZERO);
        assert!(metrics.page().into_text().contains("method=\"other\""));
    }

    #[test]
    fn every_family_is_opened_once() {
        let metrics = Metrics::default();
        for neighbour in ["payment", "inventory"] {
            metrics.event(Event::Retry, neighbour);
            metrics.event(Event::Timeout, neighbour);
        }
        let text = metrics.page().into_text();
        let types: Vec<_> = text.lines().filter(|it| it.starts_with("# TYPE")).collect();
        let distinct: std::collections::BTreeSet<_> = types.iter().collect();
        assert_eq!(types.len(), distinct.len(), "{text}");
        assert!(text.contains("process_resident_memory_bytes"));
    }
}
