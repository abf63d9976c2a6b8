//! `probe`: exit codes, the contract for scripts, secrets, waiting, and ping in a network of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use evenkeel_units::{Clock as _, SystemClock};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::drill::Nginx;
use crate::world::{World, said, wait_until};

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(output)))
}

#[test]
fn all_are_asked_at_once_and_the_exit_code_says_whether_all_are_healthy() {
    let world = World::new();
    let _nginx = Nginx::start(&world, world.port());
    let page = format!("http://127.0.0.1:{}/", world.port());
    let port = format!("tcp://127.0.0.1:{}", world.port());
    let nobody = format!("tcp://127.0.0.1:{}", world.port() + 1);
    let output = world.run(&["probe", &page, &port, "-c", "3", "-i", "1ms", "--output", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let found = json(&output);
    assert_eq!(found["healthy"], true);
    let first = &found["probes"][0];
    for (key, value) in [
        ("target", Value::from(page.as_str())),
        ("scheme", "http".into()),
        ("healthy", true.into()),
        ("detail", "200".into()),
        ("peer", format!("127.0.0.1:{}", world.port()).into()),
        ("asked", 3.into()),
        ("answered", 3.into()),
        ("lost_ratio", 0.0.into()),
        ("certificate", Value::Null),
    ] {
        assert_eq!(first[key], value, "{key} of {first:#}");
    }
    assert_eq!(first["facts"]["status"], 200);
    let phases = first["phases"].as_object().unwrap();
    let sum: f64 = phases.values().filter_map(Value::as_f64).sum();
    assert!((sum - first["total_seconds"].as_f64().unwrap()).abs() < 1e-6, "{first:#}");
    assert!(first["answer_seconds"]["max"].as_f64() >= first["answer_seconds"]["min"].as_f64());

    let output = world.run(&["probe", &nobody, &page, "--output", "json"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let found = json(&output);
    let each = |key: &str| [0, 1].map(|it| found["probes"][it][key].clone());
    assert_eq!(each("healthy"), [Value::from(false), true.into()]);
    assert_eq!(each("detail"), [Value::from("connection refused"), "200".into()]);
    assert_eq!(found["healthy"], false);

    let output = world.run(&["probe", &page, "--expect", "body~goodbye", "--output", "text"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.starts_with(&format!("UNHEALTHY  {page}  `goodbye` is not in the body")),
        "{text}"
    );
    assert!(text.contains("in all: resolve "), "{text}");
}

#[test]
fn everything_that_is_wrong_with_a_command_is_told_and_nobody_is_asked() {
    let world = World::new();
    for (arguments, all) in [
        (
            &["shop:80", "udp://shop"][..],
            &["`shop:80` is not an absolute URL", "`udp` has no usual port"][..],
        ),
        (&["tcp://shop:80", "-e", "status=200"], &["an answer of `tcp` has no `status`"]),
        (&["tcp://shop:80", "-e", "colour=red"], &["nothing that an answer has"]),
        (&["tcp://shop:80", "--query", "select 1"], &["is for a PostgreSQL"]),
        (&["tcp://shop:80", "-H", "a: b"], &["is for HTTP and gRPC"]),
        (&["tcp://shop:80", "--send", "x"], &["is for UDP"]),
        (&["udp://shop:80", "--send", r"\q"], &[r"`\q` stands for nothing in a datagram"]),
        (&["http://shop", "-H", "hush"], &["a header is written `name: value`"]),
        (&["http://shop", "--ca", "nothing.pem"], &["nothing.pem"]),
        (&["http://shop", "--wait", "3"], &["no unit"]),
        (&["http://shop", "--wait", "3s", "--count", "2"], &["cannot be used with"]),
        (&["redis://:${env:NO_SUCH_THING}@cache"], &["cannot read ${env:NO_SUCH_THING}"]),
        (&["postgres://app:hush hush@db"], &["`postgres://***@db` is not an absolute URL"]),
        (&["tcp://app:hush@db:5432"], &["asks nobody who they are"]),
        (&[], &["<URL>"]),
    ] {
        let output = world.run(&[&["probe"], arguments].concat());
        let text = said(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(all.iter().all(|it| text.contains(it)), "{all:?} in {text}");
        assert!(!text.contains("hush"), "{text}");
    }
}

#[test]
fn a_datagram_that_nobody_answers_says_nothing_until_it_is_said_what_to_expect() {
    let world = World::new();
    let service = UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("udp://{}", service.local_addr().unwrap());
    let silent = ["probe", &url, "-t", "30ms", "--output"];
    let output = world.run(&[&silent[..], &["json"]].concat());
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let found = json(&output);
    assert_eq!((&found["healthy"], &found["probes"][0]["healthy"]), (&false.into(), &Value::Null));
    let output = world.run(&[&silent[..], &["text", "-c", "2", "-i", "1ms"]].concat());
    assert!(said(&output).contains("UNKNOWN"), "{}", said(&output));
    for (expect, exit) in [("answered=false", 0), ("answered=true", 1)] {
        let output = world.run(&[&silent[..], &["text", "-e", expect]].concat());
        assert_eq!(output.status.code(), Some(exit), "{}", said(&output));
    }
    let answers = std::thread::spawn(move || {
        let mut heard = [0; 64];
        loop {
            let (length, from) = service.recv_from(&mut heard).unwrap();
            if heard.get(..length) == Some(b"who\0") {
                return service.send_to(b"me", from).unwrap();
            }
        }
    });
    let output = world.run(&["probe", &url, "--send", r"who\0", "-e", "body=me"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    answers.join().unwrap();
}

#[test]
fn what_a_header_is_filled_in_with_is_not_repeated() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        assert!(stream.read(&mut [0; 4_096]).unwrap() > 0);
        let answer =
            b"HTTP/1.1 302 Found\r\nlocation: /login?for=hush%2F%40\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(answer).unwrap();
    });
    let header = "authorization: Bearer ${env:SECRET}";
    let mut command = world.evenkeel(&["probe", &url, "-H", header, "--output", "text"]);
    let output = command.env("SECRET", "hush/@").output().unwrap();
    assert!(said(&output).contains("302, to /login?for=***"), "{}", said(&output));
    server.join().unwrap();
}

#[test]
fn a_password_comes_from_the_environment_and_is_shown_nowhere() {
    let world = World::new();
    let nobody = world.port() + 1;
    for format in ["text", "json"] {
        let mut command = world.evenkeel(&["probe", "--output", format]);
        command.args([
            format!("redis://:${{env:SECRET}}@127.0.0.1:{nobody}"),
            format!("postgres://app:hush@127.0.0.1:{nobody}/shop?sslmode=disable"),
            format!("http://me:hush@127.0.0.1:{nobody}/?token=hush"),
            format!("http://127.0.0.1:{nobody}/of/${{env:SECRET}}"),
            "${env:CACHE_URL}".to_owned(),
        ]);
        let whole = format!("redis://:hush@127.0.0.1:{nobody}/7");
        let output = command.env("SECRET", "hush/@").env("CACHE_URL", whole).output().unwrap();
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(!text.contains("hush"), "{text}");
        for target in [
            format!("redis://:***@127.0.0.1:{nobody}"),
            format!("postgres://app:***@127.0.0.1:{nobody}/shop?sslmode=disable"),
            format!("http://me:***@127.0.0.1:{nobody}/?token=***"),
            format!("http://127.0.0.1:{nobody}/of/***"),
            format!("redis://:***@127.0.0.1:{nobody}/7"),
        ] {
            assert!(text.contains(&target), "{target} in {text}");
        }
    }
}

#[test]
fn what_is_wrong_with_a_url_from_the_environment_is_told_without_it() {
    let world = World::new();
    let mut command = world.evenkeel(&["probe", "${env:WHOLE}", "http://shop:${env:PART}/"]);
    let output = command.env("WHOLE", "hush").env("PART", "hush").output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("`${env:WHOLE}` is not an absolute URL"), "{text}");
    assert!(text.contains("`http://shop:${env:PART}/` is not an absolute URL"), "{text}");
    assert!(!text.contains("hush"), "{text}");
}

#[test]
fn it_waits_until_a_service_is_there_and_no_longer_than_it_was_told() {
    let world = World::new();
    let page = format!("http://127.0.0.1:{}/", world.port());
    let mut command = world.evenkeel(&["probe", &page, "--wait", "60s", "-i", "20ms"]);
    let waits = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let given_up = world.run(&["probe", &page, "--wait", "50ms", "-i", "10ms"]);
    let text = said(&given_up);
    assert_eq!(given_up.status.code(), Some(1), "{text}");
    assert!(text.contains("not yet: connection refused"), "{text}");
    let _nginx = Nginx::start(&world, world.port());
    let output = waits.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn whoever_ends_it_early_is_told_what_it_has_come_to() {
    let world = World::new();
    let _nginx = Nginx::start(&world, world.port());
    let page = format!("http://127.0.0.1:{}/", world.port());
    let arguments = ["probe", &page, "-c", "100000", "-i", "10ms", "--output", "json"];
    let mut command = world.evenkeel(&arguments);
    let mut asks = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(asks.stderr.as_mut().unwrap()).read_line(&mut first).unwrap();
    assert!(first.contains("1/100000: 200 in "), "{first}");
    kill_process(Pid::from_child(&asks), Signal::INT).unwrap();
    drop(asks.stderr.take());
    let output = asks.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", said(&output));
    let found = json(&output);
    assert!(found["probes"][0]["asked"].as_u64() >= Some(1), "{found:#}");
    assert_eq!((&found["healthy"], &found["probes"][0]["healthy"]), (&false.into(), &true.into()));
}

#[test]
fn waiting_ends_with_the_command() {
    let world = World::new();
    let nobody = format!("tcp://127.0.0.1:{}", world.port());
    let mut command = world.evenkeel(&["probe", &nobody, "--wait", "60s"]);
    let mut waits = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let there = || !world.left().is_empty();
    assert!(wait_until(Duration::from_secs(20), there));
    waits.kill().unwrap();
    waits.wait().unwrap();
    world.is_empty_within_a_second();
}

/// Runs the command in a network and with mounts of its own, after a script has made them what they are. `None` without the right to
/// that.
fn alone(world: &World, script: &str, words: &[&str], arguments: &[&str]) -> Option<Output> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let evenkeel = world.evenkeel(&[&["probe"], arguments].concat());
    let script = format!("ip link set lo up && {script} && exec \"$@\"");
    let mut command: Command = world.command("unshare");
    command.args(["--net", "--mount", "sh", "-c", &script, "sh"]).args(words);
    Some(command.arg(evenkeel.get_program()).args(evenkeel.get_args()).output().unwrap())
}

/// Still root, so that it finds its own binary, but with nothing that root may do.
const WITHOUT_RIGHTS: [&str; 4] =
    ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"];
const FOR_GROUPS: &str = "echo 0 2147483647 > /proc/sys/net/ipv4/ping_group_range";
const FOR_NOBODY: &str = "echo 1 0 > /proc/sys/net/ipv4/ping_group_range";

/// A network in which nobody answers.
const SILENT: &str = "ip link add far type veth peer name near && ip addr add 192.0.2.1/24 dev far && \
                      ip link set far up && ip link set near up";

#[test]
fn a_name_that_nobody_looks_up_in_time_holds_nobody_up() {
    let world = World::new();
    world.write("resolv.conf", "nameserver 192.0.2.9\noptions timeout:30 attempts:1\n");
    let silent = format!("{SILENT} && mount --bind resolv.conf /etc/resolv.conf");
    let clock = SystemClock::start();
    let Some(output) = alone(&world, &silent, &[], &["tcp://db.internal:5432", "-t", "50ms"])
    else {
        return;
    };
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("no address for the name within 50ms"), "{text}");
    assert!(clock.now().elapsed() < Duration::from_secs(20), "{text}");
}

#[test]
fn an_echo_comes_back_with_and_without_rights() {
    let both = ["ping://127.0.0.1", "ping://[::1]", "-c", "3", "-i", "1ms", "--output", "json"];
    for (script, words) in [(FOR_GROUPS, &WITHOUT_RIGHTS[..]), (FOR_NOBODY, &[])] {
        let world = World::new();
        let Some(output) = alone(&world, script, words, &both) else { return };
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let found = json(&output);
        for (nth, peer) in [(0, "127.0.0.1"), (1, "::1")] {
            let it = &found["probes"][nth];
            assert_eq!((&it["peer"], &it["answered"]), (&peer.into(), &3.into()), "{it:#}");
            assert_eq!((&it["detail"], &it["lost_ratio"]), (&"echo".into(), &0.0.into()));
        }
    }
}

#[test]
fn without_the_right_to_ping_nobody_is_asked_and_it_is_told_how_to_get_it() {
    let world = World::new();
    let arguments = ["ping://127.0.0.1", "--output", "json"];
    let Some(output) = alone(&world, FOR_NOBODY, &WITHOUT_RIGHTS, &arguments) else { return };
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let it = &json(&output)["probes"][0];
    assert_eq!(it["healthy"], Value::Null);
    assert!(it["detail"].as_str().unwrap().contains("net.ipv4.ping_group_range"), "{it:#}");
}

#[test]
fn echoes_that_are_lost_are_counted() {
    let world = World::new();
    let arguments = ["ping://192.0.2.9", "-c", "2", "-i", "1ms", "-t", "50ms", "--output", "json"];
    let Some(output) = alone(&world, SILENT, &[], &arguments) else { return };
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let it = &json(&output)["probes"][0];
    assert_eq!((&it["asked"], &it["lost_ratio"]), (&2.into(), &1.0.into()), "{it:#}");
    assert_eq!(
        (&it["detail"], &it["answer_seconds"]),
        (&"no answer within 50ms".into(), &Value::Null)
    );
    let arguments = ["ping://198.51.100.1"];
    let Some(output) = alone(&world, "true", &[], &arguments) else { return };
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("network unreachable"), "{}", said(&output));
}
