//! `slo init`: first objectives for a service that has nothing but `/metrics`.
//!
//! It is asked once; what it counts becomes objectives with promises that it has kept so far, and a `prometheus.yml` by
//! which `metrics serve` collects what they need.

mod exposed;
mod proposal;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use evenkeel_metrics::exposition::Format;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;

use self::exposed::Exposed;
use super::write;
use crate::args::slo::SloInitArgs;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;
use crate::verb::documents::read;
use crate::verb::init::Target;

/// No service exposes more.
const BODY_MAX: usize = 16 << 20;
/// A service that takes longer will not be scraped either.
const WITHIN: Duration = Duration::from_secs(10);

/// Asks a service what it counts, and writes what may be promised.
pub(crate) async fn run(args: SloInitArgs, screen: &Screen) -> Result<Exit, Failure> {
    let target = Target::parse(&args.url)?;
    let name = args.name.clone().unwrap_or_else(|| target.name.clone());
    if !is_name(&name) {
        return Err(Failure::usage(format!("`{name}` is no name for a service"))
            .help(format!("give one by `--name`: 1 to {NAME_MAX} small letters and digits, with dashes between them, such as `shop`")));
    }
    if args.file == args.config {
        return Err(Failure::usage("objectives and configuration are two files")
            .help("name another with `--file` or `--config`"));
    }
    for file in [&args.file, &args.config] {
        if file.exists() {
            return Err(Failure::usage(format!("{} is there already", file.display()))
                .help("name another with `--file` or `--config`, or remove it first"));
        }
    }
    let (text, format) = fetch(&args.url, &target).await?;
    let exposed = Exposed::read(&text, format, &target.path).map_err(|error| {
        Failure::could_not_run(format!("{} answers, and not with metrics: {error}", args.url))
            .help("name the path where the service exposes them, such as /metrics")
    })?;
    let proposal = proposal::propose(&exposed, &name);
    let first = format!(
        "# Written by `evenkeel slo init {}`. Change what does not fit; `evenkeel check {}` checks it.\n",
        args.url,
        args.file.display()
    );
    let slos = first + &proposal.text;
    // What is written here must be what `check` accepts; anything else is our own mistake.
    let found = read(vec![(args.file.display().to_string(), slos.clone().into_bytes())]);
    if let Some(wrong) = found.diagnostics.iter().find(|it| it.is_error()) {
        return Err(Failure::bug(format!("line {}: {}", wrong.line, wrong.message)));
    }
    let config = configuration(&target, &name);
    for (file, text) in [(&args.file, slos), (&args.config, config)] {
        write(file, &text)?;
    }
    let [file, config] = [&args.file, &args.config].map(|it| it.display().to_string());
    screen.show(
        &json!({"file": file, "config": config, "objectives": proposal.said}),
        || {
            let said = proposal.said.join("\n");
            format!("{said}\nwrote {file} and {config}\nnext  evenkeel metrics serve {file} --config {config}\n")
        },
    )?;
    Ok(Exit::OK)
}

/// The longest name of a service: those of its objectives have some letters more.
const NAME_MAX: usize = 50;

/// Whether names of documents can be made of it.
fn is_name(name: &str) -> bool {
    let is_plain = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit();
    let ends = [name.bytes().next(), name.bytes().last()];
    name.len() <= NAME_MAX
        && ends.iter().all(|it| it.is_some_and(is_plain))
        && name.bytes().all(|it| is_plain(it) || it == b'-')
}

/// How `metrics serve` collects from the service.
fn configuration(target: &Target, name: &str) -> String {
    let address = target.base.trim_start_matches("http://");
    let (path, query) = target.path.split_once('?').unwrap_or((&target.path, ""));
    let params: String = form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| format!("\n      {}: [{}]", quoted(&name), quoted(&value)))
        .collect();
    let params = if params.is_empty() { params } else { format!("\n    params:{params}") };
    format!(
        "global: {{scrape_interval: 15s, evaluation_interval: 15s}}
scrape_configs:
  - job_name: {}
    metrics_path: {}{params}
    static_configs: [{{targets: [{}]}}]
",
        quoted(name),
        quoted(path),
        quoted(address)
    )
}

/// A text as YAML reads it back: its quotes are doubled.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// What the service exposes.
async fn fetch(url: &str, target: &Target) -> Result<(String, Format), Failure> {
    let failed = |why: String| {
        Failure::could_not_run(format!("{url} does not expose metrics: {why}")).help(
            "start the service first, or name the path where it exposes them, such as /metrics",
        )
    };
    let asked = tokio::time::timeout(WITHIN, get(target)).await;
    let (status, kind, body) = match asked {
        Ok(it) => it.map_err(failed)?,
        Err(_) => return Err(failed("there is no answer within 10s".to_owned())),
    };
    if status != StatusCode::OK {
        return Err(failed(format!("it answers {status}")));
    }
    let text = String::from_utf8(body.to_vec()).map_err(|it| failed(it.to_string()))?;
    Ok((text, Format::of(kind.as_deref()).unwrap_or(Format::Text)))
}

type Answer = (StatusCode, Option<String>, Bytes);

async fn get(target: &Target) -> Result<Answer, String> {
    let said = |it: &dyn std::error::Error| it.to_string();
    let authority = target.base.trim_start_matches("http://");
    let host = authority.rsplit_once(':').map_or(authority, |it| it.0);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, target.port)).await.map_err(|it| said(&it))?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|it| said(&it))?;
    let request = Request::get(&target.path)
        .header(header::HOST, authority)
        .header(header::ACCEPT, "text/plain;version=0.0.4")
        .body(Empty::<Bytes>::new())
        .map_err(|it| said(&it))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|it| said(&it))?;
        let kind = response.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|it| it.to_str().ok()).map(str::to_owned);
        let status = response.status();
        let body = Limited::new(response.into_body(), BODY_MAX).collect().await;
        Ok((status, kind, body.map_err(|it| it.to_string())?.to_bytes()))
    };
    let mut exchange = std::pin::pin!(exchange);
    // The connection moves the bytes, and may be done before the answer is read to its end.
    tokio::select! {
        answer = &mut exchange => answer,
        _ = connection => exchange.await,
    }
}
