//! Scenarios: what happens to a service, and the series that Sloth's examples would see of it.
//!
//! ```text
//! clauses   for each pair of windows, a burst after a clean time that brings one of them just above its factor or just
//!           below, while the other is well above; and one that ends. Before the long window there was twenty times the
//!           traffic, so that longer windows see next to nothing, and no other clause hides a wrong one
//! quirks    counters that begin again, gaps, no series of errors, no traffic, late starts, instances that come and go
//! month     day and night for a month, so that the window of the objective is full
//! ```

use evenkeel_series::{Labels, METRIC_NAME, Memory, Point};
use evenkeel_slo::burn::Rule;

use crate::play::Moments;

pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;

/// The moment at which every scenario ends: a whole day.
pub(crate) const END: i64 = 19_675 * 24 * HOUR;

/// Some time that is all alike.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Stretch {
    /// How long it is, in milliseconds.
    pub(crate) length: i64,
    /// How far apart its samples are; there are none when that is longer than it.
    pub(crate) every: i64,
    /// Events a second.
    pub(crate) traffic: f64,
    /// How fast it burns: the share of bad events, as a multiple of what may be bad.
    pub(crate) burn: f64,
}

/// What is odd about the series.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Quirk {
    /// Nothing.
    None,
    /// Counters begin again, so long before the end.
    Reset(i64),
    /// Nothing is scraped from then on, for a while.
    Gap(i64, i64),
    /// There are no series of errors until so long before the end.
    ErrorsFrom(i64),
    /// There is nothing at all until so long before the end.
    From(i64),
    /// Every instance makes way for another one, so long before the end.
    Churn(i64),
}

/// What happens to a service.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// One after the other until [`END`].
    pub(crate) stretches: Vec<Stretch>,
    pub(crate) quirk: Quirk,
    /// When rules are evaluated.
    pub(crate) moments: Moments,
    /// By which share counts may be off, as extrapolated as they are.
    pub(crate) tolerance: f64,
}

const HEAVY: f64 = 200.0;
const USUAL: f64 = 10.0;

/// Bursts that isolate each pair of windows.
pub(crate) fn clauses(rules: &[Rule]) -> Vec<Scenario> {
    rules.iter().flat_map(clause).collect()
}

fn clause(rule: &Rule) -> Vec<Scenario> {
    let length = |it: std::time::Duration| i64::try_from(it.as_millis()).unwrap_or(i64::MAX);
    let (long, short) = (length(rule.long), rule.short.map_or(0, length));
    let every = scraped(long);
    let factor = rule.factor.get();
    let usual = |length, burn| Stretch { length, every, traffic: USUAL, burn };
    let before = Stretch { length: 76 * HOUR - long, every: HOUR, traffic: HEAVY, burn: 0.0 };
    let scenario = |name: &str, within: Vec<Stretch>| {
        // What was just so at the end of the burst is over after the short window.
        let after = usual(short, 0.0);
        let step = short / 3;
        Scenario {
            name: format!("{} of {}: {name}", rule.factor, rule.name),
            stretches: [vec![before], within, vec![after]].concat(),
            quirk: Quirk::None,
            moments: Moments { from: END - 6 * step, until: END, step },
            tolerance: 0.01,
        }
    };
    let mut all = Vec::new();
    for percent in [98, 102, 200] {
        let burn = factor * f64::from(percent) / 100.0;
        let (clean, burst) = (long / 4, long - long / 4);
        let burst = usual(burst, burn * long as f64 / burst as f64);
        all.push(scenario(
            &format!("{percent} % in the long window"),
            vec![usual(clean, 0.0), burst],
        ));
        if percent < 200 {
            let last = short + 5 * MINUTE;
            let within = vec![usual(long - last, factor * 1.5), usual(last, burn)];
            all.push(scenario(&format!("{percent} % in the short window"), within));
        }
    }
    all
}

/// How far apart samples are, where the longest window that matters is so long: a whole number of them is five minutes.
pub(crate) fn scraped(long: i64) -> i64 {
    match long / HOUR {
        ..=1 => 15_000,
        2..=6 => MINUTE,
        7.. => 150_000,
    }
}

/// Eight hours, in which it burns more and less, with something odd about the series.
pub(crate) fn quirks() -> Vec<Scenario> {
    let stretch = |minutes: i64, traffic, burn| Stretch {
        length: minutes * MINUTE,
        every: MINUTE,
        traffic,
        burn,
    };
    let plain = vec![
        stretch(120, 10.0, 0.5),
        stretch(40, 15.0, 20.0),
        stretch(80, 10.0, 7.0),
        stretch(60, 0.2, 0.0),
        stretch(30, 12.0, 16.0),
        stretch(150, 8.0, 3.3),
    ];
    let of = |name: &str, stretches: &[Stretch], quirk| Scenario {
        name: name.to_owned(),
        stretches: stretches.to_vec(),
        quirk,
        moments: Moments { from: END - 8 * HOUR, until: END, step: 20 * MINUTE },
        tolerance: 0.01,
    };
    let silent = [&plain[..4], &[stretch(180, 0.0, 0.0)]].concat();
    vec![
        of("more and less", &plain, Quirk::None),
        of("counters begin again", &plain, Quirk::Reset(100 * MINUTE)),
        of("a gap of scrapes", &plain, Quirk::Gap(200 * MINUTE, 35 * MINUTE)),
        of("no series of errors at first", &plain, Quirk::ErrorsFrom(170 * MINUTE)),
        of("no traffic at last", &silent, Quirk::None),
        of("a late start", &plain, Quirk::From(195 * MINUTE)),
        of("instances come and go", &plain, Quirk::Churn(220 * MINUTE)),
    ]
}

/// A month and a day, with a hundred times the traffic by day, and bursts by night and by day.
pub(crate) fn month() -> Scenario {
    let stretch =
        |hours: i64, traffic, burn| Stretch { length: hours * HOUR, every: 150_000, traffic, burn };
    let day = |number: i64| {
        let burn = (number * 7 % 11) as f64;
        [
            stretch(11, 100.0, 0.4),
            stretch(1, 100.0, burn),
            stretch(11, 1.0, 0.0),
            stretch(1, 1.0, 5.0 * burn),
        ]
    };
    Scenario {
        name: "a month of days and nights".to_owned(),
        stretches: (0..32).flat_map(day).collect(),
        quirk: Quirk::None,
        moments: Moments { from: END - 32 * 24 * HOUR, until: END, step: 6 * HOUR },
        tolerance: 0.01,
    }
}

/// Series of one family.
struct Family {
    /// How the name of its metric begins; who does not ask for it does not get it.
    metric: &'static str,
    /// Series that count all events, those that count the good ones, and the bad ones.
    all: &'static [&'static [(&'static str, &'static str)]],
    good: &'static [&'static [(&'static str, &'static str)]],
    bad: &'static [&'static [(&'static str, &'static str)]],
}

/// What the examples of Sloth ask for, and a service of our own.
const FAMILIES: [Family; 6] = [
    Family { metric: "events_total", all: &[&[("job", "it")]], good: &[], bad: &[] },
    Family { metric: "bad_total", all: &[], good: &[], bad: &[&[("job", "it")]] },
    Family {
        metric: "http_request_duration_seconds_count",
        all: &[],
        good: &[
            &[("job", "myservice"), ("f1", "v1"), ("f2", "v2"), ("code", "200")],
            &[("job", "myapp"), ("code", "200")],
        ],
        bad: &[
            &[("job", "myservice"), ("f1", "v1"), ("f2", "v2"), ("code", "503")],
            &[("job", "myapp"), ("code", "429")],
        ],
    },
    Family {
        metric: "apiserver_request_total",
        all: &[],
        good: &[&[("verb", "GET"), ("code", "404")]],
        bad: &[&[("verb", "GET"), ("code", "500")]],
    },
    Family {
        metric: "apiserver_request_duration_seconds_bucket",
        all: &[&[("verb", "GET"), ("le", "+Inf")]],
        good: &[
            &[("verb", "GET"), ("le", "0.4")],
            &[("verb", "GET"), ("le", "5")],
            &[("verb", "WATCH"), ("le", "5")],
        ],
        bad: &[],
    },
    Family {
        metric: "requests_duration_seconds_bucket",
        all: &[],
        good: &[&[("container_name", "foo-bar-grpc"), ("agent_dc", "dc_sl"), ("vmrange", "low")]],
        bad: &[&[("container_name", "foo-bar-grpc"), ("agent_dc", "dc_sl"), ("vmrange", "high")]],
    },
];

/// How many all events of a histogram were.
const COUNT: &str = "apiserver_request_duration_seconds_count";

/// How content each of the clients is of which the home's network has so many: seven, so that no share of them is exactly
/// what a factor allows, where the noise in Sloth's numbers decides.
const SATISFACTION: &str = "unifipoller_client_satisfaction_ratio";
const CLIENTS: usize = 7;

impl Scenario {
    /// How long it is, in milliseconds.
    pub(crate) fn length(&self) -> i64 {
        self.stretches.iter().map(|it| it.length).sum()
    }

    /// How many events there were after one moment and until another, and how many bad ones.
    pub(crate) fn counted(&self, budget: f64, after: i64, until: i64) -> (f64, f64) {
        let mut begins = END - self.length();
        let (mut all, mut bad) = (0.0, 0.0);
        for it in &self.stretches {
            let ends = begins + it.length;
            let common = (ends.min(until) - begins.max(after)).max(0);
            let events = it.traffic * common as f64 / 1_000.0;
            all += events;
            bad += events * (it.burn * budget).min(1.0);
            begins = ends;
        }
        (all, bad)
    }

    /// How far apart its samples are at most.
    pub(crate) fn every(&self) -> i64 {
        let sampled = self.stretches.iter().filter(|it| it.every <= it.length);
        sampled.map(|it| it.every).max().unwrap_or_default()
    }

    /// How many samples of a series there are after one moment and until another.
    pub(crate) fn samples(&self, after: i64, until: i64) -> i64 {
        let mut begins = END - self.length();
        let mut found = 0;
        for it in &self.stretches {
            let up_to = |moment: i64| (moment.min(begins + it.length) - begins).max(0) / it.every;
            found += up_to(until) - up_to(after);
            begins += it.length;
        }
        found
    }

    /// The series, where a share of `budget` may be bad; of those that `asked` names.
    pub(crate) fn series(&self, budget: f64, asked: &str) -> Memory {
        let mut to = Memory::new();
        let [before, since] = ["a", "b"].map(|instance| counters(asked, instance));
        let (mut begins, mut count) = (END - self.length(), Count::default());
        for it in &self.stretches {
            for number in 1..=it.length / it.every {
                let at = begins + number * it.every;
                let events = it.traffic * it.every as f64 / 1_000.0;
                count.add(events, (it.burn * budget).min(1.0));
                if self.quirk == Quirk::Reset(END - at) {
                    count = Count { owed: count.owed, ..Count::default() };
                }
                let of = match self.quirk {
                    Quirk::Churn(from) if at >= END - from => &since,
                    _ => &before,
                };
                count.unhappy = count.owed.floor().clamp(0.0, CLIENTS as f64);
                count.owed -= count.unhappy;
                for (labels, what) in of.iter().filter(|it| self.is_scraped(at, it.1)) {
                    to.push(labels, Point { at, value: count.value(*what) });
                }
            }
            begins += it.length;
        }
        to
    }

    fn is_scraped(&self, at: i64, what: What) -> bool {
        let left = END - at;
        match self.quirk {
            Quirk::Gap(from, length) => left > from || left <= from - length,
            Quirk::From(from) => left <= from,
            Quirk::ErrorsFrom(from) => what != What::Bad || left <= from,
            Quirk::None | Quirk::Reset(_) | Quirk::Churn(_) => true,
        }
    }
}

/// What a series says.
#[derive(Copy, Clone, Debug, PartialEq)]
enum What {
    All,
    Good,
    Bad,
    /// Events that no objective is about.
    Beside,
    /// How content a client is.
    Client(usize),
}

/// The series that are asked for, of an instance.
fn counters(asked: &str, instance: &str) -> Vec<(Labels, What)> {
    let mut all = Vec::new();
    let mut add = |metric: &str, pairs: &[(&str, &str)], what| {
        let more = [(METRIC_NAME, metric), ("instance", instance)];
        all.push((Labels::of(pairs.iter().copied().chain(more)), what));
    };
    for family in FAMILIES.iter().filter(|it| asked.contains(it.metric)) {
        let sets = [(family.all, What::All), (family.good, What::Good), (family.bad, What::Bad)];
        for (pairs, what) in
            sets.iter().flat_map(|(sets, what)| sets.iter().map(move |it| (it, what)))
        {
            add(family.metric, pairs, *what);
        }
    }
    if asked.contains(COUNT) {
        add(COUNT, &[("verb", "GET")], What::All);
        add(COUNT, &[("verb", "WATCH")], What::Beside);
    }
    if asked.contains(SATISFACTION) {
        for client in 0..CLIENTS {
            add(SATISFACTION, &[("name", &client.to_string())], What::Client(client));
        }
    }
    all
}

/// What counters say.
#[derive(Debug, Default)]
struct Count {
    all: f64,
    bad: f64,
    /// Clients that were to be unhappy and have not been so far, and those that are.
    owed: f64,
    unhappy: f64,
}

impl Count {
    fn add(&mut self, events: f64, share: f64) {
        self.all += events;
        self.bad += events * share;
        self.owed += share * CLIENTS as f64;
    }

    fn value(&self, what: What) -> f64 {
        match what {
            What::All => self.all,
            What::Good => self.all - self.bad,
            What::Bad => self.bad,
            What::Beside => self.all * 7.0,
            What::Client(number) if (number as f64) < self.unhappy => 0.3,
            What::Client(_) => 1.0,
        }
    }
}
