//! Remote: questions put to the HTTP API of Prometheus.
//!
//! Source: <https://prometheus.io/docs/prometheus/latest/querying/api/>. Questions go as forms by POST, because a query may be
//! longer than a URL. Who asks is said by a name and a password in the URL, or by a token; neither is ever shown, nor sent
//! anywhere else: redirects are not followed. An answer that is not whole is none, because a budget that is counted on half of
//! the series is wrong, and nobody would see it.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evenkeel_metrics::tls::{Tls, configuration};
use evenkeel_series::Labels;
use evenkeel_slo::asking::parts::Rows;
use evenkeel_slo::asking::{Answer, Question, When};
use evenkeel_units::Human;
use form_urlencoded::Serializer;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use serde_json::Value;

use super::source::{AskError, Row};

/// Moments of one range: what Prometheus answers at most.
const STEPS_MAX: usize = 11_000;
/// No answer is larger.
const BODY_MAX: usize = 64 << 20;
/// No answer takes longer, unless more is allowed: the default of Prometheus.
const TIMEOUT: Duration = Duration::from_mins(2);
/// Whoever is there answers the phone by then.
const CONNECT: Duration = Duration::from_secs(10);
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
    /// It asks who asks.
    #[error(
        "{server} lets nobody in unknown ({status}{}): give a name and a password in its URL, a token in EVENKEEL_SOURCE_TOKEN, or a tenant in EVENKEEL_SOURCE_TENANT",
        beside(said)
    )]
    Unknown {
        /// Which server.
        server: String,
        /// The status of HTTP.
        status: u16,
        /// What it says.
        said: String,
    },
    /// It is somewhere else.
    #[error("{server} answers {status}: it is at {to}, so name that")]
    Moved {
        /// Which server.
        server: String,
        /// The status of HTTP.
        status: u16,
        /// Where it says it is.
        to: String,
    },
    /// It is something else.
    #[error(
        "{server} answers {status}{}, and not as the API of Prometheus does: is a part of its path missing, such as /prometheus?",
        beside(said)
    )]
    Other {
        /// Which server.
        server: String,
        /// The status of HTTP.
        status: u16,
        /// What it says.
        said: String,
    },
    /// It does not answer for all of its parts.
    #[error("{server} answers with a part of the data: {said}")]
    Partial {
        /// Which server.
        server: String,
        /// What it says.
        said: String,
    },
    /// It says no.
    #[error("{server} answers {status}{}", beside(said))]
    Refused {
        /// Which server.
        server: String,
        /// The status of HTTP.
        status: u16,
        /// What it says.
        said: String,
    },
}

fn beside(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}

/// Who asks, and whom.
#[derive(Clone, Default)]
pub struct Access {
    /// A bearer token.
    pub token: Option<String>,
    /// The file with the certificates that are trusted. Default: those of the system.
    pub ca: Option<PathBuf>,
    /// Whose series are meant, where a server has those of several: the header `X-Scope-OrgID` of Mimir, Loki and Thanos.
    pub tenant: Option<String>,
    /// The longest that an answer may take. Default: two minutes.
    pub timeout: Option<Duration>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.debug_struct("Access")
            .field("ca", &self.ca)
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

/// A server.
pub struct Remote {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// Without credentials and without a slash at its end.
    base: String,
    /// Who asks.
    headers: HeaderMap,
    timeout: Duration,
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
        if rest.contains(['?', '#']) {
            return Err(RemoteError::Url("something stands behind its path"));
        }
        let (authority, path) = rest.split_once('/').map_or((rest, ""), |(a, p)| (a, p));
        let (credentials, host) =
            authority.rsplit_once('@').map_or((None, authority), |(a, b)| (Some(a), b));
        let base = format!("{scheme}://{host}/{path}");
        let base = base.trim_end_matches('/').trim_end_matches("/api/v1").to_owned();
        base.parse::<Uri>().map_err(|_| RemoteError::Url("it is no URL"))?;
        let Access { token, ca, tenant, timeout } = access;
        let authorization = match (credentials, token) {
            (Some(it), None) => Some(format!("Basic {}", STANDARD.encode(decoded(it)))),
            (None, Some(it)) => Some(format!("Bearer {}", it.trim())),
            (None, None) => None,
            (Some(_), Some(_)) => {
                return Err(RemoteError::Url("it has a password, and there is a token beside it"));
            }
        };
        let mut headers = HeaderMap::new();
        let said = [
            (header::AUTHORIZATION, authorization, "its credentials cannot stand in a header"),
            (
                HeaderName::from_static("x-scope-orgid"),
                tenant,
                "the tenant cannot stand in a header",
            ),
        ];
        for (name, value, wrong) in said {
            let Some(value) = value else { continue };
            let mut value = HeaderValue::try_from(value).map_err(|_| RemoteError::Url(wrong))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let tls = Tls { ca, ..Tls::default() };
        let mut plain = HttpConnector::new();
        plain.enforce_http(false);
        plain.set_nodelay(true);
        plain.set_connect_timeout(Some(CONNECT));
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(configuration(&tls, scheme == "https").map_err(RemoteError::Tls)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(plain);
        let http = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { http, base, headers, timeout: timeout.unwrap_or(TIMEOUT) })
    }

    pub(super) async fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        let mut all = Answer::with_capacity(question.when.count());
        for part in question.when.split(STEPS_MAX) {
            all.extend(self.part(&question.query, part).await?);
        }
        Ok(all)
    }

    /// What a query is worth at a moment, for each series.
    pub(super) async fn rows(&self, query: &str, at: Timestamp) -> Result<Rows, AskError> {
        let mut form = self.form(query);
        form.append_pair("time", &seconds(at.as_millisecond()));
        let said = self.post("query", form.finish()).await?;
        let data = said.get("data").unwrap_or(&Value::Null);
        if data.get("resultType").and_then(Value::as_str) != Some("vector") {
            let what = "no numbers of series".to_owned();
            return Err(AskError::Shape { query: query.to_owned(), what });
        }
        let row = |it: &Value| {
            let labels = it.get("metric")?.as_object()?;
            let label =
                |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
            let labels: Vec<_> = labels.iter().filter_map(label).collect();
            let labels = Labels::of(labels.iter().map(|(name, value)| (&**name, &**value)));
            Some((labels, number(it.get("value")?)?.1))
        };
        let series = data.get("result").and_then(Value::as_array).map(Vec::as_slice);
        Ok(series.unwrap_or_default().iter().filter_map(row).collect())
    }

    /// What is the same in every question.
    fn form(&self, query: &str) -> Serializer<'static, String> {
        let mut form = Serializer::new(String::new());
        form.append_pair("query", query);
        let timeout = i64::try_from(self.timeout.as_millis()).unwrap_or(i64::MAX);
        form.append_pair("timeout", &seconds(timeout));
        // Thanos and VictoriaMetrics would answer for those of their parts that are there; others do not know these.
        form.append_pair("partial_response", "false");
        form.append_pair("deny_partial_response", "1");
        form
    }

    async fn part(&self, query: &str, when: When) -> Result<Answer, AskError> {
        let mut form = self.form(query);
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
        headers.extend(self.headers.clone());
        let exchange = async {
            let response = self.http.request(request).await.map_err(|it| silent(deepest(&it)))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, BODY_MAX).collect().await.map_err(|it| {
                silent(match it.is::<LengthLimitError>() {
                    true => format!("its answer is larger than {} MiB", BODY_MAX >> 20),
                    false => deepest(&*it),
                })
            })?;
            Ok::<_, RemoteError>((head.status.as_u16(), head.headers, body.to_bytes()))
        };
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(Ok((status, headers, body))) => self.understood(status, &headers, &body),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(silent(format!("no answer within {}", Human(self.timeout))).into()),
        }
    }

    /// What an answer says, if it is one.
    fn understood(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Result<Value, AskError> {
        let server = self.base.clone();
        let said =
            serde_json::from_slice::<Value>(body).ok().filter(|it| it.get("status").is_some());
        let complaint = said.as_ref().and_then(|it| it.get("error")?.as_str().map(shown));
        let text = String::from_utf8_lossy(body);
        let (is_page, is_of_api) = (text.trim_start().starts_with('<'), said.is_some());
        let said = match (said, complaint) {
            (Some(it), None) if status == 200 => {
                return match partial(&it) {
                    None => Ok(it),
                    Some(said) => Err(RemoteError::Partial { server, said }.into()),
                };
            }
            (_, Some(complaint)) => complaint,
            (_, None) if is_page => "a page of HTML".to_owned(),
            (_, None) => shown(&text),
        };
        Err(AskError::from(match status {
            401 | 403 => RemoteError::Unknown { server, status, said },
            300..=399 => {
                let to = headers.get(header::LOCATION).and_then(|it| it.to_str().ok());
                let to = to.map_or_else(|| "nowhere that it says".to_owned(), shown);
                RemoteError::Moved { server, status, to }
            }
            _ if is_of_api || status >= 500 => RemoteError::Refused { server, status, said },
            _ => RemoteError::Other { server, status, said },
        }))
    }
}

/// Why an answer is not whole: it says so, or it warns of something else than its query.
fn partial(of: &Value) -> Option<String> {
    if of.get("isPartial").and_then(Value::as_bool) == Some(true) {
        return Some("some of its parts do not answer".to_owned());
    }
    let warnings = of.get("warnings").and_then(Value::as_array)?;
    let warnings = warnings.iter().filter_map(Value::as_str);
    let of_server = warnings.filter(|it| !it.starts_with("PromQL ")).map(shown);
    let all = of_server.collect::<Vec<_>>().join("; ");
    (!all.is_empty()).then_some(all)
}

/// The first line of what a server says, without what a terminal would act on.
fn shown(said: &str) -> String {
    let line = said.trim().lines().next().unwrap_or_default();
    line.chars().filter(|it| !it.is_control()).take(SHOWN_CHARS_MAX).collect()
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
    // These are themselves there, and in a form they are not.
    let text = credentials.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    let pairs: Vec<_> = form_urlencoded::parse(text.as_bytes()).collect();
    pairs.first().map(|(name, _)| name.to_string()).unwrap_or_default()
}
