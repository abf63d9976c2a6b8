//! What one request is, by protocol, and what a right answer to it looks like.

use std::time::Duration;

use evenkeel_units::duration::seconds_option;
use serde::{Deserialize, Serialize};

use super::Template;

/// One kind of request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// Its name in reports. Default: method and path, or what stands for them.
    pub name: String,
    /// Its share among the routes: weight by the sum of weights. Default 1. Routes that are steps of
    /// scenarios have none of their own.
    pub weight: u32,
    /// What is sent.
    pub call: Call,
    /// What a right answer looks like.
    pub checks: Checks,
    /// What later steps want of the answer.
    pub extract: Vec<Extract>,
}

impl Route {
    /// A route that is sent and not looked at closer than its protocol asks for.
    pub fn of(call: Call) -> Self {
        let (checks, extract) = (Checks::default(), Vec::new());
        Self { name: call.title(), weight: 1, call, checks, extract }
    }
}

/// What is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// A request of HTTP, whatever its version.
    Http {
        /// Method. Default GET.
        method: String,
        /// Path and query, starting with `/`.
        path: Template,
        /// Headers beside `host` and `content-length`, which are ours.
        headers: Vec<(String, Template)>,
        /// Body.
        body: Option<Template>,
    },
    /// A call of gRPC.
    Grpc {
        /// `package.Service/Method`.
        method: String,
        /// What is sent, each as JSON: one message, or several where the method takes a stream.
        messages: Vec<Template>,
        /// Metadata.
        metadata: Vec<(String, Template)>,
        /// When each message after the first is sent.
        #[serde(default)]
        pacing: Pacing,
    },
    /// A message over WebSocket, TCP or UDP.
    Message {
        /// What is sent; nothing when it is empty.
        payload: Template,
        /// How the payload is written.
        encoding: Encoding,
        /// Where the answer ends.
        until: Until,
    },
    /// A record for a topic of Kafka.
    Produce {
        /// The topic.
        topic: String,
        /// Decides the partition. Default: partitions take turns.
        key: Option<Template>,
        /// The record.
        value: Template,
    },
    /// What a topic of Kafka brings: its records are counted, and timed from when they were produced.
    Consume {
        /// The topic.
        topic: String,
    },
    /// A question to a DNS server.
    Query {
        /// The name that is asked for.
        name: Template,
        /// The type of record, such as `A` or `AAAA`. Default `A`.
        record: String,
    },
}

/// When each further message of a stream is sent. By default all are sent at once.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pacing {
    /// So long after the one before it.
    #[serde(rename = "every_seconds", with = "seconds_option")]
    pub every: Option<Duration>,
    /// Not before an answer has come since the one before it was sent.
    pub awaits: bool,
}

/// How a payload is written.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// As text.
    #[default]
    Text,
    /// As pairs of hexadecimal digits; blanks are passed over.
    Hex,
    /// In Base64.
    Base64,
}

/// Where an answer without a head of its own ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// With the message (WebSocket), the datagram (UDP), or the first bytes that come (TCP).
    #[default]
    Message,
    /// With the line.
    Line,
    /// After so many bytes.
    Bytes(u64),
    /// A length of so many bytes (1, 2, 4 or 8; the most significant first) stands before it.
    Prefix(u8),
    /// With these bytes, which belong to it.
    Delimiter(String),
    /// With the connection.
    Close,
    /// There is none: the request is answered when it is sent.
    Nothing,
}

/// What a right answer looks like. Every check that is there must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Checks {
    /// Which status codes are right. Default 200–399 for HTTP; 0 for gRPC and DNS.
    pub status: Vec<StatusCheck>,
    /// Texts which the body must contain.
    pub contains: Vec<String>,
    /// Texts which the body must not contain.
    pub lacks: Vec<String>,
    /// Regular expressions which the body must match.
    pub matches: Vec<String>,
    /// Values in a JSON body, by path.
    pub json: Vec<(String, String)>,
    /// Headers and a text that each must contain.
    pub headers: Vec<(String, String)>,
}

/// Status codes that are right: written `200`, `2xx` or `200-204`.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusCheck {
    /// The first.
    pub from: u16,
    /// The last.
    pub to: u16,
}

impl StatusCheck {
    /// Whether `status` is among them.
    pub const fn holds(self, status: u16) -> bool {
        self.from <= status && status <= self.to
    }
}

/// A part of an answer that later steps want.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Extract {
    /// The variable it is kept in: `${var:NAME}`.
    pub var: String,
    /// Where it stands.
    pub from: Source,
    /// What is kept when it is not there. Without it, the answer is wrong.
    pub default: Option<String>,
}

/// Where a part of an answer stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A value in a JSON body, such as `$.items[0].id`.
    Json(String),
    /// A header.
    Header(String),
    /// The first group of a regular expression, or the whole match without one.
    Regex(String),
    /// The text between two texts.
    Between(String, String),
    /// The whole body.
    Body,
    /// The status.
    Status,
}

impl Call {
    /// Whether it goes on in the background from the beginning to the end of the load, so that nobody sends it.
    pub const fn is_followed(&self) -> bool {
        matches!(self, Self::Consume { .. })
    }

    /// The templates in it.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        let (first, rest): (Vec<&Template>, _) = match self {
            Self::Http { path, headers, body, .. } => {
                (std::iter::once(path).chain(body).collect(), headers.as_slice())
            }
            Self::Grpc { messages, metadata, .. } => {
                (messages.iter().collect(), metadata.as_slice())
            }
            Self::Message { payload, .. } => (vec![payload], [].as_slice()),
            Self::Produce { key, value, .. } => {
                (std::iter::once(value).chain(key).collect(), [].as_slice())
            }
            Self::Consume { .. } => (Vec::new(), [].as_slice()),
            Self::Query { name, .. } => (vec![name], [].as_slice()),
        };
        first.into_iter().chain(rest.iter().map(|(_, value)| value))
    }

    /// What it is called when nobody gave it a name.
    pub fn title(&self) -> String {
        match self {
            Self::Http { method, path, .. } => format!("{method} {path}"),
            Self::Grpc { method, .. } => method.clone(),
            Self::Message { payload, .. } if payload.parts.is_empty() => "listen".to_owned(),
            Self::Message { .. } => "message".to_owned(),
            Self::Produce { topic, .. } => format!("produce {topic}"),
            Self::Consume { topic } => format!("consume {topic}"),
            Self::Query { name, record } => format!("{record} {name}"),
        }
    }
}
