//! Health: probes over loopback, answered by the server of evenkeel-health, or by a handler of axum that awaits its checks.
//!
//! A server has a thread and a runtime of its own; what is measured is the processor time of that thread. Who asks is another
//! thread, on connections that stay: with one question at a time on each, as probes come, and with several, so that less of the
//! time is that of the kernel.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use axum::serve::ListenerExt as _;
use evenkeel_health::{Health, Policy, Server};
use rustix::time::{ClockId, clock_gettime};
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::oneshot;

use crate::run::{Figures, Plan, now};

pub(crate) const SUBJECTS: &[crate::Subject] = &[
    ("health/ours", |plan| measure(plan, 1, |tell| ours(tell, false))),
    ("health/ours-while-one-hangs", |plan| measure(plan, 1, |tell| ours(tell, true))),
    ("health/axum", |plan| measure(plan, 1, axum)),
    ("health-several/ours", |plan| measure(plan, SEVERAL, |tell| ours(tell, false))),
    ("health-several/ours-while-one-hangs", |plan| measure(plan, SEVERAL, |tell| ours(tell, true))),
    ("health-several/axum", |plan| measure(plan, SEVERAL, axum)),
];

const CONNECTIONS: usize = 16;
const SEVERAL: usize = 16;
const QUESTION: &[u8] = b"GET /health/ready HTTP/1.1\r\nhost: localhost\r\n\r\n";

type Tell = mpsc::Sender<SocketAddr>;

async fn ours(tell: Tell, one_hangs: bool) -> Result<()> {
    let mut builder = Health::builder();
    for name in ["database", "cache", "queue"] {
        builder = builder.check(name, Policy::critical(), async || true);
    }
    if one_hangs {
        builder = builder.check("hangs", Policy::default(), std::future::pending::<bool>);
    }
    let health = builder.start()?;
    health.ready().await;
    let server = Server::bind("127.0.0.1:0", health).await?;
    tell.send(server.address()?)?;
    server.serve().await;
    Ok(())
}

async fn axum(tell: Tell) -> Result<()> {
    async fn check() -> bool {
        std::hint::black_box(true)
    }
    async fn ready() -> ([(axum::http::HeaderName, &'static str); 1], &'static str) {
        let is_ready = check().await & check().await & check().await;
        let body = if is_ready { r#"{"status":"ready"}"# } else { r#"{"status":"not ready"}"# };
        ([(axum::http::header::CONTENT_TYPE, "application/json")], body)
    }
    let router = axum::Router::new().route("/health/ready", axum::routing::get(ready));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    tell.send(listener.local_addr()?)?;
    // Without it a second answer waits for the acknowledgement of the first.
    let listener = listener.tap_io(|it| drop(it.set_nodelay(true)));
    axum::serve(listener, router).await?;
    Ok(())
}

/// Asks so many times, `at_once` of them on each connection before any answer is waited for.
fn measure<F: Future<Output = Result<()>>>(
    plan: Plan,
    at_once: usize,
    serve: impl FnOnce(Tell) -> F + Send,
) -> Result<Figures> {
    let (tell, told) = mpsc::channel();
    let (end, ended) = oneshot::channel::<()>();
    thread::scope(|scope| {
        let server = scope.spawn(move || -> Result<f64> {
            let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                tokio::select! {
                    served = serve(tell) => served,
                    _ = ended => Ok(()),
                }
            })?;
            let spent = clock_gettime(ClockId::ThreadCPUTime);
            Ok(spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9)
        });
        let address = told.recv_timeout(Duration::from_secs(10)).context("it did not start")?;
        let asked = ask(address, plan.calls as usize, at_once);
        drop(end);
        let cpu = server.join().ok().context("the server panicked")??;
        let (asked, seconds, slowest) = asked?;
        Ok(vec![
            ("requests_per_cpu_second", asked as f64 / cpu),
            ("requests_per_second", asked as f64 / seconds),
            ("slowest_seconds", slowest),
        ])
    })
}

/// How many were asked, how long that took, and how long the slowest answers were waited for.
fn ask(address: SocketAddr, times: usize, at_once: usize) -> Result<(usize, f64, f64)> {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        let connection = TcpStream::connect(address)?;
        connection.set_nodelay(true)?;
        connection.set_read_timeout(Some(Duration::from_secs(10)))?;
        connections.push(connection);
    }
    let length = answer_length(&mut connections[0])?;
    let questions = QUESTION.repeat(at_once);
    let mut answers = vec![0; length * at_once];
    let mut rounds = Vec::new();
    let start = now();
    let mut asked = 0;
    while asked < times {
        let begin = now();
        for connection in &mut connections {
            connection.write_all(&questions)?;
        }
        for connection in &mut connections {
            connection.read_exact(&mut answers)?;
            ensure!(answers.starts_with(b"HTTP/1.1 200 OK"), "it is not ready");
        }
        rounds.push(begin.elapsed().as_secs_f64());
        asked += CONNECTIONS * at_once;
    }
    let seconds = start.elapsed().as_secs_f64();
    rounds.sort_by(f64::total_cmp);
    let slowest = rounds.get(rounds.len() * 99 / 100).copied().unwrap_or_default();
    Ok((asked, seconds, slowest))
}

/// Of one answer; all are the same but for the date.
fn answer_length(connection: &mut TcpStream) -> Result<usize> {
    connection.write_all(QUESTION)?;
    let mut answer = Vec::new();
    let mut part = [0; 1_024];
    loop {
        let read = connection.read(&mut part)?;
        answer.extend_from_slice(&part[..read]);
        if read == 0 || answer.ends_with(b"}") {
            return Ok(answer.len());
        }
    }
}
