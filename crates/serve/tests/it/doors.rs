//! Who is let in.

use evenkeel_serve::{ServeError, Server, Settings};
use evenkeel_units::SystemClock;

use crate::world::World;

#[test]
fn a_page_elsewhere_cannot_ask_through_a_browser() {
    let (world, _folder) = World::empty();
    let answer = world.send("GET /api/v1/labels\r\nhost: evil.example\r\n", b"");
    assert_eq!(answer.status, 421);
    let port = world.address.port();
    let answer = world.send(&format!("GET /api/v1/labels\r\nhost: localhost:{port}\r\n"), b"");
    assert_eq!(answer.status, 200);
}

#[test]
fn where_there_is_a_token_it_must_be_brought() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::at(folder.path(), "", Some("0123456789abcdef"));
    assert_eq!(world.get("/api/v1/labels").status, 200);
    world.token = Some("0123456789abcdeX");
    let answer = world.get("/api/v1/labels");
    assert_eq!(answer.status, 401);
    assert!(answer.head.contains("www-authenticate: bearer"), "{}", answer.head);
    world.token = None;
    for path in ["/metrics", "/-/healthy", "/api/v1/write"] {
        assert_eq!(world.get(path).status, 401, "{path}");
    }
}

#[test]
fn others_are_not_let_in_without_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::new("0.0.0.0:0".parse().unwrap(), folder.path());
    let refused = Server::open(settings, SystemClock::start());
    assert!(matches!(refused.err(), Some(ServeError::Open(_))));
}
