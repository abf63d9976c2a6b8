//! What each option of curl means for the request.

use std::iter::Peekable;
use std::time::Duration;

use evenkeel_model::document::{FileName, LoadTest, Part, Reference, Template, Tls};

use super::table::{LONG_WITH, QUIET, SHORT, SHORT_WITH};
use crate::address;
use crate::compose;
use crate::draft::{self, Headers};
use crate::notes::{Notes, cut};
use crate::secrets::Secrets;

/// What a command asks for.
#[derive(Clone, Debug, Default)]
pub(super) struct Call {
    pub(super) place: String,
    /// Scheme, host and port, and the plain beginning of the path.
    pub(super) url: String,
    /// Path and query, encoded.
    pub(super) path: Template,
    pub(super) method: String,
    pub(super) headers: Headers,
    pub(super) body: Option<Template>,
    tls: Tls,
    http2: bool,
    timeout: Option<Duration>,
}

/// One option with what it was given.
struct Given {
    name: String,
    argument: Template,
}

/// Everything the options of a command say.
#[derive(Default)]
struct Options {
    call: Call,
    urls: Vec<Template>,
    data: Vec<Template>,
    json: bool,
    get: bool,
    method: Option<String>,
}

/// Reads the words after `curl`: a call for each URL.
pub(super) fn read(
    place: &str,
    mut words: Peekable<impl Iterator<Item = Template>>,
    secrets: &mut Secrets,
    notes: &mut Notes,
) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut options = Options::default();
    let mut only_urls = false;
    while let Some(word) = words.next() {
        let plain = compose::plain(&word).unwrap_or_default();
        if only_urls || word.front().strip_prefix('-').is_none_or(str::is_empty) {
            options.urls.push(word);
        } else if plain == "--" {
            only_urls = true;
        } else if plain == "--next" || plain == "-:" {
            calls.extend(std::mem::take(&mut options).finish(place, notes));
        } else {
            for given in given(word, &mut words) {
                let is_known = options.take(place, given, secrets, notes);
                // What stands behind an option that nobody knows may be its argument; a URL has a dot or a slash.
                let is_argument = |it: &Template| {
                    let text = it.to_string();
                    !text.starts_with('-') && !text.contains(['.', '/', ':'])
                };
                if !is_known {
                    words.next_if(is_argument);
                }
            }
        }
    }
    calls.extend(options.finish(place, notes));
    calls
}

/// The options in a word such as `-sSLXPOST`, with the argument in it or behind it.
fn given(word: Template, rest: &mut impl Iterator<Item = Template>) -> Vec<Given> {
    let front = word.front().to_owned();
    if let Some(long) = front.strip_prefix("--") {
        let with = LONG_WITH.contains(&long)
            || SHORT.iter().any(|(letter, name)| *name == long && SHORT_WITH.contains(*letter));
        let argument = if with { rest.next().unwrap_or_default() } else { Template::default() };
        return vec![Given { name: long.to_owned(), argument }];
    }
    let mut all = Vec::new();
    for (at, letter) in front.char_indices().skip(1) {
        let long = SHORT.iter().find(|(it, _)| *it == letter);
        let name = long.map_or_else(|| format!("-{letter}"), |(_, it)| (*it).to_owned());
        if !SHORT_WITH.contains(letter) {
            all.push(Given { name, argument: Template::default() });
            continue;
        }
        // The rest of the word, or the next word.
        let tail = front.get(at + letter.len_utf8()..).unwrap_or_default();
        let mut glued = Template::literal(tail);
        word.parts.iter().skip(1).for_each(|it| compose::push(&mut glued, it.clone()));
        let argument = if glued.parts.is_empty() { rest.next().unwrap_or_default() } else { glued };
        all.push(Given { name, argument });
        break;
    }
    all
}

impl Options {
    /// What an option means; whether it is one that we know.
    #[expect(clippy::too_many_lines, reason = "one arm an option")]
    fn take(
        &mut self,
        place: &str,
        given: Given,
        secrets: &mut Secrets,
        notes: &mut Notes,
    ) -> bool {
        let Given { name, argument } = given;
        if name == "user" {
            self.user(place, &argument, secrets, notes);
            return true;
        }
        let headers = &mut self.call.headers;
        let mut header = |name: &str, value: Template, notes: &mut Notes| {
            headers.add(place, name, value, secrets, notes);
        };
        let leave = |notes: &mut Notes, why: &str| {
            let dashes = if name.starts_with('-') { "" } else { "--" };
            let shown = format!(
                "{dashes}{name} {}",
                if name.contains("user") { "…" } else { argument.front() }
            );
            notes.add(place, shown.trim(), why);
        };
        match name.as_str() {
            "url" => self.urls.push(argument),
            "request" => match compose::plain(&argument).and_then(draft::method) {
                Some(method) => self.method = Some(method),
                None => leave(notes, "that method cannot be sent"),
            },
            "header" => match argument.front().split_once(':') {
                Some((name, _)) => {
                    let (name, skip) = (name.trim().to_owned(), name.len() + 1);
                    let value = behind(argument, skip);
                    // `Name:` asks curl to leave its own header away.
                    if !value.parts.is_empty() {
                        header(&name, value, notes);
                    }
                }
                None if argument.front().starts_with('@') => {
                    leave(notes, "files of headers are not read; write them out");
                }
                None if argument.front().ends_with(';') => {
                    header(argument.front().trim_end_matches(';'), Template::default(), notes);
                }
                None => leave(notes, "that is no header"),
            },
            "data" | "data-ascii" | "data-raw" | "data-binary" => {
                self.data.push(data(place, &name, argument, notes));
            }
            "data-urlencode" => self.data.push(encoded(place, argument, notes)),
            "json" => {
                self.json = true;
                self.data.push(data(place, "data-binary", argument, notes));
            }
            "get" => self.get = true,
            "head" => self.method = Some("HEAD".to_owned()),
            "oauth2-bearer" => {
                let mut value = Template::literal("Bearer ");
                compose::append(&mut value, argument);
                header("authorization", value, notes);
            }
            "user-agent" => header("user-agent", argument, notes),
            "referer" => header("referer", argument, notes),
            "cookie" if argument.parts.len() > 1 || argument.front().contains('=') => {
                header("cookie", argument, notes);
            }
            "cookie" => leave(notes, "files of cookies are not read; write a header `cookie`"),
            "cookie-jar" => leave(notes, "cookies are kept by scenarios, and not in files"),
            "compressed" => {
                header("accept-encoding", Template::literal("gzip, deflate, br"), notes);
            }
            "insecure" => self.call.tls.insecure = true,
            "cacert" => self.call.tls.ca = file_name(&argument),
            "cert" => self.call.tls.certificate = file_name(&argument),
            "key" => self.call.tls.key = file_name(&argument),
            "http2" | "http2-prior-knowledge" => self.call.http2 = true,
            "max-time" => {
                let seconds = compose::plain(&argument).and_then(|it| it.parse().ok());
                let time = seconds.and_then(|it| Duration::try_from_secs_f64(it).ok());
                self.call.timeout = time.filter(|it| (1..=86_400_000).contains(&it.as_millis()));
            }
            "upload-file" => {
                self.data.push(data(place, "data-binary", file(&argument), notes));
                self.method.get_or_insert_with(|| "PUT".to_owned());
                header("content-type", Template::literal("application/octet-stream"), notes);
            }
            "location" | "location-trusted" | "max-redirs" => {
                leave(notes, "redirects are not followed; add the request that they lead to");
            }
            "form" | "form-string" => {
                self.method.get_or_insert_with(|| "POST".to_owned());
                leave(
                    notes,
                    "bodies of several parts are not made; write `body` and the header `content-type`",
                );
            }
            "proxy" | "proxy-user" | "proxy-header" => leave(notes, "load is sent without a proxy"),
            "retry" | "retry-delay" | "retry-max-time" => {
                leave(notes, "what fails is counted, and not sent again");
            }
            "connect-timeout" => leave(notes, "connecting is part of `timeout`"),
            "resolve" | "connect-to" => {
                leave(notes, "names are looked up in the system; put it into /etc/hosts");
            }
            quiet if QUIET.contains(&quiet) => {}
            other => {
                leave(notes, "this option has no counterpart");
                return LONG_WITH.contains(&other);
            }
        }
        true
    }

    fn user(&mut self, place: &str, argument: &Template, secrets: &mut Secrets, notes: &mut Notes) {
        let variable = secrets.name("BASIC_CREDENTIALS", &argument.to_string());
        let why = format!(
            "secrets are not written down; set the environment variable `{variable}` to `name:password` in Base64"
        );
        notes.add(place, "the name and the password of `-u`", why);
        let mut value = Template::literal("Basic ");
        compose::push(&mut value, Part::Reference(Reference::Env(variable)));
        self.call.headers.add(place, "authorization", value, secrets, notes);
    }

    fn finish(mut self, place: &str, notes: &mut Notes) -> Vec<Call> {
        let mut joined = Template::default();
        for (n, piece) in self.data.iter().enumerate() {
            if n > 0 && !self.json {
                compose::push_text(&mut joined, "&");
            }
            compose::append(&mut joined, piece.clone());
        }
        let tls = &mut self.call.tls;
        if tls.certificate.is_some() && tls.key.is_none() {
            // One file may hold both.
            tls.key.clone_from(&tls.certificate);
        } else if tls.certificate.is_none() && tls.key.take().is_some() {
            notes.add(place, "--key", "a key is shown with its certificate; set `tls`");
        }
        let has_data = !self.data.is_empty();
        if has_data && !self.get {
            let kind =
                if self.json { "application/json" } else { "application/x-www-form-urlencoded" };
            self.call.headers.add_default("content-type", kind);
            if self.json {
                self.call.headers.add_default("accept", "application/json");
            }
        }
        let method = match (self.method, has_data && !self.get) {
            (Some(method), _) => method,
            (None, true) => "POST".to_owned(),
            (None, false) => "GET".to_owned(),
        };
        if self.urls.is_empty() {
            notes.add(place, "curl", "it has no URL");
        }
        let mut calls = Vec::new();
        for url in self.urls {
            let mut call =
                Call { place: place.to_owned(), method: method.clone(), ..self.call.clone() };
            let Some((server, mut path)) = cut_url(url) else {
                notes.add(
                    place,
                    "a URL that begins with a variable",
                    "its server must be known; write it out",
                );
                continue;
            };
            if has_data && self.get {
                let has_query = path.to_string().contains('?');
                compose::push_text(&mut path, if has_query { "&" } else { "?" });
                compose::append(&mut path, compose::map_text(joined.clone(), address::encode_path));
            } else if has_data {
                call.body = Some(joined.clone());
            }
            if server.contains('@') {
                notes.add(
                    place,
                    "the name and the password in the URL",
                    "write a header `authorization` with `${env:…}`",
                );
            }
            (call.url, call.path) = (server, path);
            calls.push(call);
        }
        calls
    }
}

impl Call {
    /// Settings that hold for the whole test: those of the first call that has them.
    pub(super) fn settle(&self, test: &mut LoadTest, notes: &mut Notes) {
        if self.tls != Tls::default() {
            if test.sending.tls != Tls::default() && test.sending.tls != self.tls {
                notes.add(
                    &self.place,
                    "options of TLS",
                    "a test has one set of them, and an earlier line said another",
                );
            } else {
                test.sending.tls = self.tls.clone();
            }
        }
        test.sending.http2 |= self.http2;
        if let Some(it) = self.timeout {
            test.timeout = test.timeout.max(it);
        }
    }
}

/// The server, and the path as a template: `http://a/b?c#d` → `http://a`, `/b?c`.
fn cut_url(url: Template) -> Option<(String, Template)> {
    let front = url.front();
    if front.is_empty() {
        return None;
    }
    let scheme = front.find("://").map_or(0, |it| it + 3);
    let end = front.get(scheme..)?.find(['/', '?', '#']).map(|it| it + scheme);
    // A variable in the name of the host.
    if end.is_none() && url.parts.len() > 1 {
        return None;
    }
    let end = end.unwrap_or(front.len());
    let server = front.get(..end)?.to_owned();
    let server = if scheme == 0 { format!("http://{server}") } else { server };
    let mut path = Template::default();
    let mut rest = url;
    if let Some(Part::Literal(first)) = rest.parts.first_mut() {
        *first = first.get(end..)?.to_owned();
        if !first.starts_with('/') {
            compose::push_text(&mut path, "/");
        }
    }
    for part in rest.parts {
        match part {
            Part::Literal(text) => {
                let (kept, fragment) =
                    text.split_once('#').map_or((text.as_str(), false), |(it, _)| (it, true));
                compose::push_text(&mut path, &address::encode_path(kept));
                if fragment {
                    break;
                }
            }
            other => compose::push(&mut path, other),
        }
    }
    Some((server, path))
}

/// A template without the first `count` bytes of its text, and without blanks in front.
fn behind(template: Template, count: usize) -> Template {
    let mut kept = Template::default();
    for (n, part) in template.parts.into_iter().enumerate() {
        match part {
            Part::Literal(text) if n == 0 => {
                compose::push_text(&mut kept, text.get(count..).unwrap_or_default().trim_start());
            }
            other => compose::push(&mut kept, other),
        }
    }
    kept
}

fn file(name: &Template) -> Template {
    let mut file = Template::literal("@");
    compose::append(&mut file, name.clone());
    file
}

/// What `--data` and its like send.
fn data(place: &str, option: &str, argument: Template, notes: &mut Notes) -> Template {
    let Some(name) = argument.front().strip_prefix('@').filter(|_| option != "data-raw") else {
        return argument;
    };
    if name == "-" || name.is_empty() || argument.parts.len() > 1 || name.contains('}') {
        notes.add(
            place,
            cut(&format!("--{option} {argument}")),
            "what is typed or named by a variable is not known here",
        );
        return Template::default();
    }
    let why = "the file is read when the load begins, without the line breaks at its end";
    notes.add(place, cut(&format!("--{option} {argument}")), why);
    Template { parts: vec![Part::Reference(Reference::File(FileName::new(name)))] }
}

/// What `--data-urlencode` sends: `content`, `=content`, `name=content`, `@file` or `name@file`.
fn encoded(place: &str, argument: Template, notes: &mut Notes) -> Template {
    let front = argument.front().to_owned();
    match front.find(['=', '@']) {
        Some(at) if front.get(at..).is_some_and(|it| it.starts_with('@')) => {
            notes.add(
                place,
                cut(&format!("--data-urlencode {argument}")),
                "files are not encoded; write the text out",
            );
            Template::default()
        }
        Some(at) => {
            let name = front.get(..at).unwrap_or_default();
            let mut data =
                Template::literal(if at > 0 { format!("{name}=") } else { String::new() });
            compose::append(
                &mut data,
                compose::map_text(cut_front(argument, at + 1), address::encode_value),
            );
            data
        }
        None => compose::map_text(argument, address::encode_value),
    }
}

fn cut_front(mut template: Template, count: usize) -> Template {
    if let Some(Part::Literal(first)) = template.parts.first_mut() {
        *first = first.get(count..).unwrap_or_default().to_owned();
        if first.is_empty() {
            template.parts.remove(0);
        }
    }
    template
}

/// The file that an argument names.
fn file_name(argument: &Template) -> Option<FileName> {
    compose::plain(argument).map(FileName::new)
}
