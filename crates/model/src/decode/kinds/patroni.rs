//! Files with `patroni:`, a form that is in use elsewhere. Patroni reads them; what bears on failover is judged here.

use std::time::Duration;

use evenkeel_units::Bytes;
use serde_json::Value as Json;

use crate::decode::codec::{Codec, Definitions, Integer, Object, cut};
use crate::decode::fields::Fields;
use crate::decode::values::{prose, request};
use crate::decode::{Decoded, Findings, Reading, codes};
use crate::document::{Document, Patroni, WatchdogMode};
use crate::yaml::{Node, Place, Value};

/// The key by which such a file is known.
pub(in crate::decode) const KEY: &str = "patroni";

/// Reads such a file.
pub(in crate::decode) fn read(root: &Node, found: &mut Findings) -> Reading {
    let before = found.count();
    for it in root.entries().iter().filter(|it| it.key != KEY) {
        let message = format!("`{}` beside `{KEY}`", cut(&it.key));
        let help = format!("Only `{KEY}` is read here; put the rest elsewhere.");
        found.report(codes::UNKNOWN_FIELD, it.key_place, message, help);
    }
    let Some(entry) = root.entry(KEY) else { return Reading::default() };
    let (spec, name_place) = (&entry.value, entry.key_place);
    let read = SPEC.read(spec, name_place, found).filter(|_| found.count() == before);
    let documents =
        read.map(|it| Decoded { document: Document::Patroni(it), name_place, spec: spec.clone() });
    Reading { documents: documents.into_iter().collect(), ..Reading::default() }
}

/// An object of which only these fields are read: the others are somebody else's.
struct Part<T> {
    fields: &'static [&'static str],
    of: Object<T>,
}

impl<T> Codec for Part<T> {
    type Value = T;

    fn read(&self, node: &Node, at: Place, found: &mut Findings) -> Option<T> {
        let Value::Map(entries) = &node.value else { return self.of.read(node, at, found) };
        let own = entries.iter().filter(|it| self.fields.contains(&it.key.as_str()));
        let node = Node { place: node.place, value: Value::Map(own.cloned().collect()) };
        self.of.read(&node, at, found)
    }

    fn schema(&self, definitions: &mut Definitions) -> Json {
        self.of.schema(definitions)
    }
}

const SPEC: Part<Patroni> = Part {
    fields: &["scope", "name", "bootstrap", "watchdog"],
    of: Object { title: "Patroni", fields: patroni },
};

const BOOTSTRAP: Part<Option<Times>> = Part {
    fields: &["dcs"],
    of: Object {
        title: "PatroniBootstrap",
        fields: |f| {
            let is_there = f.has("dcs");
            let times = f.optional("dcs", "What all members of the cluster agree on.", DCS);
            (times.is_some() == is_there).then_some(times)
        },
    },
};

const DCS: Part<Times> = Part {
    fields: &["ttl", "loop_wait", "retry_timeout", "maximum_lag_on_failover"],
    of: Object { title: "PatroniTimes", fields: times },
};

const WATCHDOG: Part<WatchdogMode> =
    Part { fields: &["mode", "device"], of: Object { title: "PatroniWatchdog", fields: watchdog } };

/// What members agree on.
struct Times {
    ttl: Duration,
    loop_wait: Duration,
    retry_timeout: Duration,
    maximum_lag: Bytes,
}

fn patroni(f: &mut Fields<'_>) -> Option<Patroni> {
    let scope = f.required("scope", "Give the name of the cluster.", prose());
    let name = f.required("name", "Give the name of the member, which no other has.", prose());
    let (has_bootstrap, has_watchdog) = (f.has("bootstrap"), f.has("watchdog"));
    let bootstrap = f.optional("bootstrap", "What a new cluster begins with.", BOOTSTRAP);
    let sentence = "What stops a leader that lost its lock.";
    let watchdog = f.optional("watchdog", sentence, WATCHDOG);
    if bootstrap.is_some() != has_bootstrap || watchdog.is_some() != has_watchdog {
        return None;
    }
    let second = Duration::from_secs;
    let Times { ttl, loop_wait, retry_timeout, maximum_lag } =
        bootstrap.flatten().unwrap_or(Times {
            ttl: second(30),
            loop_wait: second(10),
            retry_timeout: second(10),
            maximum_lag: Bytes(1 << 20),
        });
    let least = loop_wait.saturating_add(retry_timeout.saturating_mul(2));
    if least > ttl {
        let message = format!(
            "{} is less than `loop_wait` and twice `retry_timeout`, {} together",
            ttl.as_secs(),
            least.as_secs()
        );
        let help = "A leader would lose its lock while it still tries to renew it; raise `ttl`, or lower the others.";
        f.refuse("bootstrap/dcs/ttl", codes::PATRONI, message, help);
    }
    Some(Patroni {
        name: format!("{}.{}", scope?, name?),
        ttl,
        loop_wait,
        retry_timeout,
        maximum_lag,
        watchdog: watchdog.unwrap_or(WatchdogMode::Automatic),
    })
}

fn times(f: &mut Fields<'_>) -> Option<Times> {
    let whole = |min, reason| Integer { min, max: 86_400, reason };
    let ttl = whole(20, "Patroni takes 20 s at least.");
    let ttl = f.default("ttl", "How long a lock lasts without being renewed.", ttl, "30");
    let loop_wait = whole(1, "Patroni takes 1 s at least.");
    let loop_wait = f.default("loop_wait", "How far apart members look.", loop_wait, "10");
    let retry = whole(3, "Patroni takes 3 s at least.");
    let sentence = "How long what fails is tried again.";
    let retry_timeout = f.default("retry_timeout", sentence, retry, "10");
    let lag = Integer { min: 0, max: 1 << 50, reason: "A number of bytes." };
    let sentence = "A replica that is so many bytes behind does not take over.";
    let lag = f.default("maximum_lag_on_failover", sentence, lag, "1048576");
    Some(Times {
        ttl: Duration::from_secs(ttl?),
        loop_wait: Duration::from_secs(loop_wait?),
        retry_timeout: Duration::from_secs(retry_timeout?),
        maximum_lag: Bytes(lag?),
    })
}

fn watchdog(f: &mut Fields<'_>) -> Option<WatchdogMode> {
    let words = [
        ("off", WatchdogMode::Off),
        ("automatic", WatchdogMode::Automatic),
        ("required", WatchdogMode::Required),
    ];
    let mode = super::words("`off`, `automatic` or `required`", &words);
    let mode = f.default("mode", "Whether one is needed.", mode, "automatic");
    let device = f.default("device", "Which.", request::plain_path(), "/dev/watchdog");
    device.and(mode)
}
