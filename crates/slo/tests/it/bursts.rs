//! Bursts: scenarios in which each part of an exact alert decides by itself.
//!
//! Every alert has a label of its own here, so that none hides another, and histories are as short as the long window lets
//! them be. Everything begins and ends at whole steps of five minutes, so that what is counted is known.

use std::time::Duration;

use evenkeel_slo::burn::Rule;
use evenkeel_slo::rules::Subject;
use evenkeel_stats::wilson;

use crate::play::Moments;
use crate::scenario::{END, HOUR, MINUTE, Quirk, Scenario, Stretch, scraped};

/// So much happens in every second that nothing is rounded away.
const PLENTY: f64 = 1_000.0;

/// All scenarios of an objective.
pub(crate) fn all(of: &Subject) -> Vec<Scenario> {
    let mut all: Vec<_> = of.burn.iter().flat_map(|rule| each(of, rule)).collect();
    all.extend([within_steps(), silence(), weeks()]);
    all
}

fn each(of: &Subject, rule: &Rule) -> Vec<Scenario> {
    let length = |it: Duration| i64::try_from(it.as_millis()).unwrap_or(i64::MAX);
    let (long, short) = (length(rule.long), rule.short.map_or(0, length));
    let every = scraped(long);
    let seconds = long as f64 / 1_000.0;
    let (factor, limit) = (rule.factor.get(), rule.factor.get() * of.objective.rest().get());
    let stretch =
        |length, events: f64, burn| Stretch { length, every, traffic: events / seconds, burn };
    let scenario = |name: String, before: Stretch, within: Vec<Stretch>| {
        let after = Stretch { length: short, burn: 0.0, ..before };
        let step = (short / 3).max(5 * MINUTE);
        Scenario {
            name: format!("{} of {}: {name}", rule.factor, rule.name),
            stretches: [vec![before], within, vec![after]].concat(),
            quirk: Quirk::None,
            moments: Moments { from: END - 6 * step, until: END, step },
            tolerance: 0.01,
        }
    };
    let plenty = |length, burn| stretch(length, PLENTY * seconds, burn);
    let mut all = Vec::new();
    let (clean, burst, last) = (long / 4, long - long / 4, short + 5 * MINUTE);
    for percent in [98, 102, 200] {
        let burn = factor * f64::from(percent) / 100.0;
        let within = vec![plenty(clean, 0.0), plenty(burst, burn * long as f64 / burst as f64)];
        all.push(scenario(
            format!("{percent} % in the long window"),
            plenty(long / 2, 0.0),
            within,
        ));
        if percent < 200 {
            let within = vec![plenty(long - last, factor * 1.5), plenty(last, burn)];
            all.push(scenario(
                format!("{percent} % in the short window"),
                plenty(long / 2, 0.0),
                within,
            ));
        }
    }
    // Few events, just so many of them bad that it is proven, and just so many that it is not.
    let few = 996_u64;
    let least = (3..=few).find(|bad| wilson(*bad, few, 1.96).low > limit).unwrap_or(few);
    for bad in [least + least / 100, least - 1 - least / 100] {
        let share = bad as f64 / few as f64 / of.objective.rest().get();
        let name = format!("{bad} of {few}");
        all.push(scenario(
            name,
            stretch(long / 2, few as f64, 0.0),
            vec![stretch(long, few as f64, share)],
        ));
    }
    // As many as are plenty, but not as many as prove it: the rate alone decides. A short window has 200 of them.
    let (enough, bad) = (2_400.0, (limit * 1.02 * 200.0).floor() + 1.0);
    let share = bad / 200.0 / of.objective.rest().get();
    let name = format!("{bad} of each 200 events");
    all.push(scenario(name, stretch(long / 2, enough, 0.0), vec![stretch(long, enough, share)]));
    let worst = 1.0 / of.objective.rest().get();
    let (body, tail) = (long - short, short);
    // Two events in the short window say nothing; eight do, though a shorter one has less than three.
    for events in [24.0, 100.0] {
        let within = vec![stretch(body, events, worst), stretch(tail, events, 0.0)];
        let name = format!("all of {events} events bad, but for the last");
        all.push(scenario(name, stretch(long / 2, events, 0.0), within));
    }
    // What is bad has been so for long, and hardly anything happens since.
    let within = vec![stretch(long / 2, 80.0, worst), stretch(long / 2, 4.0, 0.0)];
    all.push(scenario("bad for half the time".to_owned(), stretch(long / 2, 80.0, 0.0), within));
    // Two bad events are none, though there were others before.
    let within = vec![stretch(long, 2.0, worst)];
    all.push(scenario("two of two".to_owned(), stretch(long / 2, 200.0, worst), within));
    all
}

/// Most events happen in one minute of each five, which shows whether a window begins where it should.
fn within_steps() -> Scenario {
    let stretch = |minutes: f64, traffic, burn| Stretch {
        length: (minutes * MINUTE as f64) as i64,
        every: 15_000,
        traffic,
        burn,
    };
    let step = |number: i32| {
        let burn = f64::from(number * 5 % 7) / 2.0;
        [stretch(0.5, 10.0, 1.0), stretch(1.0, 200.0, burn), stretch(3.5, 10.0, 1.0)]
    };
    Scenario {
        name: "most events in one minute of five".to_owned(),
        stretches: (0..12 * 8).flat_map(step).collect(),
        quirk: Quirk::None,
        moments: Moments { from: END - HOUR, until: END, step: 5 * MINUTE },
        tolerance: 0.05,
    }
}

/// No series of errors, and then nothing is scraped any more.
fn silence() -> Scenario {
    let stretch = |length, every, traffic| Stretch { length, every, traffic, burn: 0.0 };
    Scenario {
        name: "nothing is scraped any more".to_owned(),
        stretches: vec![stretch(3 * HOUR, 15_000, 10.0), stretch(70 * MINUTE, 2 * HOUR, 0.0)],
        quirk: Quirk::ErrorsFrom(0),
        moments: Moments { from: END - 70 * MINUTE, until: END, step: MINUTE / 2 },
        // Of what a window holds but the beginning of, a lot is guessed.
        tolerance: 1.0,
    }
}

/// Seven weeks of which no two days are alike, so that the window of the objective is full.
fn weeks() -> Scenario {
    let day = |number: i32| Stretch {
        length: 24 * HOUR,
        every: 150_000,
        traffic: f64::from(1 + number * 5 % 7),
        burn: f64::from(number * 4 % 9) / 3.0,
    };
    Scenario {
        name: "seven weeks".to_owned(),
        stretches: (0..49).map(day).collect(),
        quirk: Quirk::None,
        moments: Moments { from: END - 5 * MINUTE, until: END, step: 5 * MINUTE },
        tolerance: 0.01,
    }
}
