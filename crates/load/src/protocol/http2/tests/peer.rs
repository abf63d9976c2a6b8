//! Another implementation as the server, and its own client as the judge of what servers say.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::Builder;

use super::*;

/// What a server gives as its answer.
#[derive(Clone, Debug)]
struct Shape {
    status: u16,
    headers: Vec<(String, String)>,
    body: usize,
    pieces: usize,
    trailers: bool,
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(work)
}

fn body_of(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

/// Answers everything, and says how long the bodies of the requests were.
async fn serve(stream: DuplexStream, shape: Shape) {
    let mut server = h2::server::Builder::new();
    server.initial_window_size(20_000).initial_connection_window_size(70_000);
    let mut connection = server.handshake::<_, Bytes>(stream).await.unwrap();
    while let Some(Ok((mut request, mut respond))) = connection.accept().await {
        let shape = shape.clone();
        tokio::spawn(async move {
            let mut came = 0;
            while let Some(Ok(piece)) = request.body_mut().data().await {
                came += piece.len();
                request.body_mut().flow_control().release_capacity(piece.len()).unwrap();
            }
            let mut answer = http::Response::builder().status(shape.status).header("x-came", came);
            for (name, value) in &shape.headers {
                answer = answer.header(name, value);
            }
            let empty = shape.body == 0 && !shape.trailers;
            let mut send = respond.send_response(answer.body(()).unwrap(), empty).unwrap();
            if empty {
                return;
            }
            let body = body_of(shape.body);
            let mut pieces = body.chunks(shape.body.div_ceil(shape.pieces).max(1)).peekable();
            while let Some(piece) = pieces.next() {
                let end = pieces.peek().is_none() && !shape.trailers;
                send.send_data(Bytes::copy_from_slice(piece), end).unwrap();
            }
            if shape.trailers {
                let trailers = [(http::HeaderName::from_static("x-sum"), "1".parse().unwrap())];
                send.send_trailers(trailers.into_iter().collect()).unwrap();
            }
        });
    }
}

/// Sends requests and reads until all are answered; what the server said is returned too.
async fn converse(mut stream: DuplexStream, requests: u32, ready: &Ready) -> (Talk, Vec<u8>) {
    let (mut talk, mut said, mut begun) = (Talk::new(), Vec::new(), 0);
    let mut buffer = vec![0; 10_000];
    loop {
        while begun < requests && talk.http2.standing() != Standing::Open(0) {
            talk.begin(begun, ready);
            begun += 1;
        }
        stream.write_all(&talk.out).await.unwrap();
        talk.out.clear();
        if begun == requests && talk.heard.values().all(|it| it.done || it.lost.is_some()) {
            return (talk, said);
        }
        let length = stream.read(&mut buffer).await.unwrap();
        assert!(length > 0 && !talk.malformed, "{:?}", talk.heard);
        said.extend_from_slice(&buffer[..length]);
        talk.hear(&buffer[..length]);
    }
}

fn exchange(requests: u32, ready: &Ready, shape: &Shape) -> (Talk, Vec<u8>) {
    block_on(async {
        let (ours, theirs) = duplex(1 << 22);
        let server = tokio::spawn(serve(theirs, shape.clone()));
        let answered = converse(ours, requests, ready).await;
        server.abort();
        answered
    })
}

/// A status whose answer may have a body.
fn with_body() -> impl Strategy<Value = u16> {
    prop_oneof![Just(200), 200..600u16].prop_filter("has a body", |it| ![204, 304].contains(it))
}

fn shapes() -> impl Strategy<Value = Shape> {
    let header =
        ("x-[a-z]{1,12}", "[ -~]{0,40}").prop_map(|(name, value)| (name, value.trim().to_owned()));
    let headers = prop::collection::vec(header, 0..6);
    let body = prop_oneof![Just(0), 1..300usize, Just(20_000), Just(100_000)];
    (with_body(), headers, body, 1..5usize, any::<bool>()).prop_map(
        |(status, headers, body, pieces, trailers)| Shape {
            status,
            headers,
            body,
            pieces,
            trailers,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn another_implementation_is_understood_and_understands(
        shape in shapes(),
        requests in 1..30u32,
        sent in prop_oneof![Just(0usize), Just(10), Just(50_000)],
    ) {
        let (talk, _) = exchange(requests, &post(sent), &shape);
        for answered in talk.heard.values() {
            prop_assert!(answered.done);
            prop_assert_eq!(answered.status, Some(shape.status));
            prop_assert_eq!(&answered.body, &body_of(shape.body));
            let mut expected = vec![("x-came".to_owned(), sent.to_string())];
            expected.extend(shape.headers.clone());
            expected.extend(shape.trailers.then(|| ("x-sum".to_owned(), "1".to_owned())));
            let mut told = answered.headers.clone();
            told.sort();
            expected.sort();
            prop_assert_eq!(told, expected);
        }
    }
}

#[test]
fn large_heads_and_bodies_get_through_both_ways() {
    let headers = (0..20).map(|at| (format!("x-{at}"), "v".repeat(2000))).collect();
    let shape = Shape { status: 200, headers, body: 1 << 20, pieces: 3, trailers: true };
    let (talk, _) = exchange(3, &post(1 << 20), &shape);
    for answered in talk.heard.values() {
        assert!(answered.done && answered.body == body_of(1 << 20));
        assert!(answered.headers.contains(&("x-came".to_owned(), (1 << 20).to_string())));
        assert_eq!(answered.headers.iter().filter(|it| it.1.len() == 2000).count(), 20);
    }
}

/// What the other implementation's client makes of what a server says: status and body, when it takes the answer
/// for whole.
fn judged(said: &[u8]) -> Option<(u16, Vec<u8>)> {
    block_on(async {
        let (ours, mut theirs) = duplex(1 << 22);
        let work = async {
            let mut client = h2::client::Builder::new();
            client.header_table_size(0).enable_push(false);
            client.initial_window_size(1 << 30).initial_connection_window_size(1 << 30);
            let (client, connection) = client.handshake::<_, Bytes>(ours).await.ok()?;
            let connection = tokio::spawn(connection);
            let mut client = client.ready().await.ok()?;
            let request = http::Request::get("http://shop:80/").body(()).unwrap();
            let (answer, _) = client.send_request(request, true).ok()?;
            // An answer before its question would be refused.
            tokio::time::sleep(Duration::from_millis(1)).await;
            theirs.write_all(said).await.ok()?;
            let answer = answer.await.ok()?;
            let (head, mut incoming) = answer.into_parts();
            let mut body = Vec::new();
            while let Some(piece) = incoming.data().await {
                body.extend_from_slice(&piece.ok()?);
            }
            incoming.trailers().await.ok()?;
            connection.abort();
            Some((head.status.as_u16(), body))
        };
        tokio::time::timeout(Duration::from_secs(1), work).await.ok().flatten()
    })
}

fn ours(said: &[u8]) -> Option<(u16, Vec<u8>)> {
    let mut talk = Talk::new();
    talk.begin(0, &get());
    talk.hear(said);
    let answered = talk.heard.remove(&0)?;
    answered.done.then(|| (answered.status.unwrap(), answered.body))
}

#[test]
fn an_answer_as_it_was_recorded_is_read_alike() {
    let headers = vec![("x-a".to_owned(), "b".to_owned())];
    for trailers in [false, true] {
        let shape = Shape { status: 201, headers: headers.clone(), body: 300, pieces: 2, trailers };
        let (_, said) = exchange(1, &get(), &shape);
        assert_eq!(ours(&said), Some((201, body_of(300))));
        assert_eq!(judged(&said), ours(&said));
        for at in 0..=said.len() {
            let mut talk = Talk::new();
            talk.begin(0, &get());
            talk.hear(&said[..at]);
            talk.hear(&said[at..]);
            assert!(talk.heard[&0].done && talk.heard[&0].body == body_of(300), "split at {at}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_both_take_for_an_answer_is_the_same_answer(
        status in with_body(),
        long in 0..60usize,
        trailers in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let status = status.to_string();
        let long = "v".repeat(long);
        let mut said = [
            settings(&[(setting::MAX_CONCURRENT_STREAMS, 100)]),
            frame(4, ACK, 0, &[]),
            headers(1, false, &[(":status", &status), ("x-a", &long), ("content-length", "6")]),
            frame(0, PADDED, 1, b"\x02abc\0\0"),
            data(1, !trailers, b"def"),
        ]
        .concat();
        if trailers {
            said.extend(headers(1, true, &[("x-b", "c")]));
        }
        for (at, byte) in &changes {
            let at = at.index(said.len());
            said[at] = *byte;
        }
        let (theirs, ours) = (judged(&said), ours(&said));
        if changes.is_empty() {
            prop_assert_eq!(&theirs, &Some((status.parse().unwrap(), b"abcdef".to_vec())));
            prop_assert_eq!(&theirs, &ours);
        }
        if let (Some(theirs), Some(ours)) = (&theirs, &ours) {
            prop_assert_eq!(theirs, ours);
        }
    }
}
