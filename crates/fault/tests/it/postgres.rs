//! Faults of a PostgreSQL of the test's own: what its clients meet, and that nothing is left of it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::Duration;

use evenkeel_fault::Faults;
use evenkeel_model::document::{Fault, LockMode, Selector};
use evenkeel_model::plan::PlannedFault;
use evenkeel_units::Ratio;
use tempfile::TempDir;

use crate::aftermath::{guardian_in, left_by};
use crate::stage::{fault, open, service, signal, state_dir, told, until};

/// PostgreSQL does not run as root; this is who it is then.
const NOBODY: u32 = 65_534;

/// A server that listens at a socket in a folder of its own.
struct Server {
    process: Child,
    folder: TempDir,
}

impl Server {
    /// With a role `app`, a role `chaos`, which may do nothing, and a table `orders` of `app`.
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        if rustix::process::geteuid().is_root() {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let data = folder.path().join("data");
        let made = program("initdb", folder.path())
            .args(["--no-sync", "--auth=trust", "--username=postgres", "-D"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let process = program("postgres", folder.path())
            .arg("-D")
            .arg(&data)
            .args(["-c", "listen_addresses=", "-c", "max_connections=20", "-F", "-k"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { process, folder };
        until(|| server.asks("postgres", "select 1").status.success()).await;
        server.does(
            "create role app login; create role chaos login password 'p@ss/w';
                     create table orders (id int); alter table orders owner to app",
        );
        server
    }

    fn psql(&self, user: &str) -> Command {
        let mut psql = program("psql", self.folder.path());
        psql.arg("-h").arg(self.folder.path()).args(["-U", user, "-d", "postgres", "-X", "-q"]);
        psql.args(["-A", "-t", "-v", "ON_ERROR_STOP=1"]);
        psql
    }

    fn asks(&self, user: &str, query: &str) -> Output {
        self.psql(user).args(["-c", query]).output().unwrap()
    }

    /// What a superuser is told.
    fn does(&self, query: &str) -> String {
        let output = self.asks("postgres", query);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn client(&self, application: &str) -> Client {
        let mut psql = self.psql("app");
        psql.env("PGAPPNAME", application).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut psql = psql.stderr(Stdio::null()).spawn().unwrap();
        let (stdin, stdout) = (psql.stdin.take().unwrap(), psql.stdout.take().unwrap());
        let mut client = Client { psql, stdin, said: BufReader::new(stdout) };
        assert_eq!(client.asks("select 'here'"), "here");
        client
    }

    /// A fault aimed at it, as a role.
    fn fault(&self, user: &str, it: Fault) -> PlannedFault {
        let folder = self.folder.path().display();
        let url = format!("postgres://{user}@localhost/postgres?host={folder}");
        fault(it, Some(Selector::Postgres(url.parse().unwrap())))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// A program of PostgreSQL, as somebody who may run it.
fn program(name: &str, folder: &Path) -> Command {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|it| it.join(name)).find(|it| it.is_file());
    let found: Option<PathBuf> = found.or_else(|| {
        // Where Debian has it, one folder for each version.
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
        versions.map(|it| it.path().join("bin").join(name)).find(|it| it.is_file())
    });
    let mut command = Command::new(found.expect("PostgreSQL is installed by `cargo xtask test`"));
    command.current_dir(folder);
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// A session of `app` that stays open.
struct Client {
    psql: Child,
    stdin: ChildStdin,
    said: BufReader<std::process::ChildStdout>,
}

impl Client {
    fn says(&mut self, query: &str) {
        writeln!(self.stdin, "{query};").unwrap();
    }

    /// One line of answer; empty when the session has ended.
    fn hears(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn asks(&mut self, query: &str) -> String {
        self.says(query);
        self.hears()
    }

    fn is_there(&mut self) -> bool {
        let written = writeln!(self.stdin, "select 'here';");
        written.is_ok() && self.hears() == "here"
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.psql.kill().unwrap();
        self.psql.wait().unwrap();
    }
}

async fn opened() -> (TempDir, Faults) {
    let state = state_dir();
    let faults = open(&service(None, &[]), state.path()).await;
    (state, faults)
}

fn terminate(percent: u32, application: Option<&str>) -> Fault {
    Fault::TerminateBackends {
        share: Ratio::percent(percent),
        user: Some("app".to_owned()),
        database: Some("postgres".to_owned()),
        application: application.map(str::to_owned),
    }
}

fn lock() -> Fault {
    Fault::LockTable { table: "public.orders".to_owned(), mode: LockMode::AccessExclusive }
}

#[tokio::test]
async fn half_of_the_sessions_end_and_those_that_come_back_are_counted() {
    let server = Server::start().await;
    server.does("grant pg_signal_backend to chaos");
    let mut web: Vec<Client> = (0..4).map(|_| server.client("web")).collect();
    let mut other = server.client("batch");
    let (_state, mut faults) = opened().await;
    faults.begin(0, &server.fault("chaos", terminate(50, Some("web")))).await.unwrap();
    let left = web.iter_mut().filter_map(|it| it.is_there().then_some(())).count();
    assert!(left == 2 && other.is_there(), "{left}");
    let _again = [server.client("web"), server.client("web")];
    // What came back is seen by the look after it.
    let seen = "select count(*) from pg_stat_activity where application_name = 'evenkeel'
                and query_start > (select max(backend_start) from pg_stat_activity where application_name = 'web')
                and state = 'idle'";
    until(|| server.does(seen) != "0").await;
    let (evidence, error) = faults.end(0).await;
    assert_eq!(error, None);
    assert!(evidence.acted, "{evidence:?}");
    let counted = ["sessions_matched", "sessions_terminated", "sessions_back"];
    assert_eq!(counted.map(|it| evidence.counters[it] as u32), [4, 2, 2], "{evidence:?}");
    faults.close().await.unwrap();
}

#[tokio::test]
async fn a_role_without_the_right_to_end_sessions_is_told_what_to_grant() {
    let server = Server::start().await;
    let mut client = server.client("web");
    let (_state, mut faults) = opened().await;
    let error = faults.begin(0, &server.fault("chaos", terminate(100, None))).await.unwrap_err();
    assert!(told(&error).contains("`GRANT pg_signal_backend TO chaos`"), "{}", told(&error));
    let error = faults.begin(1, &server.fault("chaos", lock())).await.unwrap_err();
    assert!(told(&error).contains("`GRANT UPDATE ON public.orders TO chaos`"), "{}", told(&error));
    assert!(client.is_there());
    // Nobody may hit nobody and call it a fault.
    let error = faults.begin(2, &server.fault("app", terminate(50, None))).await.unwrap_err();
    assert!(told(&error).contains("50% of 1 sessions that match is none"), "{}", told(&error));
    faults.close().await.unwrap();
}

#[tokio::test]
async fn without_free_connections_clients_are_refused_and_afterwards_let_in() {
    let server = Server::start().await;
    let mut early = server.client("web");
    let (_state, mut faults) = opened().await;
    let take = Fault::TakeConnections { free: 0 };
    faults.begin(0, &server.fault("app", take)).await.unwrap();
    let refused = server.asks("app", "select 1");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("reserved for"), "{said}");
    assert!(early.is_there());
    // What one gives back is taken.
    drop(early);
    let taken = "select count(*) from pg_stat_activity where application_name = 'evenkeel'";
    until(|| server.does(taken) == "17").await;
    let (evidence, error) = faults.end(0).await;
    assert_eq!(error, None);
    // Of twenty: three are reserved, and one session looks.
    assert!(evidence.acted, "{evidence:?}");
    let counted = ["connections_held", "connections_left", "connects_refused"];
    assert_eq!(counted.map(|it| evidence.counters[it] as u32), [16, 0, 1], "{evidence:?}");
    assert!(server.asks("app", "select 1").status.success());
    faults.close().await.unwrap();
}

#[tokio::test]
async fn a_role_with_a_limit_of_its_own_leaves_others_their_connections() {
    let server = Server::start().await;
    server.does("alter role chaos connection limit 5");
    let (_state, mut faults) = opened().await;
    faults.begin(0, &server.fault("chaos", Fault::TakeConnections { free: 2 })).await.unwrap();
    let held: Vec<Output> = (0..3).map(|_| server.asks("app", "select 1")).collect();
    assert!(held.iter().all(|it| it.status.success()));
    let (evidence, _) = faults.end(0).await;
    let counted = ["connections_held", "connections_left", "connects_refused"];
    assert_eq!(counted.map(|it| evidence.counters[it] as u32), [2, 2, 0], "{evidence:?}");
    faults.close().await.unwrap();
}

#[tokio::test]
async fn whoever_needs_a_locked_table_waits_until_the_end_and_is_counted() {
    let server = Server::start().await;
    let mut client = server.client("web");
    let (_state, mut faults) = opened().await;
    faults.begin(0, &server.fault("app", lock())).await.unwrap();
    client.says("select count(*) from orders");
    let waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'web'";
    until(|| server.does(waits) == "1").await;
    let (evidence, error) = faults.end(0).await;
    assert_eq!(error, None);
    assert!(evidence.acted, "{evidence:?}");
    assert_eq!(evidence.counters["sessions_that_waited"] as u32, 1);
    assert_eq!(client.hears(), "0");
    // Nobody waited, so nothing is claimed.
    faults.begin(1, &server.fault("app", lock())).await.unwrap();
    let (evidence, _) = faults.end(1).await;
    assert!(!evidence.acted, "{evidence:?}");
    faults.close().await.unwrap();
}

#[tokio::test]
async fn a_table_that_others_hold_is_not_queued_for() {
    let server = Server::start().await;
    let mut client = server.client("web");
    assert_eq!(client.asks("begin; insert into orders values (1); select 'held'"), "held");
    let (_state, mut faults) = opened().await;
    let error = faults.begin(0, &server.fault("app", lock())).await.unwrap_err();
    assert!(told(&error).contains("public.orders is locked by others"), "{}", told(&error));
    let missing = Fault::LockTable { table: "nothing".to_owned(), mode: LockMode::Exclusive };
    let error = faults.begin(1, &server.fault("app", missing)).await.unwrap_err();
    assert!(told(&error).contains("there is no table nothing"), "{}", told(&error));
    faults.close().await.unwrap();
}

#[tokio::test]
async fn locks_and_connections_are_gone_with_the_tool() {
    let server = Server::start().await;
    let mut client = server.client("web");
    let (state, mut faults) = opened().await;
    faults.begin(0, &server.fault("app", lock())).await.unwrap();
    faults.begin(1, &server.fault("app", Fault::TakeConnections { free: 0 })).await.unwrap();
    assert!(!server.asks("app", "select 1").status.success());
    client.says("select count(*) from orders");
    // Whatever kills them: the kernel closes their connections.
    let guardian = guardian_in(state.path()).pid;
    for it in left_by(state.path()).into_iter().filter(|it| *it != guardian) {
        signal("KILL", it);
    }
    assert_eq!(client.hears(), "0");
    until(|| server.asks("app", "select 1").status.success()).await;
    let ours = "select count(*) from pg_stat_activity where application_name = 'evenkeel'";
    until(|| server.does(ours) == "0").await;
    for index in [0, 1] {
        let (evidence, _) = faults.end(index).await;
        assert!(!evidence.acted, "{evidence:?}");
    }
    faults.close().await.unwrap();
}

#[tokio::test]
async fn a_password_is_read_from_its_file_and_stands_nowhere_else() {
    let server = Server::start().await;
    let hba = server.folder.path().join("data/pg_hba.conf");
    let rules = std::fs::read_to_string(&hba).unwrap();
    std::fs::write(&hba, format!("local all chaos scram-sha-256\n{rules}")).unwrap();
    server.does("select pg_reload_conf()");
    until(|| {
        !server.psql("chaos").args(["-w", "-c", "select 1"]).output().unwrap().status.success()
    })
    .await;
    let secret = server.folder.path().join("secret");
    let folder = server.folder.path().display();
    let reference = format!("${{file:{}}}", secret.display());
    let url = format!("postgres://chaos:{reference}@localhost/postgres?host={folder}");
    let take = Fault::TakeConnections { free: 10 };
    let planned = fault(take, Some(Selector::Postgres(url.parse().unwrap())));
    let (state, mut faults) = opened().await;
    let error = faults.begin(0, &planned).await.unwrap_err();
    assert!(told(&error).contains("cannot read ${file:"), "{}", told(&error));
    std::fs::write(&secret, "p@ss/w\n").unwrap();
    faults.begin(0, &planned).await.unwrap();
    for pid in left_by(state.path()) {
        for file in ["cmdline", "environ"] {
            let text = std::fs::read(format!("/proc/{pid}/{file}")).unwrap();
            assert!(!String::from_utf8_lossy(&text).contains("p@ss/w"), "{file}");
        }
    }
    for file in std::fs::read_dir(state.path()).unwrap() {
        let text = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains("p@ss"));
    }
    faults.close().await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let (_state, mut faults) = opened().await;
    let url = "postgres://app@127.0.0.1:1/postgres".parse().unwrap();
    let planned = fault(lock(), Some(Selector::Postgres(url)));
    let error = tokio::time::timeout(Duration::from_secs(20), faults.begin(0, &planned)).await;
    let error = error.unwrap().unwrap_err();
    assert!(told(&error).contains("onnection refused"), "{}", told(&error));
    faults.close().await.unwrap();
}
