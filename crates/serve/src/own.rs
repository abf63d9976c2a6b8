//! Own: what the server says of itself at `/metrics`.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use evenkeel_metrics::exposition::{Format, Kind, Writer};
use evenkeel_metrics::receive::Left;
use evenkeel_tsdb::Statistics;
use evenkeel_units::locked;

use crate::forward::Forward;
use crate::watch::Watch;

/// What was done since the start.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// By handler and status.
    requests: Mutex<BTreeMap<(&'static str, u16), u64>>,
    queries: AtomicU64,
    /// Queries that are worked on.
    active: AtomicU64,
    received: AtomicU64,
    refused: AtomicU64,
    invalid: AtomicU64,
    exemplars: AtomicU64,
    /// What the store could not do.
    failures: AtomicU64,
}

impl Counts {
    /// A request was answered.
    pub(crate) fn request(&self, handler: &'static str, status: u16) {
        *locked(&self.requests).entry((handler, status)).or_default() += 1;
    }

    /// A query begins, and ends when what this gives is dropped.
    pub(crate) fn query(&self) -> Active<'_> {
        self.queries.fetch_add(1, Ordering::Relaxed);
        self.active.fetch_add(1, Ordering::Relaxed);
        Active(&self.active)
    }

    /// The store could not write.
    pub(crate) fn failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Samples came by remote write or OTLP.
    pub(crate) fn received(&self, samples: usize, exemplars: usize, left: &Left) {
        let add = |to: &AtomicU64, count: usize| to.fetch_add(count as u64, Ordering::Relaxed);
        add(&self.received, samples);
        add(&self.refused, left.refused.total());
        add(&self.invalid, left.invalid);
        add(&self.exemplars, exemplars);
    }

    /// All of it, what the store holds, and what was judged last, as text.
    pub(crate) fn text(
        &self,
        store: &Statistics,
        watch: &Watch,
        forward: &Forward,
        format: Format,
    ) -> String {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let mut to = Writer::new(format);
        to.family("evenkeel_build_info", Kind::Gauge, "The version, as a label.");
        to.sample("evenkeel_build_info", [("version", env!("CARGO_PKG_VERSION"))], 1.0, None);
        // In OpenMetrics, the name of a counter is that of its sample without `_total`.
        let counter = |to: &mut Writer, name: &str, help: &str| {
            let ending = if format == Format::Text { "_total" } else { "" };
            to.family(&format!("{name}{ending}"), Kind::Counter, help);
            format!("{name}_total")
        };
        let name = counter(&mut to, "evenkeel_http_requests", "Requests that were answered.");
        let requests = locked(&self.requests).clone();
        for ((handler, status), count) in requests {
            let status = status.to_string();
            to.sample(&name, [("handler", handler), ("code", &status)], count as f64, None);
        }
        let Statistics { counts, .. } = store;
        for (name, help, count) in [
            ("evenkeel_queries", "Queries that began.", of(&self.queries)),
            (
                "evenkeel_received_samples",
                "Samples taken in by remote write and OTLP.",
                of(&self.received),
            ),
            (
                "evenkeel_received_refused_samples",
                "Samples of remote write and OTLP that the store refused.",
                of(&self.refused),
            ),
            (
                "evenkeel_received_invalid",
                "Series and points of remote write and OTLP that are none.",
                of(&self.invalid),
            ),
            (
                "evenkeel_received_exemplars_dropped",
                "Exemplars of remote write and OTLP, of which none is kept.",
                of(&self.exemplars),
            ),
            ("evenkeel_store_failures", "What the store could not write.", of(&self.failures)),
            ("evenkeel_store_samples_appended", "Samples taken in by the store.", counts.accepted),
            (
                "evenkeel_store_samples_repeated",
                "Samples that were there already, the very same.",
                counts.duplicates,
            ),
            ("evenkeel_store_flushes", "Segments written from memory.", counts.flushes),
            ("evenkeel_store_merges", "Segments made of others.", counts.merges),
            ("evenkeel_store_expired", "Segments removed by the retention.", counts.expired),
        ] {
            let name = counter(&mut to, name, help);
            to.sample(&name, [], count as f64, None);
        }
        let help = "Samples that the store did not take in, by the reason.";
        let name = counter(&mut to, "evenkeel_store_samples_rejected", help);
        for (why, count) in &counts.rejected {
            to.sample(&name, [("reason", why.name())], *count as f64, None);
        }
        for (name, help, value) in [
            ("evenkeel_queries_active", "Queries that are worked on.", of(&self.active)),
            ("evenkeel_store_live_series", "Series in memory.", store.live_series),
            ("evenkeel_store_live_samples", "Samples in no segment yet.", store.live_samples),
            ("evenkeel_store_log_bytes", "Bytes of the log that is written.", store.log_bytes),
            ("evenkeel_store_segments", "Segments on disk.", store.segments),
            ("evenkeel_store_segment_samples", "Samples in segments.", store.segment_samples),
            ("evenkeel_store_segment_bytes", "Bytes of segments.", store.segment_bytes),
        ] {
            to.family(name, Kind::Gauge, help);
            to.sample(name, [], value as f64, None);
        }
        watch.write(&mut to, format);
        forward.write(&mut to, format);
        to.finish()
    }
}

/// A query that is worked on.
#[derive(Debug)]
pub(crate) struct Active<'a>(&'a AtomicU64);

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_metrics::exposition::Parser;

    use super::*;
    use crate::settings::Wanted;
    use crate::watch::Tellers;

    #[test]
    fn what_it_says_of_itself_is_what_it_could_scrape() {
        let (counts, watch) =
            (Counts::default(), Watch::new(Wanted::default(), Tellers::default(), 0));
        counts.request("query", 200);
        drop(counts.query());
        for format in [Format::Text, Format::OpenMetrics] {
            let text = counts.text(&Statistics::default(), &watch, &Forward::default(), format);
            assert!(Parser::new(&text, format).all(|it| it.is_ok()), "{text}");
            assert!(
                text.contains("evenkeel_http_requests_total{handler=\"query\",code=\"200\"} 1\n")
            );
        }
    }
}
