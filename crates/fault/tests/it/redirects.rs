//! Connections that are led through a link of ours without anybody's having to call it.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use evenkeel_model::document::{Direction, Fault, Protocol, Requests, Selector, Traffic};
use evenkeel_units::Ratio;

use crate::aftermath::{guardian_in, left_by};
use crate::alone::{alone, ruleset};
use crate::stage::{blocking, connect, fault, open, serve, service, signal, state_dir, until};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const STATUS_BYTES: usize = 12;

/// Answers every request, which comes in one piece here, with 200.
fn web() -> SocketAddr {
    serve(|mut client| {
        while client.read(&mut [0; 1024])? > 0 {
            client.write_all(OK)?;
        }
        Ok(())
    })
}

/// The status of the answer to a request, on a connection that stays open.
fn ask(stream: &mut TcpStream) -> Result<String, ErrorKind> {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").map_err(|it| it.kind())?;
    let mut answer = [0; 1024];
    match stream.read(&mut answer).map_err(|it| it.kind())? {
        0 => Err(ErrorKind::UnexpectedEof),
        _ => Ok(String::from_utf8_lossy(&answer[..STATUS_BYTES]).into_owned()),
    }
}

async fn asked(address: SocketAddr) -> Result<String, ErrorKind> {
    blocking(move || ask(&mut connect(address))).await
}

fn errors(port: u16) -> (Fault, Option<Selector>) {
    let traffic = Traffic {
        host: None,
        port: Some(port),
        protocol: Protocol::Any,
        direction: Direction::Both,
    };
    let errors = Fault::HttpErrors { share: Ratio::ONE, status: 503, of: Requests::default() };
    (errors, Some(Selector::Traffic(traffic)))
}

#[test]
fn requests_to_an_endpoint_fail_though_nobody_calls_a_link() {
    alone("redirects::requests_to_an_endpoint_fail_though_nobody_calls_a_link", async {
        let (victim, neighbour) = (web(), web());
        let state = state_dir();
        let mut faults = open(&service(None, &[]), state.path()).await;
        let before = blocking(move || {
            let mut stream = connect(victim);
            assert_eq!(ask(&mut stream).unwrap(), "HTTP/1.1 200");
            stream
        });
        let mut before = before.await;
        let (errors, target) = errors(victim.port());
        faults.begin(0, &fault(errors, target)).await.unwrap();
        assert_eq!(asked(victim).await.unwrap(), "HTTP/1.1 503");
        assert_eq!(asked(neighbour).await.unwrap(), "HTTP/1.1 200");
        // What was open is opened anew.
        let reset = blocking(move || ask(&mut before).unwrap_err()).await;
        assert_eq!(reset, ErrorKind::ConnectionReset);
        let (evidence, error) = faults.end(0).await;
        assert_eq!(error, None);
        let counter = |name: &str| evidence.counters[name] as u64;
        assert_eq!((counter("requests"), counter("requests_answered")), (1, 1), "{evidence:?}");
        assert_eq!(asked(victim).await.unwrap(), "HTTP/1.1 200");
        faults.close().await.unwrap();
        assert_eq!(ruleset(), "");
    });
}

#[test]
fn connections_go_where_they_should_as_soon_as_the_tool_is_gone() {
    alone("redirects::connections_go_where_they_should_as_soon_as_the_tool_is_gone", async {
        let victim = web();
        let state = state_dir();
        let mut faults = open(&service(None, &[]), state.path()).await;
        let (errors, target) = errors(victim.port());
        faults.begin(0, &fault(errors, target)).await.unwrap();
        assert_eq!(asked(victim).await.unwrap(), "HTTP/1.1 503");
        let guardian = guardian_in(state.path()).pid;
        left_by(state.path()).into_iter().filter(|it| *it != guardian).for_each(|it| {
            signal("KILL", it);
        });
        until(|| ruleset().is_empty()).await;
        assert_eq!(asked(victim).await.unwrap(), "HTTP/1.1 200");
        let (evidence, _) = faults.end(0).await;
        assert!(!evidence.acted, "{evidence:?}");
        faults.close().await.unwrap();
    });
}
