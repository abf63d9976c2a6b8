//! Alertmanager: told of alerts by its API of version 2.
//!
//! Source: <https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>.

use std::time::Duration;

use evenkeel_units::Human;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;

use crate::config::{self, Credentials, Scheme};
use crate::post::{Reply, in_words, judge, read};
use crate::scrape::{authorization, client};

/// One Alertmanager.
pub struct Alertmanager {
    http: Http<HttpsConnector<HttpConnector>, Full<Bytes>>,
    credentials: Option<Credentials>,
    timeout: Duration,
    url: Uri,
}

/// Why somebody was not told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untold {
    /// Saying it again helps.
    #[error("{0}")]
    Later(String),
    /// It does not.
    #[error("{0}")]
    Refused(String),
}

impl Alertmanager {
    /// Each of those that a configuration names. Reads certificates; connects to nobody.
    ///
    /// # Errors
    /// What is wrong with the certificates, or with an address.
    pub fn open(of: &config::Alertmanager) -> Result<Vec<Self>, String> {
        let open = |url: String| {
            Ok(Self {
                http: client(&of.client, of.scheme == Scheme::Https)?,
                credentials: of.client.credentials.clone(),
                timeout: of.timeout,
                url: url.parse().map_err(|_| format!("`{url}` is no URL"))?,
            })
        };
        of.urls().map(open).collect()
    }

    /// Where it is told.
    pub const fn url(&self) -> &Uri {
        &self.url
    }

    /// Tells it alerts, as a list in JSON.
    ///
    /// # Errors
    /// When it did not take them.
    pub async fn tell(&self, alerts: Bytes) -> Result<(), Untold> {
        match tokio::time::timeout(self.timeout, self.exchange(alerts)).await {
            Ok(told) => told,
            Err(_) => Err(Untold::Later(format!("no answer within {}", Human(self.timeout)))),
        }
    }

    async fn exchange(&self, alerts: Bytes) -> Result<(), Untold> {
        let mut request = Request::new(Full::new(alerts));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let agent = concat!("evenkeel/", env!("CARGO_PKG_VERSION"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        if let Some(credentials) = &self.credentials {
            let said = authorization(credentials).await.map_err(Untold::Later)?;
            headers.insert(header::AUTHORIZATION, said);
        }
        let response =
            self.http.request(request).await.map_err(|it| Untold::Later(in_words(&it)))?;
        let (status, headers) = (response.status(), response.headers().clone());
        match judge(false, status, &headers, &read(response).await) {
            Reply::Taken(_) => Ok(()),
            Reply::Later(why, _) => Err(Untold::Later(why)),
            Reply::Refused(why) => Err(Untold::Refused(why)),
        }
    }
}

impl std::fmt::Debug for Alertmanager {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.debug_struct("Alertmanager").field("url", &self.url).finish_non_exhaustive()
    }
}
