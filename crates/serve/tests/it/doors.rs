//! Who is let in, and for how long.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use evenkeel_serve::door::{Door, Guard, Patience, plain};
use evenkeel_serve::{ServeError, Server, Settings};
use evenkeel_units::SystemClock;
use hyper::StatusCode;
use tokio::task::LocalSet;

use crate::world::World;

#[test]
fn a_page_elsewhere_cannot_ask_through_a_browser() {
    let (world, _folder) = World::empty();
    let answer = world.send("GET /api/v1/labels\r\nhost: evil.example\r\n", b"");
    assert_eq!(answer.status, 421);
    let port = world.address.port();
    let answer = world.send(&format!("GET /api/v1/labels\r\nhost: localhost:{port}\r\n"), b"");
    assert_eq!(answer.status, 200);
    let write = "POST /api/v1/write\r\ncontent-encoding: snappy\r\n";
    let get = "GET /api/v1/query?query=up\r\n";
    for (head, status) in [
        (format!("{write}origin: http://evil.example\r\n"), 403),
        (format!("{write}origin: null\r\n"), 403),
        (format!("{write}origin: http://{}\r\n", world.address), 204),
        (format!("{get}sec-fetch-site: cross-site\r\nsec-fetch-mode: no-cors\r\n"), 403),
        (format!("{get}sec-fetch-site: cross-site\r\nsec-fetch-mode: navigate\r\n"), 200),
        (format!("{get}sec-fetch-site: same-origin\r\nsec-fetch-mode: cors\r\n"), 200),
    ] {
        assert_eq!(world.send(&head, b"\0").status, status, "{head}");
    }
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
    for path in ["/", "/slo/available", "/metrics", "/-/healthy", "/api/v1/write"] {
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

#[test]
fn a_head_has_a_most() {
    let (world, _folder) = World::empty();
    let large = format!("GET /-/healthy\r\nx: {}\r\n", "y".repeat(20_000));
    let many = format!("GET /-/healthy\r\n{}", "x: y\r\n".repeat(200));
    for head in [large, many] {
        assert_eq!(world.send(&head, b"").status, 431);
    }
    assert_eq!(world.get("/-/healthy").status, 200);
}

/// A door that answers everybody, in a thread that nobody waits for.
fn door(first: Duration, connections: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let (hour, answer) = (Duration::from_hours(1), |_| async { plain(StatusCode::OK, "yes") });
    let patience = Patience { first, next: hour, connection: hour, connections };
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let serve = async {
            let mut door = Door::open(listener, Guard::Host, patience, answer).unwrap();
            match door.serve().await {}
        };
        LocalSet::new().block_on(&runtime, serve)
    });
    address
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Asks, and keeps the connection.
fn ask(stream: &mut TcpStream, address: SocketAddr) -> bool {
    let mut answer = [0; 4096];
    write!(stream, "GET / HTTP/1.1\r\nhost: {address}\r\n\r\n").is_ok()
        && stream.read(&mut answer).is_ok_and(|length| answer[..length].ends_with(b"yes"))
}

/// Whether the other side closes the connection, without having said anything of worth.
fn is_closed(mut stream: TcpStream) -> bool {
    // What was sent and is not read any more resets it.
    match stream.read_to_end(&mut Vec::new()) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn who_asks_nothing_is_not_waited_for_and_who_asked_is() {
    let address = door(Duration::from_millis(100), 10);
    let (silent, mut slow) = (connect(address), connect(address));
    write!(slow, "GET / HTTP/1.1\r\nx-slow: ").unwrap();
    // On a machine that is busy, even who asks at once may be too late.
    let mut connections = (0..100).map(|_| connect(address));
    let asking = connections.find_map(|mut it| ask(&mut it, address).then_some(it));
    let mut asking = asking.unwrap();
    assert!(is_closed(silent) && is_closed(slow));
    assert!(ask(&mut asking, address));
}

#[test]
fn nobody_keeps_others_out_by_holding_connections() {
    let address = door(Duration::from_hours(1), 3);
    let longest = connect(address);
    let mut asked = connect(address);
    assert!(ask(&mut asked, address));
    let held: Vec<_> = (0..6).map(|_| connect(address)).collect();
    let mut last = connect(address);
    assert!(ask(&mut last, address));
    assert!(is_closed(longest));
    drop(held);
}
