//! `init`: a first drill for a service of the reader's own.

use std::time::Duration;

use evenkeel_model::document::ProbeKind;
use evenkeel_units::{Clock, Human, SystemClock};
use serde_json::json;

use super::documents::read;
use crate::args::InitArgs;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

const DOCUMENT: &str = include_str!("../../assets/init.yaml");
/// How often the service is asked to learn how fast it answers.
const QUESTIONS: u32 = 20;

/// Asks the service, then writes a drill that fits what it answered.
pub(crate) async fn run(args: InitArgs, screen: &Screen) -> Result<Exit, Failure> {
    let target = Target::parse(&args.url)?;
    if args.file.exists() {
        return Err(Failure::usage(format!("{} is there already", args.file.display()))
            .help("name another with `--file`, or remove it first"));
    }
    let slowest = slowest_answer(&args.url).await?;
    let threshold = comfortable(slowest);
    let fields = [
        ("@FILE@", args.file.display().to_string()),
        ("@NAME@", target.name.clone()),
        ("@BASE@", target.base.clone()),
        ("@PORT@", target.port.to_string()),
        ("@PATH@", quoted(&target.path)),
        ("@URL@", args.url.clone()),
        ("@STATUS@", "200".to_owned()),
        ("@MEASURED@", format!("the slowest of {QUESTIONS} answers took {}", Human(slowest))),
        ("@THRESHOLD@", Human(threshold).to_string()),
    ];
    let text =
        fields.iter().fold(DOCUMENT.to_owned(), |text, (mark, value)| text.replace(mark, value));
    // What is written here must be what `check` accepts; anything else is our own mistake.
    let found = read(vec![(args.file.display().to_string(), text.clone().into_bytes())]);
    if let Some(wrong) = found.diagnostics.iter().find(|it| it.is_error()) {
        return Err(Failure::bug(format!("line {}: {}", wrong.line, wrong.message)));
    }
    std::fs::write(&args.file, text).map_err(|error| {
        Failure::could_not_run(format!("cannot write {}: {error}", args.file.display()))
    })?;
    let file = args.file.display();
    screen.show(&json!({"file": file.to_string(), "url": args.url, "slowest_seconds": slowest.as_secs_f64()}), || {
        format!("{} answers, the slowest of {QUESTIONS} after {}\nwrote {file}\nnext  evenkeel drill run {file}", args.url, Human(slowest))
    })?;
    Ok(Exit::OK)
}

/// A URL taken apart.
pub(super) struct Target {
    pub(super) base: String,
    pub(super) path: String,
    pub(super) port: u16,
    pub(super) name: String,
}

impl Target {
    pub(super) fn parse(url: &str) -> Result<Self, Failure> {
        let wrong = || {
            Failure::usage(format!("`{url}` is no URL that can be drilled"))
                .help("write one such as http://127.0.0.1:8080/")
        };
        let rest = url.strip_prefix("http://").ok_or_else(wrong)?;
        let (authority, path) =
            rest.split_once('/').map_or((rest, String::new()), |(it, path)| (it, path.to_owned()));
        let port = match authority.rsplit_once(':') {
            Some((_, port)) => port.parse().map_err(|_| wrong())?,
            None => 80,
        };
        let plain = |it: char| it.is_ascii_graphic() && !"\"'\\<>{}|^`".contains(it);
        if authority.is_empty()
            || authority.starts_with(':')
            || authority.contains('@')
            || !url.chars().all(plain)
        {
            return Err(wrong());
        }
        let name: String = authority
            .chars()
            .map(|it| if it.is_ascii_alphanumeric() { it.to_ascii_lowercase() } else { '-' })
            .collect();
        let name = format!("at-{}", name.trim_matches('-'));
        Ok(Self { base: format!("http://{authority}"), path: format!("/{path}"), port, name })
    }
}

/// A text as YAML reads it back, whatever is in it.
fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

async fn slowest_answer(url: &str) -> Result<Duration, Failure> {
    let clock = SystemClock::start();
    let within = Duration::from_secs(10);
    let question = ProbeKind::Http { url: url.to_owned(), status: 200, within, contains: None };
    let mut slowest = Duration::ZERO;
    for _ in 0..QUESTIONS {
        let asked = clock.now();
        let seen = evenkeel_probe::ask(&question, |_| Vec::new()).await;
        if let Some(seen) = seen.filter(|it| !it.held) {
            return Err(Failure::could_not_run(format!(
                "{url} does not answer with 200: {}",
                seen.detail
            ))
            .help("start the service first, or name a path that answers"));
        }
        slowest = slowest.max(clock.now() - asked);
    }
    Ok(slowest)
}

/// A limit with room above what was measured: five times that, at least 50 ms, in round numbers.
fn comfortable(slowest: Duration) -> Duration {
    let wanted = (slowest * 5).max(Duration::from_millis(50));
    let round = [50, 100, 200, 300, 500, 1_000, 2_000, 5_000, 10_000].map(Duration::from_millis);
    round.into_iter().find(|it| *it >= wanted).unwrap_or(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let target = Target::parse("http://127.0.0.1:8080/health?deep=1").unwrap();
        assert_eq!(
            (target.base.as_str(), target.path.as_str(), target.port),
            ("http://127.0.0.1:8080", "/health?deep=1", 8080)
        );
        assert_eq!(target.name, "at-127-0-0-1-8080");
    }

    #[test]
    fn what_is_no_url_is_refused_with_an_example() {
        for url in [
            "127.0.0.1:80",
            "https://example.org",
            "http://",
            "http://:80/",
            "http://a:b/",
            "http://me:secret@a/",
            "http://a/\"x",
        ] {
            assert!(
                Target::parse(url).is_err_and(|it| it.help.contains("http://127.0.0.1:8080/")),
                "{url}"
            );
        }
    }
}
