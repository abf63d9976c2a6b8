//! A load of some seconds, with every figure known.

use std::collections::BTreeMap;

use evenkeel_metrics::{Export, Run, Target};
use evenkeel_model::{Answer, Distribution, Frame, Series};

pub(crate) const SECONDS: u64 = 20;

/// The load of a shop: two routes, good answers that become slower, and one failure a second.
pub(crate) fn frames() -> Vec<Frame> {
    (0..SECONDS).map(frame).collect()
}

fn frame(second: u64) -> Frame {
    let list = times(second, 400, 900);
    let buy = times(second + 100, 150, 12_000);
    let series = |route, answer, times: &Distribution| Series {
        route,
        answer,
        response_micros: times.clone(),
        service_micros: times.clone(),
    };
    Frame {
        second,
        planned: 560,
        sent: 551,
        missed: 9,
        in_flight: second,
        waiting: 2,
        bytes_received: 1_000_000,
        bytes_sent: 50_000,
        connected: 3,
        resumed: 1,
        lag_micros: Distribution { micros: vec![(18, 500), (95, 51)] },
        series: vec![
            series(0, Answer::Ok, &list),
            series(1, Answer::Ok, &buy),
            series(1, Answer::Timeout, &Distribution { micros: vec![(2_000_000, 1)] }),
        ],
        transactions: vec![series(0, Answer::Ok, &buy)],
        ..Frame::default()
    }
}

/// So many times between `shortest` and twenty times as long, more of them short: the same ones every run.
fn times(seed: u64, count: u64, shortest: u64) -> Distribution {
    let mut micros = BTreeMap::new();
    for n in 0..count {
        let share = ((n * 7919 + seed * 104_729) % 10_007) as f64 / 10_007.0;
        *micros.entry((shortest as f64 * 20_f64.powf(share * share)) as u64).or_default() += 1;
    }
    Distribution { micros: micros.into_iter().collect() }
}

/// Everything that was counted for one route and answer.
pub(crate) fn total(frames: &[Frame], route: usize, answer: Answer) -> Distribution {
    let mut total = Distribution::default();
    for series in frames.iter().flat_map(|it| &it.series) {
        if (series.route, series.answer) == (route, answer) {
            total.add(&series.response_micros);
        }
    }
    total
}

pub(crate) fn sum_seconds(times: &Distribution) -> f64 {
    times.micros.iter().map(|(micros, count)| micros * count).sum::<u64>() as f64 / 1e6
}

/// The time at the nearest rank, in seconds.
pub(crate) fn quantile(times: &Distribution, q: f64) -> f64 {
    let rank = (q * times.count() as f64).ceil() as u64;
    let mut passed = 0;
    let at = times.micros.iter().find(|(_, count)| {
        passed += count;
        passed >= rank
    });
    at.unwrap().0 as f64 / 1e6
}

pub(crate) fn run(began: jiff::Timestamp) -> Run {
    Run {
        id: "calm-otter".to_owned(),
        test: "shoppers".to_owned(),
        routes: vec!["list".to_owned(), "buy \"now\"".to_owned()],
        transactions: vec!["order".to_owned()],
        began,
    }
}

/// Opens one target.
pub(crate) fn open(out: &str, environment: &[(&str, &str)], began: jiff::Timestamp) -> Export {
    let environment =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let target = Target::parse(out, &environment).unwrap();
    Export::open(vec![target], &run(began)).unwrap()
}
