//! Faults of the network, and the traffic that they are aimed at.

use super::{AIMED, HOST, Kind, body, step};
use crate::decode::codec::{Flag, Integer, List, Object};
use crate::decode::codes;
use crate::decode::fields::Fields;
use crate::decode::kinds::words;
use crate::decode::values::request::folder;
use crate::decode::values::{
    bandwidth, dns_answer, duration, host_pattern, length, network, some_share,
};
use crate::document::{
    Direction, Fault, Flaw, Issuer, PartitionShape, Protocol, RateBy, Selector, Step, Traffic,
};

/// Packets to or from an endpoint, on this host or in containers.
pub(super) fn traffic(f: &mut Fields<'_>) -> Option<Selector> {
    let sentence = "Where the endpoint is: an IP address, or a network such as `10.0.0.0/8`.";
    let host = f.optional("host", sentence, network());
    let reason = "Ports are numbers from 1 to 65535.";
    let port = f.optional("port", "Its port.", Integer { min: 1, max: 65_535, reason });
    let protocols = [("any", Protocol::Any), ("tcp", Protocol::Tcp), ("udp", Protocol::Udp)];
    let protocols = words("`any`, `tcp` or `udp`", &protocols);
    let protocol = f.default("protocol", "Which protocol.", protocols, "any");
    let sentence = "Packets `to` the endpoint, `from` it, or `both`.";
    let directions = [("both", Direction::Both), ("to", Direction::To), ("from", Direction::From)];
    let directions = words("`both`, `to` or `from`", &directions);
    let direction = f.default("direction", sentence, directions, "both");
    let of_them = Object { title: "Containers", fields: super::containers };
    let sentence = "Containers in whose networks they pass, and not in that of this host.";
    let containers = f.optional("container", sentence, of_them);
    f.at_least_one(&["host", "port"]);
    let port = port.map(|it| it as u16);
    let traffic = Traffic { host, port, protocol: protocol?, direction: direction? };
    Some(match containers {
        None => Selector::Traffic(traffic),
        Some(containers) => Selector::Inside { containers, traffic },
    })
}

fn loss(f: &mut Fields<'_>) -> Option<Step> {
    let share = f.required("share", "The share of the packets.", some_share());
    step(f, share.map(|share| Fault::Loss { share }), &AIMED)
}

fn corrupt(f: &mut Fields<'_>) -> Option<Step> {
    let share = f.required("share", "The share of the packets.", some_share());
    step(f, share.map(|share| Fault::Corrupt { share }), &AIMED)
}

fn reorder(f: &mut Fields<'_>) -> Option<Step> {
    let share = f.required("share", "The share of the packets that overtakes.", some_share());
    let delay = f.default("delay", "How late the others are.", length(), "10ms");
    step(f, share.zip(delay).map(|(share, delay)| Fault::Reorder { share, delay }), &AIMED)
}

fn duplicate(f: &mut Fields<'_>) -> Option<Step> {
    let share = f.required("share", "The share of the packets.", some_share());
    step(f, share.map(|share| Fault::Duplicate { share }), &AIMED)
}

fn dns(f: &mut Fields<'_>) -> Option<Step> {
    let sentence =
        "Names, in lower case; `*.example` is everything below `example`, and `*` is everything.";
    let names = f.required("names", sentence, List { of: host_pattern(), min: 1 });
    let sentence = "`servfail`, `nxdomain`, `refused`, `timeout`, or an IP address.";
    let answer = f.required("answer", sentence, dns_answer());
    step(f, names.zip(answer).map(|(names, answer)| Fault::Dns { names, answer }), &HOST)
}

fn partition(f: &mut Fields<'_>) -> Option<Step> {
    let sentence = "The nodes, by IP address. Packets between them have to pass this host.";
    let nodes = f.required("nodes", sentence, List { of: network(), min: 2 });
    let shapes = [
        ("halves", PartitionShape::Halves),
        ("bridge", PartitionShape::Bridge),
        ("ring", PartitionShape::Ring),
    ];
    let sentence = "`halves`: two parts that do not see each other. `bridge`: the same, and one node sees both. \
                    `ring`: each node sees a majority, and no two the same.";
    let shape =
        f.default("shape", sentence, words("`halves`, `bridge` or `ring`", &shapes), "halves");
    let sentence = "Whether packets are dropped only from the later part to the earlier.";
    let one_way = f.default("oneWay", sentence, Flag, "false");
    let fault = nodes.zip(shape).zip(one_way);
    let fault = fault.map(|((nodes, shape), one_way)| Fault::Partition { nodes, shape, one_way });
    step(f, fault, &HOST)
}

fn latency(f: &mut Fields<'_>) -> Option<Step> {
    let sentence =
        "Added to each segment towards the service's client side of the link, or to each packet.";
    let delay = f.required("delay", sentence, length());
    let sentence = "Largest random deviation from the delay; not more than it.";
    let jitter = f.default("jitter", sentence, duration(), "0s");
    let both = delay.zip(jitter);
    super::http::refuse_jitter(f, both);
    let fault = both.map(|(delay, jitter)| Fault::Latency { delay, jitter });
    step(f, fault, &AIMED)
}

fn bandwidth_limit(f: &mut Fields<'_>) -> Option<Step> {
    let sentence = "No more than this passes, each second and direction.";
    let rate = f.required("rate", sentence, bandwidth());
    let means = [("tool", RateBy::Tool), ("htb", RateBy::Htb)];
    let sentence = "By this `tool`, which replaces nothing and lets go when it ends (release class A), or by `htb` of the \
                    kernel where packets leave (class C).";
    let by = f.default("by", sentence, words("`tool` or `htb`", &means), "tool");
    let fault = rate.zip(by).map(|(rate, by)| Fault::Bandwidth { rate, by });
    step(f, fault, &AIMED)
}

/// Who signs a certificate.
fn issuer(f: &mut Fields<'_>) -> Option<Issuer> {
    let certificate = f.required("certificate", "Its certificate, a file in PEM.", folder());
    let key = f.required("key", "Its key, a file in PEM.", folder());
    certificate.zip(key).map(|(certificate, key)| Issuer { certificate, key })
}

fn tls(f: &mut Fields<'_>) -> Option<Step> {
    let flaws = [Flaw::Expired, Flaw::WrongName, Flaw::Untrusted].map(|it| (it.name(), it));
    let flaws = words("`expired`, `wrongName` or `untrusted`", &flaws);
    let sentence = "What is wrong with the certificate that clients get.";
    let certificate = f.required("certificate", sentence, flaws);
    let sentence = "An authority that clients trust, so that the flaw is all that is wrong. Without it nobody trusts \
                    the certificate, whatever its flaw is.";
    let issuer = f.optional("issuer", sentence, Object { title: "Issuer", fields: issuer });
    if certificate == Some(Flaw::Untrusted) && issuer.is_some() {
        let help = "Leave the issuer away.";
        let message = "what a trusted issuer has signed is not `untrusted`";
        f.refuse("issuer", codes::RANGE, message, help);
    }
    step(f, certificate.map(|certificate| Fault::Tls { certificate, issuer }), &AIMED)
}

/// Flawed certificates.
pub(super) fn tls_kinds() -> Vec<Kind> {
    let sentence = "Whoever begins TLS on the link gets a certificate with a flaw.";
    vec![("tls", sentence, body("TlsFault", tls))]
}

/// What happens to connections, in the order of the manual.
pub(super) fn connections() -> Vec<Kind> {
    vec![
        (
            "latency",
            "Every segment through the link, or every packet, is late.",
            body("LatencyFault", latency),
        ),
        (
            "bandwidth",
            "The link, or traffic, carries only so much.",
            body("BandwidthFault", bandwidth_limit),
        ),
        (
            "blackHole",
            "What is sent disappears: into a link, or as packets.",
            body("BlackHoleFault", |f| step(f, Some(Fault::BlackHole), &AIMED)),
        ),
        (
            "refuse",
            "Connections are refused, and those that are open are closed.",
            body("RefuseFault", |f| step(f, Some(Fault::Refuse), &AIMED)),
        ),
        (
            "reset",
            "Connections are reset as soon as data flows on them.",
            body("ResetFault", |f| step(f, Some(Fault::Reset), &AIMED)),
        ),
    ]
}

/// What happens to packets and names, in the order of the manual.
pub(super) fn packets() -> Vec<Kind> {
    vec![
        ("loss", "A share of the packets is lost.", body("LossFault", loss)),
        ("corrupt", "In a share of the packets one bit is turned.", body("CorruptFault", corrupt)),
        (
            "reorder",
            "Packets are late, but for a share, which overtakes the others.",
            body("ReorderFault", reorder),
        ),
        (
            "duplicate",
            "A share of the packets is sent twice, by the kernel's netem.",
            body("DuplicateFault", duplicate),
        ),
        (
            "partition",
            "Nodes cannot reach each other: packets between them that pass this host are dropped.",
            body("PartitionFault", partition),
        ),
        ("dns", "Questions for names get a wrong answer, or none.", body("DnsFault", dns)),
    ]
}
