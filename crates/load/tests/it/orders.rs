//! Orders that cannot be sent are refused before anything is, and secrets are sent and not shown.

use std::sync::mpsc;

use evenkeel_load::{LoadError, prepare};
use evenkeel_model::document::{Call, Route, Template};

use crate::books::{constant, no_secrets, order};
use crate::servers::{HELLO, refusing, serve};

fn with_header(name: &str, value: &str) -> Route {
    Route::of(Call::Http {
        method: "GET".to_owned(),
        path: Template::literal("/"),
        headers: vec![(name.to_owned(), Template::parse(value).unwrap())],
        body: None,
    })
}

#[test]
fn a_secret_is_sent_and_never_shown() {
    let (heard, hear) = mpsc::channel();
    let server = serve(move |talk, _| {
        while let Some(request) = talk.request() {
            heard.send(request).unwrap();
            talk.say(HELLO);
        }
    });
    let mut secret = order(server, vec![constant(10, 100)]);
    secret.test.routes = vec![with_header("Authorization", "Bearer ${env:TOKEN}")];
    let shown = format!("{secret:?}");
    let prepared = prepare(secret, |_| Ok("hunter2".to_owned())).unwrap();
    let shown = format!("{shown}{prepared:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    prepared.start(|_| {}).unwrap().join();
    let request = hear.recv().unwrap();
    assert!(request.contains("\r\nAuthorization: Bearer hunter2\r\n"), "{request}");
}

#[test]
fn a_secret_that_breaks_the_request_is_refused_without_being_shown() {
    let mut secret = order(refusing(), Vec::new());
    secret.test.routes = vec![with_header("x-token", "${env:TOKEN}")];
    let error = prepare(secret.clone(), |_| Ok("hunter2\r\n\r\nGET".to_owned())).unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("x-token") && !shown.contains("hunter2"), "{shown}");
    let error = prepare(secret, no_secrets).unwrap_err();
    assert!(matches!(error, LoadError::Request { .. }), "{error:?}");
}

#[test]
fn an_order_without_anything_to_send_is_refused() {
    let mut empty = order(refusing(), Vec::new());
    empty.test.connections = 0;
    assert!(matches!(prepare(empty.clone(), no_secrets), Err(LoadError::NoConnections)));
    empty.test.connections = 1;
    empty.test.routes.clear();
    assert!(matches!(prepare(empty.clone(), no_secrets), Err(LoadError::NoRoutes)));
    empty.url = "ftp://127.0.0.1".to_owned();
    assert!(prepare(empty, no_secrets).unwrap_err().to_string().contains("https"));
}

#[test]
fn a_load_without_shapes_ends_at_once() {
    let prepared = prepare(order(refusing(), Vec::new()), no_secrets).unwrap();
    let (say, said) = mpsc::channel();
    prepared.start(move |it| say.send(it).unwrap()).unwrap().join();
    assert_eq!(said.iter().count(), 2);
}
