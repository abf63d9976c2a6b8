//! `proxy`: the API of Toxiproxy as its users meet it: a client of another make, a file of proxies, signals.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::world::{World, said};

/// The client of another make: its package on PyPI.
const CLIENT: &str = "toxiproxy-python==0.1.1";

/// The command with its API at a port of its own.
struct Api {
    child: Child,
    address: SocketAddr,
}

impl Api {
    fn start(world: &World, arguments: &[&str]) -> Self {
        let all = [&["proxy", "--listen", "127.0.0.1:0"], arguments].concat();
        let mut command = world.evenkeel(&all);
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let line = said.next().unwrap_or_default();
        let address = line.split(['/', ';']).find_map(|it| it.parse().ok());
        let address = address.unwrap_or_else(|| panic!("no address in `{line}`"));
        Self { child, address }
    }

    /// The status and the body of the answer to a request that names this host.
    fn ask_as(&self, host: &str, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let (status, body) =
            self.ask_as(&self.address.to_string(), method, path, &body.to_string());
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    /// Asks it to end, and says with which code it did.
    fn end(mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.child.wait().unwrap().code()
    }
}

/// Sends back whatever comes, for as long as the test runs.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            std::thread::spawn(move || std::io::copy(&mut &client, &mut &client));
        }
    });
    address
}

#[test]
fn proxies_of_a_file_are_there_until_a_signal_and_then_nothing_is() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let world = World::new();
        let (listen, upstream) = (format!("localhost:{}", world.port()), echo());
        // As people write it, with tabs.
        let text = format!(
            "[\n\t{{\n\t\t\"name\": \"db\",\n\t\t\"listen\": \"{listen}\",\n\t\t\"upstream\": \"{upstream}\"\n\t}}\n]\n"
        );
        world.write("toxiproxy.json", &text);
        let api = Api::start(&world, &["--config", "toxiproxy.json", "--seed", "7"]);
        let proxy = json!({
            "name": "db", "listen": format!("127.0.0.1:{}", world.port()), "upstream": upstream.to_string(),
            "enabled": true, "toxics": [],
        });
        assert_eq!(api.ask("GET", "/proxies/db", &Value::Null), (200, proxy));
        let toxic = json!({"type": "latency", "attributes": {"latency": 3_600_000}});
        assert_eq!(api.ask("POST", "/proxies/db/toxics", &toxic).0, 200);
        let mut client = TcpStream::connect(("127.0.0.1", world.port())).unwrap();
        client.write_all(b"never seen again").unwrap();
        let address = api.address;
        assert_eq!(api.end(signal), Some(0), "{signal:?}");
        client.read_to_end(&mut Vec::new()).unwrap_or_default();
        for address in [address, ([127, 0, 0, 1], world.port()).into()] {
            drop(TcpListener::bind(address).unwrap_or_else(|it| panic!("{address}: {it}")));
        }
        world.is_empty_within_a_second();
    }
}

#[test]
fn requests_must_name_the_address_as_their_host() {
    let world = World::new();
    let api = Api::start(&world, &[]);
    let port = api.address.port();
    let proxy = r#"{"name": "a", "upstream": "127.0.0.1:1"}"#;
    let (status, text) = api.ask_as("attacker.example", "POST", "/proxies", proxy);
    assert_eq!(
        (status, text),
        (421, format!("This is {}, and answers to no other name.\n", api.address))
    );
    assert_eq!(api.ask("GET", "/proxies", &Value::Null), (200, json!({})));
    let (status, _) = api.ask_as(&format!("LOCALHOST:{port}"), "POST", "/proxies", proxy);
    assert_eq!(status, 201);
    assert_eq!(api.end(Signal::TERM), Some(0));
}

#[test]
fn everything_wrong_with_a_file_is_said_with_its_place() {
    let world = World::new();
    let text = r#"[
  {"name": "a", "listen": "192.0.2.1:80", "upstream": "127.0.0.1:1"},
  {"name": "b", "listen": 80, "upstream": "127.0.0.1:1"},
  {"listen": "127.0.0.1:0", "upstream": "127.0.0.1:1"},
  "c",
  {"name": "d", "listen": "nowhere", "upstream": "127.0.0.1:1"}
]"#;
    world.write("toxiproxy.json", text);
    let output = world.run(&["proxy", "--listen", "0", "--config", "toxiproxy.json"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    let places = ["2:27", "3:27", "4:3", "5:3", "6:27"].map(|it| format!("toxiproxy.json:{it}"));
    for part in places.iter().map(String::as_str).chain(["others can reach 192.0.2.1", "5 errors"])
    {
        assert!(text.contains(part), "no {part} in {text}");
    }
}

#[test]
fn a_port_that_is_taken_is_said() {
    let world = World::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = world.run(&["proxy", "--listen", &address]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains(&address), "{}", said(&output));
    let list = json!([{"name": "a", "listen": address, "upstream": "127.0.0.1:1"}]);
    world.write("toxiproxy.json", &list.to_string());
    let output = world.run(&["proxy", "--listen", "0", "--config", "toxiproxy.json"]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("address already in use"), "{}", said(&output));
}

#[test]
fn a_client_of_another_make_works_unchanged() {
    let world = World::new();
    let Some(packages) = client(&world) else { return };
    let api = Api::start(&world, &[]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/proxy/client.py");
    let mut python = world.command("python3");
    python.arg(script).arg(api.address.port().to_string()).env("PYTHONPATH", packages);
    let output = python.output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(api.end(Signal::TERM), Some(0));
}

/// Where the client is. Without one, a build server fails, and a person is told why.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn client(world: &World) -> Option<PathBuf> {
    let folder = world.folder().join("client");
    match install(&folder) {
        Ok(()) => Some(folder),
        Err(why) => {
            let on_ci = std::env::var("CI").is_ok_and(|it| it == "true");
            assert!(!on_ci, "{CLIENT} cannot be installed: {why}");
            eprintln!("skipped: {CLIENT} cannot be installed: {why}");
            None
        }
    }
}

fn install(folder: &Path) -> Result<(), String> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--target"]).arg(folder).arg(CLIENT);
    let output = pip.stdin(Stdio::null()).output().map_err(|it| it.to_string())?;
    if output.status.success() { Ok(()) } else { Err(said(&output)) }
}
