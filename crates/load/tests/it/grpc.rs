//! gRPC against another implementation: calls of every kind, descriptions from files and from the server.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use evenkeel_load::{Order, prepare};
use evenkeel_model::Answer;
use evenkeel_model::document::{
    Call, FileName, Pacing, Route, Schema, Shape, StatusCheck, Template,
};
use prost::Message as _;
use tempfile::TempDir;
use tokio_stream::wrappers::TcpListenerStream;

use crate::books::{constant, no_secrets, order, run, users};
use crate::secure::{World, front};
use crate::servers::refusing;
use crate::shop::Shop;

const PROTO: &str = "syntax = \"proto3\"; package shop.v1;
    message Item { string text = 1; int32 count = 2; }
    service Shop {
      rpc One(Item) returns (Item); rpc Many(Item) returns (stream Item);
      rpc Sum(stream Item) returns (Item); rpc Echo(stream Item) returns (stream Item);
    }";

/// The description in a file, and where it lies.
fn files() -> (TempDir, Schema) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.proto");
    std::fs::write(&file, PROTO).unwrap();
    let name = |path: &Path| FileName::new(path.to_str().unwrap());
    let (files, include) = (vec![name(&file)], vec![name(folder.path())]);
    (folder, Schema { files, include })
}

/// The service; it describes itself when `reflects`.
fn shop(reflects: bool) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let (folder, schema) = files();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let described = protox::compile([schema.files[0].path()], [folder.path()]).unwrap();
            let described = described.encode_to_vec();
            let reflection = reflects.then(|| {
                tonic_reflection::server::Builder::configure()
                    .register_encoded_file_descriptor_set(&described)
                    .build_v1()
                    .unwrap()
            });
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            tonic::transport::Server::builder()
                .add_service(Shop)
                .add_optional_service(reflection)
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
                .unwrap();
        });
    });
    address
}

fn route(method: &str, messages: &[&str]) -> Route {
    Route::of(Call::Grpc {
        method: format!("shop.v1.Shop/{method}"),
        messages: messages.iter().map(|it| Template::parse(it).unwrap()).collect(),
        metadata: Vec::new(),
        pacing: Pacing::default(),
    })
}

fn call(to: SocketAddr, route: Route, shapes: Vec<Shape>) -> Order {
    let mut order = order(to, shapes);
    order.url = format!("grpc://{to}");
    order.test.routes = vec![route];
    order
}

fn checked(mut route: Route, checks: &[(&str, &str)]) -> Route {
    route.checks.json =
        checks.iter().map(|&(path, value)| (path.to_owned(), value.to_owned())).collect();
    route
}

#[test]
fn every_kind_of_call_is_answered_as_its_messages_say() {
    let (_folder, schema) = files();
    let server = shop(false);
    let one = r#"{"text": "n ${random:1-9}", "count": 3}"#;
    let mut echo = route("Echo", &[one, r#"{"text": "second"}"#]);
    echo.checks.contains = vec!["second".to_owned()];
    let mut many = route("Many", &[one]);
    // The last of three.
    many.checks.matches = vec!["\"count\": ?2".to_owned()];
    for route in [
        checked(route("One", &[one]), &[("$.count", "3")]),
        checked(route("Sum", &[one, one, one]), &[("$.count", "9")]),
        many,
        echo,
    ] {
        let mut order = call(server, route, vec![constant(100, 200)]);
        order.test.connections = 2;
        order.test.sending.grpc = schema.clone();
        let books = run(order);
        books.all_were(20, Answer::Ok);
        assert!(books.connected <= 2, "{books:?}");
    }
}

fn paced(mut route: Route, to: Pacing) -> Route {
    if let Call::Grpc { pacing, .. } = &mut route.call {
        *pacing = to;
    }
    route
}

#[test]
fn messages_of_a_stream_are_paced_and_wait_for_answers() {
    let (_folder, schema) = files();
    let server = shop(false);
    let messages = [r#"{"count": 1}"#; 4];
    let every = Some(Duration::from_millis(30));
    let sum = checked(route("Sum", &messages), &[("$.count", "4")]);
    for (route, millis) in [
        (paced(sum, Pacing { every, awaits: false }), 90),
        (paced(route("Echo", &messages), Pacing { every, awaits: true }), 90),
        (paced(route("Echo", &messages), Pacing { every: None, awaits: true }), 0),
    ] {
        let mut order = call(server, route, vec![constant(100, 200)]);
        order.test.connections = 2;
        order.test.sending.grpc = schema.clone();
        let books = run(order);
        books.all_were(20, Answer::Ok);
        // The histogram counts in steps of a thousandth.
        let least = Duration::from_micros(millis * 999);
        assert!(books.response.min() >= Some(least), "{:?}", books.response.min());
    }
}

#[test]
fn a_stream_that_outlives_the_timeout_is_given_up() {
    let (_folder, schema) = files();
    // The shop says nothing about a sum before it has all.
    let pacing = Pacing { every: Some(Duration::from_mins(1)), awaits: false };
    let route = paced(route("Sum", &["{}"; 3]), pacing);
    let mut order = call(shop(false), route, vec![constant(100, 100)]);
    order.test.sending.grpc = schema;
    order.test.timeout = Duration::from_millis(200);
    run(order).all_were(10, Answer::Timeout);
}

#[test]
fn a_message_that_is_not_as_it_should_be_is_a_wrong_body() {
    let (_folder, schema) = files();
    let route = checked(route("One", &[r#"{"count": 3}"#]), &[("$.count", "4")]);
    let mut order = call(shop(false), route, vec![constant(100, 200)]);
    order.test.sending.grpc = schema;
    run(order).all_were(20, Answer::Body);
}

#[test]
fn an_error_is_a_wrong_status_unless_it_is_asked_for() {
    let (_folder, schema) = files();
    let fails = r#"{"text": "fail", "count": 5}"#;
    let mut order = call(shop(false), route("One", &[fails]), vec![constant(100, 200)]);
    order.test.sending.grpc = schema;
    run(order.clone()).all_were(20, Answer::Status);
    order.test.routes[0].checks.status = vec![StatusCheck { from: 5, to: 5 }];
    run(order).all_were(20, Answer::Ok);
}

#[test]
fn a_server_describes_itself_plainly_and_over_tls() {
    let server = shop(true);
    let one = checked(route("One", &[r#"{"count": 3}"#]), &[("$.count", "3")]);
    let order = call(server, one, vec![constant(100, 200)]);
    run(order.clone()).all_were(20, Answer::Ok);

    let world = World::new();
    let secured = front(world.right(&["h2"]), server);
    let mut secret = Order { url: format!("grpcs://{secured}"), ..order.clone() };
    secret.test.sending.tls = world.trusting();
    run(secret.clone()).all_were(20, Answer::Ok);
    let ((_folder, schema), stranger) = (files(), World::new());
    secret.test.sending.tls = stranger.trusting();
    secret.test.sending.grpc = schema;
    run(secret).all_were(20, Answer::Tls);

    let mut unknown = order;
    unknown.test.routes = vec![route("Unheard", &["{}"])];
    let error = prepare(unknown, no_secrets).unwrap_err().to_string();
    assert!(error.contains("Unheard"), "{error}");
}

#[test]
fn users_call_as_fast_as_they_are_answered() {
    let (_folder, schema) = files();
    let mut order = call(shop(false), route("One", &["{}"]), vec![users(20, 200)]);
    order.test.sending.grpc = schema;
    order.test.connections = 1;
    let books = run(order);
    assert_eq!((books.count(Answer::Ok), books.missed), (books.planned, 0));
    assert!(books.planned > 20 && books.connected == 1, "{books:?}");
}

#[test]
fn a_server_that_refuses_connections_refuses_calls() {
    let (_folder, schema) = files();
    let mut order = call(refusing(), route("One", &["{}"]), vec![constant(100, 200)]);
    order.test.sending.grpc = schema;
    run(order).all_were(20, Answer::Connect);
}
