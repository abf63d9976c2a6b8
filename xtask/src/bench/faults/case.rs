//! Cases: what is measured, the figures that come of it, and their bars.

use anyhow::Result;

use super::{Stand, carried, host, observed, packets};
use crate::bench::figures::{Bar, Row, Unit};
use crate::bench::round::{self, Line, Round, bar, line};

/// One thing that is measured, round by round.
pub(super) struct Case {
    /// What it is called on the command line.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) needs_proxies: bool,
    pub(super) lines: &'static [Line],
    pub(super) measure: fn(&Stand<'_>, &mut Round) -> Result<()>,
}

impl Case {
    /// Its figures over all rounds.
    pub(super) fn rows(&self, rounds: &[Round]) -> Vec<Row> {
        round::rows(self.name, self.title, self.lines, rounds)
    }
}

/// All there are.
pub(super) const CASES: &[Case] = &[
    Case {
        name: "proxy-bytes",
        title: "one stream, 128 KiB at a time, no fault",
        needs_proxies: true,
        lines: &[
            line("evenkeel_bytes_per_cpu_second", "ours, bytes a CPU second", Unit::Megabytes),
            line("haproxy_bytes_per_cpu_second", "haproxy, bytes a CPU second", Unit::Megabytes),
            line("nginx_bytes_per_cpu_second", "nginx, bytes a CPU second", Unit::Megabytes),
            line(
                "fault-cli_bytes_per_cpu_second",
                "fault-cli, bytes a CPU second",
                Unit::Megabytes,
            ),
            bar(
                "bytes_ratio_to_haproxy",
                "bytes a CPU second, ours / haproxy",
                Unit::Times,
                Bar::AtLeast(1.0),
            ),
            line("evenkeel_bytes_per_second", "ours, bytes/s", Unit::Megabytes),
            line("haproxy_bytes_per_second", "haproxy, bytes/s", Unit::Megabytes),
            line("nginx_bytes_per_second", "nginx, bytes/s", Unit::Megabytes),
            line("fault-cli_bytes_per_second", "fault-cli, bytes/s", Unit::Megabytes),
            line("direct_bytes_per_second", "without a proxy, bytes/s", Unit::Megabytes),
        ],
        measure: carried::bytes,
    },
    Case {
        name: "proxy-p50",
        title: "64 bytes there and back on one connection, all on one core, no fault",
        needs_proxies: true,
        lines: &[
            line("direct_p50_seconds", "without a proxy, p50", Unit::Micros),
            line("evenkeel_added_p50_seconds", "ours, added p50", Unit::Micros),
            line("haproxy_added_p50_seconds", "haproxy, added p50", Unit::Micros),
            line("nginx_added_p50_seconds", "nginx, added p50", Unit::Micros),
            line("fault-cli_added_p50_seconds", "fault-cli, added p50", Unit::Micros),
            bar(
                "added_p50_ratio_to_haproxy",
                "added p50, ours / haproxy",
                Unit::Times,
                Bar::AtMost(1.1),
            ),
        ],
        measure: carried::trips,
    },
    Case {
        name: "proxy-connections",
        title: "a connection for each message, 8 clients, no fault",
        needs_proxies: true,
        lines: &[
            line("direct_connections_per_second", "without a proxy, connections/s", Unit::Count),
            line("evenkeel_connections_per_second", "ours, connections/s", Unit::Count),
            line("haproxy_connections_per_second", "haproxy, connections/s", Unit::Count),
            line("nginx_connections_per_second", "nginx, connections/s", Unit::Count),
            line("fault-cli_connections_per_second", "fault-cli, connections/s", Unit::Count),
            bar(
                "connections_ratio_to_haproxy",
                "connections/s, ours / haproxy",
                Unit::Times,
                Bar::AtLeast(0.8),
            ),
            line("evenkeel_cpu_seconds_per_connection", "ours, CPU a connection", Unit::Micros),
            line("haproxy_cpu_seconds_per_connection", "haproxy, CPU a connection", Unit::Micros),
        ],
        measure: carried::connections,
    },
    Case {
        name: "delay-proxy",
        title: "5 ms of delay by the proxy, one connection kept alive, all on one core",
        needs_proxies: true,
        lines: &[
            line("direct_p50_seconds", "without it, p50", Unit::Micros),
            bar("p50_error_seconds", "later than asked, p50", Unit::Micros, Bar::AtMost(150e-6)),
            line("p99_error_seconds", "later than asked, p99", Unit::Micros),
            line("apart_p50_error_seconds", "on two cores, p50", Unit::Micros),
            bar("undelayed", "answers that were not delayed", Unit::Count, Bar::NeverAbove(0.0)),
        ],
        measure: carried::delay,
    },
    Case {
        name: "delay-packets",
        title: "5 ms of delay by NFQUEUE, one connection kept alive, all on one core",
        needs_proxies: false,
        lines: &[
            line("direct_p50_seconds", "without it, p50", Unit::Micros),
            bar("p50_error_seconds", "later than asked, p50", Unit::Micros, Bar::AtMost(100e-6)),
            line("p99_error_seconds", "later than asked, p99", Unit::Micros),
            line("apart_p50_error_seconds", "on two cores, p50", Unit::Micros),
            bar("undelayed", "answers that were not delayed", Unit::Count, Bar::NeverAbove(0.0)),
        ],
        measure: packets::delay,
    },
    Case {
        name: "packets-throughput",
        title: "one stream whose packets go through NFQUEUE and are not delayed, on all cores",
        needs_proxies: false,
        lines: &[
            line("direct_bytes_per_second", "without it, bytes/s", Unit::Megabytes),
            line("queued_bytes_per_second", "through it, bytes/s", Unit::Megabytes),
            bar("throughput_ratio", "through it / without it", Unit::Times, Bar::AtLeast(0.75)),
            line("one_core_throughput_ratio", "both ends on one core", Unit::Times),
        ],
        measure: packets::throughput,
    },
    Case {
        name: "loss",
        title: "20 % of 20,000 datagrams",
        needs_proxies: false,
        lines: &[
            line("lost_ratio", "lost", Unit::Percent),
            bar("lost_error_ratio", "off by, of all", Unit::Percent, Bar::NeverAbove(0.01)),
        ],
        measure: packets::loss,
    },
    Case {
        name: "cpu",
        title: "50 % of a host on which others want all of it",
        needs_proxies: false,
        lines: &[
            line("cpu_ratio", "taken", Unit::Percent),
            bar("cpu_error_ratio", "off by, of the host", Unit::Percent, Bar::NeverAbove(0.05)),
        ],
        measure: host::cpu,
    },
    Case {
        name: "memory",
        title: "1 GiB",
        needs_proxies: false,
        lines: &[
            line("memory_bytes", "taken", Unit::Megabytes),
            bar("memory_error_ratio", "off by", Unit::Percent, Bar::NeverAbove(0.02)),
        ],
        measure: host::memory,
    },
    Case {
        name: "abort",
        title: "a service is gone, which ends an experiment; asked every 100 ms, slowest of 4",
        needs_proxies: false,
        lines: &[bar(
            "abort_seconds",
            "until the fault is gone",
            Unit::Millis,
            Bar::NeverAbove(1.0),
        )],
        measure: observed::abort,
    },
    Case {
        name: "observe",
        title: "one fault, five probes once a second",
        needs_proxies: false,
        lines: &[
            bar("cpu_ratio", "CPU, with its children, of a core", Unit::Percent, Bar::AtMost(0.01)),
            bar("memory_bytes", "memory, most", Unit::Megabytes, Bar::AtMost(30e6)),
            line("family_memory_bytes", "memory, with its children", Unit::Megabytes),
        ],
        measure: observed::observe,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_that_a_round_lacks_is_not_made_up() {
        let case = CASES.iter().find(|it| it.name == "proxy-bytes").unwrap();
        let mut round = Round::default();
        round.say("evenkeel_bytes_per_cpu_second", 3.0);
        round.say_ratio(
            "bytes_ratio_to_haproxy",
            "evenkeel_bytes_per_cpu_second",
            "haproxy_bytes_per_cpu_second",
        );
        let mut full = Round::default();
        full.say("bytes_ratio_to_haproxy", 1.5);
        let rows = case.rows(&[round, full]);
        let values = |key| rows.iter().find(|it| it.key == key).unwrap().values.clone();
        assert_eq!(values("evenkeel_bytes_per_cpu_second"), [3.0]);
        assert_eq!(values("bytes_ratio_to_haproxy"), [1.5]);
    }

    #[test]
    fn every_figure_of_a_case_has_a_name_of_its_own() {
        for case in CASES {
            let mut keys: Vec<_> = case.lines.iter().map(|it| it.key).collect();
            keys.sort_unstable();
            keys.dedup();
            assert_eq!(keys.len(), case.lines.len(), "{}", case.name);
        }
    }
}
