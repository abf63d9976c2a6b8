//! Remote: questions put to the HTTP API of Prometheus.
//!
//! Source: <https://prometheus.io/docs/prometheus/latest/querying/api/>. Questions go as forms by POST, because a query may be
//! longer than a URL. Who asks is said by a name and a password in the URL, or by a token; neither is ever shown.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evenkeel_slo::asking::{Answer, Question, When};
use evenkeel_units::Human;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;

use super::source::{AskError, Row};

/// Moments of one range: what Prometheus answers at most.
const STEPS_MAX: usize = 11_000;
/// No answer is larger.
const BODY_MAX: usize = 64 << 20;
/// No answer takes longer.
const TIMEOUT: Duration = Duration::from_mins(2);
/// No more of a server's complaint is repeated.
const SHOWN_CHARS_MAX: usize = 300;

/// Why a server could not be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// The URL is none.
    #[error("the URL of the source cannot be asked: {0}")]
    Url(&'static str),
    /// What is trusted cannot be read.
    #[error("certificates: {0}")]
    Tls(String),
    /// There was no answer.
    #[error("{server} does not answer: {why}")]
    Silent {
        /// Which server.
        server: String,
        /// Why not.
        why: String,
    },
    /// It says no.
    #[error("{server} answers {status}: {said}")]
    Refused {
        /// Which server.
        server: String,
        /// The status of HTTP.
        status: u16,
        /// What it says.
        said: String,
    },
}

/// Who asks.
#[derive(Clone, Default)]
pub struct Access {
    /// A bearer token.
    pub token: Option<String>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.debug_struct("Access").finish_non_exhaustive()
    }
}

/// A server.
pub struct Remote {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// Without credentials and without a slash at its end.
    base: String,
    authorization: Option<HeaderValue>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.debug_struct("Remote").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Remote {
    pub(super) fn open(url: &str, access: Access) -> Result<Self, RemoteError> {
        let Some((scheme, rest)) = url.trim().split_once("://") else {
            return Err(RemoteError::Url("it has no scheme"));
        };
        let (authority, path) = rest.split_once('/').map_or((rest, ""), |(a, p)| (a, p));
        let (credentials, host) =
            authority.rsplit_once('@').map_or((None, authority), |(a, b)| (Some(a), b));
        let base = format!("{scheme}://{host}/{path}").trim_end_matches('/').to_owned();
        base.parse::<Uri>().map_err(|_| RemoteError::Url("it is no URL"))?;
        let authorization = match (credentials, access.token) {
            (Some(it), None) => Some(format!("Basic {}", STANDARD.encode(decoded(it)))),
            (None, Some(it)) => Some(format!("Bearer {}", it.trim())),
            (None, None) => None,
            (Some(_), Some(_)) => {
                return Err(RemoteError::Url("it has a password, and there is a token beside it"));
            }
        };
        let header = |it: String| {
            let mut value = HeaderValue::try_from(it)
                .map_err(|_| RemoteError::Url("its credentials cannot stand in a header"))?;
            value.set_sensitive(true);
            Ok(value)
        };
        let authorization = authorization.map(header).transpose()?;
        let mut plain = HttpConnector::new();
        plain.enforce_http(false);
        plain.set_nodelay(true);
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls(scheme == "https")?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(plain);
        let http = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { http, base, authorization })
    }

    pub(super) async fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        let mut all = Answer::with_capacity(question.when.count());
        for part in question.when.split(STEPS_MAX) {
            all.extend(self.part(&question.query, part).await?);
        }
        Ok(all)
    }

    async fn part(&self, query: &str, when: When) -> Result<Answer, AskError> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("query", query);
        let path = match when {
            When::At(at) => {
                form.append_pair("time", &seconds(at.as_millisecond()));
                "query"
            }
            When::Every { first, step, steps } => {
                let from = first.as_millisecond();
                let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
                let until =
                    from.saturating_add(step.saturating_mul(steps.cast_signed() as i64 - 1));
                form.append_pair("start", &seconds(from));
                form.append_pair("end", &seconds(until));
                form.append_pair("step", &seconds(step));
                "query_range"
            }
        };
        let said = self.post(path, form.finish()).await?;
        let data = said.get("data").unwrap_or(&Value::Null);
        let kind = data.get("resultType").and_then(Value::as_str).unwrap_or_default();
        let result = data.get("result").unwrap_or(&Value::Null);
        let shape = |what: String| AskError::Shape { query: query.to_owned(), what };
        if kind == "scalar" {
            return Ok(vec![number(result).map(|it| it.1)]);
        }
        let series = result.as_array().map(Vec::as_slice).unwrap_or_default();
        let one = match series {
            [] => None,
            [one] => Some(one),
            many => return Err(shape(format!("{} series", many.len()))),
        };
        if one.is_some_and(|it| it.get("histogram").is_some() || it.get("histograms").is_some()) {
            return Err(shape("a histogram".to_owned()));
        }
        match (kind, when) {
            ("vector", _) => Ok(vec![one.and_then(|it| number(it.get("value")?)).map(|it| it.1)]),
            ("matrix", When::Every { first, step, steps }) => {
                let mut row = Row::new(first, step, steps);
                let values = one.and_then(|it| it.get("values")).and_then(Value::as_array);
                for (at, value) in values.into_iter().flatten().filter_map(number) {
                    row.put(at, value);
                }
                Ok(row.values)
            }
            _ => Err(shape(format!("a {kind}"))),
        }
    }

    async fn post(&self, path: &str, form: String) -> Result<Value, AskError> {
        let server = || self.base.clone();
        let silent = |why: String| RemoteError::Silent { server: server(), why };
        let mut request = Request::new(Full::new(Bytes::from(form)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = format!("{}/api/v1/{path}", self.base)
            .parse()
            .map_err(|_| RemoteError::Url("it is no URL"))?;
        let headers = request.headers_mut();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(header::CONTENT_TYPE, form);
        let agent = concat!("evenkeel/", env!("CARGO_PKG_VERSION"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        headers.extend(self.authorization.clone().map(|it| (header::AUTHORIZATION, it)));
        let exchange = async {
            let response = self.http.request(request).await.map_err(|it| silent(deepest(&it)))?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), BODY_MAX).collect().await;
            Ok::<_, RemoteError>((status, body.map_err(|it| silent(deepest(&*it)))?.to_bytes()))
        };
        let answered = tokio::time::timeout(TIMEOUT, exchange).await;
        let (status, body) = match answered {
            Ok(it) => it?,
            Err(_) => return Err(silent(format!("no answer within {}", Human(TIMEOUT))).into()),
        };
        let said: Option<Value> = serde_json::from_slice(&body).ok();
        let complaint = said.as_ref().and_then(|it| it.get("error")?.as_str());
        let refused = |said: &str| {
            let said = said.chars().filter(|it| !it.is_control()).take(SHOWN_CHARS_MAX).collect();
            AskError::from(RemoteError::Refused { server: server(), status, said })
        };
        match (said.as_ref(), complaint) {
            (_, Some(it)) => Err(refused(it)),
            (Some(it), None) if status == 200 => Ok(it.clone()),
            _ => Err(refused("this is not the API of Prometheus")),
        }
    }
}

/// Milliseconds as seconds.
fn seconds(millis: i64) -> String {
    let sign = if millis < 0 { "-" } else { "" };
    let millis = millis.unsigned_abs();
    format!("{sign}{}.{:03}", millis / 1000, millis % 1000)
}

/// `[1700000000.123, "5"]`: the moment in milliseconds, and the number.
fn number(of: &Value) -> Option<(i64, f64)> {
    let pair = of.as_array()?;
    let at = (pair.first()?.as_f64()? * 1000.0).round() as i64;
    Some((at, pair.get(1)?.as_str()?.parse().ok()?))
}

/// What lies at the bottom of an error, which is what says something.
fn deepest(of: &(dyn Error + 'static)) -> String {
    let mut it = of;
    while let Some(source) = it.source() {
        it = source;
    }
    it.to_string()
}

/// A name and a password, which a URL writes with `%`.
fn decoded(credentials: &str) -> String {
    // `+` is itself there, and in a form it is not.
    let text = credentials.replace('+', "%2B");
    let pairs: Vec<_> = form_urlencoded::parse(text.as_bytes()).collect();
    pairs.first().map(|(name, _)| name.to_string()).unwrap_or_default()
}

fn tls(is_needed: bool) -> Result<ClientConfig, RemoteError> {
    let mut roots = RootCertStore::empty();
    if is_needed {
        let (added, _) =
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if added == 0 {
            return Err(RemoteError::Tls("the system trusts nobody".to_owned()));
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|it| RemoteError::Tls(it.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
