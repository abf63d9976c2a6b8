//! A sampler of HTTP, with everything that is about it → a request.

use evenkeel_model::document::{Comparison, Criterion, Metric, Template, Threshold};

use super::check;
use super::extract;
use super::group::{Group, Scope};
use super::plan::{Argument, Element};
use crate::address;
use crate::compose;
use crate::draft::{self, Headers, Request};
use crate::notes::cut;

impl<'a> Group<'a> {
    /// Adds the request of a sampler. None when it cannot be sent; why is noted.
    pub(super) fn sampler(
        &mut self,
        element: &Element<'a>,
        scope: &Scope<'_, 'a>,
    ) -> Option<usize> {
        let place = element.place();
        let path = self.target(element, scope)?;
        let written = Self::default(element, scope, "HTTPSampler.method").trim();
        let method = draft::method(if written.is_empty() { "GET" } else { written });
        let Some(method) = method else {
            self.notes.add(
                place,
                element.title(),
                format!("the method `{}` cannot be sent", cut(written)),
            );
            return None;
        };
        let mut headers = Headers::default();
        // The nearest comes first, and what stands farther away does not replace it.
        for manager in scope.headers.iter().rev() {
            let known = headers.clone();
            for (name, value) in
                manager.pairs("HeaderManager.headers", "Header.name", "Header.value")
            {
                if !name.is_empty() && !known.has(name) {
                    let value = self.words.read(&manager.place(), value, self.notes);
                    headers.add(&manager.place(), name, value, self.secrets, self.notes);
                }
            }
        }
        let (path, body) = self.arguments(element, scope, &method, path, &mut headers);
        self.habits(element);
        let asked = check::read(&scope.checks, &self.words, self.notes);
        let extract = scope
            .extracts
            .iter()
            .flat_map(|it| extract::read(it, &self.words, self.notes))
            .collect();
        let path = self.secrets.fields(&place, path, self.notes);
        let body = body.map(|it| self.secrets.fields(&place, it, self.notes));
        let request = Request { place, method, path, headers: headers.list, body };
        let name = Some(element.name()).filter(|it| !it.trim().is_empty());
        let number = self.draft.request(name, request, asked.checks, extract, self.notes);
        if let Some(longest) = asked.longest {
            let route = self.draft.test.routes.get(number).map(|it| it.name.clone());
            let criterion = Criterion {
                metric: Metric::MaxResponseTime,
                comparison: Comparison::AtMost,
                limit: longest.as_secs_f64(),
                sustained: None,
            };
            self.draft.test.success.push(Threshold { criterion, route, phase: None, stop: false });
        }
        Some(number)
    }

    /// A property of the sampler, or else of the nearest defaults that have it.
    fn default(element: &Element<'a>, scope: &Scope<'_, 'a>, name: &str) -> &'a str {
        let own = element.text(name);
        let of_defaults =
            || scope.defaults.iter().rev().map(|it| it.text(name)).find(|it| !it.is_empty());
        if own.is_empty() { of_defaults().unwrap_or_default() } else { own }
    }

    /// The path, when the request goes to the server of the test.
    fn target(&mut self, element: &Element<'a>, scope: &Scope<'_, 'a>) -> Option<Template> {
        let place = element.place();
        let mut path =
            self.words.read(&place, Self::default(element, scope, "HTTPSampler.path"), self.notes);
        let server = if path.front().starts_with("http://") || path.front().starts_with("https://")
        {
            let front = path.front().to_owned();
            let rest = front.find("://").and_then(|at| front.get(at + 3..)).unwrap_or_default();
            let end = front.len() - rest.len() + rest.find(['/', '?']).unwrap_or(rest.len());
            let base = front.get(..end).unwrap_or_default().to_owned();
            let mut cut_path = Template::literal(front.get(end..).unwrap_or_default());
            path.parts.into_iter().skip(1).for_each(|it| compose::push(&mut cut_path, it));
            path = cut_path;
            address::split(&base).map(|it| Some(it.base))
        } else {
            self.server(element, scope)
        };
        match server {
            Err(why) => {
                self.notes.add(
                    place,
                    element.title(),
                    format!("its server cannot be called: {why}"),
                );
                return None;
            }
            Ok(None) => {
                let why = "the plan names no server, or only when it runs; set `url`";
                self.notes.add(&place, "the server", why);
            }
            Ok(Some(server)) => match &self.server {
                Some(known) if *known != server => {
                    let why =
                        format!("it goes to {server}, and one test loads one server ({known})");
                    self.notes.add(place, element.title(), why);
                    return None;
                }
                _ => self.server = Some(server),
            },
        }
        let path = compose::map_text(path, |it| {
            address::encode_path(it.split('#').next().unwrap_or_default())
        });
        if path.front().starts_with('/') {
            return Some(path);
        }
        let mut rooted = Template::literal("/");
        compose::append(&mut rooted, path);
        Some(rooted)
    }

    /// The server that the sampler names; none when only a run would tell.
    fn server(
        &mut self,
        element: &Element<'a>,
        scope: &Scope<'_, 'a>,
    ) -> Result<Option<String>, String> {
        let place = element.place();
        let read = |name| {
            let text = Self::default(element, scope, name);
            self.words.plain(&place, text, &mut crate::notes::Notes::default())
        };
        let (protocol, host) = (read("HTTPSampler.protocol"), read("HTTPSampler.domain"));
        let port = read("HTTPSampler.port");
        let (Some(protocol), Some(host), Some(port)) = (protocol, host, port) else {
            return Ok(None);
        };
        if host.is_empty() || host.contains("${") || port.contains("${") || protocol.contains("${")
        {
            return Ok(None);
        }
        let protocol = if protocol.is_empty() { "http".to_owned() } else { protocol };
        let host =
            if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host };
        let server = if port.is_empty() { host } else { format!("{host}:{port}") };
        address::base(&protocol, &server).map(Some)
    }

    /// What is sent beside the path: in the query, as a form, or as it stands.
    fn arguments(
        &mut self,
        element: &Element<'a>,
        scope: &Scope<'_, 'a>,
        method: &str,
        mut path: Template,
        headers: &mut Headers,
    ) -> (Template, Option<Template>) {
        let place = element.place();
        let mut all: Vec<Argument<'a>> = Vec::new();
        for defaults in &scope.defaults {
            all.extend(defaults.arguments(Some("HTTPsampler.Arguments")));
        }
        all.extend(element.arguments(Some("HTTPsampler.Arguments")));
        if element.flag("HTTPSampler.DO_MULTIPART_POST") || element.has_items("HTTPFileArgs.files")
        {
            let why = "bodies of several parts and files are not made; write `body` and the header `content-type`";
            self.notes.add(&place, element.title(), why);
            return (path, None);
        }
        let has_body = ["POST", "PUT", "PATCH"].contains(&method);
        let is_raw = element.flag("HTTPSampler.postBodyRaw")
            || (has_body && all.iter().all(|it| it.name.is_empty()));
        if all.is_empty() {
            return (path, None);
        }
        if is_raw {
            let mut body = Template::default();
            for argument in &all {
                compose::append(&mut body, self.words.read(&place, argument.value, self.notes));
            }
            return (path, Some(body));
        }
        let mut form = Template::default();
        for argument in &all {
            let pair = self.pair(&place, argument);
            if !form.parts.is_empty() {
                compose::push_text(&mut form, "&");
            }
            compose::append(&mut form, pair);
        }
        if has_body {
            headers.add_default("content-type", "application/x-www-form-urlencoded");
            return (path, Some(form));
        }
        let has_query = path.to_string().contains('?');
        compose::push_text(&mut path, if has_query { "&" } else { "?" });
        compose::append(&mut path, compose::map_text(form, address::encode_path));
        (path, None)
    }

    fn pair(&mut self, place: &str, argument: &Argument<'a>) -> Template {
        let encode =
            |it: &str| if argument.encode { address::encode_value(it) } else { it.to_owned() };
        let mut pair = compose::map_text(self.words.read(place, argument.name, self.notes), encode);
        let value = compose::map_text(self.words.read(place, argument.value, self.notes), encode);
        if argument.equals || !value.parts.is_empty() {
            compose::push_text(&mut pair, "=");
        }
        compose::append(&mut pair, value);
        pair
    }

    /// What a sampler does beside its request.
    fn habits(&mut self, element: &Element<'a>) {
        if element.flag("HTTPSampler.follow_redirects")
            || element.flag("HTTPSampler.auto_redirects")
        {
            let why = "redirects are not followed, and count as right answers; add the requests that they lead to";
            self.notes.add(element.place(), "following redirects", why);
        }
        if element.flag("HTTPSampler.image_parser") {
            let why = "what a page embeds is not fetched; add the requests";
            self.notes.add(element.place(), "embedded resources", why);
        }
        if element.text("HTTPSampler.use_keepalive") == "false" {
            self.notes.add(
                element.place(),
                "a connection for each request",
                "connections are kept",
            );
        }
        for name in ["HTTPSampler.response_timeout", "HTTPSampler.connect_timeout"] {
            let text = element.text(name);
            let time =
                self.words.number(&element.place(), text, &mut crate::notes::Notes::default());
            if let Some(ms) = time
                .and_then(|it| u64::try_from(it).ok())
                .filter(|it| (1..=86_400_000).contains(it))
            {
                let longest = self.timeout.map_or(ms, |it: u64| it.max(ms));
                self.timeout = Some(longest);
            }
        }
    }
}
