//! Usual: alerts on the symptoms of a service whose metrics are called as most are.
//!
//! ```text
//! HighErrorRate    http_requests_total{job, code}            more than 5 % failed for 10 min
//! HighLatency      http_request_duration_seconds{job}        a twentieth took longer than 500 ms for 10 min
//! HighCPU          process_cpu_seconds_total{job}            a process used more than 0.8 cores for 10 min
//! PodCrashLooping  kube_pod_container_status_restarts_total  a container began again more than twice in 15 min
//! ```
//!
//! The first three names are those of the client libraries of Prometheus, the last is of kube-state-metrics. An alert whose
//! metric is not there never fires.

use std::time::Duration;

use evenkeel_model::document::HistogramForm;
use evenkeel_series::Matcher;
use evenkeel_series::matcher::Operation;
use evenkeel_units::Ratio;

use super::{Symptom, Watch};
use crate::sli::statuses::Statuses;

/// The usual alerts on symptoms of a service. `job` and `container` are called as it is.
pub fn usual(service: &str) -> Vec<Watch> {
    let watch = |name: &str, symptom, (label, by): (&str, &[&str]), minutes, summary: &str| Watch {
        name: name.to_owned(),
        symptom,
        // That a label is equal to something can always be asked.
        of: Matcher::new(label, Operation::Equal, service).into_iter().collect(),
        by: by.iter().map(|&it| it.to_owned()).collect(),
        range: Duration::from_mins(minutes),
        pending: Duration::from_mins(10),
        labels: [("severity", "warning"), ("service", service)].map(pair).into(),
        annotations: [pair(("summary", &format!("{service}: {summary}")))].into(),
    };
    vec![
        watch(
            "HighErrorRate",
            Symptom::Errors {
                requests: "http_requests_total".to_owned(),
                status: "code".to_owned(),
                bad: Statuses::default(),
                above: Ratio::percent(5),
            },
            ("job", &[]),
            5,
            "{{ $value | humanizePercentage }} of requests fail",
        ),
        watch(
            "HighLatency",
            Symptom::Latency {
                times: "http_request_duration_seconds".to_owned(),
                form: HistogramForm::Classic,
                quantile: Ratio::percent(95),
                above: Duration::from_millis(500),
            },
            ("job", &[]),
            5,
            "a twentieth of requests take longer than {{ $value | humanizeDuration }}",
        ),
        watch(
            "HighCPU",
            Symptom::Cpu { used: "process_cpu_seconds_total".to_owned(), limit: None, above: 0.8 },
            ("job", &["instance"]),
            5,
            "{{ $labels.instance }} uses {{ $value | humanize }} cores",
        ),
        Watch {
            pending: Duration::ZERO,
            ..watch(
                "PodCrashLooping",
                Symptom::Restarts {
                    restarts: "kube_pod_container_status_restarts_total".to_owned(),
                    above: 2,
                },
                ("container", &["namespace", "pod"]),
                15,
                "{{ $labels.pod }} began again {{ $value | humanize }} times in 15 minutes",
            )
        },
    ]
}

fn pair((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn alerts_are_of_the_service_alone() {
        let all: BTreeMap<_, _> =
            usual("shop").iter().map(|it| (it.name.clone(), it.rule())).collect();
        let names: Vec<_> = all.keys().map(String::as_str).collect();
        assert_eq!(names, ["HighCPU", "HighErrorRate", "HighLatency", "PodCrashLooping"]);
        assert!(all.values().all(|it| it.expr.contains("=\"shop\"")), "{all:?}");
        assert!(all.values().all(|it| it.labels["service"] == "shop"), "{all:?}");
    }
}
