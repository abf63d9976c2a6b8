//! Judge: every check of a route, made ready.

use std::ops::RangeInclusive;

use evenkeel_model::Answer;
use evenkeel_model::document::{Checks, JsonPath, StatusCheck};
use memchr::memmem::Finder;
use regex::bytes::Regex;

use super::Headers;
use super::json_path::find;

/// Says what an answer counts as.
#[derive(Clone, Debug)]
pub(crate) struct Judge {
    status: Status,
    headers: Vec<(String, Finder<'static>)>,
    contains: Vec<Finder<'static>>,
    lacks: Vec<Finder<'static>>,
    matches: Vec<Regex>,
    json: Vec<(JsonPath, String)>,
}

#[derive(Clone, Debug)]
enum Status {
    /// Nobody said, so that an answer without a status is right as well.
    Default(RangeInclusive<u16>),
    OneOf(Vec<StatusCheck>),
}

impl Judge {
    /// Makes checks ready; `default_status` is right when they name none.
    ///
    /// # Errors
    /// A sentence, when a regular expression or a path is not one.
    pub(crate) fn new(
        checks: &Checks,
        default_status: RangeInclusive<u16>,
    ) -> Result<Self, String> {
        let finders = |texts: &[String]| texts.iter().map(|it| finder(it)).collect();
        Ok(Self {
            status: match checks.status.is_empty() {
                true => Status::Default(default_status),
                false => Status::OneOf(checks.status.clone()),
            },
            headers: checks
                .headers
                .iter()
                .map(|(name, text)| (name.clone(), finder(text)))
                .collect(),
            contains: finders(&checks.contains),
            lacks: finders(&checks.lacks),
            matches: checks.matches.iter().map(|it| super::regex(it)).collect::<Result<_, _>>()?,
            json: checks
                .json
                .iter()
                .map(|(path, value)| JsonPath::parse(path).map(|it| (it, value.clone())))
                .collect::<Result<_, _>>()
                .map_err(|it| it.to_string())?,
        })
    }

    /// Whether it looks at bodies.
    pub(crate) fn wants_body(&self) -> bool {
        !(self.contains.is_empty()
            && self.lacks.is_empty()
            && self.matches.is_empty()
            && self.json.is_empty())
    }

    /// Whether it looks at headers.
    pub(crate) fn wants_headers(&self) -> bool {
        !self.headers.is_empty()
    }

    /// What the answer counts as. A wrong status comes before anything else, since the body of an error is
    /// never the one that was asked for.
    pub(crate) fn judge(&self, status: Option<u16>, headers: &Headers, body: &[u8]) -> Answer {
        let right = match (&self.status, status) {
            (Status::Default(_), None) => true,
            (Status::Default(range), Some(status)) => range.contains(&status),
            (Status::OneOf(_), None) => false,
            (Status::OneOf(checks), Some(status)) => checks.iter().any(|it| it.holds(status)),
        };
        if !right {
            return Answer::Status;
        }
        match self.likes_headers(headers) && self.likes_body(body) {
            true => Answer::Ok,
            false => Answer::Body,
        }
    }

    fn likes_headers(&self, headers: &Headers) -> bool {
        self.headers
            .iter()
            .all(|(name, text)| headers.get(name.as_bytes()).any(|it| text.find(it).is_some()))
    }

    fn likes_body(&self, body: &[u8]) -> bool {
        self.contains.iter().all(|it| it.find(body).is_some())
            && self.lacks.iter().all(|it| it.find(body).is_none())
            && self.matches.iter().all(|it| it.is_match(body))
            && self
                .json
                .iter()
                .all(|(path, value)| find(path, body).is_some_and(|it| it == value.as_str()))
    }
}

fn finder(text: &str) -> Finder<'static> {
    Finder::new(text).into_owned()
}
