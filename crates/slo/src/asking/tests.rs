//! What each kind of objective asks, and what answers to it count.

use super::*;
use evenkeel_model::Library;

const DAY: Duration = Duration::from_hours(24);

fn at(second: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(second).unwrap()
}

fn last(length: Duration) -> Interval {
    Interval::new(before(at(864_000), length), at(864_000))
}

/// The objective `it` of some specs, of which the first is of `it` and the others of `a`, `b`.
pub(super) fn asking(specs: &[&str]) -> Result<Asking, AskingError> {
    let document = |(name, spec): (&&str, &&str)| {
        let spec = spec.replace('\n', "\n  ");
        format!(
            "apiVersion: evenkeel.dev/v1\nkind: SLO\nmetadata: {{name: {name}}}\nspec:\n  {spec}\n"
        )
    };
    let texts: Vec<_> = ["it", "a", "b"].iter().zip(specs).map(document).collect();
    let (library, wrong) = Library::read([("it.yaml".to_owned(), texts.join("---\n").into())]);
    assert!(wrong.is_empty(), "{wrong:?}");
    let slo = library.slo("it").unwrap();
    Asking::of(slo, &|name| library.slo(name))
}

fn queries(it: &Asking, of: Interval) -> Vec<String> {
    it.whole(of).into_iter().map(|it| it.query).collect()
}

const ERRORS: &str = "objective: 99.9%
sli: {availability: {bad: 'errors_total{job=\"shop\"}', total: all_total}}";

#[test]
fn a_month_of_events_is_one_question_a_side() {
    let it = asking(&[ERRORS]).unwrap();
    let of = last(30 * DAY);
    assert!(it.is_whole());
    assert_eq!(
        queries(&it, of),
        ["sum(increase(errors_total{job=\"shop\"}[30d]))", "sum(increase(all_total[30d]))"]
    );
    assert!(it.whole(of).iter().all(|it| it.when == When::At(of.to)));
    let counts = it.counted(of, &[vec![Some(2.2)], vec![Some(1_000.4)]]);
    assert_eq!(counts, Some(Counts::with_bad(2, 1_000)));
    assert_eq!(it.counted(of, &[vec![None], vec![Some(7.0)]]), Some(Counts::with_bad(0, 7)));
    assert_eq!(it.counted(of, &[vec![Some(1.0)], vec![None]]), None);
}

#[test]
fn rates_that_somebody_wrote_become_events() {
    let spec = "objective: 99%\nsli: {ratio: {good: 'sum(rate(ok[$window]))', total: 'sum(increase(all[$window])) # of rate (all)'}}";
    let it = asking(&[spec]).unwrap();
    assert_eq!(
        queries(&it, last(Duration::from_hours(1))),
        ["sum(\nsum(rate(ok[1h]))\n) * 3600", "sum(\nsum(increase(all[1h])) # of rate (all)\n)"]
    );
    assert!(matches!(it.queries(), Err(AskingError::Mixed(_))));
}

#[test]
fn buckets_are_found_however_their_bound_is_written() {
    for (bound, pattern) in [
        (0.3, r"0\.3"),
        (1.0, r"1|1\.0"),
        (400.0, r"400|400\.0"),
        (0.000_5, r"0\.0005|5\.0E-4"),
        (0.000_01, r"0\.00001|1e-05|1\.0E-5"),
        (2.5e-7, r"0\.00000025|2\.5e-07|2\.5E-7"),
        (250_000.0, r"250000|250000\.0"),
        (1_500_000.0, r"1500000|1500000\.0|1\.5e\+06"),
        (1e7, r"10000000|10000000\.0|1e\+07|1\.0E7"),
    ] {
        assert_eq!(text::spellings(bound), pattern);
    }
    let spec =
        "objective: 99%\nsli: {latency: {threshold: 300ms, histogram: 'took_seconds{job=\"a\"}'}}";
    let it = asking(&[spec]).unwrap();
    assert_eq!(
        queries(&it, last(DAY)),
        [
            r#"sum(increase(took_seconds_bucket{job="a",le=~"0\\.3"}[1d]))"#,
            r#"sum(increase(took_seconds_count{job="a"}[1d]))"#
        ]
    );
}

#[test]
fn a_bound_that_is_no_bucket_is_no_data_and_said() {
    let spec = "objective: 99%\nsli: {latency: {threshold: 300ms, histogram: took_seconds}}";
    let it = asking(&[spec]).unwrap();
    let answers = [vec![None], vec![Some(100.0)]];
    assert_eq!(it.counted(last(DAY), &answers), None);
    assert!(it.flaw(&answers).is_some_and(|it| it.contains("no bucket")));
    assert_eq!(it.flaw(&[vec![None], vec![None]]), None);
}

#[test]
fn native_histograms_are_added_up_before_they_are_read() {
    let spec = "sli: {percentile: {quantile: p99, threshold: 1s, nativeHistogram: took_seconds}}";
    let it = asking(&[spec]).unwrap();
    let sum = "sum(increase(took_seconds[1d]))";
    let within = format!("histogram_fraction(-Inf, 1, {sum}) * histogram_count({sum})");
    assert_eq!(queries(&it, last(DAY)), [within, format!("histogram_count({sum})")]);
}

#[test]
fn figures_are_asked_at_the_end_of_each_slice_and_the_worst_counts() {
    let spec = "objective: 99%\nsli: {gauge: {query: free / size, value: '>= 0.1'}}";
    let it = asking(&[spec]).unwrap();
    assert!(!it.is_whole());
    let frame = it.frame(last(Duration::from_mins(3)), SLICE);
    let [question] = it.slices(frame).try_into().unwrap();
    assert_eq!(question.query, "min(\nfree / size\n)");
    let step = Duration::from_mins(1);
    assert_eq!(question.when, When::Every { first: at(864_000 - 120), step, steps: 3 });
    let history = it.history(frame, &[vec![Some(0.1), None, Some(0.05)]]).unwrap();
    let counts: Vec<_> = history.slices().map(|(_, it)| it.map(Counts::bad)).collect();
    assert_eq!(counts, [Some(0), None, Some(60_000)]);
}

#[test]
fn a_key_whose_series_ended_is_looked_for_for_a_while() {
    let spec =
        "objective: 99%\nsli: {freshness: {timestamp: seen_seconds, by: [partition], maxAge: 5m}}";
    let it = asking(&[spec]).unwrap();
    let frame = it.frame(last(DAY), SLICE);
    let query = &it.slices(frame)[0].query;
    assert_eq!(query, "max(time() - max by (partition) (max_over_time(seen_seconds[1h])))");
}

#[test]
fn a_slice_of_events_counts_by_its_share_or_by_whether_it_reaches_the_target() {
    let answers = [vec![Some(1.0), Some(0.0), None], vec![Some(4.0), Some(4.0), Some(0.0)]];
    for (slices, expected) in [
        ("{length: 1m}", [Some(15_000), Some(0), None]),
        ("{length: 1m, target: 80%}", [Some(60_000), Some(0), None]),
    ] {
        let it = asking(&[&format!("{ERRORS}\ntimeSlices: {slices}")]).unwrap();
        assert_eq!((it.unit(), it.is_whole()), (Unit::Time, false));
        let frame = it.frame(last(Duration::from_mins(3)), SLICE);
        let history = it.history(frame, &answers).unwrap();
        let bad: Vec<_> = history.slices().map(|(_, it)| it.map(Counts::bad)).collect();
        assert_eq!(bad, expected, "{slices}");
    }
}

#[test]
fn a_composite_is_the_mean_of_shares_whatever_the_traffic() {
    let whole = "objective: 97%\nsli: {composite: [{slo: a, weight: 3}, {slo: b}]}";
    let it = asking(&[whole, ERRORS, ERRORS]).unwrap();
    let of = last(Duration::from_secs(1));
    assert_eq!(it.whole(of).len(), 4);
    let answers = [[Some(10.0)], [Some(100.0)], [Some(500.0)], [Some(1_000.0)]].map(Vec::from);
    assert_eq!(it.counted(of, &answers), Some(Counts::with_bad(200, 1_000)));
    let frame = it.frame(Interval::new(at(0), at(600)), SLICE);
    let answers = [[0.0, 100.0], [100.0; 2], [0.0; 2], [5.0; 2]].map(|it| it.map(Some).to_vec());
    let history = it.history(frame, &answers).unwrap();
    let bad: Vec<_> = history.slices().map(|(_, it)| it.map(Counts::bad)).collect();
    assert_eq!(bad, [Some(0), Some(225_000)]);
}

#[test]
fn one_made_of_itself_has_an_end() {
    let it = asking(&["objective: 97%\nsli: {composite: [{slo: it}]}"]);
    assert_eq!(it, Err(AskingError::TooDeep("it".to_owned())));
}

#[test]
fn gaps_that_mean_something_are_looked_for() {
    let it = asking(&[&format!("{ERRORS}\nnoData: bad")]).unwrap();
    assert_eq!((it.is_whole(), it.gaps()), (false, Gaps::Bad));
}

#[test]
fn frames_end_with_their_interval_and_have_a_limit() {
    let it = Frame::new(Interval::new(at(0), at(130)), Duration::from_mins(1));
    let intervals: Vec<_> = it.intervals().collect();
    assert_eq!(intervals, [Interval::new(at(10), at(70)), Interval::new(at(70), at(130))]);
    let short = Frame::new(Interval::new(at(0), at(10)), Duration::from_mins(1));
    assert_eq!((short.slice(), short.when().count()), (Duration::from_secs(10), 1));
    let long = Frame::new(last(3_650 * DAY), Duration::from_secs(1));
    assert!(long.when().count() <= SLICES_MAX);
    let none = Frame::new(Interval::new(at(5), at(5)), SLICE);
    assert_eq!(none.when().count(), 0);
}

#[test]
fn rules_ask_the_same_as_rates_or_as_a_share() {
    use crate::rules::{Per, Queries};
    let it = asking(&[ERRORS]).unwrap();
    let rate = |name: &str| format!("sum(rate({name}[$window]))");
    let bad = rate("errors_total{job=\"shop\"}");
    let expected = Queries::Events { bad, total: rate("all_total"), per: Per::Second };
    assert_eq!(it.queries(), Ok(expected));
    let gauge = "objective: 99%\nsli: {gauge: {query: free / size, value: '>= 0.1'}}";
    let bad_ratio =
        "1 - avg_over_time((\n(min(\nfree / size\n)) >= bool 0.1\n)[$window:1m])".to_owned();
    assert_eq!(asking(&[gauge]).unwrap().queries(), Ok(Queries::Raw { bad_ratio }));
}

#[test]
fn the_target_of_slices_keeps_its_nines_in_rules() {
    let slices = "timeSlices: {length: 1m, target: 99.99999%}";
    let queries = asking(&[&format!("{ERRORS}\n{slices}")]).unwrap().queries();
    let Ok(crate::rules::Queries::Raw { bad_ratio }) = queries else { panic!("{queries:?}") };
    assert!(bad_ratio.contains(">= bool 0.9999999"), "{bad_ratio}");
}

#[test]
fn what_is_counted_in_a_slice_is_divided_by_its_length_however_long_it_had_to_be() {
    let total = "total: 'sum(increase(orders_total[$window]))'";
    let spec = "objective: 99%\nwindow: {calendar: year}\ntimeSlices: {length: 15s}";
    let it = asking(&[&format!("{spec}\nsli: {{throughput: {{min: 5/s, {total}}}}}")]).unwrap();
    for (length, slice) in [(DAY, 15), (365 * DAY, 45)] {
        let [question] = it.slices(it.frame(last(length), SLICE)).try_into().unwrap();
        let expected = format!("sum(\nsum(increase(orders_total[{slice}s]))\n) / {slice}");
        assert_eq!(question.query, expected);
    }
}
