//! Forward: samples of a store, sent on to another database by Prometheus remote write 1.0.
//!
//! ```text
//! request  samples become a message, and so does what metrics mean
//! ```
//!
//! What is sent when, and what waits, is a matter of whoever sends: here is one request, and what its answer means.

mod request;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use evenkeel_series::Labels;
use evenkeel_units::Human;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;

use crate::config::{Credentials, RemoteWrite};
use crate::post::{Reply, in_words, judge, read};
use crate::relabel::{Pairs, Rule, relabel};
use crate::scrape::{authorization, client};

pub use request::{Outgoing, meanings};

/// A database that samples are sent on to.
pub struct Database {
    http: Http<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: Uri,
    credentials: Option<Credentials>,
    headers: Vec<(HeaderName, HeaderValue)>,
    timeout: Duration,
    external: BTreeMap<String, String>,
    rules: Vec<Rule>,
}

/// Why a request was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsent {
    /// Sending it again helps, perhaps not before a time.
    #[error("{0}")]
    Later(String, Option<Duration>),
    /// It does not, but what is wrong may be with a part of it: a Prometheus takes nothing of a request in which a sample is out of
    /// order, and the rest of it when that is sent by itself.
    #[error("{0}")]
    InPart(String),
    /// It does not.
    #[error("{0}")]
    Refused(String),
}

impl Database {
    /// One that a configuration names. Reads certificates; connects to nobody.
    ///
    /// # Errors
    /// What is wrong with the certificates.
    pub fn open(of: &RemoteWrite, external: &BTreeMap<String, String>) -> Result<Self, String> {
        let problem = |why: String| format!("remote_write to {}: {why}", of.name);
        let url: Uri = of.url.parse().map_err(|_| problem("this is no URL".to_owned()))?;
        let with_tls = url.scheme_str() == Some("https");
        let mut headers = Vec::new();
        for (name, value) in &of.headers {
            let name = HeaderName::try_from(name).map_err(|it| problem(it.to_string()))?;
            let value = HeaderValue::try_from(value).map_err(|it| problem(it.to_string()))?;
            headers.push((name, value));
        }
        Ok(Self {
            http: client(&of.client, with_tls).map_err(problem)?,
            url,
            credentials: of.client.credentials.clone(),
            headers,
            timeout: of.timeout,
            external: external.clone(),
            rules: of.relabel.clone(),
        })
    }

    /// The labels under which a series is sent; `None` when it is left out.
    pub fn labels(&self, of: &Labels) -> Option<Labels> {
        if self.external.is_empty() && self.rules.is_empty() {
            return Some(of.clone());
        }
        let mut pairs: Pairs = self.external.clone();
        pairs.extend(of.iter().map(|it| (it.name.to_string(), it.value.to_string())));
        let is_kept = relabel(&self.rules, &mut pairs);
        let labels = Labels::of(pairs.iter().map(|(name, value)| (&**name, &**value)));
        (is_kept && !labels.is_empty()).then_some(labels)
    }

    /// Sends a request, and waits for its answer at most for `within`.
    ///
    /// # Errors
    /// When it was not taken.
    pub async fn send(&self, body: Bytes, within: Duration) -> Result<(), Unsent> {
        let within = within.min(self.timeout);
        match tokio::time::timeout(within, self.exchange(body)).await {
            Ok(sent) => sent,
            Err(_) => Err(Unsent::Later(format!("no answer within {}", Human(within)), None)),
        }
    }

    async fn exchange(&self, body: Bytes) -> Result<(), Unsent> {
        let later = |why| Unsent::Later(why, None);
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        let headers = request.headers_mut();
        let mut say = |name, value| drop(headers.insert(name, HeaderValue::from_static(value)));
        say(header::CONTENT_TYPE, "application/x-protobuf");
        say(header::CONTENT_ENCODING, "snappy");
        say(header::USER_AGENT, concat!("evenkeel/", env!("CARGO_PKG_VERSION")));
        say(HeaderName::from_static("x-prometheus-remote-write-version"), "0.1.0");
        headers.extend(self.headers.iter().cloned());
        if let Some(credentials) = &self.credentials {
            let said = authorization(credentials).await.map_err(later)?;
            headers.insert(header::AUTHORIZATION, said);
        }
        let response = self.http.request(request).await.map_err(|it| later(in_words(&it)))?;
        let (status, headers) = (response.status(), response.headers().clone());
        match judge(false, status, &headers, &read(response).await) {
            Reply::Taken(_) => Ok(()),
            Reply::Later(why, after) => Err(Unsent::Later(why, after)),
            Reply::Refused(why) if status == StatusCode::BAD_REQUEST => Err(Unsent::InPart(why)),
            Reply::Refused(why) => Err(Unsent::Refused(why)),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Database").field("url", &self.url).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn labels_of_the_store_stand_above_those_of_everything_that_leaves() {
        let text = "global: {external_labels: {zone: eu, job: none}}\n\
            remote_write: [{url: 'http://db/w', write_relabel_configs: [{regex: replica, action: labeldrop}, \
            {source_labels: [__name__], regex: 'go_.*', action: drop}]}]\n";
        let config = Config::read("p.yml", text.into()).unwrap();
        let database = Database::open(&config.remote_writes[0], &config.external_labels).unwrap();
        let sent = |labels: &[(&str, &str)]| {
            database.labels(&Labels::of(labels.iter().copied())).map(|it| it.to_string())
        };
        let up = sent(&[("__name__", "up"), ("job", "shop"), ("replica", "1")]);
        assert_eq!(up.as_deref(), Some(r#"up{job="shop", zone="eu"}"#));
        assert_eq!(sent(&[("__name__", "go_threads")]), None);
    }
}
