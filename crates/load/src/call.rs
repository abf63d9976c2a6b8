//! Call: one request as the document says it, with its references looked up and its slots numbered.

use evenkeel_model::document::{Encoding, Pacing, Until};

use crate::protocol::grpc::Method;
use crate::template::Template;

/// What is sent, and what is wanted of the answer.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// What is sent.
    pub(crate) what: What,
    /// Which headers of the answer somebody looks at.
    pub(crate) wants_headers: Headers,
    /// Whether somebody looks at its body.
    pub(crate) wants_body: bool,
}

/// Which headers of an answer somebody looks at.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Headers {
    #[default]
    None,
    /// `set-cookie` alone.
    Cookies,
    All,
}

/// What is sent; the counterpart of [`evenkeel_model::document::Call`].
#[derive(Clone, Debug)]
pub(crate) enum What {
    Http {
        method: String,
        path: Template,
        headers: Vec<(String, Template)>,
        body: Option<Template>,
    },
    /// Messages are JSON, in which slots stand inside of texts or for numbers.
    Grpc {
        method: Method,
        messages: Vec<Template>,
        metadata: Vec<(String, Template)>,
        pacing: Pacing,
    },
    Message {
        payload: Template,
        encoding: Encoding,
        until: Until,
    },
    Produce {
        topic: String,
        key: Option<Template>,
        value: Template,
    },
    Consume {
        topic: String,
    },
    Query {
        name: Template,
        record: String,
    },
}
