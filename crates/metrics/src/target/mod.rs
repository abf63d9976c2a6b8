//! Target: where metrics are written to, by `--out` and the environment.
//!
//! ```text
//! --out prometheus=http://localhost:9090/api/v1/write
//! --out otlp=http://localhost:4318
//! --out prometheus            the URL, and all else, is in K6_PROMETHEUS_RW_…
//! --out otlp                  the URL, and all else, is in OTEL_EXPORTER_OTLP_…
//! ```
//!
//! Nothing is written without being asked for: by `--out`, or without one by `K6_OUT`, which has no other meaning.
//! Other variables, which another program may need, make no target. Secrets come from the environment only, because
//! everybody on the host can read command lines.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};

use crate::remote_write::Style;
use crate::tls::Tls;

mod asked;
mod k6;
mod otel;

pub use asked::Asked;

/// How often is written when nobody says it.
const EVERY: Duration = Duration::from_secs(1);

/// By which remote write is asked for: our name, and those of k6.
const PROMETHEUS: &[&str] =
    &["prometheus", "prometheus-rw", "experimental-prometheus-rw", "xk6-prometheus-rw"];
const OTLP: &[&str] = &["otlp", "opentelemetry", "experimental-opentelemetry"];

/// A database or collector that is written to.
#[derive(Clone, Debug)]
pub struct Target {
    pub(crate) wire: Wire,
    pub(crate) door: Door,
    /// The least time between two requests.
    pub(crate) every: Duration,
}

/// What is spoken.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wire {
    RemoteWrite {
        style: Style,
        /// Whether every series is ended when the run ends.
        ends: bool,
    },
    Otlp {
        /// Who says it.
        resource: Vec<(String, String)>,
    },
}

/// Name and value.
type Header = (HeaderName, HeaderValue);

/// How it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Door {
    pub(crate) url: Uri,
    /// Headers beside ours; their values are secret.
    pub(crate) headers: Vec<Header>,
    pub(crate) tls: Tls,
    /// The longest that one request may take.
    pub(crate) timeout: Duration,
    pub(crate) gzip: bool,
}

/// A target cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct TargetError {
    /// What is wrong.
    pub problem: String,
    /// What to do instead.
    pub help: String,
}

impl TargetError {
    fn new(problem: impl Into<String>, help: impl Into<String>) -> Self {
        Self { problem: problem.into(), help: help.into() }
    }
}

impl Target {
    /// Reads the value of `--out`, with the environment for everything that it does not say.
    pub fn parse(text: &str, environment: &BTreeMap<String, String>) -> Result<Self, TargetError> {
        let (kind, url) = halves(text);
        Self::of(kind, url, &Variables::of(environment))
    }

    fn of(kind: &str, url: Option<&str>, variables: &Variables<'_>) -> Result<Self, TargetError> {
        if PROMETHEUS.contains(&kind) {
            k6::target(url, variables)
        } else if OTLP.contains(&kind) {
            otel::target(url, variables)
        } else {
            Err(TargetError::new(format!("`{kind}` is not an output"), asked::instead(kind)))
        }
    }

    /// What it is called in messages.
    pub fn name(&self) -> String {
        let kind = match self.wire {
            Wire::RemoteWrite { .. } => "prometheus",
            Wire::Otlp { .. } => "otlp",
        };
        // The query may hold a token.
        let Door { url, .. } = &self.door;
        let (scheme, authority) = (url.scheme_str().unwrap_or_default(), url.authority());
        let authority = authority.map_or("", |it| it.as_str());
        format!("{kind} at {scheme}://{authority}{}", url.path())
    }
}

/// The kind of an output, and where to, of `KIND[=URL]`.
fn halves(text: &str) -> (&str, Option<&str>) {
    match text.split_once('=') {
        Some((kind, url)) => (kind.trim(), Some(url.trim())),
        None => (text.trim(), None),
    }
}

/// The environment, without variables that are empty: those are as good as not set.
///
/// It remembers what it was asked for, so that what nobody asks for can be said.
struct Variables<'a> {
    all: &'a BTreeMap<String, String>,
    asked: RefCell<BTreeSet<String>>,
}

impl<'a> Variables<'a> {
    const fn of(all: &'a BTreeMap<String, String>) -> Self {
        Self { all, asked: RefCell::new(BTreeSet::new()) }
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.asked.borrow_mut().insert(name.to_owned());
        self.all.get(name).map(|it| it.trim()).filter(|it| !it.is_empty())
    }

    /// Names with this prefix that somebody asked for.
    fn asked(&self, prefix: &str) -> Vec<String> {
        let asked = self.asked.borrow();
        asked.iter().filter(|it| it.starts_with(prefix)).cloned().collect()
    }

    /// Variables with this prefix that are set, and that nobody asked for.
    fn unread(&self, prefix: &str) -> impl Iterator<Item = &'a str> {
        self.all.iter().filter_map(move |(name, value)| {
            let wanted = name.starts_with(prefix) && !value.trim().is_empty();
            (wanted && !self.asked.borrow().contains(name)).then_some(name.as_str())
        })
    }

    /// What the first of these says that is set, and its name.
    fn first<'n>(&self, names: &[&'n str]) -> Option<(&'n str, &'a str)> {
        names.iter().find_map(|name| Some((*name, self.get(name)?)))
    }

    fn with_prefix(&self, prefix: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.all.iter().filter_map(move |(name, value)| {
            let rest = name.strip_prefix(prefix)?;
            self.asked.borrow_mut().insert(name.clone());
            Some((rest, value.as_str()))
        })
    }

    /// A flag, in the words that Go reads as one.
    fn flag(&self, name: &str) -> Result<Option<bool>, TargetError> {
        self.get(name)
            .map(|it| match it {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
                "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
                _ => Err(TargetError::new(
                    format!("{name} is `{it}`, which is neither true nor false"),
                    "write `true` or `false`",
                )),
            })
            .transpose()
    }

    fn pair_of_files(
        &self,
        certificate: &[&str],
        key: &[&str],
    ) -> Result<Option<(PathBuf, PathBuf)>, TargetError> {
        match (self.first(certificate), self.first(key)) {
            (Some((_, certificate)), Some((_, key))) => Ok(Some((certificate.into(), key.into()))),
            (None, None) => Ok(None),
            (Some((name, _)), None) => Err(TargetError::new(
                format!("{name} names a certificate, but there is no key to it"),
                format!("set {} too", key[0]),
            )),
            (None, Some((name, _))) => Err(TargetError::new(
                format!("{name} names a key, but there is no certificate to it"),
                format!("set {} too", certificate[0]),
            )),
        }
    }
}

/// An absolute URL of HTTP or HTTPS. `default_path` stands where it has none.
fn url(text: &str, default_path: &str, example: &str) -> Result<Uri, TargetError> {
    let example = format!("write one such as `{example}`");
    let not_a_url = || {
        // Not repeated: it may hold a password.
        TargetError::new("the URL of an output is not an absolute one", example.clone())
    };
    let uri: Uri = text.parse().map_err(|_| not_a_url())?;
    let authority = uri.authority().ok_or_else(not_a_url)?;
    if authority.as_str().contains('@') {
        return Err(TargetError::new(
            "the URL of an output holds credentials, which everybody on the host could read",
            "set K6_PROMETHEUS_RW_USERNAME and K6_PROMETHEUS_RW_PASSWORD, or OTEL_EXPORTER_OTLP_HEADERS",
        ));
    }
    let has_port = authority.port_u16().is_some();
    if authority.host().is_empty() || (!has_port && authority.as_str() != authority.host()) {
        return Err(not_a_url());
    }
    match uri.scheme_str() {
        Some("http" | "https") => {}
        Some(scheme) => {
            return Err(TargetError::new(
                format!("`{scheme}` is not spoken to an output"),
                example,
            ));
        }
        None => return Err(not_a_url()),
    }
    if uri.path().trim_matches('/').is_empty() && uri.query().is_none() {
        let mut parts = uri.into_parts();
        parts.path_and_query = Some(default_path.parse().expect("the default paths are paths"));
        return Ok(Uri::from_parts(parts).expect("every part of it is there"));
    }
    Ok(uri)
}

/// A header whose value nobody gets to see.
fn header(source: &str, name: &str, value: &str) -> Result<Header, TargetError> {
    let wrong = |what: &str| {
        TargetError::new(
            format!("{source} has a header whose {what} cannot be sent"),
            "names are letters, digits and hyphens; values have no line breaks",
        )
    };
    let name = HeaderName::try_from(name.trim()).map_err(|_| wrong("name"))?;
    let mut value = HeaderValue::try_from(value.trim()).map_err(|_| wrong("value"))?;
    value.set_sensitive(true);
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn target(text: &str, environment: &[(&str, &str)]) -> Result<Target, TargetError> {
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Target::parse(text, &environment)
    }

    #[test]
    fn a_url_without_a_path_gets_the_usual_one() {
        for (text, name) in [
            ("prometheus=http://db:9090", "prometheus at http://db:9090/api/v1/write"),
            ("prometheus=http://db/push?token=secret", "prometheus at http://db/push"),
            ("experimental-prometheus-rw", "prometheus at http://localhost:9090/api/v1/write"),
            ("otlp=https://collector:4318/", "otlp at https://collector:4318/v1/metrics"),
            ("otlp=http://c/prefix", "otlp at http://c/prefix/v1/metrics"),
            ("otlp=http://c/prefix/?token=secret", "otlp at http://c/prefix/v1/metrics"),
            ("otlp=http://c/own/v1/metrics", "otlp at http://c/own/v1/metrics"),
            ("otlp", "otlp at http://localhost:4318/v1/metrics"),
        ] {
            assert_eq!(target(text, &[]).unwrap().name(), name);
        }
    }

    #[test]
    fn what_is_no_target_says_what_to_write() {
        for (text, part) in [
            ("influxdb=http://db", "`influxdb` is not an output"),
            ("csv=secret.csv", "`csv` is not an output"),
            ("prometheus=db:9090", "not an absolute one"),
            ("prometheus=/api/v1/write", "not an absolute one"),
            ("prometheus=http://db:99999/", "not an absolute one"),
            ("otlp=", "not an absolute one"),
            ("otlp=grpc://collector:4317", "`grpc` is not spoken"),
            ("prometheus=http://me:secret@db/", "credentials"),
        ] {
            let error = target(text, &[]).unwrap_err();
            assert!(error.problem.contains(part), "{text}: {error}");
            assert!(!error.help.is_empty() && !error.problem.contains("secret"), "{error:?}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let environment = [
            ("K6_PROMETHEUS_RW_USERNAME", "me"),
            ("K6_PROMETHEUS_RW_PASSWORD", "hunter2"),
            ("K6_PROMETHEUS_RW_HEADERS_X-Token", "hunter3"),
        ];
        let target = target("prometheus", &environment).unwrap();
        assert_eq!(target.door.headers.len(), 2);
        let printed = format!("{target:?}");
        assert!(!printed.contains("hunter") && !printed.contains("bWU6"), "{printed}");
    }
}
