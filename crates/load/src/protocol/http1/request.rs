//! Requests: written once, before the load, where they are always the same; composed from ready pieces where
//! they are not.

use crate::call::{Call, Headers, What};
use crate::protocol::CallError;
use crate::protocol::text::{fits_header, fits_path, is_token, percent};
use crate::template::{NoValues, Template, Values};

/// A request that is ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Its bytes, when they are always the same. The empty line after the head ends at `head`.
    constant: Option<Vec<u8>>,
    head: usize,
    /// `GET `
    method: Vec<u8>,
    path: Template,
    /// All header lines but those that follow from the values.
    headers: Template,
    body: Option<Template>,
    /// Whether a length is said even when there is no body.
    says_length: bool,
    /// Whether its answer has no body (HEAD).
    pub(super) without_body: bool,
    /// Which headers of its answer somebody looks at.
    pub(super) wants: Headers,
}

impl Request {
    /// Reads a call.
    pub(crate) fn new(host: &str, call: &Call) -> Result<Self, CallError> {
        let What::Http { method, path, headers, body } = &call.what else {
            let reason = "write `method` and `path`".to_owned();
            return Err(CallError::Protocol { protocol: "HTTP", reason });
        };
        if method.is_empty() || !method.bytes().all(is_token) {
            return Err(CallError::Method);
        }
        if !path.starts_with(b"/") || !path.texts().all(|it| it.iter().all(|it| fits_path(*it))) {
            return Err(CallError::Path);
        }
        let mut lines = Template::text(format!(" HTTP/1.1\r\nhost: {host}\r\n"));
        let given = |name: &str| headers.iter().any(|(it, _)| it.eq_ignore_ascii_case(name));
        if !given("user-agent") {
            lines = lines.then(concat!("user-agent: evenkeel/", env!("CARGO_PKG_VERSION"), "\r\n"));
        }
        if !given("connection") {
            lines = lines.then("connection: keep-alive\r\n");
        }
        for (name, value) in headers {
            if name.is_empty() || !name.bytes().all(is_token) {
                return Err(CallError::HeaderName { name: name.clone() });
            }
            if ["host", "content-length", "transfer-encoding"]
                .contains(&&*name.to_ascii_lowercase())
            {
                return Err(CallError::HeaderOurs { name: name.clone() });
            }
            if !value.texts().all(|it| it.iter().all(|it| fits_header(*it))) {
                return Err(CallError::HeaderValue { name: name.clone() });
            }
            lines = lines.then(name).then(": ").then_all(value).then("\r\n");
        }
        let mut request = Self {
            constant: None,
            head: 0,
            method: format!("{method} ").into_bytes(),
            path: path.clone(),
            headers: lines,
            body: body.clone(),
            // A body of nothing is said where a server would otherwise wait for one (RFC 9110 §8.6).
            says_length: body.is_some() || matches!(&**method, "POST" | "PUT" | "PATCH"),
            without_body: method == "HEAD",
            wants: call.wants_headers,
        };
        let body = request.body.as_ref().map_or(Some(&[][..]), Template::constant);
        if let (Some(_), Some(_), Some(body)) =
            (request.path.constant(), request.headers.constant(), body)
        {
            let length = body.len();
            let mut bytes = Vec::new();
            request.compose(&NoValues, &mut bytes);
            request.head = bytes.len() - length;
            request.constant = Some(bytes);
        }
        Ok(request)
    }

    /// Appends the request.
    pub(super) fn write(&self, values: &dyn Values, out: &mut Vec<u8>) {
        match (&self.constant, values.cookie()) {
            (Some(bytes), None) => out.extend_from_slice(bytes),
            (Some(bytes), Some(cookie)) => {
                let (head, body) = bytes.split_at(self.head);
                out.extend_from_slice(&head[..head.len() - 2]);
                put_cookie(cookie, out);
                out.extend_from_slice(b"\r\n");
                out.extend_from_slice(body);
            }
            (None, _) => self.compose(values, out),
        }
    }

    fn compose(&self, values: &dyn Values, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.method);
        self.path.render_safe(values, fits_path, percent, out);
        self.headers.render_safe(values, fits_header, |_, out| out.push(b' '), out);
        if let Some(cookie) = values.cookie() {
            put_cookie(cookie, out);
        }
        if !self.says_length {
            out.extend_from_slice(b"\r\n");
            return;
        }
        let mut body = Vec::new();
        if let Some(template) = &self.body {
            template.render(values, &mut body);
        }
        out.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
        out.extend_from_slice(&body);
    }
}

fn put_cookie(cookie: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"cookie: ");
    out.extend(cookie.iter().map(|it| if fits_header(*it) { *it } else { b' ' }));
    out.extend_from_slice(b"\r\n");
}
