//! PostgreSQL: a server of the test's own, with its ways to let somebody in, its TLS, and a standby.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use evenkeel_probe::{Call, Trust, Verdict};
use serde_json::Value;

use crate::stage::{Authority, Server, ask, call, found, free_port, until_healthy};

/// PostgreSQL does not run as root; this is who it is then.
const NOBODY: u32 = 65_534;

/// A program of PostgreSQL, as somebody who may run it.
fn program(name: &str, folder: &Path) -> Command {
    // Where Debian has it, one folder for each version.
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut command = Command::new(found(name, versions.map(|it| it.path().join("bin"))));
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn owned(path: &Path) {
    if rustix::process::geteuid().is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

/// A cluster in `data`, of which the superuser is `boss` without a password.
fn made(folder: &Path, rules: &str) {
    owned(folder);
    let made = program("initdb", folder)
        .args(["--no-sync", "--auth=trust", "--username=boss", "-D", "data"])
        .status()
        .unwrap();
    assert!(made.success());
    std::fs::write(folder.join("data/pg_hba.conf"), rules).unwrap();
}

fn start(folder: &Path, data: &str, port: u16, more: &[String]) -> Server {
    let process = program("postgres", folder)
        .args(["-F", "-D", data, "-k"])
        .arg(folder)
        .args(["-c", "listen_addresses=127.0.0.1", "-c", "wal_level=replica", "-c"])
        .arg(format!("port={port}"))
        .args(more.iter().flat_map(|it| ["-c", it]))
        .spawn()
        .unwrap();
    Server(process)
}

fn does(folder: &Path, port: u16, commands: &str) {
    let mut psql = program("psql", folder);
    psql.arg("-h").arg(folder).args(["-U", "boss", "-d", "postgres", "-X", "-q", "-p"]);
    psql.arg(port.to_string()).args(["-v", "ON_ERROR_STOP=1", "-c", commands]);
    assert!(psql.status().unwrap().success());
}

#[tokio::test]
async fn a_postgres_lets_in_whoever_shows_who_they_are() {
    let authority = Authority::new();
    let folder = authority.folder.path();
    let rules = "local all boss trust\nhost all boss 127.0.0.1/32 trust\nhost all old 127.0.0.1/32 md5\n\
                 host all plain 127.0.0.1/32 password\nhost all all 127.0.0.1/32 scram-sha-256\n";
    made(folder, rules);
    let (own, key) = authority.sign("localhost", 2090);
    owned(&key);
    owned(&own);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let port = free_port();
    let tls = [
        "ssl=on".to_owned(),
        format!("ssl_cert_file={}", own.display()),
        format!("ssl_key_file={}", key.display()),
    ];
    let _server = start(folder, "data", port, &tls);
    let plain = call(&[]);
    let boss = format!("postgres://boss@127.0.0.1:{port}/postgres?sslmode=disable");
    until_healthy(&plain, &boss).await;
    let roles =
        "create role app login password 's3cret:/@ä'; create role plain login password 's3cret';
                 set password_encryption = 'md5'; create role old login password 's3cret'";
    does(folder, port, roles);
    let trusting = Call { trust: authority.trust(), ..call(&[]) };
    let other = Call { trust: Authority::new().trust(), ..call(&[]) };
    let app = "app:s3cret%3A%2F%40%C3%A4";
    for (call, login, mode, detail, cover) in [
        (&plain, app, "", "1, primary", "unverified"),
        (&plain, app, "disable", "1, primary", "none"),
        (&plain, app, "require", "1, primary", "unverified"),
        (&trusting, app, "verify-full", "1, primary", "verified"),
        (&trusting, app, "", "1, primary", "verified"),
        (&plain, "old:s3cret", "disable", "1, primary", "none"),
        (&trusting, "plain:s3cret", "verify-full", "1, primary", "verified"),
        (&plain, "plain:s3cret", "require", "it wants the password in clear", "unverified"),
        (
            &plain,
            "app:wrong",
            "disable",
            "password authentication failed for user \"app\" (28P01)",
            "none",
        ),
        (
            &plain,
            "old:wrong",
            "disable",
            "password authentication failed for user \"old\" (28P01)",
            "none",
        ),
        (&plain, "app", "disable", "it asks for a password: give one", "none"),
        (&other, app, "verify-full", "its certificate is signed by nobody we trust", ""),
    ] {
        let url = format!("postgres://{login}@localhost:{port}/postgres?sslmode={mode}");
        let url = if mode.is_empty() { url.replace("?sslmode=", "") } else { url };
        let reading = ask(call, &url).await;
        assert!(reading.detail.starts_with(detail), "{url}: {reading:?}");
        assert_eq!(reading.verdict == Verdict::Healthy, detail.starts_with('1'), "{reading:?}");
        let said = reading.facts.get("tls").and_then(Value::as_str).unwrap_or_default();
        assert_eq!(said, cover, "{url}: {reading:?}");
        assert!(!format!("{reading:?}").contains("s3cret"));
    }
    let gone = format!("postgres://boss@127.0.0.1:{port}/nothing?sslmode=disable");
    assert_eq!(ask(&plain, &gone).await.detail, "database \"nothing\" does not exist (3D000)");
    let anybody = Call { trust: Trust::Anybody, ..call(&[]) };
    let reading =
        ask(&anybody, &format!("postgres://boss@127.0.0.1:{port}/postgres?sslmode=verify-full"))
            .await;
    assert_eq!((reading.verdict, reading.warnings.len()), (Verdict::Healthy, 1), "{reading:?}");
}

#[tokio::test]
async fn a_query_reads_in_time_and_a_standby_says_that_it_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    made(
        folder,
        "local all all trust\nhost all all 127.0.0.1/32 trust\nlocal replication all trust\n",
    );
    let [port, second] = [free_port(), free_port()];
    let server = start(folder, "data", port, &[]);
    let url = format!("postgres://boss@127.0.0.1:{port}/postgres");
    let reading = until_healthy(&call(&["role=primary", "value=1", "read_only=false"]), &url).await;
    assert_eq!(reading.facts["tls"], "none");
    assert!(
        reading.facts["version"]
            .as_str()
            .is_some_and(|it| it.starts_with(|it: char| it.is_ascii_digit()))
    );
    does(folder, port, "create table orders as select generate_series(1, 42) as id");
    let asks = |query: &str, expect: &[&str]| Call { query: query.to_owned(), ..call(expect) };
    for (query, expect, detail) in [
        ("select count(*) from orders", &["value=42", "rows=1"][..], "42, primary"),
        ("select id from orders order by 1 desc", &["value>41", "rows=42"], "42, primary"),
        ("select null", &[], "nothing, primary"),
        ("select count(*) from orders", &["value<10"], "value is 42, and not below 10"),
        ("select nonsense", &[], "column \"nonsense\" does not exist (42703)"),
        ("delete from orders", &[], "cannot execute DELETE in a read-only transaction (25006)"),
        ("copy orders to stdout", &[], "a query that copies a table"),
        ("commit; delete from orders", &[], "cannot insert multiple commands"),
        ("select repeat('x', 5000000)", &[], "the answer is larger than 4 MiB"),
    ] {
        let reading = ask(&asks(query, expect), &url).await;
        assert!(reading.detail.starts_with(detail), "{query}: {reading:?}");
    }
    let trusting = Call { trust: Authority::new().trust(), ..call(&[]) };
    for (mode, detail) in [("", "it has no TLS"), ("?sslmode=disable", "1, primary")] {
        let reading = ask(&trusting, &format!("{url}{mode}")).await;
        assert!(reading.detail.starts_with(detail), "{mode}: {reading:?}");
    }
    let slow = Call { timeout: Duration::from_millis(200), ..asks("select pg_sleep(60)", &[]) };
    let reading = ask(&slow, &url).await;
    assert_eq!(reading.verdict, Verdict::Unhealthy, "{reading:?}");
    // The server has given up as well.
    let sleepers = asks(
        "select count(*) from pg_stat_activity where query like '%pg_sleep(60)' and state = 'active'",
        &["value=0"],
    );
    until_healthy(&sleepers, &url).await;

    let copied = program("pg_basebackup", folder)
        .arg("-h")
        .arg(folder)
        .args([
            "-U",
            "boss",
            "-p",
            &port.to_string(),
            "-D",
            "standby",
            "-R",
            "-X",
            "stream",
            "-c",
            "fast",
        ])
        .status()
        .unwrap();
    assert!(copied.success());
    let _standby = start(folder, "standby", second, &[]);
    let standby = url.replace(&port.to_string(), &second.to_string());
    let healthy = call(&["role=standby", "read_only=true", "lag<1m"]);
    assert_eq!(until_healthy(&healthy, &standby).await.detail, "1, standby");
    does(folder, port, "create table more ()");
    let more = "select count(*) from pg_class where relname = 'more'";
    until_healthy(&asks(more, &["value=1"]), &standby).await;
    // All that was received is applied, but nothing is received any more.
    drop(server);
    until_healthy(&call(&["role=standby", "lag>0s"]), &standby).await;
}
