//! An operation of the API → a route.

use evenkeel_model::document::{Part, Reference, StatusCheck, Template};
use evenkeel_model::yaml::{Node, Sort, Value};

use super::sample::{Sample, example, sample};
use super::source::Source;
use crate::address;
use crate::compose;
use crate::draft::{self, Draft, Headers, Request};
use crate::notes::{Notes, cut};
use crate::secrets::Secrets;

/// An operation, and where it stands.
pub(super) struct Operation<'a> {
    pub(super) source: &'a Source,
    pub(super) place: String,
    pub(super) path: &'a str,
    /// What all operations of the path have.
    pub(super) item: &'a Node,
    pub(super) method: &'a str,
    pub(super) node: &'a Node,
}

/// What is sent, piece by piece.
struct Pieces {
    path: Template,
    query: Template,
    headers: Headers,
    body: Option<Template>,
}

impl Operation<'_> {
    pub(super) fn add(
        &self,
        prefix: &str,
        draft: &mut Draft,
        secrets: &mut Secrets,
        notes: &mut Notes,
    ) {
        let mut pieces = Pieces {
            path: Template::literal(address::encode_path(prefix)),
            query: Template::default(),
            headers: Headers::default(),
            body: None,
        };
        self.path(&mut pieces, notes);
        self.parameters(&mut pieces, secrets, notes);
        self.body(&mut pieces, notes);
        self.security(&mut pieces, notes);
        for key in ["servers", "callbacks"] {
            if self.node.entry(key).is_some() || self.item.entry(key).is_some() {
                notes.add(
                    &self.place,
                    format!("`{key}` of an operation"),
                    "all requests go to the one server of the test",
                );
            }
        }
        let Pieces { mut path, query, headers, body } = pieces;
        compose::append(&mut path, query);
        let request = Request {
            place: self.place.clone(),
            method: self.method.to_ascii_uppercase(),
            path,
            headers: headers.list,
            body,
        };
        let name = self.node.entry("operationId").and_then(|it| it.value.text()).map(str::to_owned);
        let name =
            name.unwrap_or_else(|| format!("{} {}", self.method.to_ascii_uppercase(), self.path));
        draft.request(Some(&name), request, draft::status(self.statuses(notes)), Vec::new(), notes);
    }

    /// The parameters of the operation, and those of the path that it does not replace.
    fn all_parameters(&self) -> Vec<&Node> {
        let of = |node| {
            let list: Option<&Node> = Node::entry(node, "parameters").map(|it| &it.value);
            match list.map(|it| &it.value) {
                Some(Value::List(items)) => {
                    items.iter().map(|it| self.source.resolve(it)).collect()
                }
                _ => Vec::new(),
            }
        };
        let key = |node: &Node| {
            let text =
                |key: &str| node.entry(key).and_then(|it| it.value.text()).map(str::to_owned);
            (text("in"), text("name"))
        };
        let mut all: Vec<&Node> = of(self.node);
        for parameter in of(self.item) {
            if !all.iter().any(|it| key(it) == key(parameter)) {
                all.push(parameter);
            }
        }
        all
    }

    fn value(&self, parameter: &Node) -> Sample {
        if let Some(it) = example(self.source, parameter) {
            return it;
        }
        if let Some(schema) = parameter.entry("schema") {
            return sample(self.source, &schema.value);
        }
        let content = parameter.entry("content").and_then(|it| it.value.entries().first());
        let schema = content.and_then(|it| it.value.entry("schema"));
        schema.map_or(Sample::Plain("1".into()), |it| sample(self.source, &it.value))
    }

    /// `/pets/{petId}` with a value for each name in braces.
    fn path(&self, pieces: &mut Pieces, notes: &mut Notes) {
        let parameters = self.all_parameters();
        let mut rest = self.path;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else { break };
            compose::push_text(&mut pieces.path, &address::encode_path(before));
            let text = |node: &Node, key: &str| {
                node.entry(key).and_then(|it| it.value.text())
                    == Some(match key {
                        "in" => "path",
                        _ => name,
                    })
            };
            let value = match parameters.iter().find(|it| text(it, "in") && text(it, "name")) {
                Some(it) => self.value(it).text(),
                None => {
                    notes.add(
                        &self.place,
                        format!("`{{{}}}`", cut(name)),
                        "no parameter says what it is; `1` is written",
                    );
                    "1".to_owned()
                }
            };
            let value = if value.is_empty() { "1".to_owned() } else { value };
            compose::push_text(&mut pieces.path, &address::encode_value(&value));
            rest = after;
        }
        compose::push_text(&mut pieces.path, &address::encode_path(rest));
    }

    fn parameters(&self, pieces: &mut Pieces, secrets: &mut Secrets, notes: &mut Notes) {
        for parameter in self.all_parameters() {
            let text =
                |key: &str| parameter.entry(key).and_then(|it| it.value.text()).unwrap_or_default();
            let is_required = parameter
                .entry("required")
                .is_some_and(|it| it.value.sort() == Sort::Boolean(true));
            if !is_required {
                continue;
            }
            let name = text("name");
            match text("in") {
                "query" => {
                    let values = match self.value(parameter) {
                        Sample::List(items) => items,
                        other => vec![other],
                    };
                    for value in values {
                        let pair = format!(
                            "{}={}",
                            address::encode_value(name),
                            address::encode_value(&value.text())
                        );
                        pieces.query(Template::literal(pair));
                    }
                }
                "header" => {
                    let value = Template::literal(self.value(parameter).text());
                    pieces.headers.add(&self.place, name, value, secrets, notes);
                }
                "cookie" => {
                    let why = "cookies are those that the service sets; write a header `cookie` if it must be there";
                    notes.add(&self.place, format!("the cookie `{}`", cut(name)), why);
                }
                _ => {}
            }
        }
    }

    fn body(&self, pieces: &mut Pieces, notes: &mut Notes) {
        let Some(body) = self.node.entry("requestBody").map(|it| self.source.resolve(&it.value))
        else {
            return;
        };
        let kinds = body.entry("content").map(|it| it.value.entries()).unwrap_or_default();
        let is_json = |it: &str| {
            let it = it.split(';').next().unwrap_or_default().trim();
            it == "application/json" || it.ends_with("+json") || it == "*/*"
        };
        let best = kinds
            .iter()
            .find(|it| is_json(&it.key))
            .or_else(|| {
                kinds.iter().find(|it| it.key.starts_with("application/x-www-form-urlencoded"))
            })
            .or_else(|| kinds.iter().find(|it| it.key.starts_with("text/")));
        let Some(kind) = best else {
            if let Some(first) = kinds.first() {
                let why = "only JSON, forms and texts are made; write `body` and the header `content-type`";
                notes.add(&self.place, format!("a body of `{}`", cut(&first.key)), why);
            }
            return;
        };
        let content = self.source.resolve(&kind.value);
        let value = example(self.source, content)
            .or_else(|| content.entry("schema").map(|it| sample(self.source, &it.value)));
        let Some(value) = value else { return };
        let text = match (&value, is_json(&kind.key)) {
            // An example may be written as the text that it is.
            (Sample::Plain(serde_json::Value::String(text)), true)
                if text.trim_start().starts_with(['{', '[']) =>
            {
                text.clone()
            }
            (_, true) => value.json(),
            (Sample::Map(entries), false) => {
                let pair = |(key, it): &(String, Sample)| {
                    format!("{}={}", address::encode_value(key), address::encode_value(&it.text()))
                };
                entries.iter().map(pair).collect::<Vec<_>>().join("&")
            }
            (other, false) => other.text(),
        };
        let kind = if kind.key == "*/*" { "application/json" } else { kind.key.as_str() };
        pieces.headers.add_default("content-type", kind);
        pieces.body = Some(Template::literal(text));
    }

    /// The first of the ways to show who one is: the others are other ways.
    fn security(&self, pieces: &mut Pieces, notes: &mut Notes) {
        let of = |node: &'_ Node| Node::entry(node, "security").map(|it| it.value.clone());
        let Some(security) = of(self.node).or_else(|| of(&self.source.root)) else { return };
        let Some(first) = security.at("0") else { return };
        for requirement in first.entries() {
            let path = format!("components/securitySchemes/{}", requirement.key);
            let Some(scheme) = self.source.root.at(&path).map(|it| self.source.resolve(it)) else {
                notes.add(
                    &self.place,
                    format!("the security scheme `{}`", cut(&requirement.key)),
                    "it is described nowhere",
                );
                continue;
            };
            let text =
                |key: &str| scheme.entry(key).and_then(|it| it.value.text()).unwrap_or_default();
            let (variable, meaning, before) =
                match (text("type"), text("scheme").to_ascii_lowercase().as_str()) {
                    ("http", "basic") => {
                        ("BASIC_CREDENTIALS", "`name:password` in Base64", "Basic ")
                    }
                    ("http" | "oauth2" | "openIdConnect", _) => {
                        ("BEARER_TOKEN", "a token", "Bearer ")
                    }
                    ("apiKey", _) => ("API_KEY", "the key", ""),
                    (other, _) => {
                        let why = "set `tls` or a header by hand";
                        notes.add(
                            &self.place,
                            format!("the security scheme `{}` ({})", requirement.key, cut(other)),
                            why,
                        );
                        continue;
                    }
                };
            let mut value = Template::literal(before);
            compose::push(&mut value, Part::Reference(Reference::Env(variable.to_owned())));
            let what = format!("the secret of the security scheme `{}`", cut(&requirement.key));
            let why = format!(
                "secrets are not written down; set the environment variable `{variable}` to {meaning}"
            );
            notes.add(&self.place, what, why);
            let name = text("name");
            match (text("type"), text("in")) {
                ("apiKey", "query") => {
                    let mut pair = Template::literal(format!("{}=", address::encode_value(name)));
                    compose::append(&mut pair, value);
                    pieces.query(pair);
                }
                ("apiKey", "cookie") => {
                    let mut pair = Template::literal(format!("{name}="));
                    compose::append(&mut pair, value);
                    pieces.put("cookie", pair, notes, &self.place);
                }
                ("apiKey", _) => pieces.put(name, value, notes, &self.place),
                _ => pieces.put("authorization", value, notes, &self.place),
            }
        }
    }

    /// The good statuses that are described; none when none is.
    fn statuses(&self, notes: &mut Notes) -> Vec<StatusCheck> {
        let responses = self.node.entry("responses").map(|it| self.source.resolve(&it.value));
        let mut right = Vec::new();
        for response in responses.map(Node::entries).unwrap_or_default() {
            match response.key.as_str() {
                "2XX" | "2xx" => right.push(StatusCheck { from: 200, to: 299 }),
                code => match code.parse::<u16>() {
                    Ok(code @ 200..=299) => right.push(StatusCheck { from: code, to: code }),
                    Ok(_) => {}
                    Err(_)
                        if code == "default" || code.starts_with("x-") || code.ends_with("XX") => {}
                    Err(_) => notes.add(
                        &self.place,
                        format!("the response `{}`", cut(code)),
                        "that is no status",
                    ),
                },
            }
        }
        right
    }
}

impl Pieces {
    fn query(&mut self, pair: Template) {
        let mark = if self.query.parts.is_empty() { "?" } else { "&" };
        compose::push_text(&mut self.query, mark);
        compose::append(&mut self.query, pair);
    }

    fn put(&mut self, name: &str, value: Template, notes: &mut Notes, place: &str) {
        self.headers.add(place, name, value, &mut Secrets::default(), notes);
    }
}
