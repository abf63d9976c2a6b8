//! Routes: what one request is, by protocol, as a route of its own or as a step of a scenario.

use serde_json::Value as Json;

use super::checks;
use crate::decode::codec::{
    Any, AsJson, ByKey, Codec, Definitions, Flag, Forms, Integer, List, Mapped, Naming,
};
use crate::decode::codec::{Named, Object, OneKey, Problem};
use crate::decode::fields::Fields;
use crate::decode::kinds::words;
use crate::decode::values::call::{RECORDS, grpc_method, some_text, topic};
use crate::decode::values::condition::conditions;
use crate::decode::values::{length, parse_text, request, text, title};
use crate::decode::{Findings, codes};
use crate::document::{
    Call, Checks, Criterion, Encoding, Extract, Pacing, Part, Route, Template, Until,
};
use crate::yaml::{Node, Place};

/// A request, and what it must hold to.
pub(super) struct Request {
    pub(super) route: Route,
    pub(super) success: Vec<Criterion>,
}

/// The routes of a load without scenarios.
pub(super) fn route() -> ByKey<Request> {
    let object = |title, fields| -> Any<Request> { Box::new(Object { title, fields }) };
    ByKey {
        expected: "a route",
        kinds: vec![
            ("grpc", object("GrpcRoute", grpc::<false>)),
            ("message", object("MessageRoute", message::<false>)),
            ("produce", object("ProduceRoute", produce::<false>)),
            ("consume", object("ConsumeRoute", consume::<false>)),
            ("query", object("QueryRoute", query::<false>)),
        ],
        otherwise: object("Route", http::<false>),
    }
}

/// What every request has, asked for before what is its own.
struct Head {
    name: Option<String>,
    weight: Option<u64>,
}

fn head<const STEP: bool>(f: &mut Fields<'_>, default: &str) -> Head {
    let sentence = format!("Its name in reports. Default: {default}.");
    let name = f.optional("name", &sentence, title());
    let reason = "A route of weight 0 would never be requested.";
    let weight = Integer { min: 1, max: 1_000_000, reason };
    let sentence = "Its share among the routes: weight by the sum of weights.";
    let weight = match STEP {
        true => Some(1),
        false => f.default("weight", sentence, weight, "1"),
    };
    Head { name, weight }
}

/// Likewise, after it.
fn whole<const STEP: bool>(
    f: &mut Fields<'_>,
    head: Head,
    call: Option<Call>,
    checks: Object<Checks>,
    usual: Checks,
) -> Option<Request> {
    let checks = f.optional("checks", "What a right answer looks like.", checks);
    let checks = match checks {
        None if f.has("checks") => None,
        given => Some(given.unwrap_or(usual)),
    };
    let sentence = "What later steps want of the answer, by the name it gets: `${var:NAME}`.";
    let extract = match STEP {
        true => f.or_empty("extract", sentence, checks::extracts()),
        false => Some(Vec::new()),
    };
    let sentence = "What must hold for these requests alone.";
    let success = f.or_empty("success", sentence, conditions());
    let call = call?;
    let extract = extract?.into_iter().map(|(var, it)| Extract { var, ..it }).collect();
    let name = head.name.unwrap_or_else(|| call.title());
    let route = Route { name, weight: head.weight? as u32, call, checks: checks?, extract };
    Some(Request { route, success: success? })
}

pub(super) fn http<const STEP: bool>(f: &mut Fields<'_>) -> Option<Request> {
    let head = head::<STEP>(f, "method and path");
    let method = f.default("method", "HTTP method.", request::method(), "GET");
    let path = f.required("path", "Path and query, starting with `/`.", request::path());
    let headers = Named { key: request::header_name(), of: request::header_value() };
    let sentence = "Headers beside `host` and `content-length`, which are ours.";
    let headers = f.or_empty("headers", sentence, headers);
    let body = f.optional("body", "Body, as it stands.", text());
    let sentence = "Body as structure: sent as JSON, with the content type of it.";
    let json = f.optional("json", sentence, Naming(JsonText));
    f.never_beside("json", &["body"], "A request has one body; give one of the two.");
    let call = method.zip(path).zip(headers).map(|((method, path), mut headers)| {
        let says_type = headers.iter().any(|(it, _)| it.eq_ignore_ascii_case("content-type"));
        if json.is_some() && !says_type {
            let kind = Template::literal("application/json");
            headers.push(("content-type".to_owned(), kind));
        }
        Call::Http { method, path, headers, body: body.or(json) }
    });
    let usual = Checks { status: checks::http_status(), ..Checks::default() };
    whole::<STEP>(f, head, call, checks::HTTP, usual)
}

/// Whatever stands there, as the text of JSON, with placeholders in its texts.
struct JsonText;

impl Codec for JsonText {
    type Value = Template;

    fn read(&self, node: &Node, at: Place, found: &mut Findings) -> Option<Template> {
        let text = AsJson.read(node, at, found)?.to_string();
        parse_text(&text)
            .map_err(|it: Problem| {
                let place = if at.line > 0 { at } else { node.place };
                // The schema takes any structure, and does not look into its texts.
                found.report(codes::RANGE, place, it.message, it.help);
            })
            .ok()
    }

    fn schema(&self, definitions: &mut Definitions) -> Json {
        AsJson.schema(definitions)
    }
}

pub(super) fn grpc<const STEP: bool>(f: &mut Fields<'_>) -> Option<Request> {
    let head = head::<STEP>(f, "the method");
    let call = Object { title: "GrpcCall", fields: grpc_call };
    let call = f.required("grpc", "A call of gRPC.", call);
    whole::<STEP>(f, head, call, checks::OTHER, Checks::default())
}

/// A message as text of JSON, or as structure.
fn grpc_message() -> Forms<Template> {
    Forms {
        expected: "a message as JSON",
        scalar: Some(Box::new(text())),
        list: None,
        map: Some(Box::new(JsonMap)),
    }
}

/// A structure that is a map.
struct JsonMap;

impl Codec for JsonMap {
    type Value = Template;

    fn read(&self, node: &Node, at: Place, found: &mut Findings) -> Option<Template> {
        Naming(JsonText).read(node, at, found)
    }

    fn schema(&self, _: &mut Definitions) -> Json {
        serde_json::json!({"type": "object", "examples": [{"id": 1}]})
    }
}

fn grpc_call(f: &mut Fields<'_>) -> Option<Call> {
    let method = f.required("method", "The method, as `package.Service/Method`.", grpc_method());
    let message = f.optional("message", "What is sent, as JSON.", grpc_message());
    let sentence = "What is sent where the method takes a stream, each as JSON.";
    let messages = f.optional("messages", sentence, List { of: grpc_message(), min: 0 });
    let metadata = Named { key: request::header_name(), of: request::header_value() };
    let metadata = f.or_empty("metadata", "Metadata of the call.", metadata);
    let help = "A call sends one message or several; give one of the two.";
    f.never_beside("message", &["messages"], help);
    let help = "It says when each of several `messages` is sent.";
    f.never_beside("every", &["message"], help);
    f.never_beside("await", &["message"], help);
    let sentence =
        "Each of `messages` is sent so long after the one before it. Default: all at once.";
    let every = f.optional("every", sentence, length());
    let sentence =
        "Each of `messages` waits for an answer to have come since the one before it was sent.";
    let awaits = f.default("await", sentence, Flag, "false");
    let empty = || vec![Template::literal("{}")];
    let messages = message.map(|it| vec![it]).or(messages).unwrap_or_else(empty);
    let pacing = Pacing { every, awaits: awaits? };
    Some(Call::Grpc { method: method?, messages, metadata: metadata?, pacing })
}

pub(super) fn message<const STEP: bool>(f: &mut Fields<'_>) -> Option<Request> {
    let head = head::<STEP>(f, "`message`");
    let call = Object { title: "MessageCall", fields: message_call };
    let call = f.required("message", "A message over WebSocket, TCP or UDP.", call);
    whole::<STEP>(f, head, call, checks::OTHER, Checks::default())
}

fn message_call(f: &mut Fields<'_>) -> Option<Call> {
    let payload = f.or_empty("send", "What is sent. Default: nothing; one listens.", text());
    let encodings =
        [("text", Encoding::Text), ("hex", Encoding::Hex), ("base64", Encoding::Base64)];
    let encodings = words("an encoding", &encodings);
    let encoding = f.default("encoding", "How `send` is written.", encodings, "text");
    let sentence = "Where the answer ends. Default: with the message, the datagram, or the first bytes that come.";
    let until = f.default("until", sentence, until(), "message");
    if let (Some(payload), Some(encoding)) = (&payload, encoding) {
        let fits = |it: char| match encoding {
            Encoding::Text => true,
            Encoding::Hex => it.is_ascii_hexdigit() || it.is_ascii_whitespace(),
            Encoding::Base64 => it.is_ascii_alphanumeric() || "+/=\r\n ".contains(it),
        };
        let wrong = payload.parts.iter().find_map(|part| match part {
            Part::Literal(it) => it.chars().find(|it| !fits(*it)),
            Part::Reference(_) | Part::Slot(_) => None,
        });
        if let Some(wrong) = wrong {
            let message = format!("`{}` is no character of this encoding", wrong.escape_default());
            let help = "Write the payload in it, or leave `encoding` away.";
            f.refuse("send", codes::PAYLOAD, message, help);
        }
    }
    Some(Call::Message { payload: payload?, encoding: encoding?, until: until? })
}

fn until() -> OneKey<Until> {
    let bare = |title, fields| -> Any<Until> { Box::new(Object { title, fields }) };
    let reason = "An answer has at least one byte, and no more than 1 GiB.";
    let bytes = Mapped { of: Integer { min: 1, max: 1 << 30, reason }, into: Until::Bytes };
    let sizes = ["1", "2", "4", "8"].map(|it| (it, it.parse().unwrap_or_default()));
    OneKey {
        expected: "an end of an answer",
        kinds: vec![
            (
                "message",
                "With the message, the datagram, or the first bytes that come.",
                bare("UntilMessage", |_| Some(Until::Message)),
            ),
            ("line", "With the line.", bare("UntilLine", |_| Some(Until::Line))),
            ("close", "With the connection.", bare("UntilClose", |_| Some(Until::Close))),
            (
                "nothing",
                "The request is answered when it is sent.",
                bare("UntilNothing", |_| Some(Until::Nothing)),
            ),
            ("bytes", "After so many bytes.", Box::new(bytes)),
            (
                "prefix",
                "A length of so many bytes stands before it: 1, 2, 4 or 8.",
                Box::new(Prefix(sizes)),
            ),
            (
                "delimiter",
                "With this text, which belongs to it.",
                Box::new(Mapped { of: some_text(), into: Until::Delimiter }),
            ),
        ],
    }
}

/// How many bytes a length has.
struct Prefix([(&'static str, u8); 4]);

impl Codec for Prefix {
    type Value = Until;

    fn read(&self, node: &Node, at: Place, found: &mut Findings) -> Option<Until> {
        let size = self.0.iter().find(|(it, _)| node.text() == Some(*it));
        if size.is_none() {
            let place = if node.place.length > 0 { node.place } else { at };
            let help = "Write `1`, `2`, `4` or `8`.";
            found.report(codes::CHOICE, place, "not the size of a length", help);
        }
        size.map(|(_, it)| Until::Prefix(*it))
    }

    fn schema(&self, _: &mut Definitions) -> Json {
        serde_json::json!({"enum": [1, 2, 4, 8, "1", "2", "4", "8"]})
    }
}

pub(super) fn produce<const STEP: bool>(f: &mut Fields<'_>) -> Option<Request> {
    let head = head::<STEP>(f, "`produce` and the topic");
    let call = Object { title: "ProduceCall", fields: produce_call };
    let call = f.required("produce", "A record for a topic of Kafka.", call);
    whole::<STEP>(f, head, call, checks::OTHER, Checks::default())
}

fn produce_call(f: &mut Fields<'_>) -> Option<Call> {
    let topic = f.required("topic", "The topic.", topic());
    let sentence = "Decides the partition. Default: partitions take turns.";
    let key = f.optional("key", sentence, text());
    let value = f.required("value", "The record.", text());
    Some(Call::Produce { topic: topic?, key, value: value? })
}

pub(super) fn consume<const STEP: bool>(f: &mut Fields<'_>) -> Option<Request> {
    let head = head::<STEP>(f, "`consume` and the topic");
    let call = Object { title: "ConsumeCall", fields: consume_call };
    let call = f.required("consume", "What a topic of Kafka brings.", call);
    whole::<STEP>(f, head, call, checks::OTHER, Checks::default())
}

fn consume_call(f: &mut Fields<'_>) -> Option<Call> {
    let topic = f.required("topic", "The topic.", topic());
    Some(Call::Consume { topic: topic? })
}

pub(super) fn query<const STEP: bool>(f: &mut Fields<'_>) -> Option<Request> {
    let head = head::<STEP>(f, "the record and the name");
    let call = Object { title: "QueryCall", fields: query_call };
    let call = f.required("query", "A question to a DNS server.", call);
    whole::<STEP>(f, head, call, checks::OTHER, Checks::default())
}

fn query_call(f: &mut Fields<'_>) -> Option<Call> {
    let name = f.required("name", "The name that is asked for.", text());
    let records = words("a type of record", &RECORDS.map(|it| (it, it.to_owned())));
    let record = f.default("record", "The type of record.", records, "A");
    Some(Call::Query { name: name?, record: record? })
}
