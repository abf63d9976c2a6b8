//! Another implementation reads the same answers: same status, same body, same word on whether the connection goes on.

use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// What became of an answer: its status, its body, and whether another request may follow.
type Read = (u16, Vec<u8>, bool);

/// As the client of `hyper` reads it, when the connection ends after it or stays.
fn theirs(method: &str, answer: &[u8], ends: bool) -> Option<Read> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let work = async {
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        let (mut sender, connection) = http1::handshake(TokioIo::new(ours)).await.ok()?;
        tokio::spawn(connection);
        let request = http::Request::builder().method(method).uri("/").body(Empty::<&[u8]>::new());
        let answered = tokio::spawn(sender.send_request(request.unwrap()));
        let mut request = [0; 1024];
        let _length = theirs.read(&mut request).await.ok()?;
        theirs.write_all(answer).await.ok()?;
        if ends {
            theirs.shutdown().await.ok()?;
        }
        let (head, body) = answered.await.unwrap().ok()?.into_parts();
        let body = body.collect().await.ok()?.to_bytes().to_vec();
        // It knows after it has gone on to wait for the next.
        let goes_on = tokio::time::timeout(Duration::from_secs(1), sender.ready()).await;
        Some((head.status.as_u16(), body, matches!(goes_on, Ok(Ok(())))))
    };
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(9), work).await.ok()? })
}

/// As ours reads it, in every two pieces.
fn ours(method: &str, answer: &[u8], ends: bool) -> Option<Read> {
    let mut memo = Memo::default();
    let mut reads = (0..=answer.len()).map(|at| {
        let (first, second) = answer.split_at(at);
        let read = read_in(&[first, second], method == "HEAD", &mut memo);
        if read.malformed || read.rest > 0 {
            return None;
        }
        match read.done {
            Some(goes_on) => Some((read.status?, read.body, goes_on && !ends)),
            None if ends && read.whole_at_end => Some((read.status?, read.body, false)),
            None => None,
        }
    });
    let first = reads.next().unwrap();
    assert!(reads.all(|it| it == first), "it depends on the split");
    first
}

#[derive(Clone, Debug)]
enum Framing {
    Length,
    Chunks(usize, bool),
    End,
}

fn answers() -> impl Strategy<Value = (String, bool)> {
    let version = prop::sample::select(vec!["1.0", "1.1"]);
    let status = prop::sample::select(vec![200u16, 201, 204, 302, 304, 404, 500, 599]);
    let connection = prop::sample::select(vec![
        "",
        "connection: close\r\n",
        "Connection: Keep-Alive\r\n",
        "connection: keep-alive, close\r\n",
        "connection: x, CLOSE\r\n",
    ]);
    let framing = prop_oneof![
        Just(Framing::Length),
        (1usize..9, any::<bool>()).prop_map(|(size, trailer)| Framing::Chunks(size, trailer)),
        Just(Framing::End),
    ];
    let early = prop::sample::select(vec!["", "HTTP/1.1 100 Continue\r\n\r\n"]);
    (version, status, connection, framing, early, "[a-z\r\n]{0,20}").prop_map(
        |(version, status, connection, framing, early, body)| {
            let mut answer =
                format!("{early}HTTP/{version} {status} X\r\nx-a:  b \r\n{connection}");
            let bodiless = matches!(status, 204 | 304);
            let framing = match framing {
                Framing::Chunks(..) if version == "1.0" => Framing::Length,
                other => other,
            };
            match &framing {
                Framing::Length => {
                    answer += &format!("content-length: {}\r\n\r\n", body.len());
                    if !bodiless {
                        answer += &body;
                    }
                }
                Framing::Chunks(size, trailer) => {
                    answer += "transfer-encoding: chunked\r\n\r\n";
                    if !bodiless {
                        for chunk in body.as_bytes().chunks(*size) {
                            let text = std::str::from_utf8(chunk).unwrap();
                            answer += &format!("{:x};a=b\r\n{text}\r\n", chunk.len());
                        }
                        answer += if *trailer { "0\r\nx-t: 1\r\n\r\n" } else { "0\r\n\r\n" };
                    }
                }
                Framing::End => {
                    answer += "\r\n";
                    if !bodiless {
                        answer += &body;
                    }
                }
            }
            (answer, matches!(framing, Framing::End) && !bodiless)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn both_read_the_same_of_good_answers((answer, ends) in answers()) {
        let (theirs, ours) = (theirs("GET", answer.as_bytes(), ends), ours("GET", answer.as_bytes(), ends));
        prop_assert!(theirs.is_some(), "{answer:?}");
        prop_assert_eq!(ours, theirs, "{:?}", answer);
    }

    #[test]
    fn what_both_take_for_an_answer_is_the_same_answer(
        (answer, ends) in answers(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut answer = answer.into_bytes();
        for (at, byte) in &changes {
            let at = at.index(answer.len());
            answer[at] = *byte;
        }
        if let (Some(theirs), Some(ours)) = (theirs("GET", &answer, ends), ours("GET", &answer, ends)) {
            prop_assert_eq!((ours.0, ours.1), (theirs.0, theirs.1), "{:?}", String::from_utf8_lossy(&answer));
        }
    }
}
