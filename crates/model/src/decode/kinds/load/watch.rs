//! What is watched beside the load.

use evenkeel_units::Ratio;

use crate::decode::codec::{Any, ByKey, Number, Object, Yes};
use crate::decode::fields::Fields;
use crate::decode::kinds::service::{FINDERS, finder_fields};
use crate::decode::values::call::some_text;
use crate::decode::values::{amount, bandwidth, length, request, share, title};
use crate::document::{Finder, Watch, WatchSource};

pub(in crate::decode::kinds) fn watch() -> ByKey<Watch> {
    let object = |title, fields| -> Any<Watch> { Box::new(Object { title, fields }) };
    ByKey {
        expected: "something that is watched",
        kinds: vec![("host", object("HostWatch", host)), ("promql", object("PromqlWatch", promql))],
        otherwise: object("ProcessWatch", process),
    }
}

type Limits = Vec<(String, f64)>;

const LIMITS: &str = "What its figures must not go beyond.";

/// What every watch has.
fn whole(f: &mut Fields<'_>, source: Option<WatchSource>, limits: Object<Limits>) -> Option<Watch> {
    let name = f.required("name", "Its name in reports.", title());
    let every = f.default("every", "How often it is read.", length(), "1s");
    let limits = f.or_empty("limits", LIMITS, limits);
    Some(Watch { name: name?, source: source?, every: every?, limits: limits? })
}

fn process(f: &mut Fields<'_>) -> Option<Watch> {
    let finder = Object { title: "WatchedProcess", fields: finder };
    let process = f.required("process", "Processes of this host.", finder);
    let limits = Object { title: "ProcessLimits", fields: process_limits };
    whole(f, process.map(WatchSource::Process), limits)
}

fn finder(f: &mut Fields<'_>) -> Option<Finder> {
    let find = finder_fields(f);
    f.exactly_one(&FINDERS);
    find
}

fn host(f: &mut Fields<'_>) -> Option<Watch> {
    let host = f.required("host", "This host, as a whole.", Yes);
    let limits = Object { title: "HostLimits", fields: host_limits };
    whole(f, host.map(|()| WatchSource::Host), limits)
}

fn promql(f: &mut Fields<'_>) -> Option<Watch> {
    let query = Object { title: "PromqlQuery", fields: query };
    let sentence = "A query to a server that speaks the HTTP API of Prometheus.";
    let source = f.required("promql", sentence, query);
    whole(f, source, Object { title: "QueryLimits", fields: query_limits })
}

fn query(f: &mut Fields<'_>) -> Option<WatchSource> {
    let url = f.required("url", "Base URL of the server.", request::web_url());
    let query = f.required("query", "The query; one number is expected.", some_text());
    Some(WatchSource::Promql { url: url?, query: query? })
}

/// The limits that are given, by the names of their figures.
fn given<const N: usize>(limits: [(&str, Option<f64>); N]) -> Option<Limits> {
    Some(limits.into_iter().filter_map(|(name, it)| Some((name.to_owned(), it?))).collect())
}

fn process_limits(f: &mut Fields<'_>) -> Option<Limits> {
    let cores = f.optional("cpu_cores", "Cores that are kept busy.", Number);
    let memory = f.optional("memory_bytes", "Memory that is resident.", amount());
    let read = f.optional("disk_read_bytes_per_second", "Read from disks.", bandwidth());
    let written = f.optional("disk_write_bytes_per_second", "Written to disks.", bandwidth());
    let network = f.optional("network_bytes_per_second", "Sent and received.", bandwidth());
    let sentence = "Sent within this host.";
    let loopback = f.optional("loopback_bytes_per_second", sentence, bandwidth());
    let files = f.optional("open_files", "Open files and sockets.", Number);
    let threads = f.optional("threads", "Threads of the processes.", Number);
    given([
        ("cpu_cores", cores),
        ("memory_bytes", memory.map(|it| it.0 as f64)),
        ("disk_read_bytes_per_second", read.map(|it| it.0 as f64)),
        ("disk_write_bytes_per_second", written.map(|it| it.0 as f64)),
        ("network_bytes_per_second", network.map(|it| it.0 as f64)),
        ("loopback_bytes_per_second", loopback.map(|it| it.0 as f64)),
        ("open_files", files),
        ("threads", threads),
    ])
}

fn host_limits(f: &mut Fields<'_>) -> Option<Limits> {
    let cpu = f.optional("cpu_ratio", "Share of all cores that is busy.", share());
    let memory = f.optional("memory_ratio", "Share of the memory that is used.", share());
    let load1 = f.optional("load1", "The load average over a minute.", Number);
    let share = |it: Option<Ratio>| it.map(Ratio::get);
    given([("cpu_ratio", share(cpu)), ("memory_ratio", share(memory)), ("load1", load1)])
}

fn query_limits(f: &mut Fields<'_>) -> Option<Limits> {
    let value = f.optional("value", "What the query answers.", Number);
    given([("value", value)])
}
