//! Descriptions of an API (OpenAPI 3.0 and 3.1): one route an operation.
//!
//! ```text
//! source     YAML or JSON → a tree, and `$ref` within it
//! operation  path, method, parameters, body and expected statuses → a route
//! sample     a schema → a value that fits it
//! ```

use evenkeel_model::yaml::{Node, Sort};

use self::operation::Operation;
use self::source::Source;
use crate::draft::{self, Draft};
use crate::notes::{Notes, cut};
use crate::secrets::Secrets;
use crate::{ImportError, Imported, MAX_REQUESTS, address};

mod operation;
mod sample;
mod source;

const EXPECTED: &str = "description of an API (OpenAPI 3)";
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

pub(crate) fn import(name: &str, text: &str) -> Result<Imported, ImportError> {
    let source = Source::read(name, text)?;
    let root = &source.root;
    let version = root.entry("openapi").and_then(|it| it.value.text());
    if !version.is_some_and(|it| it.starts_with("3.")) {
        let problem = match (version, root.entry("swagger")) {
            (Some(other), _) => {
                format!("version `{}` is not known, only 3.0 and 3.1 are", cut(other))
            }
            (None, Some(_)) => "Swagger 2.0 is older; convert it to OpenAPI 3 first".to_owned(),
            (None, None) => "it does not begin with `openapi: 3.…`".to_owned(),
        };
        return Err(ImportError::Other { expected: EXPECTED, problem });
    }
    let mut notes = Notes::default();
    let title = root.at("info/title").and_then(Node::text).filter(|it| !it.trim().is_empty());
    let mut draft = Draft::new(title.unwrap_or(name));
    let (url, prefix) = server(root, &mut notes);
    draft.test.url = Some(url);
    draft.test.description = title.map(str::to_owned);
    draft.test.shape = Some(draft::a_trickle());
    let mut secrets = Secrets::default();
    routes(&source, &prefix, &mut draft, &mut secrets, &mut notes);
    if root.entry("webhooks").is_some() {
        notes.add("webhooks", "requests to others", "they are sent by the service, and not to it");
    }
    if draft.test.routes.is_empty() {
        let reason = "no path has an operation that is not deprecated".to_owned();
        return Err(ImportError::Nothing { reason, left_out: notes.finish() });
    }
    let why = "a description does not say; a request a second is written, all as likely: set `shape` and `weight`";
    notes.add("the whole", "how much load", why);
    Ok(Imported { tests: vec![draft.test], left_out: notes.finish() })
}

fn routes(
    source: &Source,
    prefix: &str,
    draft: &mut Draft,
    secrets: &mut Secrets,
    notes: &mut Notes,
) {
    let paths = source.root.entry("paths").map(|it| source.resolve(&it.value));
    for path in paths.map(Node::entries).unwrap_or_default() {
        if !path.key.starts_with('/') {
            continue;
        }
        let item = source.resolve(&path.value);
        for entry in item.entries().iter().filter(|it| METHODS.contains(&it.key.as_str())) {
            let operation = source.resolve(&entry.value);
            let place = format!("{} {}", entry.key.to_uppercase(), cut(&path.key));
            let is_deprecated = operation
                .entry("deprecated")
                .is_some_and(|it| it.value.sort() == Sort::Boolean(true));
            if is_deprecated {
                notes.add(place, "the operation", "it is deprecated");
                continue;
            }
            if draft::method(&entry.key).is_none() {
                notes.add(place, entry.key.to_uppercase(), "that method cannot be sent");
                continue;
            }
            if draft.test.routes.len() >= MAX_REQUESTS {
                notes.add(place, "all that follows", "there are too many operations for one test");
                return;
            }
            let operation = Operation {
                source,
                place,
                path: &path.key,
                item,
                method: &entry.key,
                node: operation,
            };
            operation.add(prefix, draft, secrets, notes);
        }
    }
}

/// The server, and the path that stands before all others.
fn server(root: &Node, notes: &mut Notes) -> (String, String) {
    let servers = root.entry("servers").map(|it| &it.value);
    let first = servers.and_then(|it| it.at("0"));
    let mut url = first
        .and_then(|it| it.entry("url"))
        .and_then(|it| it.value.text())
        .unwrap_or("/")
        .to_owned();
    for variable in
        first.and_then(|it| it.entry("variables")).map(|it| it.value.entries()).unwrap_or_default()
    {
        if let Some(default) = variable.value.entry("default").and_then(|it| it.value.text()) {
            url = url.replace(&format!("{{{}}}", variable.key), default);
        }
    }
    if servers.and_then(|it| it.at("1")).is_some() {
        notes.add(
            "servers",
            "every server but the first",
            "one test loads one server; change `url` for another",
        );
    }
    let fallback = |notes: &mut Notes, what: &str| {
        let why = "the description names no server that can be called; set `url`";
        notes.add("servers", what, why);
        "http://127.0.0.1:80".to_owned()
    };
    let (base, path) = match address::split(&url) {
        Ok(it) => (it.base, it.path),
        Err(_) if url.starts_with('/') => (fallback(notes, "the server"), url),
        Err(why) => {
            (fallback(notes, &format!("the server `{}`: {why}", cut(&url))), "/".to_owned())
        }
    };
    (base, path.split('?').next().unwrap_or_default().trim_end_matches('/').to_owned())
}
