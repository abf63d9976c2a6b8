//! Groups of rules, evaluated minute by minute.

use evenkeel_series::{Matcher, Operation, Samples, Span, is_stale};
use evenkeel_tsdb::Batch;

use super::*;
use crate::watch::stopped::Stopped;
use crate::watch::turns::{Turn, Turns};

/// A store and a clock.
pub(super) struct Stage {
    pub(super) store: Store,
    clock: Stopped,
    external: BTreeMap<String, String>,
    cancel: Cancel,
    _folder: tempfile::TempDir,
}

const MINUTE: Duration = Duration::from_mins(1);

impl Stage {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), evenkeel_tsdb::Options::default()).unwrap();
        let external = [("zone".to_owned(), "eu".to_owned())].into();
        let (clock, cancel) = (Stopped::at(0), Cancel::default());
        Self { store, clock, external, cancel, _folder: folder }
    }

    pub(super) fn setting(&self) -> Setting<'_> {
        Setting {
            store: &self.store,
            clock: &self.clock,
            every: MINUTE,
            offset: Duration::ZERO,
            external: &self.external,
            url: "http://127.0.0.1:9090",
            cancel: &self.cancel,
        }
    }

    fn put(&self, labels: &[(&str, &str)], minute: i64, value: f64) {
        let series = self.store.intern(&Labels::of(labels.iter().copied())).unwrap();
        let mut batch = Batch::default();
        batch.float(series, minute * 60_000, value);
        self.store.append(&batch).unwrap();
    }

    /// Evaluates a group at a minute.
    pub(super) fn evaluate(&self, of: &mut Running, minute: i64) -> Vec<Notice> {
        self.clock.set(minute * 60_000);
        of.pace.set(minute * 60_000);
        of.evaluate(&self.setting())
    }

    /// All samples of a metric, in minutes.
    fn all(&self, metric: &str) -> Vec<String> {
        let mut all = Vec::new();
        let snapshot = self.store.snapshot();
        for it in snapshot.select(&[], Span::ALL).unwrap() {
            let mut samples = Samples::default();
            it.read(Span::ALL, &mut samples).unwrap();
            let shown = |value: f64| match is_stale(value) {
                true => "end".to_owned(),
                false => value.to_string(),
            };
            let points = samples.points.iter();
            let points: Vec<_> =
                points.map(|it| format!("{}={}", it.at / 60_000, shown(it.value))).collect();
            if it.labels().metric() == metric {
                all.push(format!("{} {}", it.labels(), points.join(" ")));
            }
        }
        all
    }
}

fn group(rules: &str, setting: &Setting<'_>) -> Running {
    let text = format!("groups: [{{name: g, {rules}}}]");
    let groups = rules::read_bytes("rules.yml", text.into_bytes()).unwrap();
    Running::new(groups.into_iter().next().unwrap(), setting)
}

#[test]
fn a_rule_sees_what_the_one_before_it_recorded_and_what_is_gone_is_ended() {
    let stage = Stage::new();
    let rules = "labels: {team: x}, rules: [{record: 'job:up', expr: 'sum by (job) (up)', labels: {job: all}}, \
        {record: twice, expr: 'job:up * 2'}, {record: one, expr: '1'}]";
    let mut it = group(rules, &stage.setting());
    stage.put(&[("__name__", "up"), ("job", "a")], 1, 3.0);
    stage.evaluate(&mut it, 1);
    stage.evaluate(&mut it, 7);
    assert_eq!(stage.all("job:up"), [r#"job:up{job="all", team="x"} 1=3 7=end"#]);
    assert_eq!(stage.all("twice"), [r#"twice{job="all", team="x"} 1=6 7=end"#]);
    assert_eq!(stage.all("one"), [r#"one{team="x"} 1=1 7=1"#]);
}

#[test]
fn an_alert_waits_fires_and_tells_with_its_texts_filled_in() {
    let stage = Stage::new();
    let rules = "rules: [{alert: Down, expr: 'up == 0', for: 2m, labels: {severity: page, job: ''}, \
        annotations: {summary: '{{ $labels.job }} of {{ $externalLabels.zone }} is at {{ $value }}'}}]";
    let mut it = group(rules, &stage.setting());
    let mut told = Vec::new();
    for (minute, value) in [(1, 0.0), (2, 0.0), (3, 0.0), (4, 0.0), (5, 1.0)] {
        stage.put(&[("__name__", "up"), ("instance", "i"), ("job", "a")], minute, value);
        for it in stage.evaluate(&mut it, minute) {
            let summary = it.annotations["summary"].clone();
            told.push((minute, it.labels.to_string(), it.until / 60_000, summary));
        }
    }
    let labels = r#"{alertname="Down", instance="i", severity="page"}"#.to_owned();
    let notice = |at, until| (at, labels.clone(), until, "a of eu is at 0".to_owned());
    assert_eq!(told, [notice(3, 7), notice(4, 8), notice(5, 5)]);
    let ending = r#"alertname="Down", alertstate="#;
    let rest = r#"instance="i", severity="page"}"#;
    assert_eq!(
        stage.all("ALERTS"),
        [
            format!(r#"ALERTS{{{ending}"firing", {rest} 3=1 4=1 5=end"#),
            format!(r#"ALERTS{{{ending}"pending", {rest} 1=1 2=1 3=end"#)
        ]
    );
    assert_eq!(
        stage.all("ALERTS_FOR_STATE"),
        [format!(r#"ALERTS_FOR_STATE{{alertname="Down", {rest} 1=60 2=60 3=60 4=60 5=end"#)]
    );
}

#[test]
fn after_a_restart_an_alert_is_what_it_was() {
    let stage = Stage::new();
    let rules = "rules: [{alert: Down, expr: 'up == 0', for: 5m}]";
    let mut before = group(rules, &stage.setting());
    for minute in 1..=7 {
        stage.put(&[("__name__", "up")], minute, 0.0);
        stage.evaluate(&mut before, minute);
    }
    stage.put(&[("__name__", "up")], 20, 0.0);
    let mut again = group(rules, &stage.setting());
    assert_eq!(stage.evaluate(&mut again, 20).len(), 1, "it fires at once");
    assert!(stage.all("ALERTS_FOR_STATE")[0].ends_with("20=60"));
}

#[test]
fn an_alert_is_what_it_was_although_its_samples_come_after_the_first_turn() {
    let stage = Stage::new();
    let rules = "rules: [{alert: Down, expr: 'up == 0', for: 5m}]";
    let mut before = group(rules, &stage.setting());
    for minute in 1..=7 {
        stage.put(&[("__name__", "up")], minute, 0.0);
        stage.evaluate(&mut before, minute);
    }
    let mut again = group(rules, &stage.setting());
    assert!(stage.evaluate(&mut again, 20).is_empty());
    stage.put(&[("__name__", "up")], 21, 0.0);
    assert_eq!(stage.evaluate(&mut again, 21).len(), 1, "it fires at once");
}

#[test]
fn alerts_of_queries_about_the_past_begin_and_end_now() {
    let stage = Stage::new();
    let rules = "query_offset: 10m, rules: [{alert: Down, expr: 'up == 0'}]";
    let mut it = group(rules, &stage.setting());
    stage.put(&[("__name__", "up")], 1, 0.0);
    stage.put(&[("__name__", "up")], 2, 1.0);
    let mut told = Vec::new();
    for minute in [11, 12] {
        let notices = stage.evaluate(&mut it, minute);
        told.extend(notices.iter().map(|it| (minute, it.from / 60_000, it.until / 60_000)));
    }
    assert_eq!(told, [(11, 11, 15), (12, 11, 12)]);
    assert!(stage.all("ALERTS")[0].ends_with("1=1 2=end"));
}

#[test]
fn an_alert_that_is_kept_firing_is_so_after_a_restart_and_is_over_in_time() {
    let stage = Stage::new();
    let rules = |severity: &str| {
        format!(
            "rules: [{{alert: Down, expr: 'up == 0', keep_firing_for: 10m, labels: {{severity: {severity}}}, \
            annotations: {{summary: '{{{{ $labels.job }}}} is down'}}}}]"
        )
    };
    let mut before = group(&rules("page"), &stage.setting());
    for (minute, value) in [(1, 0.0), (2, 0.0), (3, 1.0), (4, 1.0)] {
        stage.put(&[("__name__", "up"), ("job", "a")], minute, value);
        stage.evaluate(&mut before, minute);
    }
    let mut again = group(&rules("page"), &stage.setting());
    let mut other = group(&rules("ticket"), &stage.setting());
    assert!(stage.evaluate(&mut other, 30).is_empty(), "the alert is of another rule");
    let [notice] = &stage.evaluate(&mut again, 30)[..] else { panic!("{again:?}") };
    let told =
        |it: &Notice| (it.from / 60_000, it.until / 60_000, it.annotations["summary"].clone());
    assert_eq!(told(notice), (1, 34, "a is down".to_owned()));
    assert_eq!(told(&stage.evaluate(&mut again, 39)[0]).1, 43, "it fires still");
    assert_eq!(told(&stage.evaluate(&mut again, 40)[0]).1, 40, "it is over");
    let mut third = group(&rules("page"), &stage.setting());
    assert!(stage.evaluate(&mut third, 41).is_empty(), "what was over is not taken up");
    assert!(stage.all("ALERTS")[0].ends_with("1=1 2=1 3=1 4=1 30=1 39=1 40=end"));
}

#[test]
fn what_fails_is_said_and_keeps_no_other_rule_from_being_evaluated() {
    let stage = Stage::new();
    let rules = "limit: 1, rules: [{record: r, expr: up}, {record: s, expr: 'up + on() up'}, \
        {record: t, expr: 'sum(up)'}, {alert: A, expr: up}, {record: u, expr: up, labels: {job: x}}]";
    let mut it = group(rules, &stage.setting());
    for job in ["a", "b"] {
        stage.put(&[("__name__", "up"), ("job", job)], 1, 1.0);
    }
    stage.evaluate(&mut it, 1);
    let health = it.shown().rules.into_iter().map(|it| match it.health {
        Health::Failing(why) => why,
        other => format!("{other:?}"),
    });
    let health: Vec<_> = health.collect();
    assert_eq!(health[0], "exceeded limit of 1 with 2 series");
    assert!(health[1].contains("match the same ones"), "{health:?}");
    assert_eq!(health[2], "Fine");
    assert_eq!(health[3], "exceeded limit of 1 with 2 alerts");
    assert_eq!(stage.all("t"), ["t 1=2"]);
    assert_eq!(stage.all("ALERTS"), Vec::<String>::new());
}

#[test]
fn nobody_is_told_that_an_alert_goes_on_while_nobody_knows() {
    let stage = Stage::new();
    let mut it = group("rules: [{alert: A, expr: 'up + on () up > 0'}]", &stage.setting());
    stage.put(&[("__name__", "up"), ("job", "a")], 1, 1.0);
    assert_eq!(stage.evaluate(&mut it, 1).len(), 1);
    stage.put(&[("__name__", "up"), ("job", "b")], 2, 1.0);
    assert!(stage.evaluate(&mut it, 2).is_empty());
    assert!(matches!(it.shown().rules[0].health, Health::Failing(_)));
    assert_eq!(stage.evaluate(&mut it, 8).len(), 1, "it is over");
}

#[test]
fn a_rule_that_asks_something_else_goes_on_with_what_it_makes() {
    let stage = Stage::new();
    let rules = |query: &str, text: &str| {
        format!(
            "rules: [{{record: a, expr: '{query}'}}, {{alert: C, expr: 'vector({query})', for: 2m, annotations: {{x: {text}}}}}]"
        )
    };
    let mut old = group(&rules("1", "old"), &stage.setting());
    for minute in 1..=3 {
        stage.evaluate(&mut old, minute);
    }
    let mut new = group(&rules("2", "new"), &stage.setting());
    new.take_over(old, &stage.store, 3 * 60_000 + 1);
    let [notice] = &stage.evaluate(&mut new, 4)[..] else { panic!("{new:?}") };
    assert_eq!((notice.from / 60_000, &*notice.annotations["x"]), (3, "new"));
    assert_eq!(stage.all("a"), ["a 1=1 2=1 3=1 4=2"]);
}

#[test]
fn a_group_that_changes_keeps_what_is_the_same_and_ends_the_rest() {
    let stage = Stage::new();
    let rules = "rules: [{record: a, expr: '1'}, {record: b, expr: '1'}, {alert: C, expr: 'vector(1)', for: 5m}]";
    let mut old = group(rules, &stage.setting());
    stage.evaluate(&mut old, 1);
    let rules = "rules: [{alert: C, expr: 'vector(1)', for: 5m}, {record: a, expr: '1'}]";
    let mut new = group(rules, &stage.setting());
    new.take_over(old, &stage.store, 2 * 60_000);
    stage.evaluate(&mut new, 3);
    assert_eq!(stage.all("a"), ["a 1=1 3=1"]);
    assert_eq!(stage.all("b"), ["b 1=1 2=end"]);
    assert!(stage.all("ALERTS_FOR_STATE")[0].ends_with("1=60 3=60"));
}

#[test]
fn a_group_that_takes_long_misses_moments_and_keeps_no_other_from_its_own() {
    let stage = Stage::new();
    let named = |name: &str| {
        let text = format!(
            "groups: [{{name: {name}, interval: 10s, rules: [{{record: {name}, expr: '1'}}]}}]"
        );
        let groups = rules::read_bytes("rules.yml", text.into_bytes()).unwrap();
        Running::new(groups.into_iter().next().unwrap(), &stage.setting())
    };
    let mut turns = Turns::default();
    let [slow, quick] = ["slow", "quick"].map(named);
    let first = [slow.next(), quick.next()];
    assert!(first[0] != first[1] && first.iter().all(|it| (1..=10_000).contains(it)), "{first:?}");
    for it in [slow, quick] {
        turns.put(Turn::Rules(Box::new(it)));
    }
    // Evaluates what is due until a second; what takes long is given back once that has come.
    let mut held: Option<Turn> = None;
    for second in 1..=50 {
        stage.clock.set(second * 1000);
        if second == 45 {
            turns.put(held.take().unwrap());
        }
        while let Some(mut turn) = turns.take(second * 1000) {
            let Turn::Rules(it) = &mut turn else { panic!("{turn:?}") };
            it.evaluate(&stage.setting());
            if it.key().1 == "slow" && second < 45 {
                held = Some(turn);
            } else {
                turns.put(turn);
            }
        }
    }
    let moments = |metric: &str| {
        let snapshot = stage.store.snapshot();
        let matcher = Matcher::new("__name__", Operation::Equal, metric).unwrap();
        let mut samples = Samples::default();
        snapshot.select(&[matcher], Span::ALL).unwrap()[0].read(Span::ALL, &mut samples).unwrap();
        samples.points.iter().map(|it| it.at).collect::<Vec<_>>()
    };
    let every = |first: i64, times: &[i64]| times.iter().map(|it| first + it * 10_000).collect();
    let shown: BTreeMap<_, _> = turns
        .take_all()
        .into_iter()
        .map(|it| match it {
            Turn::Rules(it) => (it.key().1, it.pace),
            Turn::Objectives(_) => panic!("there are none"),
        })
        .collect();
    let expected: Vec<i64> = every(first[1], &[0, 1, 2, 3, 4]);
    assert_eq!(moments("quick"), expected);
    assert_eq!((shown["quick"].iterations, shown["quick"].missed), (5, 0));
    // At the forty-fifth second it goes on with the latest moment that has come.
    let slow = moments("slow");
    assert!(slow.iter().all(|it| (it - first[0]) % 10_000 == 0), "{slow:?}");
    assert_eq!((slow[0], slow.len() as u64), (first[0], 5 - shown["slow"].missed));
    assert_eq!(shown["slow"].iterations, 5);
    assert!((2..=3).contains(&shown["slow"].missed), "{shown:?}");
}
