//! Extractor: finds the part of an answer that a later step wants.

use std::borrow::Cow;

use evenkeel_model::document::{Extract, JsonPath, Source};
use memchr::memmem::Finder;
use regex::bytes::Regex;

use super::Headers;
use super::json_path::find;

/// Finds one part of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Extractor {
    /// Number of the variable it is kept in.
    pub(crate) var: u32,
    from: From,
    default: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
enum From {
    Json(JsonPath),
    Header(String),
    Regex(Regex),
    Between(Box<[Finder<'static>; 2]>),
    Body,
    Status,
}

impl Extractor {
    /// Makes it ready.
    ///
    /// # Errors
    /// A sentence, when a regular expression or a path is not one.
    pub(crate) fn new(extract: &Extract, var: u32) -> Result<Self, String> {
        let from = match &extract.from {
            Source::Json(path) => From::Json(JsonPath::parse(path).map_err(|it| it.to_string())?),
            Source::Header(name) => From::Header(name.clone()),
            Source::Regex(pattern) => From::Regex(super::regex(pattern)?),
            Source::Between(before, after) => {
                From::Between(Box::new([before, after].map(|it| Finder::new(it).into_owned())))
            }
            Source::Body => From::Body,
            Source::Status => From::Status,
        };
        Ok(Self { var, from, default: extract.default.clone().map(String::into_bytes) })
    }

    /// Whether it looks at the body.
    pub(crate) fn wants_body(&self) -> bool {
        matches!(self.from, From::Json(_) | From::Regex(_) | From::Between(_) | From::Body)
    }

    /// Whether it looks at headers.
    pub(crate) fn wants_headers(&self) -> bool {
        matches!(self.from, From::Header(_))
    }

    /// The part, or what is to be kept when it is not there. `None` makes the answer wrong.
    pub(crate) fn find<'a>(
        &'a self,
        status: Option<u16>,
        headers: &'a Headers,
        body: &'a [u8],
    ) -> Option<Cow<'a, [u8]>> {
        self.look(status, headers, body).or_else(|| self.default.as_deref().map(Cow::Borrowed))
    }

    fn look<'a>(
        &'a self,
        status: Option<u16>,
        headers: &'a Headers,
        body: &'a [u8],
    ) -> Option<Cow<'a, [u8]>> {
        Some(match &self.from {
            From::Json(path) => match find(path, body)? {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            },
            From::Header(name) => Cow::Borrowed(headers.get(name.as_bytes()).next()?),
            From::Regex(regex) => {
                let captures = regex.captures(body)?;
                let group = match captures.len() {
                    1 => 0,
                    _ => 1,
                };
                Cow::Borrowed(captures.get(group)?.as_bytes())
            }
            From::Between(ends) => {
                let [before, after] = &**ends;
                let from = before.find(body)? + before.needle().len();
                let rest = &body[from..];
                // With nothing to end at, it ends with the body.
                let length = match after.needle() {
                    [] => rest.len(),
                    _ => after.find(rest)?,
                };
                Cow::Borrowed(&rest[..length])
            }
            From::Body => Cow::Borrowed(body),
            From::Status => Cow::Owned(status?.to_string().into_bytes()),
        })
    }
}
