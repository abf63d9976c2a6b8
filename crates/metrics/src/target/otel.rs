//! OTLP as every program that speaks OpenTelemetry is told about it: `OTEL_…`.
//!
//! Source: <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>. Each of `OTEL_EXPORTER_OTLP_…` may
//! also be `OTEL_EXPORTER_OTLP_METRICS_…`, which goes before.

use std::time::Duration;

use super::{Door, EVERY, Header, Target, TargetError, Tls, Variables, Wire, header, url};

const URL: &str = "http://localhost:4318/v1/metrics";
const PATH: &str = "/v1/metrics";
const TIMEOUT: Duration = Duration::from_secs(10);

/// What k6 is told by, which speaks gRPC unless told otherwise, and so cannot be followed.
pub(super) const OF_K6: &str = "K6_OTEL_";

/// Our variable for one of k6's.
pub(super) fn instead(name: &str) -> Option<&'static str> {
    Some(match name.strip_prefix(OF_K6)? {
        "HTTP_EXPORTER_ENDPOINT" | "GRPC_EXPORTER_ENDPOINT" => "OTEL_EXPORTER_OTLP_ENDPOINT",
        "HTTP_EXPORTER_URL_PATH" => "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
        "EXPORTER_PROTOCOL" => "OTEL_EXPORTER_OTLP_PROTOCOL",
        "HEADERS" => "OTEL_EXPORTER_OTLP_HEADERS",
        "EXPORT_INTERVAL" | "FLUSH_INTERVAL" => "OTEL_METRIC_EXPORT_INTERVAL",
        "SERVICE_NAME" => "OTEL_SERVICE_NAME",
        "TLS_CERTIFICATE" => "OTEL_EXPORTER_OTLP_CERTIFICATE",
        "TLS_CLIENT_CERTIFICATE" => "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
        "TLS_CLIENT_KEY" => "OTEL_EXPORTER_OTLP_CLIENT_KEY",
        _ => return None,
    })
}

pub(super) fn target(
    given: Option<&str>,
    variables: &Variables<'_>,
) -> Result<Target, TargetError> {
    spoken(variables)?;
    let text = match (given, variables.get("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")) {
        (None, Some(whole)) => whole.to_owned(),
        (base, _) => base
            .or_else(|| variables.get("OTEL_EXPORTER_OTLP_ENDPOINT"))
            .map_or_else(|| URL.to_owned(), with_path),
    };
    let gzip = match one(variables, "COMPRESSION") {
        Some((_, "gzip")) => true,
        Some((_, "none")) | None => false,
        Some((name, other)) => {
            return Err(TargetError::new(
                format!("{name} is `{other}`, which is not written"),
                "write `gzip` or `none`",
            ));
        }
    };
    Ok(Target {
        wire: Wire::Otlp { resource: resource(variables)? },
        door: Door {
            url: url(&text, PATH, URL)?,
            headers: headers(variables)?,
            tls: Tls {
                ca: one(variables, "CERTIFICATE").map(|(_, file)| file.into()),
                identity: variables.pair_of_files(
                    &both("CLIENT_CERTIFICATE").each_ref().map(|it| &**it),
                    &both("CLIENT_KEY").each_ref().map(|it| &**it),
                )?,
                insecure: false,
                only_13: false,
            },
            timeout: millis(one(variables, "TIMEOUT"))?.unwrap_or(TIMEOUT),
            gzip,
        },
        every: millis(named(variables, "OTEL_METRIC_EXPORT_INTERVAL"))?.unwrap_or(EVERY),
    })
}

/// The address for metrics below an address for all signals.
fn with_path(base: &str) -> String {
    let (path, query) = match base.split_once('?') {
        Some((path, query)) => (path, format!("?{query}")),
        None => (base, String::new()),
    };
    let path = path.trim_end_matches('/');
    let end = if path.is_empty() || path.ends_with(PATH) { "" } else { PATH };
    format!("{path}{end}{query}")
}

/// The name for metrics, and the one for all signals.
fn both(end: &str) -> [String; 2] {
    [format!("OTEL_EXPORTER_OTLP_METRICS_{end}"), format!("OTEL_EXPORTER_OTLP_{end}")]
}

fn one<'a>(variables: &Variables<'a>, end: &str) -> Option<(String, &'a str)> {
    both(end).into_iter().find_map(|name| named(variables, &name))
}

fn named<'a>(variables: &Variables<'a>, name: &str) -> Option<(String, &'a str)> {
    Some((name.to_owned(), variables.get(name)?))
}

/// Refuses what would quietly be done in another way.
fn spoken(variables: &Variables<'_>) -> Result<(), TargetError> {
    if let Some((name, protocol)) = one(variables, "PROTOCOL")
        && protocol != "http/protobuf"
    {
        return Err(TargetError::new(
            format!("{name} is `{protocol}`, which is not spoken"),
            "set it to `http/protobuf`; collectors take that at port 4318",
        ));
    }
    if let Some((name, preference)) = one(variables, "TEMPORALITY_PREFERENCE")
        && !preference.eq_ignore_ascii_case("cumulative")
    {
        return Err(TargetError::new(
            format!("{name} is `{preference}`, but every count is cumulative"),
            "set it to `cumulative`; a collector makes differences of them with `cumulativetodelta`",
        ));
    }
    Ok(())
}

fn millis(variable: Option<(String, &str)>) -> Result<Option<Duration>, TargetError> {
    let Some((name, text)) = variable else { return Ok(None) };
    match text.parse() {
        Ok(millis) if millis > 0 => Ok(Some(Duration::from_millis(millis))),
        _ => Err(TargetError::new(
            format!("{name} is `{text}`, which is no number of milliseconds"),
            "write a whole number of milliseconds, such as `10000`",
        )),
    }
}

fn headers(variables: &Variables<'_>) -> Result<Vec<Header>, TargetError> {
    let Some((name, text)) = one(variables, "HEADERS") else { return Ok(Vec::new()) };
    pairs(&name, text)?.iter().map(|(key, value)| header(&name, key, value)).collect()
}

fn resource(variables: &Variables<'_>) -> Result<Vec<(String, String)>, TargetError> {
    const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
    const SERVICE: &str = "service.name";
    let mut attributes = pairs(ATTRIBUTES, variables.get(ATTRIBUTES).unwrap_or_default())?;
    let own = variables.get("OTEL_SERVICE_NAME");
    if let Some(name) = own {
        attributes.retain(|(key, _)| key != SERVICE);
        attributes.push((SERVICE.to_owned(), name.to_owned()));
    } else if attributes.iter().all(|(key, _)| key != SERVICE) {
        attributes.push((SERVICE.to_owned(), "evenkeel".to_owned()));
    }
    Ok(attributes)
}

/// `key=value,key=value`, with what means something else written as in URLs (`%2C` is a comma).
fn pairs(name: &str, text: &str) -> Result<Vec<(String, String)>, TargetError> {
    let no_list = || {
        TargetError::new(
            format!("{name} is no list of pairs"),
            "write `key=value,key=value`, and a comma in a value as `%2C`",
        )
    };
    text.split(',')
        .map(str::trim)
        .filter(|it| !it.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').ok_or_else(no_list)?;
            let key = decoded(key.trim()).filter(|it| !it.is_empty()).ok_or_else(no_list)?;
            Ok((key, decoded(value.trim()).ok_or_else(no_list)?))
        })
        .collect()
}

/// `None` when what follows a percent sign is not a byte, or the whole is not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'%' => {
                let digit = |it: Option<u8>| char::from(it?).to_digit(16);
                let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
                (high * 16 + low) as u8
            }
            other => other,
        });
    }
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::super::tests::target;
    use super::*;

    #[test]
    fn the_variables_of_opentelemetry_are_understood() {
        let target = target(
            "otlp",
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4318/base"),
                ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%2Cb, tenant = shop"),
                ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
                ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
                ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "gzip"),
                ("OTEL_EXPORTER_OTLP_CERTIFICATE", "ca.pem"),
                ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "own.pem"),
                ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "own.key"),
                ("OTEL_METRIC_EXPORT_INTERVAL", "5000"),
                ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=ci,service.name=old"),
                ("OTEL_SERVICE_NAME", "shop load"),
            ],
        )
        .unwrap();
        assert_eq!(target.name(), "otlp at https://collector:4318/base/v1/metrics");
        let header = |at: usize| target.door.headers[at].1.to_str().unwrap();
        assert_eq!((header(0), header(1)), ("a,b", "shop"));
        assert!(target.door.gzip);
        assert_eq!(target.door.timeout, Duration::from_millis(2500));
        assert_eq!(target.every, Duration::from_secs(5));
        assert_eq!(target.door.tls.ca, Some("ca.pem".into()));
        assert_eq!(target.door.tls.identity, Some(("own.pem".into(), "own.key".into())));
        let resource = [("deployment.environment", "ci"), ("service.name", "shop load")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(target.wire, Wire::Otlp { resource: resource.to_vec() });
    }

    #[test]
    fn the_endpoint_of_metrics_is_taken_as_it_stands_and_out_goes_before_it() {
        let environment = [
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://m/own"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all"),
        ];
        assert_eq!(target("otlp", &environment).unwrap().name(), "otlp at http://m/own");
        let given = target("otlp=http://given", &environment).unwrap();
        assert_eq!(given.name(), "otlp at http://given/v1/metrics");
    }

    #[test]
    fn what_cannot_be_done_as_asked_is_said() {
        for (name, value, part) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "not spoken"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta", "cumulative"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "`zstd`"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "milliseconds"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "secret", "no list of pairs"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=%ff", "no list of pairs"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=%zz", "no list of pairs"),
        ] {
            let error = target("otlp", &[(name, value)]).unwrap_err();
            assert!(error.problem.contains(part) && !error.problem.contains("secret"), "{error}");
        }
    }
}
