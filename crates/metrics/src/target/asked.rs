//! What is asked for: the outputs that a command line names, or `K6_OUT` in its place, and what of k6's
//! environment does not carry over.
//!
//! As for k6, `K6_OUT` is a list with commas, and counts only where the command line names no output. What it has
//! that is not written here stops no run, because it was meant for k6; but nothing of it is passed over in silence.

use std::collections::BTreeMap;

use evenkeel_model::decode::nearest;

use super::{OTLP, PROMETHEUS, Target, TargetError, Variables, Wire, halves, otel};

const OUT: &str = "K6_OUT";
/// What remote write has been told by, under any version of k6.
const REMOTE_WRITE: &str = "K6_PROMETHEUS_";

/// Where a load's metrics are to be written, and what is to be said about that.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Where they are written.
    pub targets: Vec<Target>,
    /// What was asked for and is not done, or is done without the command line saying so.
    pub warnings: Vec<String>,
}

impl Asked {
    /// By the values of `--out` and the environment.
    ///
    /// # Errors
    ///
    /// An output cannot be understood.
    pub fn of(
        outs: &[String],
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, TargetError> {
        let variables = Variables::of(environment);
        let mut asked = Self::default();
        for text in outs {
            let (kind, url) = halves(text);
            asked.targets.push(Target::of(kind, url, &variables)?);
        }
        if outs.is_empty() {
            asked.by_variable(&variables)?;
        }
        asked.unread(&variables);
        Ok(asked)
    }

    fn by_variable(&mut self, variables: &Variables<'_>) -> Result<(), TargetError> {
        let list = variables.get(OUT).unwrap_or_default().split(',');
        for (kind, url) in list.map(halves).filter(|(kind, _)| !kind.is_empty()) {
            // What stands behind the kind is not repeated: it may hold a password.
            if !PROMETHEUS.contains(&kind) && !OTLP.contains(&kind) {
                let instead = instead(kind);
                self.warnings
                    .push(format!("{OUT} asks for `{kind}`, which is not done: {instead}"));
                continue;
            }
            let target = Target::of(kind, url, variables).map_err(|it| TargetError {
                problem: format!("{OUT} asks for `{kind}`: {}", it.problem),
                ..it
            })?;
            self.warnings.push(format!("metrics are written to {}: {OUT} says so", target.name()));
            self.targets.push(target);
        }
        Ok(())
    }

    /// Names what nobody reads.
    fn unread(&mut self, variables: &Variables<'_>) {
        if self.targets.iter().any(|it| matches!(it.wire, Wire::RemoteWrite { .. })) {
            let read = variables.asked(REMOTE_WRITE);
            let said = variables.unread(REMOTE_WRITE).map(|name| {
                let ends = read.iter().map(|it| it.trim_start_matches("K6_PROMETHEUS_RW_"));
                let end = name.trim_start_matches(REMOTE_WRITE).trim_start_matches("RW_");
                match nearest(end, ends.clone()) {
                    Some(near) => {
                        format!("{name} is not read; K6_PROMETHEUS_RW_{near} is, if that is meant")
                    }
                    None => format!(
                        "{name} is not read; of K6_PROMETHEUS_RW_… there is HEADERS_name, {}",
                        ends.filter(|it| !it.starts_with("HEADERS_"))
                            .collect::<Vec<_>>()
                            .join(", ")
                    ),
                }
            });
            self.warnings.extend(said);
        }
        if self.targets.iter().any(|it| matches!(it.wire, Wire::Otlp { .. })) {
            let said = variables.unread(otel::OF_K6).map(|name| match otel::instead(name) {
                Some(ours) => format!("{name} is not read; {ours} is"),
                None => format!("{name} is not read; `--out otlp` is told by OTEL_EXPORTER_OTLP_…"),
            });
            self.warnings.extend(said);
        }
    }
}

/// What to do in place of an output that there is not.
pub(super) fn instead(kind: &str) -> &'static str {
    match kind {
        "csv" => "`--csv FILE` writes a row for each second and route",
        "json" => "`--output json` prints the figures, and `--csv FILE` writes each second",
        "web-dashboard" | "dashboard" => "`--web` shows the load while it goes on",
        _ => "write `prometheus=URL` or `otlp=URL`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(outs: &[&str], environment: &[(&str, &str)]) -> Asked {
        of(outs, environment).unwrap()
    }

    fn of(outs: &[&str], environment: &[(&str, &str)]) -> Result<Asked, TargetError> {
        let outs: Vec<_> = outs.iter().map(|it| (*it).to_owned()).collect();
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Asked::of(&outs, &environment.iter().map(own).collect())
    }

    fn names(asked: &Asked) -> Vec<String> {
        asked.targets.iter().map(Target::name).collect()
    }

    #[test]
    fn a_variable_of_remote_write_that_is_not_read_is_named_with_the_one_that_is() {
        let found = asked(
            &["prometheus=http://db/write"],
            &[
                ("K6_PROMETHEUS_RW_TLS_MIN_VERSION", "1.3"),
                ("K6_PROMETHEUS_SERVER_URL", "http://old"),
                ("K6_PROMETHEUS_RW_FOO", "secret"),
                ("K6_PROMETHEUS_RW_BAR", " "),
                // These are read, or would be if `--out` did not go before.
                ("K6_PROMETHEUS_RW_SERVER_URL", "http://other/write"),
                ("K6_PROMETHEUS_RW_PASSWORD", "secret"),
                ("K6_PROMETHEUS_RW_HEADERS_X-Scope", "shop"),
                ("K6_VUS", "10"),
            ],
        );
        let [foo, tls, old] = found.warnings.as_slice() else { panic!("{:#?}", found.warnings) };
        assert!(old.contains("not read; K6_PROMETHEUS_RW_SERVER_URL is,"), "{old}");
        assert!(
            foo.starts_with("K6_PROMETHEUS_RW_FOO is not read; of K6_PROMETHEUS_RW_… there is")
        );
        assert!(foo.contains(" SERVER_URL, ") && !foo.contains("secret"), "{foo}");
        assert!(tls.contains("; K6_PROMETHEUS_RW_TLS_MINIMUM_VERSION is,"), "{tls}");
    }

    #[test]
    fn what_k6_reads_for_opentelemetry_is_named_with_what_is_read_here() {
        let environment = [
            ("K6_OTEL_HTTP_EXPORTER_ENDPOINT", "collector:4318"),
            ("K6_OTEL_METRIC_PREFIX", "k6_"),
            ("OTEL_SERVICE_NAME", "shop"),
        ];
        let warnings = asked(&["opentelemetry"], &environment).warnings;
        assert_eq!(
            warnings,
            [
                "K6_OTEL_HTTP_EXPORTER_ENDPOINT is not read; OTEL_EXPORTER_OTLP_ENDPOINT is",
                "K6_OTEL_METRIC_PREFIX is not read; `--out otlp` is told by OTEL_EXPORTER_OTLP_…",
            ]
        );
    }

    #[test]
    fn variables_of_an_output_that_nobody_asks_for_are_nobodys_business() {
        let environment = [("K6_PROMETHEUS_RW_FOO", "1"), ("K6_OTEL_FOO", "1"), ("K6_OUT", " ")];
        let found = asked(&[], &environment);
        assert_eq!((found.targets.len(), found.warnings.len()), (0, 0), "{found:?}");
    }

    #[test]
    fn k6_out_is_a_list_and_says_what_of_it_is_not_done() {
        let list = "experimental-prometheus-rw, json=secret.json,csv=a.csv,influxdb=http://me:secret@db,opentelemetry";
        let found = asked(&[], &[("K6_OUT", list)]);
        let expected = [
            "prometheus at http://localhost:9090/api/v1/write",
            "otlp at http://localhost:4318/v1/metrics",
        ];
        assert_eq!(names(&found), expected);
        let [first, json, csv, influx, last] = found.warnings.as_slice() else {
            panic!("{:#?}", found.warnings)
        };
        assert!(first.starts_with("metrics are written to prometheus at http://localhost:9090/"));
        assert!(json.starts_with("K6_OUT asks for `json`, which is not done: `--output json`"));
        assert!(csv.contains("`csv`") && csv.contains("`--csv FILE`"), "{csv}");
        assert!(influx.contains("`influxdb`") && influx.contains("`prometheus=URL`"), "{influx}");
        assert!(last.starts_with("metrics are written to otlp at"), "{last}");
        assert!(!found.warnings.iter().any(|it| it.contains("secret")), "{:#?}", found.warnings);
    }

    #[test]
    fn an_output_on_the_command_line_goes_before_k6_out() {
        let found = asked(&["otlp=http://c"], &[("K6_OUT", "experimental-prometheus-rw,json=a")]);
        assert_eq!(names(&found), ["otlp at http://c/v1/metrics"]);
        assert_eq!(found.warnings, [""; 0]);
    }

    #[test]
    fn an_output_of_k6_out_that_cannot_be_understood_is_an_error() {
        let environment =
            [("K6_OUT", "experimental-prometheus-rw"), ("K6_PROMETHEUS_RW_SIGV4_REGION", "eu")];
        let error = of(&[], &environment).unwrap_err();
        assert!(error.problem.starts_with("K6_OUT asks for `experimental-prometheus-rw`: "));
        assert!(error.problem.contains("signatures of AWS"), "{error}");
    }
}
