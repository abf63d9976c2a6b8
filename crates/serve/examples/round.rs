//! Round: what it costs to judge 1,000 objectives, each with four burn alerts and a budget of thirty days.
//!
//! ```text
//! cargo run --release -p evenkeel-serve --example round [FOLDER] [SERVICES] [ROUNDS]
//! ```
//!
//! Fills a store with a sample every five minutes of ten series for each service, serves it, and says what a round takes of the
//! processor, and the process of memory. A folder that is there already is served as it is.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement, run by hand")]

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use evenkeel_metrics::config::Config;
use evenkeel_model::Library;
use evenkeel_series::Labels;
use evenkeel_serve::watch::Documents;
use evenkeel_serve::{Server, Settings};
use evenkeel_tsdb::{Batch, Options, Store};
use evenkeel_units::SystemClock;

const STEPS: i64 = 30 * 24 * 12;
const STEP: i64 = 300_000;
const INSTANCES: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = arguments
        .first()
        .map_or_else(|| std::env::temp_dir().join("evenkeel-round"), PathBuf::from);
    let number =
        |at: usize, usual: usize| arguments.get(at).map_or(usual, |it| it.parse().unwrap());
    let (services, rounds) = (number(1, 1_000), number(2, 10));
    if !folder.is_dir() {
        fill(&folder, services);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = "global: {evaluation_interval: 1s}\nstorage: {tsdb: {retention: {time: 1000d}}}";
    let mut settings = Settings::new(([127, 0, 0, 1], 0).into(), &folder);
    settings.wanted.config = Config::read("prometheus.yml", config.into()).unwrap();
    settings.wanted.documents = documents(services).into();
    let server = Server::open(settings, SystemClock::start()).unwrap();
    let address = server.address();
    let asked = std::thread::spawn(move || measure(address, rounds));
    let stop = async {
        while !asked.is_finished() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    runtime.block_on(server.run(stop)).unwrap();
    asked.join().unwrap();
}

fn fill(folder: &PathBuf, services: usize) {
    let store = Store::open(folder, Options { retention: None, ..Options::default() }).unwrap();
    let end = jiff::Timestamp::now().as_millisecond() / STEP * STEP;
    let mut series = Vec::new();
    for service in 0..services {
        for instance in 0..INSTANCES {
            for code in ["200", "500"] {
                let (service, instance) = (format!("s{service:04}"), format!("i{instance}"));
                let labels = [
                    ("__name__", "requests_total"),
                    ("code", code),
                    ("instance", &instance),
                    ("service", &service),
                ];
                series.push((
                    store.intern(&Labels::of(labels)).unwrap(),
                    if code == "200" { 600.0 } else { 0.5 },
                ));
            }
        }
    }
    let mut batch = Batch::default();
    for step in 0..STEPS {
        batch.clear();
        let at = end - (STEPS - 1 - step) * STEP;
        for (place, (series, each)) in series.iter().enumerate() {
            batch.float(
                *series,
                at,
                (step as f64 * each + (step as usize * place % 7) as f64).floor(),
            );
        }
        store.backfill(&batch).unwrap();
        // A series that gets nothing for two hours is forgotten, and the hours go by fast here.
        if step % 12 == 0 {
            store.tend(at).unwrap();
        }
    }
    store.close().unwrap();
}

fn documents(services: usize) -> Documents {
    let mut text = String::from(
        "apiVersion: evenkeel.dev/v1\nkind: AlertPolicy\nmetadata: {name: four}\nspec:\n  windows:\n\
         \x20 - {severity: page, factor: 14.4, long: 1h, short: 5m}\n  - {severity: page, factor: 6, long: 6h, short: 30m}\n\
         \x20 - {severity: ticket, factor: 3, long: 1d, short: 2h}\n  - {severity: ticket, factor: 1, long: 3d, short: 6h}\n",
    );
    let mut files = Vec::new();
    for service in 0..services {
        write!(
            text,
            "---\napiVersion: evenkeel.dev/v1\nkind: SLO\nmetadata: {{name: s{service:04}}}\nspec:\n  service: s{service:04}\n  \
             objective: 99.9%\n  window: 30d\n  alerting: {{policy: four}}\n  sli: {{availability: {{bad: 'requests_total{{service=\"s{service:04}\",code=\"500\"}}', \
             total: 'requests_total{{service=\"s{service:04}\"}}'}}}}\n"
        )
        .unwrap();
        if service % 500 == 499 || service + 1 == services {
            files.push((format!("{service}.yaml"), std::mem::take(&mut text).into_bytes()));
        }
    }
    let (library, wrong) = Library::read(files);
    assert!(wrong.is_empty(), "{:?}", wrong.first());
    Documents::of(library).unwrap()
}

fn measure(address: SocketAddr, rounds: usize) {
    let (_held, never) = std::sync::mpsc::channel::<()>();
    let wait = || never.recv_timeout(Duration::from_millis(100)).unwrap_or_default();
    let mut done = 0;
    while done < 1 {
        wait();
        done = rounds_done(address);
    }
    println!("first round: {:.2} CPU-s, {}", cpu(), memory());
    let (began, first) = (cpu(), done);
    while done < first + rounds {
        for _ in 0..10 {
            wait();
        }
        done = rounds_done(address);
    }
    let each = (cpu() - began) / (done - first) as f64;
    println!("a round: {each:.4} CPU-s, {}", memory());
}

fn rounds_done(address: SocketAddr) -> usize {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let line = answer.lines().find_map(|it| it.strip_prefix("evenkeel_rounds_total "));
    line.map_or(0, |it| it.parse::<f64>().unwrap() as usize)
}

/// Seconds of the processor that the process has had.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let ticks = |at: usize| fields.split(' ').nth(at).unwrap().parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / 100.0
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let lines = status.lines().filter(|it| it.starts_with("VmHWM") || it.starts_with("Rss"));
    lines
        .map(|it| it.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join(", ")
}
