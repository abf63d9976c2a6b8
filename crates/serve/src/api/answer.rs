//! Answer: the envelope of what is said, and errors by their type.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode};

use super::json;
use crate::door::{self, Packing};

const JSON: &str = "application/json";
/// The warning beside an answer that `limit` has cut.
pub(super) const CUT: &str = "results truncated due to limit";

/// What is said to a request that has an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// As JSON.
    pub(crate) data: String,
    /// What is probably wrong.
    pub(crate) warnings: Vec<String>,
    /// What is worth knowing.
    pub(crate) infos: Vec<String>,
}

impl Said {
    /// Only data.
    pub(crate) fn data(data: impl Into<String>) -> Self {
        Self { data: data.into(), ..Self::default() }
    }

    /// As it is sent.
    pub(crate) fn response(self, packing: Packing) -> Response<Full<Bytes>> {
        let mut text = String::with_capacity(self.data.len() + 64);
        text.push_str(r#"{"status":"success","data":"#);
        text.push_str(&self.data);
        for (name, list) in [("warnings", &self.warnings), ("infos", &self.infos)] {
            if !list.is_empty() {
                text.push_str(&format!(",\"{name}\":"));
                json::texts(&mut text, list.iter().map(String::as_str));
            }
        }
        text.push('}');
        packing.with(StatusCode::OK, JSON, text)
    }
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    kind: Kind,
    why: String,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Kind {
    BadData,
    Execution,
    Timeout,
    Canceled,
    NotFound,
    Internal,
    Unavailable,
}

impl Failed {
    /// The request makes no sense.
    pub(crate) fn bad(why: impl Into<String>) -> Self {
        Self { kind: Kind::BadData, why: why.into() }
    }

    /// A parameter makes no sense.
    pub(crate) fn parameter(name: &str, why: impl std::fmt::Display) -> Self {
        Self::bad(format!("invalid parameter \"{name}\": {why}"))
    }

    /// The query makes no sense on the data that there are, or takes too much.
    pub(crate) fn execution(why: impl Into<String>) -> Self {
        Self { kind: Kind::Execution, why: why.into() }
    }

    /// Its time was over.
    pub(crate) fn timeout(why: impl Into<String>) -> Self {
        Self { kind: Kind::Timeout, why: why.into() }
    }

    /// It was given up.
    pub(crate) fn canceled(why: impl Into<String>) -> Self {
        Self { kind: Kind::Canceled, why: why.into() }
    }

    /// There is no such thing.
    pub(crate) fn not_found(why: impl Into<String>) -> Self {
        Self { kind: Kind::NotFound, why: why.into() }
    }

    /// Our own mistake, or the disk's.
    pub(crate) fn internal(why: impl Into<String>) -> Self {
        Self { kind: Kind::Internal, why: why.into() }
    }

    /// Too many ask at once.
    pub(crate) fn unavailable(why: impl Into<String>) -> Self {
        Self { kind: Kind::Unavailable, why: why.into() }
    }

    /// As it is sent.
    pub(crate) fn response(&self) -> Response<Full<Bytes>> {
        let (name, status) = match self.kind {
            Kind::BadData => ("bad_data", StatusCode::BAD_REQUEST),
            Kind::Execution => ("execution", StatusCode::UNPROCESSABLE_ENTITY),
            Kind::Timeout => ("timeout", StatusCode::SERVICE_UNAVAILABLE),
            Kind::Canceled => ("canceled", StatusCode::SERVICE_UNAVAILABLE),
            Kind::NotFound => ("not_found", StatusCode::NOT_FOUND),
            Kind::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR),
            Kind::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE),
        };
        let mut text = format!(r#"{{"status":"error","errorType":"{name}","error":"#);
        json::text(&mut text, &self.why);
        text.push('}');
        door::with(status, JSON, text)
    }
}
