//! Faults of a Redis of the test's own: what its clients meet, and that nothing is left of it.
//!
//! Clients block the thread that they are on, and what watches over the tool needs one that goes on.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use evenkeel_fault::Faults;
use evenkeel_model::document::{ClientType, Fault, Finder, PauseMode, Selector};
use evenkeel_model::plan::PlannedFault;
use evenkeel_units::{Clock, Ratio, SystemClock};
use tempfile::TempDir;

use crate::aftermath::{guardian_in, left_by};
use crate::stage::{PATIENCE, Victim, fault, open, service, signal, state_dir, told, until};

/// How long the server lets clients wait when it hears no more of us, and what a busy host adds.
const LEASE_AND_MORE: Duration = Duration::from_secs(1 + 2);

/// A server that listens on a port of its own.
pub(crate) struct Server {
    pub(crate) process: Victim,
    port: u16,
    _folder: TempDir,
}

/// Whether it is a Redis that listens: a socket that finds nobody there can connect to itself.
fn answers(port: u16) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 5];
        std::io::Read::read_exact(&mut stream, &mut answer)?;
        Ok::<_, std::io::Error>(&answer == b"+PONG")
    };
    ask().unwrap_or(false)
}

impl Server {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (process, port) = loop {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut process = Command::new("redis-server")
                .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"])
                .arg(port.to_string())
                .arg("--dir")
                .arg(folder.path())
                .stdout(Stdio::null())
                .spawn()
                .expect("redis-server is installed by `cargo xtask test`");
            let mut ended = false;
            until(|| {
                ended = process.try_wait().unwrap().is_some();
                ended || answers(port)
            })
            .await;
            // Somebody else may have taken the port meanwhile.
            if !ended {
                break (process, port);
            }
        };
        let server = Self { process: Victim(process), port, _folder: folder };
        // Its first connection is gone again before anybody is counted.
        until(|| server.clients("normal") == 0).await;
        server
    }

    fn client(&self) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Client(BufReader::new(stream));
        assert_eq!(client.asks("PING"), "+PONG");
        client
    }

    /// What it takes for the time, in seconds since 1970.
    pub(crate) fn time(&self) -> f64 {
        let mut client = self.client();
        assert_eq!(client.asks("TIME"), "*2");
        let [_, seconds, _, micros] = [(); 4].map(|()| client.hears());
        format!("{seconds}.{micros:0>6}").parse().unwrap()
    }

    /// How many clients of a type there are beside this one, and ours.
    fn clients(&self, of: &str) -> usize {
        let mut client = self.client();
        client.says("CLIENT SETNAME looker");
        client.hears();
        let length = client.asks(&format!("CLIENT LIST TYPE {of}"));
        let mut bytes = vec![0; length.trim_start_matches('$').parse::<usize>().unwrap() + 2];
        std::io::Read::read_exact(&mut client.0, &mut bytes).unwrap();
        let list = String::from_utf8(bytes).unwrap();
        let is_other = |it: &&str| it.starts_with("id=") && !it.contains(" name=looker ");
        list.lines().filter(is_other).count()
    }

    fn fault(&self, it: Fault) -> PlannedFault {
        self.fault_as("", it)
    }

    /// As somebody: `USER:PASSWORD@`.
    fn fault_as(&self, who: &str, it: Fault) -> PlannedFault {
        let url = format!("redis://{who}127.0.0.1:{}", self.port);
        fault(it, Some(Selector::Redis(url.parse().unwrap())))
    }
}

/// A connection that speaks as people do by hand.
struct Client(BufReader<TcpStream>);

impl Client {
    fn says(&mut self, command: &str) {
        self.0.get_mut().write_all(format!("{command}\r\n").as_bytes()).unwrap();
    }

    /// One line of answer; empty when the connection has ended.
    fn hears(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap_or_default();
        line.trim().to_owned()
    }

    fn asks(&mut self, command: &str) -> String {
        self.says(command);
        self.hears()
    }

    fn is_there(&mut self) -> bool {
        self.0.get_mut().write_all(b"PING\r\n").is_ok() && self.hears() == "+PONG"
    }

    /// Whether an answer is there within this time.
    fn is_answered(&mut self, within: Duration) -> bool {
        self.0.get_mut().set_read_timeout(Some(within)).unwrap();
        let answered = loop {
            match self.0.fill_buf() {
                // A child of somebody in this process has ended.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                heard => break heard.is_ok_and(|it| !it.is_empty()),
            }
        };
        self.0.get_mut().set_read_timeout(Some(PATIENCE)).unwrap();
        answered
    }
}

async fn opened() -> (TempDir, Faults) {
    let state = state_dir();
    let faults = open(&service(None, &[]), state.path()).await;
    (state, faults)
}

fn kill(percent: u32, of: ClientType) -> Fault {
    Fault::KillClients { share: Ratio::percent(percent), of }
}

const PAUSE_ALL: Fault = Fault::PauseClients { mode: PauseMode::All };
const PAUSE_WRITE: Fault = Fault::PauseClients { mode: PauseMode::Write };

#[tokio::test(flavor = "multi_thread")]
async fn half_of_the_clients_lose_their_connection_and_those_that_come_back_are_counted() {
    let server = Server::start().await;
    let mut web: Vec<Client> = (0..4).map(|_| server.client()).collect();
    let mut listener = server.client();
    listener.says("SUBSCRIBE news");
    until(|| server.clients("pubsub") == 1).await;
    let (_state, mut faults) = opened().await;
    faults.begin(0, &server.fault(kill(50, ClientType::Normal))).await.unwrap();
    let left = web.iter_mut().filter_map(|it| it.is_there().then_some(())).count();
    assert_eq!(left, 2);
    assert_eq!(server.clients("pubsub"), 1);
    let _again = [server.client(), server.client()];
    let (evidence, error) = faults.end(0).await;
    assert_eq!(error, None);
    assert!(evidence.acted, "{evidence:?}");
    let counted = ["clients_matched", "clients_killed", "clients_back"];
    assert_eq!(counted.map(|it| evidence.counters[it] as u32), [4, 2, 2], "{evidence:?}");
    faults.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_are_killed_and_others_are_not() {
    let server = Server::start().await;
    let mut web = server.client();
    let mut listener = server.client();
    listener.says("SUBSCRIBE news");
    until(|| server.clients("pubsub") == 1).await;
    let (_state, mut faults) = opened().await;
    faults.begin(0, &server.fault(kill(100, ClientType::Pubsub))).await.unwrap();
    assert!(web.is_there());
    assert_eq!(server.clients("pubsub"), 0);
    let (evidence, _) = faults.end(0).await;
    assert!(evidence.acted, "{evidence:?}");
    assert!(evidence.summary.contains("1 of 1 client killed, none came back"), "{evidence:?}");
    // Nobody may hit nobody and call it a fault.
    let error = faults.begin(1, &server.fault(kill(50, ClientType::Replica))).await.unwrap_err();
    assert!(told(&error).contains("50% of 0 replica clients is none"), "{}", told(&error));
    faults.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_waits_through_several_leases_and_is_answered_in_the_end() {
    let server = Server::start().await;
    let mut client = server.client();
    let (_state, mut faults) = opened().await;
    faults.begin(0, &server.fault(PAUSE_ALL)).await.unwrap();
    client.says("PING");
    assert!(!client.is_answered(Duration::from_millis(3_500)), "between two leases it got through");
    let (evidence, error) = faults.end(0).await;
    assert_eq!(error, None);
    assert!(client.is_answered(LEASE_AND_MORE));
    assert!(evidence.acted, "{evidence:?}");
    assert!(evidence.counters["longest_wait_seconds"] > 3.5, "{evidence:?}");
    assert!(evidence.summary.starts_with("a PING waited "), "{evidence:?}");
    faults.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_write_wait_and_those_that_read_do_not() {
    let server = Server::start().await;
    let [mut writer, mut reader] = [server.client(), server.client()];
    let (_state, mut faults) = opened().await;
    faults.begin(0, &server.fault(PAUSE_WRITE)).await.unwrap();
    writer.says("SET key value");
    assert!(!writer.is_answered(Duration::from_millis(2_500)), "it was not renewed");
    assert_eq!(reader.asks("GET key"), "$-1");
    let (evidence, error) = faults.end(0).await;
    assert_eq!(error, None);
    assert_eq!(writer.hears(), "+OK");
    assert!(evidence.acted, "{evidence:?}");
    assert!(evidence.summary.starts_with("a PUBLISH waited "), "{evidence:?}");
    assert_eq!(reader.asks("DBSIZE"), ":1");
    faults.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_somebody_else_has_laid_outlives_ours() {
    let server = Server::start().await;
    let [mut writer, mut theirs] = [server.client(), server.client()];
    let (_state, mut faults) = opened().await;
    faults.begin(0, &server.fault(PAUSE_WRITE)).await.unwrap();
    assert_eq!(theirs.asks("CLIENT PAUSE 60000 WRITE"), "+OK");
    writer.says("SET key value");
    let (_, error) = faults.end(0).await;
    assert_eq!(error, None);
    assert!(!writer.is_answered(Duration::from_millis(100)));
    assert_eq!(theirs.asks("CLIENT UNPAUSE"), "+OK");
    assert_eq!(writer.hears(), "+OK");
    faults.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_ends_within_its_lease_when_whoever_renews_it_is_killed_or_stopped() {
    for (mode, how) in [(PAUSE_ALL, "KILL"), (PAUSE_WRITE, "KILL"), (PAUSE_WRITE, "STOP")] {
        let server = Server::start().await;
        let mut client = server.client();
        let (state, mut faults) = opened().await;
        faults.begin(0, &server.fault(mode)).await.unwrap();
        client.says("SET key value");
        assert!(!client.is_answered(Duration::from_millis(1_500)));
        let guardian = guardian_in(state.path()).pid;
        let holders: Vec<u32> =
            left_by(state.path()).into_iter().filter(|it| *it != guardian).collect();
        let clock = SystemClock::start();
        for it in &holders {
            signal(how, *it);
        }
        assert_eq!(client.hears(), "+OK");
        let took = clock.now().elapsed();
        assert!(took < LEASE_AND_MORE, "{how}: {took:?}");
        for it in holders.iter().filter(|_| how == "STOP") {
            signal("CONT", *it);
        }
        let (evidence, _) = faults.end(0).await;
        assert!(how == "STOP" || !evidence.acted, "{evidence:?}");
        faults.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_needed_and_a_right_that_is_missing_is_named() {
    let server = Server::start().await;
    let mut admin = server.client();
    assert_eq!(admin.asks("ACL SETUSER chaos on >p@ss/w +ping"), "+OK");
    assert_eq!(admin.asks("ACL SETUSER default >other"), "+OK");
    assert_eq!(admin.asks("ACL SETUSER default resetpass >other"), "+OK");
    let (state, mut faults) = opened().await;
    let error = faults.begin(0, &server.fault(PAUSE_ALL)).await.unwrap_err();
    assert!(told(&error).contains("give user and password in the URL"), "{}", told(&error));
    let secret = state.path().join("secret");
    std::fs::write(&secret, "p@ss/w\n").unwrap();
    let who = format!("chaos:${{file:{}}}@", secret.display());
    let planned = server.fault_as(&who, PAUSE_WRITE);
    let error = faults.begin(0, &planned).await.unwrap_err();
    assert!(told(&error).contains("`ACL SETUSER … +client +ping"), "{}", told(&error));
    assert!(!told(&error).contains("p@ss"));
    assert_eq!(admin.asks("ACL SETUSER chaos +client +ping +publish &evenkeel"), "+OK");
    faults.begin(0, &planned).await.unwrap();
    for pid in left_by(state.path()) {
        for file in ["cmdline", "environ"] {
            let text = std::fs::read(format!("/proc/{pid}/{file}")).unwrap();
            assert!(!String::from_utf8_lossy(&text).contains("p@ss/w"), "{file}");
        }
    }
    for file in std::fs::read_dir(state.path()).unwrap().map(Result::unwrap) {
        let text = std::fs::read(file.path()).unwrap();
        assert!(file.path() == secret || !String::from_utf8_lossy(&text).contains("p@ss"));
    }
    faults.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_redis_is_named() {
    let (_state, mut faults) = opened().await;
    let at = |port: u16| {
        let url = format!("redis://127.0.0.1:{port}").parse().unwrap();
        fault(PAUSE_ALL, Some(Selector::Redis(url)))
    };
    let error = faults.begin(0, &at(1)).await.unwrap_err();
    assert!(told(&error).contains("onnection refused"), "{}", told(&error));
    let other = crate::stage::echo().port();
    let error = faults.begin(0, &at(other)).await.unwrap_err();
    assert!(told(&error).contains("does not speak as a Redis does"), "{}", told(&error));
    faults.close().await.unwrap();
}

#[tokio::test]
async fn who_has_written_a_title_over_its_command_line_is_not_restarted() {
    let server = Server::start().await;
    let (_state, mut faults) = opened().await;
    let target = Selector::Process(Finder::Port(server.port));
    let error = faults.begin(0, &fault(Fault::Restart { every: None }, Some(target))).await;
    let said = told(&error.unwrap_err());
    assert!(said.contains("has written another title over its command line"), "{said}");
    assert!(answers(server.port));
    faults.close().await.unwrap();
}
