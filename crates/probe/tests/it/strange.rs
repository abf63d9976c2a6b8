//! Strange: servers that are not there, hang, say nonsense, say too much, or hang up.

use std::time::Duration;

use evenkeel_probe::{Call, Phase, Verdict};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};

use crate::stage::{ask, call};

/// Every scheme that speaks over TCP.
const SCHEMES: [&str; 9] =
    ["http", "https", "tls", "grpc", "grpcs", "postgres", "redis", "rediss", "tcp"];

/// Those that then want to hear something.
const TALKING: [&str; 8] = ["http", "https", "tls", "grpc", "grpcs", "postgres", "redis", "rediss"];

/// A server that answers each connection with these bytes, and hangs up or stays.
async fn server(says: Vec<u8>, hangs_up: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let says = says.clone();
            tokio::spawn(async move {
                drop(stream.write_all(&says).await);
                if hangs_up {
                    drop(stream.shutdown().await);
                }
                drop(stream.read_to_end(&mut Vec::new()).await);
            });
        }
    });
    port
}

#[tokio::test]
async fn a_port_that_refuses_is_told_in_every_protocol() {
    // Bound but not listening: the port refuses, and nobody else can take it meanwhile.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    for scheme in SCHEMES {
        let reading = ask(&call(&[]), &format!("{scheme}://127.0.0.1:{port}")).await;
        let said = (reading.verdict, &*reading.detail);
        assert_eq!(said, (Verdict::Unhealthy, "connection refused"), "{scheme}");
        assert_eq!(reading.phases.last().unwrap().0, Phase::Connect);
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_in_time_and_it_is_told_where() {
    let port = server(Vec::new(), false).await;
    let call = Call { timeout: Duration::from_millis(50), ..Call::default() };
    for (scheme, lacking) in [
        ("http", "no answer within 50ms"),
        ("https", "no TLS session within 50ms"),
        ("grpc", "no answer within 50ms"),
        ("postgres", "no TLS session within 50ms"),
        ("redis", "no answer within 50ms"),
    ] {
        let reading = ask(&call, &format!("{scheme}://127.0.0.1:{port}")).await;
        let said = (reading.verdict, &*reading.detail);
        assert_eq!(said, (Verdict::Unhealthy, lacking), "{scheme}");
    }
    let login = format!("postgres://127.0.0.1:{port}/?sslmode=disable");
    assert_eq!(ask(&call, &login).await.detail, "not let in within 50ms");
}

#[tokio::test]
async fn whatever_a_server_says_ends_the_question_without_harm() {
    let much = vec![b'A'; 3 << 20];
    for says in [
        Vec::new(),
        b"\0".to_vec(),
        b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
        b"220 mail ESMTP\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhalf".to_vec(),
        b"-ERR unknown\r\n".to_vec(),
        b"S".to_vec(),
        b"R\xff\xff\xff\xff".to_vec(),
        b"\x15\x03\x03\0\x02\x02\x28".to_vec(),
        b"\0\0\xff\x04\0\0\0\0\0".to_vec(),
        much,
    ] {
        let port = server(says.clone(), true).await;
        for scheme in TALKING {
            let reading = ask(&call(&[]), &format!("{scheme}://127.0.0.1:{port}")).await;
            let said = String::from_utf8_lossy(&says[..says.len().min(9)]).into_owned();
            assert_eq!(reading.verdict, Verdict::Unhealthy, "{scheme} {said:?}: {reading:?}");
            assert!(!reading.detail.is_empty() && reading.detail.len() < 400, "{reading:?}");
        }
    }
}

#[tokio::test]
async fn a_url_that_has_a_query_and_no_path_is_asked() {
    let port = server(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), false).await;
    for query in ["?deep=1", "?"] {
        let reading = ask(&call(&[]), &format!("http://127.0.0.1:{port}{query}")).await;
        assert_eq!(reading.detail, "204", "{query}");
    }
}

#[tokio::test]
async fn a_body_without_end_is_read_up_to_its_limit() {
    let head = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let port = server([head, vec![b'x'; 3 << 20]].concat(), false).await;
    let reading = ask(&call(&["body~xxx"]), &format!("http://127.0.0.1:{port}")).await;
    assert_eq!(reading.verdict, Verdict::Healthy, "{reading:?}");
    assert_eq!((&reading.facts["body_bytes"], reading.warnings.len()), (&(1_u64 << 20).into(), 1));
}

#[tokio::test]
async fn a_name_without_an_address_is_told() {
    let reading = ask(&call(&[]), "tcp://nobody.invalid:80").await;
    assert!(reading.detail.starts_with("`nobody.invalid` has no address"), "{reading:?}");
    assert_eq!((reading.verdict, reading.peer), (Verdict::Unhealthy, None));
}
