//! Measure: what the store costs. Takes counters in as a receiver would, and adds them up as a query would.
//!
//! ```console
//! measure DIRECTORY [SERIES [SAMPLES]]
//! ```
//!
//! A directory that holds samples already is only asked. Prints a name and a number a line. Times are of the processor; the generator's own are taken off.

#![expect(clippy::print_stdout, reason = "what is measured is printed")]

use std::error::Error;
use std::path::Path;

use evenkeel_series::{
    Labels, METRIC_NAME, Matcher, Operation, Samples, Source as _, Span, Summed,
};
use evenkeel_tsdb::{Batch, Options, SeriesRef, Snapshot, Store};
use rustix::time::{ClockId, clock_gettime};

const BEGIN: i64 = 1_700_000_000_000;
const STEP: i64 = 300_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("say in which directory")?;
    let series = arguments.next().map_or(Ok(10_000), |it| it.parse())?;
    let samples = arguments.next().map_or(Ok(8_640), |it| it.parse())?;
    let options = Options { retention: None, ..Options::default() };
    let store = Store::open(&directory, options)?;
    if store.statistics().segments == 0 {
        fill(&store, Path::new(&directory), series, samples)?;
    }
    drop(store);
    let begin = seconds();
    let store = Store::open(&directory, Options { retention: None, ..Options::default() })?;
    println!("open_milliseconds {:.1}", 1e3 * (seconds() - begin));
    for name in ["cold", "warm", "living"] {
        if name == "living" {
            intern(&store, series)?;
        }
        ask(&store, name, samples)?;
    }
    Ok(())
}

/// Takes everything in, and says what it cost.
fn fill(
    store: &Store,
    directory: &Path,
    series: usize,
    samples: i64,
) -> Result<(), Box<dyn Error>> {
    let total = series as f64 * samples as f64;

    let begin = seconds();
    let mut load = Load::new(series);
    let mut sink = Batch::default();
    for at in 0..samples {
        load.fill(&mut sink, BEGIN + at * STEP, &vec![None; series]);
    }
    let generator = seconds() - begin;

    let begin = seconds();
    let refs = intern(store, series)?;
    let mut load = Load::new(series);
    let mut batch = Batch::default();
    for at in 0..samples {
        let now = BEGIN + at * STEP;
        load.fill(&mut batch, now, &refs);
        let appended = store.append(&batch)?;
        if appended.accepted != series as u64 {
            return Err(format!("of {series} samples {} were taken in", appended.accepted).into());
        }
        if at % 10 == 0 {
            store.sync()?;
            store.tend(now)?;
        }
    }
    let taken = seconds() - begin - generator;
    println!("ingest_samples_per_cpu_second {:.0}", total / taken);
    println!("ingest_peak_mebibytes {:.1}", peak_mebibytes()?);
    println!("disk_bytes_per_sample_living {:.3}", bytes(directory)? / total);
    let begin = seconds();
    store.flush()?;
    while store.tend(BEGIN + samples * STEP)?.merged > 0 {}
    println!("flush_and_merge_milliseconds {:.1}", 1e3 * (seconds() - begin));
    println!("disk_bytes_per_sample {:.3}", bytes(directory)? / total);
    println!("segments {}", store.statistics().segments);
    Ok(())
}

/// Adds up as `sum(increase(x[30d]))` would.
fn ask(store: &Store, name: &str, samples: i64) -> Result<(), Box<dyn Error>> {
    let snapshot = store.snapshot();
    let matchers = [Matcher::new(METRIC_NAME, Operation::Equal, "requests_total")?];
    let begin = seconds();
    let found = snapshot.select(&matchers, Span::ALL)?;
    println!("{name}_select_milliseconds {:.2}", 1e3 * (seconds() - begin));
    drop(found);
    let end = BEGIN + samples * STEP;
    let edges = Span { after: BEGIN + 50 * STEP, until: end - 50 * STEP };
    for (what, span) in [("whole", Span::ALL), ("edges", edges)] {
        let begin = seconds();
        let increase = increase(&snapshot, &matchers, span)?;
        let took = 1e3 * (seconds() - begin);
        println!("{name}_sum_{what}_milliseconds {took:.2}");
        println!("{name}_sum_{what} {increase:.0}");
    }
    let begin = seconds();
    let (mut room, mut count) = (Samples::default(), 0);
    for series in snapshot.select(&matchers, Span::ALL)? {
        room.clear();
        series.read(Span::ALL, &mut room)?;
        count += room.points.len();
    }
    let took = seconds() - begin;
    println!("{name}_read_nanoseconds_per_sample {:.2}", 1e9 * took / count as f64);
    let one = [Matcher::new("service", Operation::Equal, "service-77")?];
    let begin = seconds();
    for _ in 0..100 {
        increase(&snapshot, &one, edges)?;
    }
    println!("{name}_one_service_milliseconds {:.3}", 10.0 * (seconds() - begin));
    Ok(())
}

fn increase(it: &Snapshot, matchers: &[Matcher], span: Span) -> Result<f64, Box<dyn Error>> {
    let mut sum = 0.0;
    for series in it.select(matchers, span)? {
        if let Summed::To(digest) = series.digest(span)? {
            sum += digest.increase;
        }
    }
    Ok(sum)
}

fn intern(store: &Store, series: usize) -> Result<Vec<Option<SeriesRef>>, Box<dyn Error>> {
    let mut refs = Vec::new();
    for at in 0..series {
        let (service, instance) =
            (format!("service-{}", at / 10), format!("10.0.0.{}", at / 2 % 5));
        let status = if at % 2 == 0 { "200" } else { "500" };
        let labels = Labels::of([
            (METRIC_NAME, "requests_total"),
            ("service", &service),
            ("instance", &instance),
            ("status", status),
        ]);
        refs.push(Some(store.intern(&labels)?));
    }
    Ok(refs)
}

/// Counters that grow about evenly, each at its own rate.
struct Load {
    values: Vec<f64>,
    state: u64,
}

impl Load {
    fn new(series: usize) -> Self {
        Self { values: vec![0.0; series], state: 0x9e37_79b9_7f4a_7c15 }
    }

    fn fill(&mut self, batch: &mut Batch, now: i64, refs: &[Option<SeriesRef>]) {
        batch.clear();
        for (at, (value, series)) in self.values.iter_mut().zip(refs).enumerate() {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            // The sum of four bytes: nearly normal, with a deviation of 148 around 510.
            let bytes: u32 = self.state.to_le_bytes()[..4].iter().map(|it| u32::from(*it)).sum();
            let rate = 20 + (at % 50) as u32;
            *value += f64::from(rate * (2_000 + bytes) / 100);
            if let Some(series) = series {
                batch.float(*series, now, *value);
            }
        }
    }
}

fn seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn peak_mebibytes() -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).ok_or("no peak")?;
    Ok(line.split_whitespace().nth(1).ok_or("no peak")?.parse::<f64>()? / 1024.0)
}

fn bytes(directory: &Path) -> Result<f64, Box<dyn Error>> {
    let mut sum = 0;
    for file in std::fs::read_dir(directory)? {
        sum += file?.metadata()?.len();
    }
    Ok(sum as f64)
}
