//! Fetch: one request to a target, within time and bytes.

use std::io::Read as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evenkeel_units::Human;
use flate2::read::MultiGzDecoder;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::{Body, Bytes};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Request, StatusCode};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::ServerName;

use super::Target;
use crate::config::{Client, Credentials, Scrape, Secret};
use crate::exposition::Format;
use crate::post::in_words;
use crate::tls::{Tls, configuration};

/// No answer is larger, uncompressed, unless the configuration says so.
const BODY_MAX: usize = 256 << 20;
/// No secret is larger.
const SECRET_MAX: u64 = 64 << 10;

/// Asks the targets of a job.
pub(super) struct Fetch {
    http: Http<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    credentials: Option<Credentials>,
    compression: bool,
    body_max: usize,
}

/// What a target said.
pub(super) struct Answer {
    pub(super) body: Vec<u8>,
    pub(super) format: Format,
}

impl Fetch {
    /// Reads the certificates; connects to nobody. `needs_tls` when a target may be asked over TLS.
    pub(super) fn open(scrape: &Scrape, needs_tls: bool) -> Result<Self, String> {
        let http = client(&scrape.client, needs_tls)?;
        let credentials = scrape.client.credentials.clone();
        let body_max = scrape.limits.body.unwrap_or(BODY_MAX);
        Ok(Self { http, credentials, compression: scrape.compression, body_max })
    }

    /// What a target says within its time.
    pub(super) async fn get(&self, target: &Target) -> Result<Answer, String> {
        let timeout = target.timeout;
        match tokio::time::timeout(timeout, self.exchange(target)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {}", Human(timeout))),
        }
    }

    async fn exchange(&self, target: &Target) -> Result<Answer, String> {
        let request = self.request(target).await?;
        let response = self.http.request(request).await.map_err(|it| in_words(&it))?;
        if response.status() != StatusCode::OK {
            return Err(match response.headers().get(header::LOCATION) {
                Some(to) => {
                    let to: String =
                        String::from_utf8_lossy(to.as_bytes()).chars().take(200).collect();
                    format!("{}: the metrics are at {to}, which is not followed", response.status())
                }
                None => format!("the target answered {}", response.status()),
            });
        }
        let text = |name: HeaderName| response.headers().get(name).and_then(|it| it.to_str().ok());
        let format = Format::of(text(header::CONTENT_TYPE))
            .ok_or("the target answered in a form that was not asked for")?;
        let is_packed = match text(header::CONTENT_ENCODING) {
            None | Some("identity") => false,
            Some(it) if it.eq_ignore_ascii_case("gzip") => true,
            Some(other) => return Err(format!("`{other}` was not asked for as an encoding")),
        };
        let too_large = || format!("the answer is larger than {} bytes", self.body_max);
        let body = Limited::new(response.into_body(), self.body_max).collect().await;
        let body = body.map_err(|it| match it.is::<http_body_util::LengthLimitError>() {
            true => too_large(),
            false => in_words(&*it),
        })?;
        let body = body.to_bytes();
        if !is_packed {
            return Ok(Answer { body: body.into(), format });
        }
        let mut plain = Vec::new();
        let limit = self.body_max as u64 + 1;
        let read = MultiGzDecoder::new(&*body).take(limit).read_to_end(&mut plain);
        read.map_err(|it| format!("the answer cannot be unpacked: {it}"))?;
        if plain.len() > self.body_max {
            return Err(too_large());
        }
        Ok(Answer { body: plain, format })
    }

    async fn request(&self, target: &Target) -> Result<Request<Empty<Bytes>>, String> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = target.url.clone();
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static(Format::ACCEPT));
        let encoding = if self.compression { "gzip" } else { "identity" };
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(encoding));
        let agent = concat!("evenkeel/", env!("CARGO_PKG_VERSION"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        if let Ok(seconds) = target.timeout.as_secs_f64().to_string().parse() {
            headers.insert("x-prometheus-scrape-timeout-seconds", seconds);
        }
        if let Some(credentials) = &self.credentials {
            headers.insert(header::AUTHORIZATION, authorization(credentials).await?);
        }
        Ok(request)
    }
}

/// What asks over HTTP, or over TLS by the certificates that are named. It connects to nobody yet.
pub(crate) fn client<B>(
    of: &Client,
    needs_tls: bool,
) -> Result<Http<HttpsConnector<HttpConnector>, B>, String>
where
    B: Body + Send,
    B::Data: Send,
{
    let Client { ca, identity, server_name, insecure, only_13, .. } = of.clone();
    let tls = configuration(&Tls { ca, identity, insecure, only_13 }, needs_tls)?;
    let mut plain = HttpConnector::new();
    plain.enforce_http(false);
    plain.set_nodelay(true);
    let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    let builder = match server_name {
        None => builder,
        Some(name) => {
            let name = ServerName::try_from(name.clone())
                .map_err(|_| format!("`{name}` is no name of a server"))?;
            builder.with_server_name_resolver(FixedServerNameResolver::new(name))
        }
    };
    Ok(Http::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_mins(5))
        .build(builder.enable_http1().wrap_connector(plain)))
}

/// Credentials as they are now, as a header.
pub(crate) async fn authorization(credentials: &Credentials) -> Result<HeaderValue, String> {
    let said = match credentials {
        Credentials::Basic { name, password } => {
            let both = format!("{name}:{}", secret(password).await?);
            format!("Basic {}", STANDARD.encode(both))
        }
        Credentials::Shown { scheme, secret: shown } => {
            format!("{scheme} {}", secret(shown).await?)
        }
    };
    let said = HeaderValue::try_from(said);
    let mut said = said.map_err(|_| "the credentials cannot stand in a header".to_owned())?;
    said.set_sensitive(true);
    Ok(said)
}

/// A secret as it is now: files of secrets are renewed.
async fn secret(secret: &Secret) -> Result<String, String> {
    use tokio::io::AsyncReadExt as _;

    let file = match secret {
        Secret::Given(text) => return Ok(text.clone()),
        Secret::File(file) => file,
    };
    let unreadable = |it: std::io::Error| format!("cannot read {}: {it}", file.display());
    let mut text = String::new();
    let opened = tokio::fs::File::open(file).await.map_err(unreadable)?;
    opened.take(SECRET_MAX).read_to_string(&mut text).await.map_err(unreadable)?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::Config;
    use crate::scrape::target::targets;

    /// What comes of an answer: a head without its first line's version, and a body.
    async fn got(job: &str, head: &str, body: &[u8]) -> Result<String, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let length = body.len();
        let mut answer =
            format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\n\r\n").into_bytes();
        answer.extend(body);
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let asked = stream.read(&mut [0; 4096]).await.unwrap();
            assert!(asked > 0);
            // Whoever reads no more has heard enough.
            stream.write_all(&answer).await.unwrap_or_default();
        });
        let text = format!(
            "scrape_configs: [{{job_name: a{job}, static_configs: [{{targets: ['{address}']}}]}}]"
        );
        let config = Config::read("p.yml", text.into_bytes()).unwrap();
        let scrape = &config.scrapes[0];
        let (found, _) = targets(scrape, &scrape.groups);
        let answer = Fetch::open(scrape, false).unwrap().get(&found[0]).await;
        server.abort();
        answer.map(|it| format!("{:?} {}", it.format, String::from_utf8(it.body).unwrap()))
    }

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(body).unwrap();
        gzip.finish().unwrap()
    }

    #[tokio::test]
    async fn what_a_target_says_is_unpacked_and_known_by_its_type() {
        let plain = got("", "200 OK\r\ncontent-type: text/plain", b"a 1\n").await;
        assert_eq!(plain.unwrap(), "Text a 1\n");
        let packed =
            "200 OK\r\ncontent-type: application/openmetrics-text\r\ncontent-encoding: gzip";
        assert_eq!(got("", packed, &gzip(b"# EOF\n")).await.unwrap(), "OpenMetrics # EOF\n");
    }

    #[tokio::test]
    async fn what_is_no_answer_is_said() {
        let refusal =
            async |job: &str, head: &str, body: &[u8]| got(job, head, body).await.unwrap_err();
        assert_eq!(refusal("", "404 Not Found", b"").await, "the target answered 404 Not Found");
        let moved = refusal("", "302 Found\r\nlocation: http://evil/", b"").await;
        assert_eq!(moved, "302 Found: the metrics are at http://evil/, which is not followed");
        let small = ", body_size_limit: 1KB";
        let too_large = "the answer is larger than 1024 bytes";
        assert_eq!(refusal(small, "200 OK", &[b'#'; 1025]).await, too_large);
        let packed = "200 OK\r\ncontent-encoding: gzip";
        assert_eq!(refusal(small, packed, &gzip(&vec![b'#'; 100_000])).await, too_large);
        assert!(refusal("", packed, b"a 1\n").await.starts_with("the answer cannot be unpacked"));
        let other = refusal("", "200 OK\r\ncontent-encoding: br", b"").await;
        assert_eq!(other, "`br` was not asked for as an encoding");
        let file = ", bearer_token_file: /nowhere/token";
        assert!(refusal(file, "200 OK", b"").await.starts_with("cannot read /nowhere/token"));
    }
}
