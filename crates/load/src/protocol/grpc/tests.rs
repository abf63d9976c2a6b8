//! Calls against a real server: unary, the three streams, statuses and reflection; and answers that break rules.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use evenkeel_model::document::{FileName, NamedAt, Pacing, Schema};
use prost_reflect::prost::Message;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;

use super::*;
use crate::call::{Headers, What};
use crate::template::{NoValues, Template};

mod answers;
mod server;
mod talk;

use server::PROTO;

/// What was heard of one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Answered {
    status: Option<u16>,
    headers: BTreeMap<String, String>,
    body: String,
    done: bool,
}

fn note(answered: &mut Answered, heard: &Heard<'_>) {
    assert!(!answered.done, "nothing comes after the end");
    let text = |it: &[u8]| String::from_utf8(it.to_vec()).unwrap();
    match *heard {
        Heard::Status { status, .. } => assert_eq!(answered.status.replace(status), None),
        Heard::Header { name, value, .. } => {
            answered.headers.insert(text(name), text(value));
        }
        Heard::Body { data, .. } => answered.body.push_str(&text(data)),
        Heard::Done { .. } => answered.done = true,
        Heard::Lost { .. } => panic!("{heard:?}"),
    }
}

fn call(method: &Method, messages: &[&str]) -> Call {
    let messages = messages.iter().map(|it| Template::text(*it)).collect();
    let what = What::Grpc {
        method: method.clone(),
        messages,
        metadata: Vec::new(),
        pacing: Pacing::default(),
    };
    Call { what, wants_headers: Headers::All, wants_body: true }
}

/// The descriptions, from a file that imports another and one of Google's.
fn descriptors() -> Descriptors {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("protos")).unwrap();
    for (name, text) in PROTO {
        std::fs::write(folder.path().join("protos").join(name), text).unwrap();
    }
    let document = folder.path().join("shop.yaml").display().to_string();
    let named_at = NamedAt { document, line: 1, column: 1 };
    let file = FileName::new("protos/shop.proto").named_at(named_at);
    Descriptors::from_files(&Schema { files: vec![file], include: Vec::new() }).unwrap()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Makes a call on a connection of its own.
fn ask(address: SocketAddr, call: &Call, values: &dyn Values) -> Answered {
    let ready = Grpc::ready(&address.to_string(), false, call).unwrap();
    let mut stream = connect(address);
    let (mut shared, mut out) = (Shared::default(), Vec::new());
    let mut grpc = Grpc::open(&mut shared, &mut out);
    grpc.begin(&mut shared, 7, &ready, values, Moment::START, &mut out);
    let (mut answered, mut buffer) = (Answered::default(), [0; 1000]);
    while !answered.done {
        stream.write_all(&out).unwrap();
        out.clear();
        let length = stream.read(&mut buffer).unwrap();
        assert!(length > 0);
        let mut input = &buffer[..length];
        while let Some(heard) = grpc.read(&mut shared, &mut input, &mut out).unwrap() {
            note(&mut answered, &heard);
        }
    }
    answered
}

#[test]
fn a_call_of_each_kind_is_answered() {
    let server = server::start();
    let shop = descriptors();
    for (method, messages, expected) in [
        ("One", &[r#"{"text":"a","count":2}"#][..], "{\"text\":\"a\",\"count\":2}"),
        (
            "Many",
            &[r#"{"text":"b","count":3}"#],
            "{\"text\":\"b\",\"count\":0}\n{\"text\":\"b\",\"count\":1}\n{\"text\":\"b\",\"count\":2}",
        ),
        ("Sum", &[r#"{"count":1}"#, r#"{"count":41}"#], "{\"text\":\"\",\"count\":42}"),
        (
            "Echo",
            &[r#"{"text":"x"}"#, "{}"],
            "{\"text\":\"x\",\"count\":0}\n{\"text\":\"\",\"count\":0}",
        ),
        ("Echo", &[], ""),
    ] {
        let method = shop.method(&format!("shop.v1.Shop/{method}")).unwrap();
        let answered = ask(server.address, &call(&method, messages), &NoValues);
        assert_eq!((answered.status, &*answered.body), (Some(0), expected), "{}", method.name());
        assert_eq!(answered.headers["content-type"], "application/grpc");
    }
}

#[test]
fn the_status_is_that_of_the_call() {
    let server = server::start();
    let method = descriptors().method("/shop.v1.Shop/One").unwrap();
    for code in 1..=16u16 {
        let message = format!(r#"{{"text":"fail","count":{code}}}"#);
        let answered = ask(server.address, &call(&method, &[&message]), &NoValues);
        assert_eq!((answered.status, &*answered.body), (Some(code), ""));
    }
}

struct Fixed(&'static str);

impl Values for Fixed {
    fn put(&self, _: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }
}

fn with_slots(text: Template) -> Call {
    let method = descriptors().method("shop.v1.Shop/One").unwrap();
    let metadata = vec![("x-id".to_owned(), Template::text("id ").then_slot(0))];
    let what = What::Grpc { method, messages: vec![text], metadata, pacing: Pacing::default() };
    Call { what, wants_headers: Headers::All, wants_body: true }
}

#[test]
fn values_cannot_break_out_of_their_texts() {
    let server = server::start();
    let call = with_slots(Template::text(r#"{"text":""#).then_slot(0).then(r#"","count":3}"#));
    let answered = ask(server.address, &call, &Fixed("a\",\"count\":9,\n\\"));
    assert_eq!(answered.body, r#"{"text":"a\",\"count\":9,\n\\","count":3}"#);
    assert_eq!(answered.headers["x-id"], r#"id a","count":9, \"#);
}

#[test]
fn values_that_make_no_message_are_an_internal_error() {
    let server = server::start();
    let call = with_slots(Template::text(r#"{"count":"#).then_slot(0).then("}"));
    assert_eq!(ask(server.address, &call, &Fixed("7")).body, r#"{"text":"","count":7}"#);
    assert_eq!(ask(server.address, &call, &Fixed("seven")).status, Some(status::INTERNAL));
}

#[test]
fn what_is_no_message_of_the_method_is_refused_without_its_values() {
    let method = descriptors().method("shop.v1.Shop/One").unwrap();
    let refused = |messages: &[&str]| {
        Grpc::ready("h", false, &call(&method, messages)).unwrap_err().to_string()
    };
    assert!(
        refused(&["{}", "{}"]).contains("`shop.v1.Shop/One` takes one message, and there are 2")
    );
    assert!(refused(&[r#"{"texts":"a"}"#]).contains("there is no field 'texts'"));
    let wrong = refused(&[r#"{"count":"s3cret"}"#]);
    assert!(
        wrong.contains("message 1 is no JSON of `shop.v1.Item`") && !wrong.contains("s3cret"),
        "{wrong}"
    );
    assert!(Grpc::ready("h", false, &call(&method, &[])).is_ok(), "nothing is an empty message");
}

#[test]
fn a_method_that_there_is_not_is_answered_with_those_near_it() {
    let error = descriptors().method("shop.v1.Shop/Ones").unwrap_err().to_string();
    assert!(
        error.starts_with("there is no method `shop.v1.Shop/Ones`; near it are `shop.v1.Shop/One`"),
        "{error}"
    );
    let named_at = NamedAt { document: "here/shop.yaml".to_owned(), line: 12, column: 9 };
    let file = FileName::new("nothing.proto").named_at(named_at);
    let error = Descriptors::from_files(&Schema { files: vec![file], include: Vec::new() });
    let error = error.unwrap_err().to_string();
    assert!(error.ends_with("(named at here/shop.yaml:12:9)"), "{error}");
    assert!(error.contains("nothing.proto"), "{error}");
}

fn reflect(address: SocketAddr, methods: &[&str]) -> Result<Descriptors, SchemaError> {
    let connect = || Ok(Box::new(connect(address)) as Box<dyn ReadWrite>);
    Descriptors::by_reflection(connect, &address.to_string(), false, methods)
}

#[test]
fn the_server_is_asked_for_its_methods_in_both_ways() {
    for version in [server::Reflection::V1, server::Reflection::V1alpha] {
        let server = server::start_with(version);
        let shop = reflect(server.address, &["shop.v1.Shop/One"]).unwrap();
        let method = shop.method("shop.v1.Shop/One").unwrap();
        let answered = ask(server.address, &call(&method, &[r#"{"count":5}"#]), &NoValues);
        assert_eq!(answered.body, r#"{"text":"","count":5}"#);
        let error = reflect(server.address, &["shop.v1.Shap/One"]).unwrap_err().to_string();
        assert!(error.contains("`shop.v1.Shop/…`"), "{error}");
    }
}

#[test]
fn a_server_without_reflection_is_named_as_such() {
    let server = server::start_with(server::Reflection::None);
    let error = reflect(server.address, &["shop.v1.Shop/One"]).unwrap_err();
    assert!(matches!(error, SchemaError::NoReflection { status: 12 }), "{error}");
    let nobody = || Err(std::io::ErrorKind::ConnectionRefused.into());
    let error = Descriptors::by_reflection(nobody, "h", false, &[]).unwrap_err();
    assert!(matches!(error, SchemaError::Connection(_)));
}
