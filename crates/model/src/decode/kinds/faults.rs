//! What the steps of an experiment are made of: a fault, its target and its times.

use crate::decode::codec::{Any, Integer, Object, OneKey};
use crate::decode::codes;
use crate::decode::fields::Fields;
use crate::decode::values::{amount, bandwidth, duration, length, mode, name, request, some_share};
use crate::document::{ActsOn, Fault, Finder, Mode, Selector, Step, Target};

pub(super) const TARGET: Object<Target> = Object { title: "Target", fields: target };

fn target(f: &mut Fields<'_>) -> Option<Target> {
    let service = f.optional("service", "The service. Default: that of the drill.", name());
    let sentence = "Instances of the service by name, where `*` stands for anything.";
    let pattern = f.optional("instances", sentence, request::name_pattern());
    let dependency = f.optional("dependency", "A link of the service.", name());
    let process = super::service::finder_fields(f);
    let sentence = "How many of the candidates: `one`, `all`, a number, or a share that is never rounded up. \
                    Default: `all` for a link or a pid, else `one`.";
    let mode = f.optional("mode", sentence, mode());
    f.exactly_one(&["instances", "dependency", "pid", "executable", "port"]);
    let help = "A process is found by itself; `service` goes with `instances` or `dependency`.";
    f.never_beside("service", &super::service::FINDERS, help);
    let (select, usual) = match (pattern, dependency, process) {
        (Some(pattern), _, _) => (Selector::Instances { service, pattern }, Mode::One),
        (None, Some(name), _) => (Selector::Dependency { service, name }, Mode::All),
        (None, None, Some(find)) => {
            let usual = if matches!(find, Finder::Pid(_)) { Mode::All } else { Mode::One };
            (Selector::Process(find), usual)
        }
        (None, None, None) => return None,
    };
    Some(Target { select, mode: mode.unwrap_or(usual) })
}

/// What every step has beside its fault.
fn step(f: &mut Fields<'_>, fault: Option<Fault>, acts_on: ActsOn, lasts: bool) -> Option<Step> {
    let target = match acts_on {
        ActsOn::Link | ActsOn::Process => {
            let sentence = "To what it is done. Default: the target of the experiment.";
            f.optional("target", sentence, TARGET)
        }
        ActsOn::Host => None,
    };
    let sentence = "When, after the start of the phase that the experiment belongs to.";
    let at = f.default("at", sentence, duration(), "0s");
    let duration = match lasts {
        true => Some(f.required("duration", "For how long.", length())),
        false => None,
    };
    let duration = match duration {
        Some(given) => Some(given?),
        None => None,
    };
    Some(Step { fault: fault?, target, at: at?, duration })
}

fn latency(f: &mut Fields<'_>) -> Option<Step> {
    let sentence = "Added to each segment towards the service's client side of the link.";
    let delay = f.required("delay", sentence, length());
    let sentence = "Largest random deviation from the delay; not more than it.";
    let jitter = f.default("jitter", sentence, duration(), "0s");
    let both = delay.zip(jitter);
    if both.is_some_and(|(delay, jitter)| jitter > delay) {
        let help = "Make the jitter at most as long as the delay.";
        f.refuse("jitter", codes::JITTER, "the jitter is larger than the delay", help);
    }
    let fault = both.map(|(delay, jitter)| Fault::Latency { delay, jitter });
    step(f, fault, ActsOn::Link, true)
}

fn bandwidth_limit(f: &mut Fields<'_>) -> Option<Step> {
    let sentence = "The link carries no more than this, each second and direction.";
    let fault = f.required("rate", sentence, bandwidth()).map(|rate| Fault::Bandwidth { rate });
    step(f, fault, ActsOn::Link, true)
}

fn http_errors(f: &mut Fields<'_>) -> Option<Step> {
    let share = f.required("share", "The share of the requests on the link.", some_share());
    let status = Integer { min: 400, max: 599, reason: "Errors are the status codes 400 to 599." };
    let status = f.default("status", "The status code.", status, "503");
    let fault =
        share.zip(status).map(|(share, status)| Fault::HttpErrors { share, status: status as u16 });
    step(f, fault, ActsOn::Link, true)
}

fn cpu(f: &mut Fields<'_>) -> Option<Step> {
    let load = f.required("load", "Share of each core.", some_share());
    let cores = Integer { min: 0, max: 4_096, reason: "Give the number of cores; 0 for all." };
    let cores = f.default("cores", "How many cores; 0 for all.", cores, "0");
    let fault = load.zip(cores).map(|(load, cores)| Fault::Cpu { load, cores: cores as u32 });
    step(f, fault, ActsOn::Host, true)
}

fn memory(f: &mut Fields<'_>) -> Option<Step> {
    let fault = f.required("amount", "How much.", amount()).map(|amount| Fault::Memory { amount });
    step(f, fault, ActsOn::Host, true)
}

/// A fault with its target and times.
pub(super) fn steps() -> OneKey<Step> {
    let body = |title, fields| -> Any<Step> { Box::new(Object { title, fields }) };
    OneKey {
        expected: "a fault we know",
        kinds: vec![
            ("latency", "Every segment through the link is late.", body("LatencyFault", latency)),
            (
                "bandwidth",
                "The link carries only so much.",
                body("BandwidthFault", bandwidth_limit),
            ),
            (
                "blackHole",
                "What is sent into the link disappears; connections open and hang.",
                body("BlackHoleFault", |f| step(f, Some(Fault::BlackHole), ActsOn::Link, true)),
            ),
            (
                "refuse",
                "The link refuses connections, and closes those it has.",
                body("RefuseFault", |f| step(f, Some(Fault::Refuse), ActsOn::Link, true)),
            ),
            (
                "reset",
                "Connections are reset as soon as data flows on them.",
                body("ResetFault", |f| step(f, Some(Fault::Reset), ActsOn::Link, true)),
            ),
            (
                "httpErrors",
                "A share of the requests on the link is answered with an error by the link.",
                body("HttpErrorsFault", http_errors),
            ),
            (
                "kill",
                "Processes are killed (SIGKILL).",
                body("KillFault", |f| step(f, Some(Fault::Kill), ActsOn::Process, false)),
            ),
            (
                "pause",
                "Processes are stopped (SIGSTOP), and continued at the end.",
                body("PauseFault", |f| step(f, Some(Fault::Pause), ActsOn::Process, true)),
            ),
            (
                "restart",
                "Processes are terminated and, when nobody else does, started again.",
                body("RestartFault", |f| step(f, Some(Fault::Restart), ActsOn::Process, false)),
            ),
            ("cpu", "A child of ours burns CPU on this host.", body("CpuFault", cpu)),
            ("memory", "A child of ours holds memory on this host.", body("MemoryFault", memory)),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_the_manual_can_be_written() {
        assert_eq!(steps().kinds.iter().map(|it| it.0).collect::<Vec<_>>(), Fault::KINDS);
    }
}
