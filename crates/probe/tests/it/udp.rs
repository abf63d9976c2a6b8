//! UDP: services that answer a datagram, that take it and say nothing, and ports where nobody listens.

use std::time::Duration;

use evenkeel_probe::{Call, Verdict, repeat, wait};
use tokio::net::UdpSocket;

use crate::stage::{PATIENCE, ask, call};

const SOON: Duration = Duration::from_millis(30);

/// A service that answers what it knows with `pong` and the number of the bytes that it was sent, and is silent to all else.
async fn service() -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let url = format!("udp://{}", socket.local_addr().unwrap());
    tokio::spawn(async move {
        let mut heard = [0; 2_048];
        while let Ok((length, from)) = socket.recv_from(&mut heard).await {
            if heard[..length].starts_with(b"ping\n") {
                let answer = format!("pong {length}");
                socket.send_to(answer.as_bytes(), from).await.unwrap();
            }
        }
    });
    url
}

#[tokio::test]
async fn an_answer_is_held_against_what_is_expected() {
    let url = service().await;
    for (expect, detail) in [
        (&[][..], "answered"),
        (&["answered=true", "body~pong", "body_bytes=6", "time<1m"], "answered"),
        (&["body=pong 6"], "answered"),
        (&["body~other"], "`other` is not in the body"),
        (&["answered=false"], "answered is true, and not false"),
    ] {
        let call = call(expect).with_payload(r"ping\n\0").unwrap();
        let reading = ask(&call, &url).await;
        assert_eq!(reading.detail, detail, "{expect:?}: {reading:?}");
        assert_eq!(reading.verdict == Verdict::Healthy, detail == "answered", "{reading:?}");
        assert_eq!(reading.peer.map(|it| format!("udp://{it}")), Some(url.clone()));
    }
}

#[tokio::test]
async fn silence_says_nothing_unless_it_was_said_what_to_expect() {
    let url = service().await;
    for (expect, verdict) in [
        (&[][..], Verdict::Unknown),
        (&["time<1m"], Verdict::Unknown),
        (&["time<1ms"], Verdict::Unhealthy),
        (&["answered=true"], Verdict::Unhealthy),
        (&["body~pong"], Verdict::Unhealthy),
        (&["answered=false", "body~pong"], Verdict::Unhealthy),
        (&["answered=false"], Verdict::Healthy),
    ] {
        let reading = ask(&Call { timeout: SOON, ..call(expect) }, &url).await;
        assert_eq!(reading.verdict, verdict, "{expect:?}: {reading:?}");
        assert!(reading.detail.starts_with("no answer within 30ms"), "{reading:?}");
        assert_eq!(reading.facts["answered"], false);
    }
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_unreachable_whatever_was_expected() {
    for host in ["127.0.0.1", "[::1]"] {
        // Whoever is connected hears nobody else, and nobody else can take the port meanwhile.
        let taken = UdpSocket::bind(format!("{host}:0")).await.unwrap();
        let address = taken.local_addr().unwrap();
        taken.connect(format!("{host}:9")).await.unwrap();
        for expect in [&[][..], &["answered=false"], &["answered=true"]] {
            let reading = ask(&call(expect), &format!("udp://{address}")).await;
            let said = (reading.verdict, &*reading.detail);
            assert_eq!(said, (Verdict::Unhealthy, "port unreachable: nobody listens there"));
        }
    }
}

#[tokio::test]
async fn a_name_is_asked_at_each_of_its_addresses() {
    // A name of both loopbacks, where there are both, of which one refuses.
    let url = service().await.replace("127.0.0.1", "localhost");
    let reading = ask(&call(&[]).with_payload("ping\n").unwrap(), &url).await;
    assert_eq!(reading.verdict, Verdict::Healthy, "{reading:?}");
}

#[tokio::test]
async fn whoever_waits_waits_for_an_answer() {
    let url = service().await;
    let address = evenkeel_probe::Address::parse(&url).unwrap();
    let mute = Call { timeout: SOON, ..call(&[]) };
    let all = repeat(&mute, &address, (3, SOON), |_| ()).await;
    assert_eq!((all.asked, all.last.verdict), (3, Verdict::Unknown));
    let all = wait(&mute, &address, (SOON * 4, Duration::from_millis(1)), |_| ()).await;
    assert!(all.asked > 1 && all.last.verdict == Verdict::Unknown, "{all:?}");
    let heard = mute.with_payload("ping\n").unwrap();
    let heard = Call { timeout: PATIENCE, ..heard };
    assert_eq!(wait(&heard, &address, (PATIENCE, SOON), |_| ()).await.asked, 1);
}
