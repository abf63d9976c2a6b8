//! Remote write as k6 is told about it: `K6_PROMETHEUS_RW_…`, with the names and meanings of its manual.
//!
//! One default is another: times are native histograms unless statistics are asked for, or native histograms
//! refused. Source: <https://grafana.com/docs/k6/latest/results-output/real-time/prometheus-remote-write/>.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evenkeel_units::parse_duration;

use super::{Door, EVERY, Header, Target, TargetError, Tls, Variables, Wire, header, url};
use crate::remote_write::{Statistic, Style};

const URL: &str = "http://localhost:9090/api/v1/write";
const PATH: &str = "/api/v1/write";

/// As long as k6 waits for one request.
const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn target(
    given: Option<&str>,
    variables: &Variables<'_>,
) -> Result<Target, TargetError> {
    let mut signatures = variables.with_prefix("K6_PROMETHEUS_RW_SIGV4_");
    if let Some((name, _)) = signatures.find(|(_, value)| !value.trim().is_empty()) {
        return Err(TargetError::new(
            format!(
                "K6_PROMETHEUS_RW_SIGV4_{name} asks for signatures of AWS, which are not written"
            ),
            "write to a proxy that signs, such as aws-sigv4-proxy",
        ));
    }
    let text = given.or(variables.get("K6_PROMETHEUS_RW_SERVER_URL")).unwrap_or(URL);
    let every = match variables.get("K6_PROMETHEUS_RW_PUSH_INTERVAL") {
        Some(text) => parse_duration(text).map_err(|error| {
            TargetError::new(format!("K6_PROMETHEUS_RW_PUSH_INTERVAL: {error}"), error.help)
        })?,
        None => EVERY,
    };
    Ok(Target {
        wire: Wire::RemoteWrite {
            style: style(variables)?,
            ends: variables.flag("K6_PROMETHEUS_RW_STALE_MARKERS")?.unwrap_or(false),
        },
        door: Door {
            url: url(text, PATH, URL)?,
            headers: headers(variables)?,
            tls: tls(variables)?,
            timeout: TIMEOUT,
            gzip: false,
        },
        every,
    })
}

fn style(variables: &Variables<'_>) -> Result<Style, TargetError> {
    let asked = variables.get("K6_PROMETHEUS_RW_TREND_STATS");
    let native = variables.flag("K6_PROMETHEUS_RW_TREND_AS_NATIVE_HISTOGRAM")?;
    if native.unwrap_or(asked.is_none()) {
        return Ok(Style::Native);
    }
    let statistic = |text: &str| {
        Statistic::parse(text.trim()).ok_or_else(|| {
            TargetError::new(
                format!("K6_PROMETHEUS_RW_TREND_STATS has `{text}`, which is no statistic"),
                "write a list such as `p(95),p(99),min,max,avg,med,count,sum`",
            )
        })
    };
    asked.unwrap_or("p(99)").split(',').map(statistic).collect::<Result<_, _>>().map(Style::Gauges)
}

fn headers(variables: &Variables<'_>) -> Result<Vec<Header>, TargetError> {
    const LIST: &str = "K6_PROMETHEUS_RW_HTTP_HEADERS";
    const ONE: &str = "K6_PROMETHEUS_RW_HEADERS_";
    let mut headers = Vec::new();
    for (name, value) in variables.with_prefix(ONE) {
        headers.push(header(&format!("{ONE}{name}"), name, value)?);
    }
    for pair in variables.get(LIST).into_iter().flat_map(|it| it.split(',')) {
        let Some((name, value)) = pair.split_once(':') else {
            return Err(TargetError::new(
                format!("{LIST} is no list of headers"),
                "write `name:value,name:value`",
            ));
        };
        headers.push(header(LIST, name, value)?);
    }
    let password = variables.get("K6_PROMETHEUS_RW_PASSWORD").unwrap_or_default();
    let authorization = match (
        variables.get("K6_PROMETHEUS_RW_BEARER_TOKEN"),
        variables.get("K6_PROMETHEUS_RW_USERNAME"),
    ) {
        (Some(token), _) => Some(format!("Bearer {token}")),
        (None, Some(user)) => {
            Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
        }
        (None, None) => None,
    };
    if let Some(value) = authorization {
        headers.push(header("K6_PROMETHEUS_RW_BEARER_TOKEN", "authorization", &value)?);
    }
    Ok(headers)
}

fn tls(variables: &Variables<'_>) -> Result<Tls, TargetError> {
    const VERSION: &str = "K6_PROMETHEUS_RW_TLS_MINIMUM_VERSION";
    let only_13 = match variables.get(VERSION) {
        Some("1.3") => true,
        Some("1.2") | None => false,
        Some(other) => {
            return Err(TargetError::new(
                format!("{VERSION} is `{other}`, which is not spoken"),
                "write `1.2` or `1.3`",
            ));
        }
    };
    Ok(Tls {
        ca: None,
        identity: variables.pair_of_files(
            &["K6_PROMETHEUS_RW_CLIENT_CERTIFICATE"],
            &["K6_PROMETHEUS_RW_CLIENT_CERTIFICATE_KEY"],
        )?,
        insecure: variables.flag("K6_PROMETHEUS_RW_INSECURE_SKIP_TLS_VERIFY")?.unwrap_or(false),
        only_13,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::target;
    use super::*;

    fn style_of(environment: &[(&str, &str)]) -> Style {
        match target("prometheus", environment).unwrap().wire {
            Wire::RemoteWrite { style, .. } => style,
            Wire::Otlp { .. } => panic!("this is remote write"),
        }
    }

    #[test]
    fn what_k6_is_told_is_understood() {
        let target = target(
            "experimental-prometheus-rw",
            &[
                ("K6_PROMETHEUS_RW_SERVER_URL", "https://mimir/api/v1/push"),
                ("K6_PROMETHEUS_RW_USERNAME", "me"),
                ("K6_PROMETHEUS_RW_PASSWORD", "secret"),
                ("K6_PROMETHEUS_RW_HEADERS_X-Scope-OrgID", "shop"),
                ("K6_PROMETHEUS_RW_HTTP_HEADERS", "a:1,b:2"),
                ("K6_PROMETHEUS_RW_PUSH_INTERVAL", "1m30s"),
                ("K6_PROMETHEUS_RW_STALE_MARKERS", "true"),
                ("K6_PROMETHEUS_RW_INSECURE_SKIP_TLS_VERIFY", "1"),
                ("K6_PROMETHEUS_RW_TLS_MINIMUM_VERSION", "1.3"),
                ("K6_PROMETHEUS_RW_CLIENT_CERTIFICATE", "own.pem"),
                ("K6_PROMETHEUS_RW_CLIENT_CERTIFICATE_KEY", "own.key"),
            ],
        )
        .unwrap();
        let headers: Vec<_> = target
            .door
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        let expected = [
            ("x-scope-orgid", "shop"),
            ("a", "1"),
            ("b", "2"),
            ("authorization", "Basic bWU6c2VjcmV0"),
        ];
        assert_eq!(headers, expected);
        assert_eq!(target.every, Duration::from_secs(90));
        assert_eq!(target.wire, Wire::RemoteWrite { style: Style::Native, ends: true });
        let tls = Tls {
            ca: None,
            identity: Some(("own.pem".into(), "own.key".into())),
            insecure: true,
            only_13: true,
        };
        assert_eq!(target.door.tls, tls);
    }

    #[test]
    fn what_out_says_goes_before_the_environment() {
        let environment = [("K6_PROMETHEUS_RW_SERVER_URL", "http://old/write")];
        let target = target("prometheus=http://new/write", &environment).unwrap();
        assert_eq!(target.name(), "prometheus at http://new/write");
    }

    #[test]
    fn times_are_gauges_when_statistics_are_asked_for_or_histograms_refused() {
        const STATS: &str = "K6_PROMETHEUS_RW_TREND_STATS";
        const NATIVE: &str = "K6_PROMETHEUS_RW_TREND_AS_NATIVE_HISTOGRAM";
        let two = Style::Gauges(vec![Statistic::Percentile(95.0), Statistic::Max]);
        assert_eq!(style_of(&[]), Style::Native);
        assert_eq!(style_of(&[(STATS, "p(95), max")]), two);
        assert_eq!(style_of(&[(STATS, "p(95),max"), (NATIVE, "true")]), Style::Native);
        let usual = Style::Gauges(vec![Statistic::Percentile(99.0)]);
        assert_eq!(style_of(&[(NATIVE, "false")]), usual);
    }

    #[test]
    fn what_cannot_be_done_as_k6_does_it_is_said() {
        for (name, value, part) in [
            ("K6_PROMETHEUS_RW_SIGV4_REGION", "eu-west-1", "signatures of AWS"),
            ("K6_PROMETHEUS_RW_TREND_STATS", "p95", "`p95`"),
            ("K6_PROMETHEUS_RW_STALE_MARKERS", "yes", "neither true nor false"),
            ("K6_PROMETHEUS_RW_PUSH_INTERVAL", "5", "no unit"),
            ("K6_PROMETHEUS_RW_HTTP_HEADERS", "secret", "no list of headers"),
            ("K6_PROMETHEUS_RW_BEARER_TOKEN", "sec\nret", "cannot be sent"),
            ("K6_PROMETHEUS_RW_CLIENT_CERTIFICATE", "own.pem", "no key to it"),
            ("K6_PROMETHEUS_RW_TLS_MINIMUM_VERSION", "1.0", "not spoken"),
        ] {
            let error = target("prometheus", &[(name, value)]).unwrap_err();
            assert!(error.problem.contains(part), "{name}: {error}");
            assert!(!error.problem.contains("sec\n"), "{error}");
        }
    }
}
