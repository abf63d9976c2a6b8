//! A browser's recording (HTTP Archive): one user who does the same, with the same pauses.
//!
//! What went to other hosts is left out: it is not ours to load. Cookies are those that the service sets
//! during the load, not those of the recording.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_model::document::{LoadStep, Scenario, StatusCheck, Template};
use jiff::Timestamp;
use serde::Deserialize;

use crate::draft::{self, Draft, Headers, Request};
use crate::notes::{Notes, cut};
use crate::secrets::Secrets;
use crate::{ImportError, Imported, MAX_REQUESTS, address, compose};

/// No pause is longer: nobody wants to load a service with a coffee break.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Shorter ones are the browser's, not the user's.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

#[derive(Deserialize)]
struct File {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(default)]
    started_date_time: Option<String>,
    #[serde(default)]
    time: Option<f64>,
    request: Asked,
    #[serde(default)]
    response: Option<Answered>,
    #[serde(default, rename = "_resourceType")]
    resource_type: Option<String>,
    #[serde(default, rename = "_webSocketMessages")]
    messages: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    method: String,
    url: String,
    #[serde(default)]
    http_version: Option<String>,
    #[serde(default)]
    headers: Vec<Pair>,
    #[serde(default)]
    post_data: Option<Posted>,
}

#[derive(Deserialize)]
struct Answered {
    #[serde(default)]
    status: i64,
}

#[derive(Deserialize)]
struct Pair {
    name: String,
    #[serde(default)]
    value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Posted {
    #[serde(default)]
    mime_type: Option<String>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    params: Option<Vec<Param>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Param {
    name: String,
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    file_name: Option<String>,
}

/// A request to the server that is loaded.
struct Step<'e> {
    place: String,
    path: String,
    entry: &'e Entry,
}

pub(crate) fn import(name: &str, text: &str) -> Result<Imported, ImportError> {
    let file: File = serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => ImportError::Other {
            expected: "recording of a browser (HAR)",
            problem: error.to_string(),
        },
        _ => ImportError::Syntax { line: error.line(), problem: format!("not JSON: {error}") },
    })?;
    let entries = in_order(&file.log.entries);
    let mut notes = Notes::default();
    let Some(server) = server(&entries) else {
        let reason = "no entry asks a server over HTTP".to_owned();
        return Err(ImportError::Nothing { reason, left_out: notes.finish() });
    };
    let steps = steps(&entries, &server, &mut notes);
    if steps.is_empty() {
        let reason = format!("none of the entries to {server} was answered");
        return Err(ImportError::Nothing { reason, left_out: notes.finish() });
    }
    let mut draft = Draft::new(name);
    draft.test.url = Some(server);
    draft.test.shape = Some(draft::one_user());
    draft.test.sending.http2 = mostly_http2(&steps);
    let scenario = scenario(&mut draft, name, &steps, &mut notes);
    draft.scenario(scenario);
    notes.add(
        "the whole",
        "how much load",
        "a recording is of one user who does it once; set `shape`",
    );
    Ok(Imported { tests: vec![draft.test], left_out: notes.finish() })
}

/// The entries with their numbers, by the moment they began. Those without a moment stay where they are.
fn in_order(entries: &[Entry]) -> Vec<(usize, &Entry)> {
    let mut all: Vec<_> = entries.iter().enumerate().collect();
    if entries.iter().all(|it| began(it).is_some()) {
        all.sort_by_key(|(_, it)| began(it));
    }
    all
}

fn began(entry: &Entry) -> Option<Timestamp> {
    entry.started_date_time.as_deref()?.parse().ok()
}

/// The server that was asked most; of equals the one that was asked first.
fn server(entries: &[(usize, &Entry)]) -> Option<String> {
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (n, (_, entry)) in entries.iter().enumerate() {
        if let Ok(it) = address::split(&entry.request.url) {
            let is_page = entry.resource_type.as_deref() == Some("document");
            // The page that a browser was led to says more than any number of pictures from elsewhere.
            let weight = if is_page { 1_000 } else { 1 };
            let (count, _) = counts.entry(it.base).or_insert((0, n));
            *count += weight;
        }
    }
    let best =
        counts.into_iter().max_by_key(|(_, (count, first))| (*count, std::cmp::Reverse(*first)));
    best.map(|(base, _)| base)
}

fn steps<'e>(entries: &[(usize, &'e Entry)], server: &str, notes: &mut Notes) -> Vec<Step<'e>> {
    let mut steps = Vec::new();
    for (number, entry) in entries {
        let place = format!("entry {}", number + 1);
        let url = &entry.request.url;
        let status = entry.response.as_ref().map_or(0, |it| it.status);
        if entry.messages.is_some() || url.starts_with("ws") || status == 101 {
            notes.add(
                place,
                "a WebSocket",
                "a recording's messages do not carry over; write a test with `ws://`",
            );
            continue;
        }
        let asked = match address::split(url) {
            Ok(asked) => asked,
            Err(why) => {
                notes.add(place, cut(url), why);
                continue;
            }
        };
        if asked.base != server {
            let why = "one test loads one server, and others may not be ours to load";
            notes.add(place, format!("a request to {}", asked.base), why);
        } else if status <= 0 && entry.response.is_some() {
            notes.add(place, cut(&asked.path), "it was never answered");
        } else if draft::method(&entry.request.method).is_none() {
            notes.add(place, cut(&entry.request.method), "that method cannot be sent");
        } else if steps.len() >= MAX_REQUESTS {
            notes.add(place, "what follows", "there are too many requests for one test");
            break;
        } else {
            steps.push(Step { place, path: asked.path, entry });
        }
    }
    steps
}

fn mostly_http2(steps: &[Step<'_>]) -> bool {
    let is_http2 = |it: &&Step<'_>| {
        let version = it.entry.request.http_version.as_deref().unwrap_or_default();
        ["h2", "http/2", "http/2.0", "h3", "http/3"]
            .iter()
            .any(|it| version.eq_ignore_ascii_case(it))
    };
    steps.iter().filter(is_http2).count() * 2 > steps.len()
}

fn scenario(draft: &mut Draft, name: &str, steps: &[Step<'_>], notes: &mut Notes) -> Scenario {
    let mut secrets = Secrets::default();
    let mut done = Vec::new();
    let mut end: Option<Timestamp> = None;
    for step in steps {
        let start = began(step.entry);
        if let Some(gap) = end
            .zip(start)
            .and_then(|(end, start)| Duration::try_from(start.duration_since(end)).ok())
            && let Some(pause) = pause(gap)
        {
            if gap > LONGEST_PAUSE {
                notes.add(
                    &step.place,
                    "a long pause before it",
                    "pauses are cut to 10s; change `think`",
                );
            }
            done.push(LoadStep::Think { from: pause, to: pause });
        }
        let took = Duration::try_from_secs_f64(step.entry.time.unwrap_or_default() / 1e3)
            .unwrap_or_default();
        let ended = start.and_then(|it| it.checked_add(took).ok());
        end = end.max(ended);
        let (request, checks) = request(step, &mut secrets, notes);
        done.push(LoadStep::Request(draft.request(None, request, checks, Vec::new(), notes)));
    }
    Scenario { name: draft::title(name), weight: 1, cookies: true, steps: done }
}

/// A gap as the pause of a user, in hundredths of a second.
fn pause(gap: Duration) -> Option<Duration> {
    let hundredths = gap.min(LONGEST_PAUSE).as_millis() as u64 / 10;
    let pause = Duration::from_millis(hundredths * 10);
    (pause >= SHORTEST_PAUSE).then_some(pause)
}

/// Headers that a browser sends of its own accord, and that say nothing to a service.
fn is_browser(name: &str) -> bool {
    name.starts_with("sec-")
        || ["priority", "upgrade-insecure-requests", "dnt", "te"].contains(&name)
}

fn request(
    step: &Step<'_>,
    secrets: &mut Secrets,
    notes: &mut Notes,
) -> (Request, evenkeel_model::document::Checks) {
    let place = step.place.as_str();
    let asked = &step.entry.request;
    let mut headers = Headers::default();
    for Pair { name, value } in &asked.headers {
        let lower = name.to_ascii_lowercase();
        match lower.as_str() {
            // Those of HTTP/2, and what follows from the address.
            _ if lower.starts_with(':') || lower == "host" => {}
            "cookie" | "cookie2" => {
                let why =
                    "users get cookies of their own from the service; log in within the scenario";
                notes.add(place, "cookies of the recording", why);
            }
            "if-none-match" | "if-modified-since" | "if-range" => {
                notes.add(
                    place,
                    format!("the header `{lower}`"),
                    "users of the load have no cache",
                );
            }
            _ if is_browser(&lower) => {
                notes.add(
                    place,
                    "headers such as `sec-fetch-mode`",
                    "only browsers send them; add those the service reads",
                );
            }
            _ => {
                let value = Template::literal(value.as_deref().unwrap_or_default());
                headers.add(place, name, value, secrets, notes);
            }
        }
    }
    let body = asked.post_data.as_ref().and_then(|it| body(place, it, &mut headers, notes));
    let path = Template::literal(address::encode_path(&step.path));
    let status = step.entry.response.as_ref().map_or(0, |it| it.status);
    let right = match u16::try_from(status) {
        // It was answered out of the browser's cache; without one, the whole comes.
        Ok(304) => vec![StatusCheck { from: 200, to: 200 }],
        Ok(code) if (200..600).contains(&code) => vec![StatusCheck { from: code, to: code }],
        _ => Vec::new(),
    };
    let request = Request {
        place: place.to_owned(),
        method: draft::method(&asked.method).unwrap_or_else(|| "GET".to_owned()),
        path: secrets.fields(place, path, notes),
        headers: headers.list,
        body: body.map(|it| secrets.fields(place, it, notes)),
    };
    (request, draft::status(right))
}

fn body(
    place: &str,
    posted: &Posted,
    headers: &mut Headers,
    notes: &mut Notes,
) -> Option<Template> {
    let params = posted.params.as_deref().unwrap_or_default();
    let mime = posted.mime_type.as_deref().unwrap_or_default();
    if mime.starts_with("multipart/") || params.iter().any(|it| it.file_name.is_some()) {
        let why = "recordings do not hold the files; write `body` and the header `content-type`";
        notes.add(place, "a body of several parts", why);
        headers.list.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
        return None;
    }
    let text = match posted.text.as_deref().unwrap_or_default() {
        "" => {
            let pair = |it: &Param| {
                // Chrome records them encoded, Firefox does not; a `%` tells.
                let write = |it: &str| match it.contains('%') || it.contains('+') {
                    true => it.to_owned(),
                    false => address::encode_value(it),
                };
                format!("{}={}", write(&it.name), write(it.value.as_deref().unwrap_or_default()))
            };
            params.iter().map(pair).collect::<Vec<_>>().join("&")
        }
        text => text.to_owned(),
    };
    if text.is_empty() {
        return None;
    }
    if !mime.is_empty() {
        headers.add_default("content-type", mime);
    }
    let mut body = Template::default();
    compose::push_text(&mut body, &text);
    Some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps_of(entries: &str) -> (Vec<LoadStep>, Imported) {
        let text = format!("{{\"log\": {{\"entries\": [{entries}]}}}}");
        let imported = import("shop", &text).unwrap();
        (imported.tests[0].scenarios[0].steps.clone(), imported)
    }

    fn entry(url: &str, at: &str, took: u32) -> String {
        format!(
            r#"{{"startedDateTime": "2026-01-01T00:00:{at}Z", "time": {took}, "request": {{"method": "GET", "url": "{url}",
               "headers": []}}, "response": {{"status": 200}}}}"#
        )
    }

    #[test]
    fn pauses_are_the_gaps_between_answers_and_requests_and_have_a_longest() {
        let all = [
            entry("http://a/1", "00.000", 500),
            entry("http://a/2", "00.100", 100),
            entry("http://a/3", "02.000", 100),
            entry("http://a/4", "59.000", 1),
        ];
        let (steps, imported) = steps_of(&all.join(","));
        let think =
            |ms| LoadStep::Think { from: Duration::from_millis(ms), to: Duration::from_millis(ms) };
        let request = LoadStep::Request;
        let expected =
            [request(0), request(1), think(1_500), request(2), think(10_000), request(3)];
        assert_eq!(steps, expected);
        assert!(imported.left_out.iter().any(|it| it.what.contains("long pause")));
    }

    #[test]
    fn what_went_elsewhere_is_listed_once_a_host() {
        let all = [
            entry("http://a/1", "00.000", 1),
            entry("http://cdn/x", "01.000", 1),
            entry("http://cdn/y", "02.000", 1),
            entry("http://a/2", "03.000", 1),
        ];
        let (_, imported) = steps_of(&all.join(","));
        assert_eq!(imported.tests[0].routes.len(), 2);
        let elsewhere: Vec<_> =
            imported.left_out.iter().filter(|it| it.what.contains("cdn")).collect();
        assert_eq!((elsewhere.len(), elsewhere[0].place.as_str()), (1, "entry 2 and 1 more"));
    }
}
