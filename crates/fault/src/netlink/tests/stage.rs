//! The stage: a namespace for one test, a process that disturbs in it, and sockets that notice.

use std::any::type_name_of_val;
use std::env;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::ops::Range;
use std::os::fd::AsFd;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use evenkeel_units::{Clock, Seed, SystemClock};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::netlink::disturbance::{Did, Disturbance};
use crate::netlink::queue::Treatment;
use evenkeel_model::document::{Direction, Protocol, Traffic};

/// How long to wait for what must come.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
pub(super) const MS: Duration = Duration::from_millis(1);
/// What a busy host may add to the shortest of twenty.
pub(super) const SLACK_MS: u32 = 15;

/// Set in the process that is alone.
const ALONE: &str = "EVENKEEL_TEST_ALONE";
/// Set in the process that disturbs: how.
const ORDER: &str = "EVENKEEL_TEST_DISTURBANCE";
const DID: &str = "did ";

/// Runs `test` in namespaces of network and pids that nobody else has, where it may do what it likes: this very
/// test once more, in a process of its own, as in a container that it did not start. Without root, a build server fails, and a person is told.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub(super) fn alone(test: fn()) {
    if env::var_os(ALONE).is_some() {
        output("ip", &["link", "set", "lo", "up"]);
        return test();
    }
    if !rustix::process::geteuid().is_root() {
        let on_ci = env::var("CI").is_ok_and(|it| it == "true");
        assert!(!on_ci, "namespaces are root's to make: run this test as root");
        eprintln!("skipped: namespaces are root's to make; run this test as root");
        return;
    }
    let name = std::thread::current().name().map(str::to_owned).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--net", "--pid", "--fork", "--mount-proc", "--kill-child"]);
    command.arg(env::current_exe().unwrap()).args(["--exact", &name]);
    let output = command.env(ALONE, "1").stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{error}");
}

/// What a program says; it must succeed.
pub(super) fn output(program: &str, words: &[&str]) -> String {
    let Output { status, stdout, stderr } = Command::new(program).args(words).output().unwrap();
    let error = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{program} {}: {error}", words.join(" "));
    String::from_utf8(stdout).unwrap()
}

/// A process that disturbs.
pub(super) struct Disturber {
    child: Child,
    lines: io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Disturber {
    /// Starts one, and waits until it does.
    pub(super) fn start(disturbance: &Disturbance) -> Self {
        let name = type_name_of_val(&disturbs).split_once("::").unwrap().1;
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", name]).env(ORDER, serde_json::to_string(disturbance).unwrap());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = Vec::new();
        let mut so_far = lines.by_ref().map(Result::unwrap).inspect(|it| said.push(it.clone()));
        let is_ready = so_far.any(|it| it == "ready");
        assert!(is_ready, "it could not: {}", said.join("\n"));
        Self { child, lines }
    }

    /// Ends it in order; what it did.
    pub(super) fn end(mut self) -> Did {
        drop(self.child.stdin.take());
        self.did()
    }

    /// Waits until it ends by itself; what it did.
    pub(super) fn did(mut self) -> Did {
        let line = self
            .lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|it| it.strip_prefix(DID).map(|it| serde_json::from_str(it).unwrap()));
        self.child.wait().unwrap();
        line.unwrap()
    }

    pub(super) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// The process of a [`Disturber`]; by itself no test.
#[test]
fn disturbs() {
    let Ok(order) = env::var(ORDER) else { return };
    let disturbance: Disturbance = serde_json::from_str(&order).unwrap();
    let say = |text: &str| writeln!(io::stdout(), "\n{text}");
    let did = disturbance.run(io::stdin().as_fd(), PATIENCE * 3, || say("ready")).unwrap();
    say(&format!("{DID}{}", serde_json::to_string(&did).unwrap())).unwrap();
}

/// This is done to the answers of a port.
pub(super) fn answers_of(port: u16, treatment: Treatment) -> Disturbance {
    let traffic = Traffic {
        direction: Direction::From,
        host: None,
        port: Some(port),
        protocol: Protocol::Any,
    };
    Disturbance { traffic: vec![traffic], spared: Vec::new(), treatment, seed: Seed(7) }
}

/// This is done to datagrams that are sent to a port.
pub(super) fn datagrams_to(port: u16, treatment: Treatment) -> Disturbance {
    let protocol = Protocol::Udp;
    let traffic = Traffic { direction: Direction::To, host: None, port: Some(port), protocol };
    Disturbance { traffic: vec![traffic], ..answers_of(port, treatment) }
}

pub(super) fn delay(ms: u32) -> Treatment {
    Treatment { delay: MS * ms, ..Treatment::default() }
}

/// One who sends a byte and waits for it to come back, on one connection.
pub(super) enum Caller {
    Tcp(TcpStream),
    Udp(UdpSocket),
}

impl Caller {
    /// To a server of its own.
    pub(super) fn tcp(host: &str) -> Self {
        Self::tcp_from(host, None)
    }

    /// To a server of its own, which lives in another network.
    pub(super) fn tcp_from(host: &str, network: Option<File>) -> Self {
        let address = (host.parse::<IpAddr>().unwrap(), 0);
        let listener = inside(network, move || TcpListener::bind(address).unwrap());
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            let mut byte = [0];
            while stream.read(&mut byte).is_ok_and(|it| it > 0) {
                stream.write_all(&byte).unwrap();
            }
        });
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::Tcp(stream)
    }

    /// To a server of its own.
    pub(super) fn udp(host: &str) -> Self {
        Self::udp_from(host, None)
    }

    /// To a server of its own, which lives in another network.
    pub(super) fn udp_from(host: &str, network: Option<File>) -> Self {
        let address = (host.parse::<IpAddr>().unwrap(), 0);
        // Over lo both have the same address, elsewhere each has its own.
        let any = if address.0.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let own = network.as_ref().map_or_else(|| address.into(), |_| any.parse().unwrap());
        let socket = UdpSocket::bind::<SocketAddr>(own).unwrap();
        let server = inside(network, move || UdpSocket::bind(address).unwrap());
        socket.connect(server.local_addr().unwrap()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        std::thread::spawn(move || {
            let mut byte = [0];
            while let Ok((_, sender)) = server.recv_from(&mut byte) {
                server.send_to(&byte, sender).unwrap();
            }
        });
        Self::Udp(socket)
    }

    /// The port of the server.
    pub(super) fn port(&self) -> u16 {
        match self {
            Self::Tcp(it) => it.peer_addr(),
            Self::Udp(it) => it.peer_addr(),
        }
        .map(|it| it.port())
        .unwrap()
    }

    /// How long it took, so many times.
    pub(super) fn times(&mut self, count: usize) -> Vec<Duration> {
        let clock = SystemClock::start();
        let mut one = || {
            let start = clock.now();
            match self {
                Self::Tcp(it) => it.write_all(b"x").and_then(|()| it.read_exact(&mut [0])),
                Self::Udp(it) => it.send(b"x").and_then(|_| it.recv(&mut [0])).map(|_| ()),
            }
            .unwrap();
            clock.now() - start
        };
        (0..count).map(|_| one()).collect()
    }

    /// The shortest of several, which a busy host does not make longer.
    pub(super) fn shortest(&mut self) -> Duration {
        self.times(20).into_iter().min().unwrap()
    }
}

/// Does something in another network, if one is given; sockets that are opened stay there.
pub(super) fn inside<T: Send + 'static>(
    network: Option<File>,
    act: impl FnOnce() -> T + Send + 'static,
) -> T {
    let Some(network) = network else { return act() };
    let act = move || {
        move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        act()
    };
    std::thread::spawn(act).join().unwrap()
}

/// A receiver of datagrams with room for all of them, and a sender.
pub(super) struct Datagrams {
    receiver: UdpSocket,
    sender: UdpSocket,
}

impl Datagrams {
    pub(super) fn new() -> Self {
        let [receiver, sender] = [0, 1].map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
        set_socket_recv_buffer_size_force(&receiver, 64 << 20).unwrap();
        sender.connect(receiver.local_addr().unwrap()).unwrap();
        Self { receiver, sender }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.receiver.local_addr().unwrap()
    }

    pub(super) fn send(&self, numbers: Range<u32>) {
        numbers.for_each(|it| assert_eq!(self.sender.send(&it.to_be_bytes()).unwrap(), 4));
    }

    /// The next number; `None` when none came for so long.
    pub(super) fn next(&self, patience: Duration) -> Option<u32> {
        let mut bytes = [0; 4];
        self.receiver.set_read_timeout(Some(patience)).unwrap();
        let read = self.receiver.recv(&mut bytes).ok()?;
        (read == 4).then_some(u32::from_be_bytes(bytes))
    }

    /// All that have come.
    pub(super) fn all(&self) -> Vec<u32> {
        std::iter::from_fn(|| self.next(MS)).collect()
    }
}

/// What a condition comes to be, with patience.
pub(super) fn wait_until(condition: impl Fn() -> bool) -> bool {
    let clock = SystemClock::start();
    while clock.now().elapsed() < PATIENCE {
        if condition() {
            return true;
        }
        std::thread::yield_now();
    }
    false
}
