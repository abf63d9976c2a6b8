//! Remote: `remote_write`, where samples are sent on to.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_model::decode::codes;
use evenkeel_model::yaml::Node;
use hyper::Uri;

use super::client::Client;
use super::fields::{Fields, Reading, cut};
use super::relabel;
use crate::relabel::Rule;

/// A database that samples are sent on to, by Prometheus remote write 1.0.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteWrite {
    /// Where to.
    pub url: String,
    /// What it is called in metrics: its name, or the URL.
    pub name: String,
    /// The longest that one request may take.
    pub timeout: Duration,
    /// Headers beside ours.
    pub headers: BTreeMap<String, String>,
    /// What is done to labels on the way, and which series are left out.
    pub relabel: Vec<Rule>,
    /// How often it is told what metrics mean; `None`: never.
    pub describe_every: Option<Duration>,
    /// Metrics of one request that tells it, at most.
    pub described: usize,
    /// Whether native histograms are sent.
    pub with_histograms: bool,
    /// Samples of one request, at most.
    pub samples: usize,
    /// A request that is not full is sent after this.
    pub wait: Duration,
    /// The first pause after a request that was not taken; each one after it is twice as long.
    pub backoff: Duration,
    /// The longest of them.
    pub backoff_max: Duration,
    /// Certificates and credentials.
    pub client: Client,
}

/// What holds unless the file says otherwise: the defaults of Prometheus.
const TIMEOUT: Duration = Duration::from_secs(30);
const SAMPLES: usize = 2_000;
/// More of them make requests that others refuse.
const SAMPLES_MAX: usize = 100_000;
const WAIT: Duration = Duration::from_secs(5);
const DESCRIBE_EVERY: Duration = Duration::from_mins(1);
const DESCRIBED: usize = 2_000;
const BACKOFF: Duration = Duration::from_millis(30);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

pub(super) fn read(node: &Node, to: &mut Reading) -> Option<RemoteWrite> {
    let mut fields = Fields::of(node, to);
    let place = fields.place();
    let url = fields.value(
        "url",
        "a URL without a password, such as `https://host/api/v1/write`",
        to,
        url,
    );
    if url.is_none() && node.locate("url") == place {
        to.wrong(codes::MISSING_FIELD, place, "the field `url` is missing", "Say where to.");
    }
    let name = fields.text("name", to).map(str::to_owned);
    let timeout = fields.time("remote_timeout", to).unwrap_or(TIMEOUT);
    let headers = headers(&mut fields, to);
    let relabel = relabel::read(&mut fields, "write_relabel_configs", to);
    let with_histograms = fields.flag("send_native_histograms", to).unwrap_or(false);
    fields.note("send_exemplars", "exemplars are not stored", to);
    fields.note("round_robin_dns", "one connection is kept", to);
    let version = fields.place_of("protobuf_message");
    if fields.text("protobuf_message", to).is_some_and(|it| it != "prometheus.WriteRequest") {
        let problem = "only `protobuf_message: prometheus.WriteRequest` is sent";
        to.wrong(codes::UNSUPPORTED, version, problem, "Take it out: everybody takes version 1.0.");
    }
    for key in ["sigv4", "azuread", "google_iam"] {
        fields.refuse(key, "give `authorization` or `basic_auth`", to);
    }
    let mut remote = RemoteWrite {
        name: name.or_else(|| url.clone()).unwrap_or_default(),
        url: url?,
        timeout,
        headers,
        relabel,
        describe_every: Some(DESCRIBE_EVERY),
        described: DESCRIBED,
        with_histograms,
        samples: SAMPLES,
        wait: WAIT,
        backoff: BACKOFF,
        backoff_max: BACKOFF_MAX,
        client: Client::read(&mut fields, to),
    };
    if let Some(metadata) = fields.map("metadata_config", to) {
        read_metadata(metadata, &mut remote, to);
    }
    if let Some(queue) = fields.map("queue_config", to) {
        read_queue(queue, &mut remote, to);
    }
    fields.finish(to);
    Some(remote)
}

fn read_metadata(mut metadata: Fields<'_>, remote: &mut RemoteWrite, to: &mut Reading) {
    let is_sent = metadata.flag("send", to).unwrap_or(true);
    let every = metadata.time("send_interval", to).filter(|it| !it.is_zero());
    remote.describe_every = is_sent.then_some(every.unwrap_or(DESCRIBE_EVERY));
    let many = metadata.limit("max_samples_per_send", to);
    remote.described = many.unwrap_or(DESCRIBED).min(SAMPLES_MAX);
    metadata.finish(to);
}

fn read_queue(mut queue: Fields<'_>, remote: &mut RemoteWrite, to: &mut Reading) {
    let samples = queue.limit("max_samples_per_send", to);
    remote.samples = samples.unwrap_or(SAMPLES).min(SAMPLES_MAX);
    let positive = |it: Option<Duration>| it.filter(|it| !it.is_zero());
    remote.wait = positive(queue.time("batch_send_deadline", to)).unwrap_or(WAIT);
    remote.backoff = positive(queue.time("min_backoff", to)).unwrap_or(BACKOFF);
    let longest = positive(queue.time("max_backoff", to)).unwrap_or(BACKOFF_MAX);
    remote.backoff_max = longest.max(remote.backoff);
    for key in ["capacity", "min_shards", "max_shards"] {
        queue.note(key, "one request is sent after the other, and what waits is in the store", to);
    }
    queue.note("retry_on_http_429", "what is refused for now is always sent again", to);
    queue.refuse("sample_age_limit", "samples wait for as long as the store keeps them", to);
    queue.finish(to);
}

fn headers(fields: &mut Fields<'_>, to: &mut Reading) -> BTreeMap<String, String> {
    const OWN: [&str; 5] = [
        "authorization",
        "content-encoding",
        "content-type",
        "user-agent",
        "x-prometheus-remote-write-version",
    ];
    let place = fields.place_of("headers");
    let headers = fields.names("headers", to);
    for (name, value) in &headers {
        let problem = match (
            hyper::header::HeaderName::try_from(name),
            hyper::header::HeaderValue::try_from(value),
        ) {
            (Ok(it), Ok(_)) if !OWN.contains(&it.as_str()) => continue,
            (Ok(_), Ok(_)) => format!("the header `{}` is ours to set", cut(name)),
            _ => format!("`{}` is no header", cut(name)),
        };
        to.wrong(
            codes::RANGE,
            place,
            problem,
            "Give `authorization` or `basic_auth` for credentials.",
        );
    }
    headers
}

fn url(text: &str) -> Option<String> {
    let uri: Uri = text.parse().ok()?;
    let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
    let authority = uri.authority().filter(|it| is_web && !it.as_str().contains('@'))?;
    (!authority.host().is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_database_is_read_with_the_defaults_of_prometheus() {
        let text = "remote_write: [{url: 'https://db/w', name: far, write_relabel_configs: [{regex: x, action: labeldrop}], \
                    basic_auth: {username: a, password: b}, queue_config: {max_samples_per_send: 9, max_backoff: 1m}}, \
                    {url: 'http://db2/w', headers: {X-Scope-OrgID: team}}]";
        let config = Config::read("p.yml", text.into()).unwrap();
        let [far, near] = config.remote_writes.as_slice() else { panic!("{config:?}") };
        assert_eq!((&*far.name, far.samples, far.relabel.len()), ("far", 9, 1));
        assert_eq!((far.backoff, far.backoff_max), (BACKOFF, Duration::from_mins(1)));
        assert!(far.client.credentials.is_some() && !far.with_histograms);
        assert_eq!((&*near.name, near.samples, near.wait), ("http://db2/w", SAMPLES, WAIT));
        assert_eq!(near.headers["X-Scope-OrgID"], "team");
        assert_eq!((near.describe_every, near.described), (Some(DESCRIBE_EVERY), DESCRIBED));
        let of = |text: &str| {
            let text = format!("remote_write: [{{url: 'http://db/w', metadata_config: {text}}}]");
            let config = Config::read("p.yml", text.into()).unwrap();
            (config.remote_writes[0].describe_every, config.remote_writes[0].described)
        };
        let said = of("{send_interval: 5m, max_samples_per_send: 9}");
        assert_eq!(said, (Some(Duration::from_mins(5)), 9));
        assert_eq!(of("{send: false}").0, None);
    }

    #[test]
    fn what_would_be_sent_elsewhere_or_otherwise_is_refused() {
        for (text, why) in [
            ("{name: a}", "the field `url` is missing"),
            ("{url: 'http://ada:x@db/w'}", "is not a URL without a password"),
            ("{url: 'ftp://db/w'}", "is not a URL"),
            (
                "{url: 'http://db/w', protobuf_message: io.prometheus.write.v2.Request}",
                "only `protobuf_message",
            ),
            ("{url: 'http://db/w', sigv4: {}}", "`sigv4` is not supported"),
            (
                "{url: 'http://db/w', headers: {Authorization: x}}",
                "the header `Authorization` is ours",
            ),
            ("{url: 'http://db/w', headers: {'a b': x}}", "`a b` is no header"),
            (
                "{url: 'http://db/w', queue_config: {max_sample: 1}}",
                "there is no field `max_sample`",
            ),
        ] {
            let found =
                Config::read("p.yml", format!("remote_write: [{text}]").into()).unwrap_err();
            let said = found.iter().map(|it| it.message.clone()).collect::<Vec<_>>().join("; ");
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
