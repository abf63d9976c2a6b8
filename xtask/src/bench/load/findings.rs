//! Findings: what the rounds of a case have shown, as figures with their bars.

use std::time::Duration;

use super::case::{Case, Kind, Measure, Model};
use super::ours::{QUANTILES, Told};
use super::peer::{Answered, Peer};
use super::program::Memory;
use super::truth::Truth;
use crate::bench::figures::{Bar, Row, Unit};

/// A load that is further below its plan is another load.
const SENT: f64 = 0.99;

/// What one load of ours has cost, and said.
#[derive(Debug)]
pub(super) struct Ours {
    pub(super) told: Told,
    pub(super) cpu: f64,
    pub(super) server_cpu: f64,
    pub(super) memory: Memory,
    pub(super) truth: Option<Truth>,
}

/// What one load of a peer has cost, and said.
#[derive(Debug)]
pub(super) struct Theirs {
    pub(super) answered: Answered,
    pub(super) cpu: f64,
    pub(super) server_cpu: f64,
    pub(super) memory: Memory,
    pub(super) truth: Option<Truth>,
}

/// One round of a case. What could not be measured is missing.
#[derive(Debug, Default)]
pub(super) struct Round {
    pub(super) ours: Option<Ours>,
    pub(super) theirs: Vec<(Peer, Theirs)>,
}

impl Ours {
    fn cpu_per_request(&self) -> f64 {
        self.cpu / self.told.answered
    }
}

impl Theirs {
    fn cpu_per_request(&self) -> f64 {
        self.cpu / self.answered.requests
    }
}

impl Round {
    fn of(&self, peer: Peer) -> Option<&Theirs> {
        self.theirs.iter().find(|(it, _)| *it == peer).map(|(_, theirs)| theirs)
    }
}

/// Figures in the making.
struct Sheet<'a> {
    case: &'a Case,
    rounds: &'a [Round],
    rows: Vec<Row>,
}

impl Sheet<'_> {
    fn row(
        &mut self,
        key: &str,
        label: &str,
        unit: Unit,
        bar: Option<Bar>,
        value: impl Fn(&Round) -> Option<f64>,
    ) {
        let case = format!("{}: {}", self.case.name, self.case.title);
        let values = self.rounds.iter().filter_map(value).collect();
        self.rows.push(Row {
            case,
            key: key.to_owned(),
            label: label.to_owned(),
            unit,
            values,
            bar,
        });
    }

    fn ours(
        &mut self,
        key: &str,
        label: &str,
        unit: Unit,
        bar: Option<Bar>,
        value: impl Fn(&Ours) -> f64,
    ) {
        self.row(key, label, unit, bar, |it| it.ours.as_ref().map(&value));
    }

    fn theirs(
        &mut self,
        peer: Peer,
        key: &str,
        label: &str,
        unit: Unit,
        value: impl Fn(&Theirs) -> f64,
    ) {
        let (key, label) = (format!("{}_{key}", peer.name()), format!("{}, {label}", peer.name()));
        self.row(&key, &label, unit, None, |it| it.of(peer).map(&value));
    }

    fn at_most(&self, measure: Measure) -> Option<Bar> {
        self.case.bar(measure).map(Bar::AtMost)
    }
}

/// The figures of a case.
pub(super) fn rows(case: &Case, rounds: &[Round]) -> Vec<Row> {
    let mut sheet = Sheet { case, rounds, rows: Vec::new() };
    sheet.ours("exit_code", "ours, exit code", Unit::Count, None, |it| it.told.exit_code);
    match case.kind {
        Kind::Truth => truth(&mut sheet),
        Kind::Cost => cost(&mut sheet),
        Kind::Memory { .. } => memory(&mut sheet),
    }
    sheet.rows
}

fn cost(sheet: &mut Sheet<'_>) {
    let cpu = ("cpu_seconds_per_request", "CPU a request");
    let rate = ("requests_per_second", "requests/s");
    let memory = ("memory_bytes", "memory");
    sheet.ours(cpu.0, "ours, CPU a request", Unit::Micros, None, Ours::cpu_per_request);
    for (peer, most) in sheet.case.peers {
        sheet.theirs(*peer, cpu.0, cpu.1, Unit::Micros, Theirs::cpu_per_request);
        let (key, label) =
            (format!("cpu_ratio_to_{}", peer.name()), format!("CPU, ours / {}", peer.name()));
        sheet.row(&key, &label, Unit::Times, most.map(Bar::AtMost), |it| {
            Some(it.ours.as_ref()?.cpu_per_request() / it.of(*peer)?.cpu_per_request())
        });
    }
    if matches!(sheet.case.model, Model::Rate { .. }) {
        paced(sheet);
    }
    sheet.ours(rate.0, "ours, requests/s", Unit::Count, None, |it| {
        it.told.answered / it.told.seconds
    });
    for (peer, _) in sheet.case.peers {
        sheet.theirs(*peer, rate.0, rate.1, Unit::Count, |it| it.answered.per_second);
    }
    let bar = sheet.at_most(Measure::Memory);
    sheet.ours(memory.0, "ours, memory", Unit::Megabytes, bar, |it| it.memory.end);
    for (peer, _) in sheet.case.peers {
        sheet.theirs(*peer, memory.0, memory.1, Unit::Megabytes, |it| it.memory.end);
    }
    let key = "server_cpu_seconds_per_request";
    sheet.ours(key, "server, CPU a request, ours", Unit::Micros, None, |it| {
        it.server_cpu / it.told.answered
    });
    for (peer, _) in sheet.case.peers {
        let (key, label) = (format!("{}_{key}", peer.name()), peer.name());
        let label = format!("server, CPU a request, {label}");
        sheet.row(&key, &label, Unit::Micros, None, |it| {
            it.of(*peer).map(|it| it.server_cpu / it.answered.requests)
        });
    }
}

fn paced(sheet: &mut Sheet<'_>) {
    sheet.ours("missed", "missed", Unit::Count, Some(Bar::NeverAbove(0.0)), |it| it.told.missed);
    sheet.ours("sent_ratio", "sent of planned", Unit::Percent, Some(Bar::AtLeast(SENT)), |it| {
        it.told.sent / it.told.planned
    });
    for (measure, key, label) in [
        (Measure::LagP50, "send_lag_p50_seconds", "send lag, p50"),
        (Measure::LagP99, "send_lag_p99_seconds", "send lag, p99"),
    ] {
        let bar = sheet.at_most(measure);
        sheet.ours(key, label, Unit::Micros, bar, |it| match measure {
            Measure::LagP50 => it.told.lag_p50,
            _ => it.told.lag_p99,
        });
    }
}

fn truth(sheet: &mut Sheet<'_>) {
    let bar = sheet.at_most(Measure::Error);
    for (at, (q, name)) in QUANTILES.iter().enumerate() {
        sheet.row(
            &format!("true_{name}_seconds"),
            &format!("true {name}"),
            Unit::Millis,
            None,
            |it| Some(it.ours.as_ref()?.truth.as_ref()?.quantile(*q)),
        );
        let key = format!("{name}_error_ratio");
        sheet.row(&key, &format!("ours, {name} is wrong by"), Unit::Percent, bar, |it| {
            let ours = it.ours.as_ref()?;
            Some(ours.truth.as_ref()?.error(*q, ours.told.response[at]))
        });
    }
    for (peer, _) in sheet.case.peers {
        let key = format!("{}_p99_error_ratio", peer.name());
        let label = format!("{}, p99 is wrong by", peer.name());
        sheet.row(&key, &label, Unit::Percent, None, |it| {
            let theirs = it.of(*peer)?;
            Some(theirs.truth.as_ref()?.error(0.99, theirs.answered.p99?))
        });
    }
    sheet.ours("missed", "missed", Unit::Count, Some(Bar::NeverAbove(0.0)), |it| it.told.missed);
    sheet.ours("unsent", "planned and not sent", Unit::Count, Some(Bar::NeverAbove(0.0)), |it| {
        it.told.planned - it.told.sent
    });
}

fn memory(sheet: &mut Sheet<'_>) {
    let bar = sheet.at_most(Measure::Growth);
    let (warm, end) = ("warm_memory_bytes", "memory_bytes");
    sheet.ours(warm, "memory, when warm", Unit::Megabytes, None, |it| it.memory.warm);
    sheet.ours(end, "memory, at the end", Unit::Megabytes, None, |it| it.memory.end);
    sheet.ours("memory_growth_bytes", "memory, growth", Unit::Megabytes, bar, |it| {
        it.memory.growth()
    });
    let none = Some(Bar::NeverAbove(0.0));
    sheet.ours("unaccounted", "requests lost from the count", Unit::Count, none, |it| {
        it.told.unaccounted()
    });
    sheet.ours("missed", "missed", Unit::Count, none, |it| it.told.missed);
    sheet.ours("requests_per_second", "requests/s", Unit::Count, None, |it| {
        it.told.answered / it.told.seconds
    });
    sheet.ours(
        "cpu_seconds_per_request",
        "CPU a request",
        Unit::Micros,
        None,
        Ours::cpu_per_request,
    );
}

/// When a load has warmed up.
pub(super) fn warm_after(seconds: u32) -> Duration {
    (Duration::from_secs(seconds.into()) / 5).clamp(Duration::from_secs(1), Duration::from_secs(30))
}

#[cfg(test)]
mod tests {
    use super::super::case::CASES;
    use super::*;

    fn told() -> Told {
        Told {
            planned: 100_000.0,
            sent: 100_000.0,
            answered: 100_000.0,
            failed: 0.0,
            missed: 0.0,
            in_flight: 0.0,
            seconds: 5.0,
            exit_code: 0.0,
            lag_p50: 1e-5,
            lag_p99: 1e-4,
            response: [0.001; 4],
        }
    }

    fn ours(told: Told) -> Ours {
        let memory = Memory { warm: 10e6, end: 13e6 };
        Ours { told, cpu: 0.25, server_cpu: 0.2, memory, truth: Truth::of("0 1000000\n", 1.0).ok() }
    }

    fn round(told: Told) -> Round {
        let answered = Answered { requests: 50_000.0, per_second: 10_000.0, p99: Some(0.0005) };
        let (cpu, memory) = (0.25, Memory::default());
        let truth = Truth::of("0 1000000\n", 1.0).ok();
        let theirs = Theirs { answered, cpu, server_cpu: 0.1, memory, truth };
        Round { ours: Some(ours(told)), theirs: vec![(Peer::Wrk, theirs)] }
    }

    fn figures(case: &str, round: Round) -> Vec<Row> {
        rows(CASES.iter().find(|it| it.name == case).unwrap(), &[round])
    }

    fn row<'a>(rows: &'a [Row], key: &str) -> &'a Row {
        rows.iter().find(|it| it.key == key).unwrap()
    }

    #[test]
    fn a_request_costs_what_the_process_cost_by_answers() {
        let rows = figures("h1-128", round(told()));
        assert_eq!(row(&rows, "cpu_seconds_per_request").values, [2.5e-6]);
        let ratio = row(&rows, "cpu_ratio_to_wrk");
        assert_eq!((ratio.values.as_slice(), ratio.holds()), ([0.5].as_slice(), Some(true)));
        assert_eq!(row(&rows, "server_cpu_seconds_per_request").values, [2e-6]);
    }

    #[test]
    fn a_peer_that_is_not_there_leaves_its_bar_open() {
        let rows = figures("h1-128", Round { theirs: Vec::new(), ..round(told()) });
        assert!(row(&rows, "cpu_ratio_to_wrk").is_open());
        assert!(!row(&rows, "wrk_cpu_seconds_per_request").is_open());
    }

    #[test]
    fn a_lag_that_is_too_long_and_a_request_that_was_missed_are_seen() {
        let late = Told { lag_p50: 2e-4, missed: 1.0, ..told() };
        let rows = figures("pace-precise-5k", round(late));
        let holds = |key| row(&rows, key).holds();
        assert_eq!(holds("send_lag_p50_seconds"), Some(false));
        assert_eq!(holds("send_lag_p99_seconds"), Some(true));
        assert_eq!(holds("missed"), Some(false));
    }

    #[test]
    fn a_percentile_that_is_not_true_is_seen() {
        let rows =
            figures("truth-1k", round(Told { response: [0.001, 0.001, 0.0009, 0.001], ..told() }));
        assert_eq!(row(&rows, "p50_error_ratio").holds(), Some(true));
        assert_eq!(row(&rows, "p99_error_ratio").holds(), Some(false));
    }

    #[test]
    fn memory_that_grows_and_requests_that_are_lost_are_seen() {
        let rows = figures("memory-5k", round(Told { answered: 99_999.0, ..told() }));
        assert_eq!(row(&rows, "memory_growth_bytes").holds(), Some(false));
        assert_eq!(row(&rows, "unaccounted").holds(), Some(false));
    }
}
