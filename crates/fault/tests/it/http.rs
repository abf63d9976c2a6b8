//! Faults of HTTP between real programs: curl asks, nginx answers, and something is done to some of it on the way.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use evenkeel_fault::Faults;
use evenkeel_model::document::{Amid, AnswerChange, BodyChange, Fault, HeaderChange, Requests};
use evenkeel_model::event::Evidence;
use evenkeel_units::{Bytes, Ratio};

use crate::stage::{
    Victim, blocking, connect, echo, on_link, open, serve, service, state_dir, until,
};

const BIG_BYTES: usize = 300_000;

/// An nginx with a link in front of it.
struct Web {
    faults: Faults,
    link: SocketAddr,
    folder: PathBuf,
    _state: tempfile::TempDir,
    _nginx: Victim,
}

impl Web {
    async fn start() -> Self {
        let state = state_dir();
        let folder = state.path().join("nginx");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("big"), vec![b'x'; BIG_BYTES]).unwrap();
        std::fs::write(folder.join("pieces"), "0123456789").unwrap();
        // Somebody could take it before nginx does; nobody who only asks for port 0 does so soon.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let file = folder.join("nginx.conf");
        std::fs::write(&file, configuration(&folder, port)).unwrap();
        let nginx = Victim::of(Command::new("nginx").arg("-e").arg("stderr").arg("-c").arg(&file));
        until(|| TcpStream::connect(port).is_ok()).await;
        let faults = open(&service(Some(port), &[]), state.path()).await;
        let link = faults.address("payment").unwrap();
        Self { faults, link, folder, _state: state, _nginx: nginx }
    }

    async fn begin(&mut self, fault: Fault) {
        self.faults.begin(0, &on_link(fault)).await.unwrap();
    }

    async fn end(&mut self) -> Evidence {
        let (evidence, error) = self.faults.end(0).await;
        assert_eq!(error, None);
        evidence
    }

    /// What curl prints, and its exit code. Paths begin with `/`; all are asked for over one connection.
    async fn curl(&self, words: &[&str]) -> (String, i32) {
        let base = format!("http://{}", self.link);
        let word = |it: &&str| match it.starts_with('/') && *it != "/dev/null" {
            true => format!("{base}{it}"),
            false => (*it).to_owned(),
        };
        let words: Vec<String> = words.iter().map(word).collect();
        blocking(move || {
            let curl = Command::new("curl").args(["-s", "-m", "20"]).args(words).output().unwrap();
            (String::from_utf8_lossy(&curl.stdout).into_owned(), curl.status.code().unwrap_or(-1))
        })
        .await
    }

    /// Requests that have reached nginx.
    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("access.log")).unwrap()
    }
}

fn configuration(folder: &Path, port: SocketAddr) -> String {
    let folder = folder.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|it| format!("{it}_temp_path {folder}/{it};"))
        .join(" ");
    format!(
        "daemon off; master_process off; pid {folder}/pid; events {{}}
         http {{
           access_log {folder}/access.log; {temporary}
           server {{
             listen {port}; root {folder}; default_type application/json;
             gzip on; gzip_min_length 1; gzip_types application/json;
             location = /tea {{ return 200 '{{\"name\":\"tea\",\"price\":7}}'; }}
             location = /asked {{ return 200 '$http_x_tenant,$http_authorization\\n'; }}
             location = /pieces {{ ssi on; ssi_types *; }}
           }}
         }}"
    )
}

fn any() -> Requests {
    Requests::default()
}

fn path(it: &str) -> Requests {
    Requests { path: Some(it.to_owned()), ..any() }
}

fn change(request: HeaderChange, response: AnswerChange) -> Fault {
    Fault::HttpChange { request, response, share: Ratio::ONE, of: any() }
}

fn body(body: BodyChange) -> Fault {
    change(HeaderChange::default(), AnswerChange { body: Some(body), ..AnswerChange::default() })
}

#[tokio::test]
async fn only_requests_that_fit_are_answered_by_the_link() {
    let mut web = Web::start().await;
    let headers = BTreeMap::from([("x-user".to_owned(), "a*".to_owned())]);
    let of = Requests { method: Some("GET".to_owned()), path: Some("/t*".to_owned()), headers };
    web.begin(Fault::HttpErrors { share: Ratio::ONE, status: 502, of }).await;
    let ask = ["-w", "%{http_code}\n", "-o", "/dev/null"];
    for (words, status) in [
        (&["-H", "x-user: ada", "/tea?hot"][..], "502\n"),
        (&["-H", "x-user: bob", "/tea"], "200\n"),
        (&["-H", "x-user: ada", "/asked"], "200\n"),
        (&["-H", "x-user: ada", "-X", "PUT", "/tea"], "200\n"),
    ] {
        assert_eq!(web.curl(&[&ask[..], words].concat()).await.0, status, "{words:?}");
    }
    let evidence = web.end().await;
    assert_eq!(evidence.summary, "1 of 1 request answered with 502");
    assert!(evidence.acted && evidence.counters["requests"] > 3.5, "{evidence:?}");
    assert_eq!(web.log().lines().count(), 3);
    web.faults.close().await.unwrap();
}

#[tokio::test]
async fn a_fault_that_fits_nothing_says_so() {
    let mut web = Web::start().await;
    web.begin(Fault::HttpErrors { share: Ratio::ONE, status: 502, of: path("/te") }).await;
    web.curl(&["/tea"]).await;
    let evidence = web.end().await;
    assert!(!evidence.acted);
    assert_eq!(evidence.summary, "none of 1 request fits what is to be matched");
    web.faults.close().await.unwrap();
}

#[tokio::test]
async fn every_request_of_a_connection_is_late_and_no_other() {
    let mut web = Web::start().await;
    let delay = Duration::from_millis(80);
    let slow = Fault::HttpDelay { delay, jitter: delay / 8, share: Ratio::ONE, of: path("/t*") };
    web.begin(slow).await;
    let print = ["-w", "%{http_code} %{time_starttransfer} %{num_connects}\n"];
    let nowhere = ["-o", "/dev/null"].repeat(4);
    let paths = ["/tea", "/tea", "/big", "/tea"];
    let (said, _) = web.curl(&[&print[..], &nowhere, &paths].concat()).await;
    let rows: Vec<Vec<f64>> =
        said.lines().map(|it| it.split(' ').map(|it| it.parse().unwrap()).collect()).collect();
    let late: Vec<bool> = rows.iter().map(|it| it[1] >= 0.07).collect();
    assert_eq!(late, [true, true, false, true], "{said}");
    let connects: f64 = rows.iter().map(|it| it[2]).sum();
    assert!((connects - 1.0).abs() < 0.1, "{said}");
    let evidence = web.end().await;
    assert!(evidence.summary.starts_with("3 of 3 requests answered late"), "{evidence:?}");
    let median = evidence.counters["median_added_delay_seconds"];
    assert!((0.07..0.5).contains(&median), "{evidence:?}");
    web.faults.close().await.unwrap();
}

#[tokio::test]
async fn what_is_held_back_at_the_end_of_a_delay_goes_at_once() {
    let mut web = Web::start().await;
    let delay = Duration::from_mins(1);
    web.begin(Fault::HttpDelay { delay, jitter: Duration::ZERO, share: Ratio::ONE, of: any() })
        .await;
    let link = web.link;
    let waiting = tokio::task::spawn_blocking(move || {
        let mut stream = connect(link);
        stream.write_all(b"GET /tea HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let read = stream.read(&mut [0; 1024]).unwrap();
        stream.write_all(b"GET /tea HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        (read > 0, stream.read(&mut [0; 1024]).unwrap() > 0)
    });
    until(|| web.log().lines().count() == 1).await;
    web.end().await;
    // It would be a minute, and the client is not as patient.
    assert_eq!(waiting.await.unwrap(), (true, true));
    web.faults.close().await.unwrap();
}

#[tokio::test]
async fn an_exchange_is_broken_off_amid_its_answer_or_before_anybody_knows_of_it() {
    let mut web = Web::start().await;
    let abort = |amid| Fault::HttpAbort { share: Ratio::ONE, amid, of: any() };
    web.begin(abort(Amid::Answer)).await;
    let (said, code) = web.curl(&["-o", "/dev/null", "-w", "%{size_download}", "/big"]).await;
    // A partial file, in the words of curl.
    assert_eq!((said.parse::<usize>().unwrap(), code), (BIG_BYTES / 2, 18));
    assert_eq!(web.end().await.summary, "1 of 1 request broken off");
    assert_eq!(web.log().lines().count(), 1);
    web.begin(abort(Amid::Request)).await;
    // An empty reply.
    assert_eq!(web.curl(&["/tea"]).await, (String::new(), 52));
    assert!(web.end().await.acted);
    assert_eq!(web.log().lines().count(), 1);
    assert_eq!(web.curl(&["-o", "/dev/null", "/big"]).await.1, 0);
    web.faults.close().await.unwrap();
}

#[tokio::test]
async fn headers_and_statuses_are_changed_on_both_ways() {
    let mut web = Web::start().await;
    let of = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
    let request =
        HeaderChange { set: of("x-tenant", "7"), remove: vec!["authorization".to_owned()] };
    let headers = HeaderChange { set: of("x-cache", "stale"), remove: vec!["server".to_owned()] };
    web.begin(change(request, AnswerChange { status: Some(418), headers, body: None })).await;
    let secret = "authorization: Basic abc";
    let (said, _) = web.curl(&["-i", "-H", secret, "-H", "x-tenant: 1", "/asked"]).await;
    assert!(said.starts_with("HTTP/1.1 418 "), "{said}");
    assert!(said.contains("\r\nx-cache: stale\r\n"), "{said}");
    assert!(!said.contains("Server: nginx"), "{said}");
    assert!(said.ends_with("\r\n\r\n7,\n"), "{said}");
    let evidence = web.end().await;
    assert_eq!(evidence.summary, "of 1 request: 1 request changed, 1 answer changed");
    assert_eq!(web.curl(&["-H", secret, "/asked"]).await.0, ",Basic abc\n");
    web.faults.close().await.unwrap();
}

#[tokio::test]
async fn bodies_are_replaced_merged_and_truncated_and_the_connection_goes_on() {
    let mut web = Web::start().await;
    // Each twice over one connection: it stays in step.
    let twice = ["--compressed", "-w", " %{num_connects};", "/tea", "/tea"];
    web.begin(body(BodyChange::Replace("gone".to_owned()))).await;
    assert_eq!(web.curl(&twice).await, ("gone 1;gone 0;".to_owned(), 0));
    web.end().await;
    let patch = serde_json::json!({"price": null, "stock": 0});
    web.begin(body(BodyChange::Merge(patch))).await;
    let merged = r#"{"name":"tea","stock":0}"#;
    assert_eq!(web.curl(&twice).await, (format!("{merged} 1;{merged} 0;"), 0));
    assert_eq!(web.end().await.summary, "of 2 requests: 2 answers changed");
    web.begin(body(BodyChange::Truncate(Bytes(4)))).await;
    let (said, code) = web.curl(&["-w", " %{num_connects};", "/tea", "/pieces", "/tea"]).await;
    assert_eq!((said.as_str(), code), (r#"{"na 1;0123 0;{"na 0;"#, 0));
    web.end().await;
    web.faults.close().await.unwrap();
}

#[tokio::test]
async fn what_is_not_http_1_passes_untouched_and_is_said() {
    let state = state_dir();
    let mut faults = open(&service(Some(echo()), &[]), state.path()).await;
    let link = faults.address("payment").unwrap();
    let errors = Fault::HttpErrors { share: Ratio::ONE, status: 503, of: any() };
    faults.begin(0, &on_link(errors)).await.unwrap();
    blocking(move || {
        for bytes in [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], b"\x16\x03\x01\x00\x05hello"] {
            let (mut stream, mut back) = (connect(link), vec![0; bytes.len()]);
            stream.write_all(bytes).unwrap();
            stream.read_exact(&mut back).unwrap();
            assert_eq!(back, bytes);
        }
    })
    .await;
    let (evidence, _) = faults.end(0).await;
    assert!(!evidence.acted);
    assert_eq!(
        evidence.summary,
        "no HTTP/1 request came through the link; 2 connections passed, which speak something else than HTTP/1"
    );
    faults.close().await.unwrap();
}

#[tokio::test]
async fn a_share_of_the_requests_on_one_open_connection_is_answered_by_the_link() {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let upstream = serve(move |mut client| {
        let mut bytes = [0; 4096];
        while client.read(&mut bytes)? > 0 {
            client.write_all(answer)?;
        }
        Ok(())
    });
    let state = state_dir();
    let mut faults = open(&service(Some(upstream), &[]), state.path()).await;
    let get = |stream: &mut TcpStream| {
        stream.write_all(b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut bytes = Vec::new();
        let failed = |bytes: &[u8]| bytes.starts_with(b"HTTP/1.1 503");
        while !bytes.ends_with(if failed(&bytes) { &b"\r\n\r\n"[..] } else { b"\r\nok" }) {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            bytes.push(byte[0]);
        }
        failed(&bytes)
    };
    let mut stream = connect(faults.address("payment").unwrap());
    assert!(!get(&mut stream));
    let share = Ratio::percent(25);
    let errors = Fault::HttpErrors { share, status: 503, of: any() };
    faults.begin(0, &on_link(errors)).await.unwrap();
    let (errors, mut stream) =
        blocking(move || ((0..400).filter(|_| get(&mut stream)).count(), stream)).await;
    // 100 expected; four standard deviations are 35.
    assert!((65..=135).contains(&errors), "{errors} of 400");
    let (evidence, _) = faults.end(0).await;
    assert_eq!(evidence.summary, format!("{errors} of 400 requests answered with 503"));
    assert!(!blocking(move || (0..20).any(|_| get(&mut stream))).await);
    faults.close().await.unwrap();
}
