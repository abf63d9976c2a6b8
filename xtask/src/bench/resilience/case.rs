//! Cases: what is measured, whose figures come of it, and the bars.

use super::counted;
use crate::bench::figures::{Bar, Row, Unit};
use crate::bench::round::Round;

/// One job that ours and peers do.
pub(super) struct Case {
    /// What it is called on the command line.
    pub(super) name: &'static str,
    title: &'static str,
    /// What it is called in the program, before the subject.
    pub(super) of: &'static str,
    /// Who does it, as the program calls them.
    pub(super) subjects: &'static [&'static str],
    pub(super) calls: u64,
    pub(super) threads: usize,
    figures: &'static [Figure],
    bars: &'static [Claim],
}

/// What is known of each subject.
struct Figure {
    key: &'static str,
    label: &'static str,
    unit: Unit,
}

/// What must hold.
struct Claim {
    figure: &'static str,
    of: &'static str,
    /// Compared with whom; with nobody, if `None`.
    to: Option<&'static str>,
    bar: Bar,
}

const SECONDS: &str = "seconds_per_call";
const ALLOCATIONS: &str = "allocations_per_call";
const REQUESTS: &str = "requests_per_cpu_second";

const INSTRUCTIONS: Figure = Figure { key: counted::KEY, label: "instructions", unit: Unit::Count };
const TIME: Figure = Figure { key: SECONDS, label: "ns", unit: Unit::Nanos };
const OF_CALLS: &[Figure] =
    &[INSTRUCTIONS, Figure { key: ALLOCATIONS, label: "allocations", unit: Unit::Count }, TIME];
const OF_PROBES: &[Figure] = &[
    Figure { key: REQUESTS, label: "requests a CPU second", unit: Unit::Count },
    Figure { key: "requests_per_second", label: "requests/s", unit: Unit::Count },
    Figure { key: "slowest_seconds", label: "p99 of 16 connections", unit: Unit::Micros },
];

/// At most so many times what a peer takes.
const fn ratio(figure: &'static str, of: &'static str, to: &'static str, most: f64) -> Claim {
    Claim { figure, of, to: Some(to), bar: Bar::AtMost(most) }
}

/// At most so much.
const fn most(figure: &'static str, of: &'static str, most: f64) -> Claim {
    Claim { figure, of, to: None, bar: Bar::AtMost(most) }
}

/// A figure of a subject in a [`Round`].
pub(super) fn key(subject: &str, figure: &str) -> String {
    format!("{subject}_{figure}")
}

impl Case {
    pub(super) fn has(&self, figure: &str) -> bool {
        self.figures.iter().any(|it| it.key == figure)
    }

    /// Says the ratios that bars are about.
    pub(super) fn compare(&self, round: &mut Round) {
        for claim in self.bars {
            if let Some(to) = claim.to {
                let [of, to] = [claim.of, to].map(|it| key(it, claim.figure));
                round.say_ratio(&claim.key(), &of, &to);
            }
        }
    }

    /// Its figures over all rounds.
    pub(super) fn rows(&self, rounds: &[Round]) -> Vec<Row> {
        let row = |key: String, label: String, unit, bar| Row {
            case: format!("{}: {}", self.name, self.title),
            values: rounds.iter().filter_map(|it| it.get(&key)).collect(),
            key,
            label,
            unit,
            bar,
        };
        let mut rows = Vec::new();
        for figure in self.figures {
            for subject in self.subjects {
                let is_its =
                    |it: &&Claim| it.figure == figure.key && it.of == *subject && it.to.is_none();
                let bar = self.bars.iter().find(is_its).map(|it| it.bar);
                let label = format!("{subject}, {}", figure.label);
                rows.push(row(key(subject, figure.key), label, figure.unit, bar));
            }
            for claim in self.bars.iter().filter(|it| it.figure == figure.key) {
                let Some(to) = claim.to else { continue };
                let label = format!("{}, {} / {to}", figure.label, claim.of);
                rows.push(row(claim.key(), label, Unit::Times, Some(claim.bar)));
            }
        }
        rows
    }
}

impl Claim {
    fn key(&self) -> String {
        format!("{}_ratio_of_{}_to_{}", self.figure, self.of, self.to.unwrap_or("nobody"))
    }
}

/// All there are.
pub(super) const CASES: &[Case] = &[
    Case {
        name: "breaker",
        title: "a closed circuit by the share of failures among the last 100 calls",
        of: "breaker",
        subjects: &["ours", "ours-layer", "tower-resilience", "failsafe"],
        calls: 200_000,
        threads: 1,
        figures: OF_CALLS,
        bars: &[
            most(counted::KEY, "ours", 300.0),
            most(counted::KEY, "ours-layer", 300.0),
            ratio(counted::KEY, "ours-layer", "tower-resilience", 0.2),
            most(ALLOCATIONS, "ours", 0.0),
            most(ALLOCATIONS, "ours-layer", 0.0),
        ],
    },
    Case {
        name: "breaker-contended",
        title: "the same circuit, two threads at once",
        of: "breaker",
        subjects: &["ours", "ours-layer", "tower-resilience", "failsafe"],
        calls: 200_000,
        threads: 2,
        figures: &[TIME],
        bars: &[
            ratio(SECONDS, "ours", "failsafe", 1.0),
            ratio(SECONDS, "ours-layer", "tower-resilience", 0.2),
        ],
    },
    Case {
        name: "slow",
        title: "a closed circuit that also counts slow calls",
        of: "slow",
        subjects: &["ours", "ours-when-ended", "ours-layer", "tower-resilience", "failsafe"],
        calls: 200_000,
        threads: 1,
        figures: OF_CALLS,
        bars: &[ratio(counted::KEY, "ours", "failsafe", 0.9), most(ALLOCATIONS, "ours", 0.0)],
    },
    Case {
        name: "window",
        title: "a window that holds 1,000,000 calls, and one that holds 100",
        of: "window",
        subjects: &["calls-1000000", "calls-100", "time-1000000", "time-100"],
        calls: 200_000,
        threads: 1,
        figures: OF_CALLS,
        bars: &[
            ratio(counted::KEY, "calls-1000000", "calls-100", 1.1),
            ratio(counted::KEY, "time-1000000", "time-100", 1.1),
            ratio(SECONDS, "calls-1000000", "calls-100", 1.1),
            ratio(SECONDS, "time-1000000", "time-100", 1.1),
        ],
    },
    Case {
        name: "open",
        title: "an open circuit",
        of: "open",
        subjects: &["ours", "ours-layer", "tower-resilience", "failsafe"],
        calls: 200_000,
        threads: 1,
        figures: OF_CALLS,
        bars: &[
            ratio(counted::KEY, "ours", "tower-resilience", 0.33),
            ratio(counted::KEY, "ours-layer", "tower-resilience", 0.33),
            most(ALLOCATIONS, "ours-layer", 0.0),
        ],
    },
    Case {
        name: "bulkhead",
        title: "a bulkhead with a free place",
        of: "bulkhead",
        subjects: &["ours", "ours-layer", "tower", "tower-resilience"],
        calls: 200_000,
        threads: 1,
        figures: OF_CALLS,
        bars: &[
            ratio(counted::KEY, "ours", "tower", 0.7),
            ratio(counted::KEY, "ours-layer", "tower", 0.7),
            most(ALLOCATIONS, "ours-layer", 0.0),
        ],
    },
    Case {
        name: "limit",
        title: "a rate limiter that lets a call through",
        of: "limit",
        subjects: &["ours", "governor"],
        calls: 200_000,
        threads: 1,
        figures: OF_CALLS,
        bars: &[ratio(counted::KEY, "ours", "governor", 1.1), most(ALLOCATIONS, "ours", 0.0)],
    },
    Case {
        name: "stack",
        title: "total deadline, retry, breaker, bulkhead, limit of the attempt; the answer is there",
        of: "stack",
        subjects: &["ours", "tower-resilience", "tower-failsafe"],
        calls: 50_000,
        threads: 1,
        figures: OF_CALLS,
        bars: &[
            ratio(counted::KEY, "ours", "tower-resilience", 1.0 / 9.0),
            ratio(counted::KEY, "ours", "tower-failsafe", 0.7),
            most(ALLOCATIONS, "ours", 0.0),
        ],
    },
    Case {
        name: "stack-pending",
        title: "the same, and the answer has to be waited for once",
        of: "stack-pending",
        subjects: &["inner", "ours", "tower-resilience", "tower-failsafe"],
        calls: 50_000,
        threads: 1,
        figures: OF_CALLS,
        bars: &[ratio(counted::KEY, "ours", "tower-failsafe", 0.9), most(ALLOCATIONS, "ours", 1.0)],
    },
    Case {
        name: "balance",
        title: "the lesser loaded of two among ten endpoints, by latency",
        of: "balance",
        subjects: &["ours", "ours-layer", "tower"],
        calls: 50_000,
        threads: 1,
        figures: OF_CALLS,
        bars: &[
            ratio(counted::KEY, "ours", "tower", 0.5),
            ratio(counted::KEY, "ours-layer", "tower", 0.5),
            ratio(SECONDS, "ours-layer", "tower", 0.5),
            most(ALLOCATIONS, "ours", 0.0),
        ],
    },
    Case {
        name: "cache",
        title: "a fresh hit, among 1,000 answers",
        of: "cache",
        subjects: &["ours", "moka"],
        calls: 200_000,
        threads: 1,
        figures: OF_CALLS,
        bars: &[ratio(counted::KEY, "ours", "moka", 0.3), most(ALLOCATIONS, "ours", 0.0)],
    },
    Case {
        name: "memory",
        title: "a circuit of the default policy, with 100 calls",
        of: "memory",
        subjects: &["breaker"],
        calls: 1,
        threads: 1,
        figures: &[Figure { key: "bytes", label: "bytes", unit: Unit::Count }],
        bars: &[most("bytes", "breaker", 1_024.0)],
    },
    Case {
        name: "memory-keyed",
        title: "100,000 of them by address, and those left after a time in which nobody asked",
        of: "memory",
        subjects: &["registry"],
        calls: 100_000,
        threads: 1,
        figures: &[
            Figure { key: "circuits", label: "circuits", unit: Unit::Count },
            Figure { key: "bytes", label: "bytes", unit: Unit::Megabytes },
            Figure { key: "circuits_after_idle", label: "circuits left", unit: Unit::Count },
            Figure { key: "bytes_after_idle", label: "bytes left", unit: Unit::Megabytes },
        ],
        bars: &[
            most("bytes", "registry", 104_857_600.0),
            most("circuits_after_idle", "registry", 1.0),
        ],
    },
    Case {
        name: "health",
        title: "a cached probe, and a handler that awaits three checks; one at a time on 16 connections",
        of: "health",
        subjects: &["ours", "ours-while-one-hangs", "axum"],
        calls: 100_000,
        threads: 2,
        figures: OF_PROBES,
        bars: &[],
    },
    Case {
        name: "health-several",
        title: "the same with 16 at a time on each of 16 connections",
        of: "health-several",
        subjects: &["ours", "ours-while-one-hangs", "axum"],
        calls: 400_000,
        threads: 2,
        figures: OF_PROBES,
        bars: &[
            Claim { figure: REQUESTS, of: "ours", to: Some("axum"), bar: Bar::AtLeast(5.0) },
            Claim {
                figure: REQUESTS,
                of: "ours-while-one-hangs",
                to: Some("ours"),
                bar: Bar::AtLeast(0.9),
            },
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bar_is_about_a_figure_and_subjects_of_its_case() {
        for case in CASES {
            for claim in case.bars {
                assert!(case.has(claim.figure), "{}: {}", case.name, claim.figure);
                for subject in [Some(claim.of), claim.to].into_iter().flatten() {
                    assert!(case.subjects.contains(&subject), "{}: {subject}", case.name);
                }
            }
        }
    }

    #[test]
    fn a_ratio_is_that_of_one_round_and_has_the_bar() {
        let case = CASES.iter().find(|it| it.name == "limit").unwrap();
        let mut round = Round::default();
        round.say(&key("ours", counted::KEY), 120.0);
        round.say(&key("governor", counted::KEY), 100.0);
        case.compare(&mut round);
        let rows = case.rows(&[round]);
        let row = rows.iter().find(|it| it.bar.is_some()).unwrap();
        assert_eq!(row.label, "instructions, ours / governor");
        assert_eq!((row.values.as_slice(), row.holds()), ([1.2].as_slice(), Some(false)));
        let open = rows.iter().filter(|it| it.is_open()).count();
        assert_eq!(open, 1);
    }
}
