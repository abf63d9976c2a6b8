//! OpenTelemetry: the same numbers as observable instruments.

use std::sync::Arc;

use evenkeel_units::Moment;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter};

use super::{Kind, Metric, Registry, Unit, machine};

impl Registry {
    /// Registers an observable instrument for every metric on the [list](super), and for those that its machines have beside; machines
    /// may be added later. Whatever reads the meter asks the machines then, by `clock`, which is mostly
    /// [`time::now`](crate::time::now); calls know nothing of it.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use evenkeel_resilience::{observe::Registry, time};
    ///
    /// let registry = Arc::new(Registry::new());
    /// registry.instrument(&opentelemetry::global::meter("payments"), time::now);
    /// ```
    pub fn instrument(
        self: &Arc<Self>,
        meter: &Meter,
        clock: impl Fn() -> Moment + Clone + Send + Sync + 'static,
    ) {
        let mut metrics: Vec<_> = machine::all().collect();
        for (_, sample) in self.samples(clock()) {
            if !metrics.contains(&sample.metric) {
                metrics.push(sample.metric);
            }
        }
        for metric in metrics {
            let (registry, clock) = (Arc::clone(self), clock.clone());
            let observe =
                move |to: &dyn AsyncInstrument<f64>| registry.observe(metric, clock(), to);
            let (name, unit) = (metric.dotted(), unit_of(metric));
            // The meter keeps what it is to ask; these are names for it.
            match metric.kind {
                Kind::Counter => drop(
                    meter
                        .f64_observable_counter(name)
                        .with_description(metric.help)
                        .with_unit(unit)
                        .with_callback(observe)
                        .build(),
                ),
                Kind::Gauge => drop(
                    meter
                        .f64_observable_gauge(name)
                        .with_description(metric.help)
                        .with_unit(unit)
                        .with_callback(observe)
                        .build(),
                ),
            }
        }
    }

    fn observe(&self, metric: Metric, now: Moment, to: &dyn AsyncInstrument<f64>) {
        for (name, sample) in self.samples_of(now, |it| it == metric.pattern) {
            if sample.metric == metric {
                let labels = sample.labels.into_iter();
                let mut attributes = vec![KeyValue::new("name", name)];
                attributes.extend(labels.map(|(label, of)| KeyValue::new(label, of)));
                to.observe(sample.value, &attributes);
            }
        }
    }
}

/// As UCUM writes it; what is counted has none, as the name says of what.
fn unit_of(metric: Metric) -> &'static str {
    match metric.unit {
        Unit::Count => "",
        Unit::Seconds => "s",
        Unit::Ratio => "1",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use opentelemetry::metrics::MeterProvider as _;
    use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ScopeMetrics};
    use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};

    use super::*;
    use crate::{Bulkhead, Deadlines, bulkhead, deadline};

    #[test]
    fn an_exporter_gets_names_units_and_numbers_of_machines_added_before_and_after() {
        let exporter = InMemoryMetricExporter::default();
        let reader = PeriodicReader::builder(exporter.clone()).build();
        let provider = SdkMeterProvider::builder().with_reader(reader).build();
        let registry = Arc::new(Registry::new());
        let prices = Arc::new(Bulkhead::try_new(bulkhead::Policy::at_once(3)).unwrap());
        registry.add("prices", Arc::clone(&prices)).unwrap();
        registry.instrument(&provider.meter("test"), || Moment::at(Duration::from_secs(1)));
        registry.add("prices", Deadlines::try_new(deadline::Limits::default()).unwrap()).unwrap();
        let held = prices.try_enter().unwrap();
        provider.force_flush().unwrap();

        let mut found = BTreeMap::new();
        for metrics in exporter.get_finished_metrics().unwrap() {
            for metric in metrics.scope_metrics().flat_map(ScopeMetrics::metrics) {
                let mut say = |value: f64, labels: String| {
                    let name = format!("{} [{}] {labels}", metric.name(), metric.unit());
                    found.insert(name, value);
                };
                let labels = |it: &mut dyn Iterator<Item = &KeyValue>| {
                    let mut all: Vec<_> = it.map(|it| format!("{}={}", it.key, it.value)).collect();
                    all.sort_unstable();
                    all.join(",")
                };
                match metric.data() {
                    AggregatedMetrics::F64(MetricData::Gauge(gauge)) => gauge
                        .data_points()
                        .for_each(|it| say(it.value(), labels(&mut it.attributes()))),
                    AggregatedMetrics::F64(MetricData::Sum(sum)) => sum
                        .data_points()
                        .for_each(|it| say(it.value(), labels(&mut it.attributes()))),
                    other => panic!("{other:?}"),
                }
            }
        }
        let of = |name: &str| found.get(name).map(f64::to_string);
        assert_eq!(of("resilience.bulkhead.concurrent_calls [] name=prices").as_deref(), Some("1"));
        assert_eq!(
            of("resilience.bulkhead.calls [] kind=at_once,name=prices").as_deref(),
            Some("1")
        );
        let total = "resilience.time_limit.configured [s] limit=total,name=prices";
        assert_eq!(of(total).as_deref(), Some("30"), "{found:?}");
        drop(held);
    }
}
