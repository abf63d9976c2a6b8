//! Files with `load_balancer:`, a form that is in use elsewhere.

use crate::decode::codec::{Codec as _, Flag, Integer, Object, cut};
use crate::decode::fields::Fields;
use crate::decode::values::{duration, length, request};
use crate::decode::{Decoded, Findings, Reading, codes};
use crate::document::{Backend, Document, Failback, FailoverRules, HealthCheck, LoadBalancer};
use crate::yaml::Node;

/// The key by which such a file is known.
pub(in crate::decode) const KEY: &str = "load_balancer";

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
    let documents = read.map(|it| Decoded {
        document: Document::LoadBalancer(it),
        name_place,
        spec: spec.clone(),
    });
    Reading { documents: documents.into_iter().collect(), ..Reading::default() }
}

const SPEC: Object<LoadBalancer> = Object { title: "LoadBalancer", fields: load_balancer };

fn load_balancer(f: &mut Fields<'_>) -> Option<LoadBalancer> {
    let primary = Object { title: "Primary", fields: |f| backend(f, "true") };
    let primary = f.required("primary", "Give who answers first a `host` and a `port`.", primary);
    let secondary = Object { title: "Secondary", fields: |f| backend(f, "false") };
    let sentence = "Give who takes over a `host` and a `port`.";
    let secondary = f.required("secondary", sentence, secondary);
    let failover = Object { title: "FailoverRules", fields: failover };
    let failover = match f.has("failover") {
        true => f.optional("failover", "What happens when somebody fails.", failover),
        false => Some(FailoverRules::default()),
    };
    let (primary, secondary, failover) = (primary?, secondary?, failover?);
    if (&primary.host, primary.port) == (&secondary.host, secondary.port) {
        let message = format!("{} is the primary already", secondary.authority());
        let help = "Who takes over has an address of its own, and fails alone.";
        f.refuse("secondary/host", codes::MEMBERS, message, help);
    }
    if !primary.enabled && !secondary.enabled {
        let help = "Let one of them be `enabled: true`, as nobody else could fail.";
        f.refuse("primary/enabled", codes::MEMBERS, "nobody is enabled", help);
    }
    Some(LoadBalancer { name: primary.authority(), primary, secondary, failover })
}

fn backend(f: &mut Fields<'_>, usual: &str) -> Option<Backend> {
    let sentence = "Give the name or the address of the host, such as `primary.example.com`.";
    let host = f.required("host", sentence, request::host());
    let port = Integer { min: 1, max: 65_535, reason: "Ports are numbers from 1 to 65535." };
    let port = f.required("port", "Give the port at which it listens, such as `8080`.", port);
    let sentence = "Whether it answers from the beginning, or waits until the others have failed.";
    let enabled = f.default("enabled", sentence, Flag, usual);
    let check = Object { title: "HealthCheck", fields: health_check };
    let (has_check, sentence) = (f.has("health_check"), "How it is asked whether it is well.");
    let health_check = f.optional("health_check", sentence, check);
    if has_check {
        health_check.as_ref()?;
    }
    Some(Backend { host: host?, port: port? as u16, enabled: enabled?, health_check })
}

fn health_check(f: &mut Fields<'_>) -> Option<HealthCheck> {
    let sentence = "Give the path that is asked for, such as `/health`.";
    let endpoint = f.required("endpoint", sentence, request::plain_path());
    let sentence = "From the start of one question to that of the next.";
    let interval = f.default("interval", sentence, length(), "5s");
    let timeout = f.default("timeout", "What takes longer has failed.", length(), "2s");
    let threshold = || Integer { min: 1, max: 1_000, reason: "So many answers in a row count." };
    let sentence = "So many failures in a row make it unhealthy.";
    let unhealthy_threshold = f.default("unhealthy_threshold", sentence, threshold(), "3");
    let sentence = "So many answers in a row make it healthy again.";
    let healthy_threshold = f.default("healthy_threshold", sentence, threshold(), "2");
    let (interval, timeout) = (interval?, timeout?);
    let day = std::time::Duration::from_hours(24);
    if interval > day {
        let help = "What is asked less often than once a day is not watched.";
        f.refuse("interval", codes::RANGE, "longer than a day", help);
    }
    if timeout > interval {
        let message = "longer than the interval, so that questions would pile up";
        let field = if f.has("timeout") { "timeout" } else { "interval" };
        f.refuse(field, codes::RANGE, message, "Ask less often, or wait less for an answer.");
    }
    Some(HealthCheck {
        endpoint: endpoint?,
        interval,
        timeout,
        unhealthy_threshold: unhealthy_threshold? as u32,
        healthy_threshold: healthy_threshold? as u32,
    })
}

fn failover(f: &mut Fields<'_>) -> Option<FailoverRules> {
    let sentence = "Whether the other takes over by itself.";
    let automatic = f.default("automatic", sentence, Flag, "true");
    let words = [("manual", false), ("automatic", true)];
    let failback = super::words("`manual` or `automatic`", &words);
    let sentence = "How the first gets its place back.";
    let failback = f.default("failback", sentence, failback, "manual");
    let sentence = "With automatic failback: how long the first was healthy by then.";
    let after = f.default("failback_after", sentence, duration(), "1m");
    let sentence = "How long after an automatic change the next one comes at the earliest.";
    let hold = f.default("hold", sentence, duration(), "10s");
    let (automatic, failback, after, hold) = (automatic?, failback?, after?, hold?);
    let week = std::time::Duration::from_hours(168);
    for (field, _) in [("failback_after", after), ("hold", hold)].iter().filter(|it| it.1 > week) {
        let help = "Leave what comes so late to a person.";
        f.refuse(field, codes::RANGE, "longer than a week", help);
    }
    if failback && !automatic {
        let message = "failback is automatic, and failover is not";
        let help = "Write `automatic: true`, or `failback: manual`.";
        f.refuse("failback", codes::MEMBERS, message, help);
    }
    if !failback && f.has("failback_after") {
        let message = "`failback_after` beside a failback by hand";
        let help = "Write `failback: automatic`, or leave it out.";
        f.refuse("failback_after", codes::MEMBERS, message, help);
    }
    let failback = if failback { Failback::Automatic { after } } else { Failback::Manual };
    Some(FailoverRules { automatic, failback, hold })
}
