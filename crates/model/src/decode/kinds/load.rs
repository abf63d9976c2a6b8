//! What a `LoadTest` is made of.
//!
//! ```text
//! shape      how many requests when
//! route      what one request is, by protocol
//! checks     what a right answer looks like, and what later steps want of it
//! scenario   what one user does, as it is written
//! flat       requests by number, names that are one, placeholders that somebody fills
//! data       rows that scenarios take
//! sending    how load is sent
//! watch      what is watched beside it
//! threshold  what must hold
//! ```

use crate::decode::codec::{Integer, List, Object};
use crate::decode::codes;
use crate::decode::fields::Fields;
use crate::decode::values::{length, name, prose, request};
use crate::document::{Feeder, LoadTest};

mod checks;
mod data;
mod flat;
mod route;
mod scenario;
mod sending;
mod shape;
mod threshold;
mod watch;

pub(super) use self::checks::http_status;
pub(super) use self::shape::{breakdown, shape};
pub(super) use self::watch::watch;

pub(super) const SPEC: Object<LoadTest> = Object { title: "LoadTest", fields: load };

fn load(f: &mut Fields<'_>) -> Option<LoadTest> {
    let description = f.optional("description", "For people.", prose());
    let service = f.optional("service", "The service whose `url` is loaded.", name());
    let sentence = "Where requests go, when no service says it: `scheme://host:port`, without a path. The scheme \
                    is the protocol.";
    let url = f.optional("url", sentence, request::base_url());
    let sentence = "How many requests when. A drill's phases may bring their own.";
    let shape = f.optional("shape", sentence, shape());
    let sentence = "Rows that placeholders take their values from: `${data:NAME.COLUMN}`.";
    let feeders = f.or_empty("data", sentence, data::feeders());
    let sentence = "What is requested, each chosen by its weight.";
    let routes = f.optional("routes", sentence, List { of: route::route(), min: 1 });
    let sentence = "What users do, each chosen by its weight.";
    let scenarios = f.optional("scenarios", sentence, scenario::scenarios());
    f.exactly_one(&["routes", "scenarios"]);
    let timeout = "A request is given up after this time, counted from when it was due.";
    let timeout = f.default("timeout", timeout, length(), "10s");
    let reason = "Each connection is a file of the system; 65,535 is what it can have.";
    let connections = Integer { min: 1, max: 65_535, reason };
    let sentence = "The most connections at a time.";
    let connections = f.default("connections", sentence, connections, "64");
    let sending = sending::sending(f);
    let watch = List { of: watch(), min: 0 };
    let watch = f.or_empty("watch", "What is watched beside the load.", watch);
    let success = f.or_empty("success", "What must hold.", threshold::thresholds());

    let feeders: Option<Vec<Feeder>> =
        feeders.map(|all| all.into_iter().map(|(name, it)| Feeder { name, ..it }).collect());
    let flat = match (routes, scenarios) {
        (Some(routes), None) => flat::routes(f, routes, feeders.as_deref()),
        (None, Some(drafts)) => flat::scenarios(f, drafts, feeders.as_deref()),
        _ => return None,
    };
    let watch = watch?;
    for (n, it) in watch.iter().enumerate() {
        if watch.iter().take(n).any(|first| first.name == it.name) {
            let message = format!("two watches are called `{}`", it.name);
            let help = "Give each a `name` of its own, so that reports can tell them apart.";
            f.refuse(&format!("watch/{n}/name"), codes::AMBIGUOUS, message, help);
        }
    }
    let success = success?.into_iter().chain(flat.success).collect();
    Some(LoadTest {
        name: String::new(),
        description,
        service,
        url,
        shape,
        routes: flat.routes,
        scenarios: flat.scenarios,
        transactions: flat.transactions,
        feeders: feeders?,
        timeout: timeout?,
        connections: connections? as u32,
        sending: sending?,
        watch,
        success,
    })
}
