//! A target, scrape after scrape, and what is stored of it.

use super::*;
use crate::config::Config;
use crate::intake::memory::Memory;

struct Target {
    session: Session<usize>,
    store: Memory,
    batch: Batch<usize>,
}

impl Target {
    fn of(job: &str) -> Self {
        let text = format!("scrape_configs: [{{job_name: j{job}}}]");
        let config = Config::read("p.yml", text.into_bytes()).unwrap();
        let target = Labels::of([("job", "j"), ("instance", "a:1")]);
        let session = Session::new(Terms::of(&config.scrapes[0]), target);
        Self { session, store: Memory::default(), batch: Batch::default() }
    }

    /// What is stored of a text.
    fn take(&mut self, at: i64, text: &str) -> Result<Vec<String>, String> {
        let Self { session, store, batch } = self;
        let scraped = session.take(text.as_bytes(), Format::Text, at, store, batch);
        scraped.map_err(|it| it.to_string())?;
        Ok(self.shown())
    }

    fn shown(&self) -> Vec<String> {
        let own = |it: String| it.replace("instance=\"a:1\", job=\"j\"", "…");
        self.store.shown(&self.batch).into_iter().map(own).collect()
    }
}

#[test]
fn samples_get_the_labels_of_the_target_and_its_moment() {
    let mut target = Target::of("");
    assert_eq!(
        target.take(7, "a{b=\"c\"} 1\na 2 5\n").unwrap(),
        ["a{b=\"c\", …} 1 @7", "a{…} 2 @5"]
    );
}

#[test]
fn a_label_that_a_target_has_as_well_is_kept_under_another_name() {
    let mut target = Target::of("");
    let text = "a{job=\"x\",exported_job=\"y\"} 1\n";
    assert_eq!(
        target.take(7, text).unwrap(),
        ["a{exported_exported_job=\"x\", exported_job=\"y\", …} 1 @7"]
    );
    let mut target = Target::of(", honor_labels: true");
    assert_eq!(target.take(7, "a{job=\"x\",instance=\"\"} 1\n").unwrap(), ["a{job=\"x\"} 1 @7"]);
}

#[test]
fn a_series_that_is_no_longer_said_has_ended() {
    let mut target = Target::of("");
    target.take(1, "a 1\nb 1\nc 1 1\n").unwrap();
    assert_eq!(target.take(2, "b 2\n").unwrap(), ["b{…} 2 @2", "a{…} stale @2"]);
    assert_eq!(target.take(3, "b 3\na 3\n").unwrap(), ["b{…} 3 @3", "a{…} 3 @3"]);
}

#[test]
fn what_a_target_begins_to_count_was_nothing_in_the_scrape_before() {
    const FIRST: &str = "# TYPE a_total counter\na_total{b=\"1\"} 5\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 3\n\
                         # TYPE s summary\ns_sum 2\n";
    const THEN: &str = "# TYPE a_total counter\na_total{b=\"1\"} 6\na_total{b=\"2\"} 7\na_total{b=\"3\"} 0\n\
                        a_total{b=\"4\"} 7 2\n# TYPE g gauge\ng 8\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\n\
                        h_bucket{le=\"+Inf\"} 3\nh_created 9\n# TYPE s summary\ns{quantile=\"1\"} 3\ns_sum 2\ns_count 4\n\
                        # TYPE of_another_total counter\nof_another_total 1000000\n";
    let begun = ["a_total{b=\"2\", …} 0 @1", "h_bucket{…, le=\"1\"} 0 @1", "s_count{…} 0 @1"];
    let zeros = |target: &mut Target, at: i64| {
        let before = format!(" 0 @{}", at - 1);
        let shown = target.take(at, THEN).unwrap();
        shown.into_iter().filter(|it| it.ends_with(&before)).collect::<Vec<_>>()
    };
    let mut target = Target::of("");
    assert_eq!(target.take(1, FIRST).unwrap().len(), 3, "what was there at first is as it is");
    assert_eq!(zeros(&mut target, 2), begun);
    assert_eq!(zeros(&mut target, 3), [""; 0], "they are known");

    let mut target = Target::of("");
    target.take(0, FIRST).unwrap();
    target.session.lose(1, &mut target.batch);
    assert_eq!(zeros(&mut target, 2), [""; 0], "nobody knows what was there");
    let mut target = Target::of(", honor_labels: true");
    target.take(1, FIRST).unwrap();
    assert_eq!(zeros(&mut target, 2), [""; 0], "who passes on what others count may begin late");
}

#[test]
fn a_scrape_that_fails_is_no_scrape_and_ends_what_was_there() {
    let mut target = Target::of("");
    target.take(1, "a 1\n").unwrap();
    let error = target.take(2, "a 2\nb\n").unwrap_err();
    assert_eq!(error, "line 2, column 2: a space and a value belong here");
    assert!(target.batch.is_empty());
    target.session.lose(2, &mut target.batch);
    assert_eq!(target.shown(), ["a{…} stale @2"]);
    target.session.lose(3, &mut target.batch);
    assert_eq!(target.shown(), [""; 0]);
    assert_eq!(target.take(4, "a 4\n").unwrap(), ["a{…} 4 @4"]);
}

#[test]
fn what_was_new_and_kept_is_reported() {
    let rules = ", metric_relabel_configs: [{source_labels: [__name__], regex: b, action: drop}]";
    let mut target = Target::of(rules);
    let mut counts = |text: &str| {
        let Target { session, store, batch } = &mut target;
        let scraped = session.take(text.as_bytes(), Format::Text, 1, store, batch).unwrap();
        (scraped.samples, scraped.kept, scraped.added)
    };
    assert_eq!(counts("a 1\nb 1\n"), (2, 1, 1));
    assert_eq!(counts("a 1\nc 1\nb 1\n"), (3, 2, 1));
    assert_eq!(counts("c 1\na 1\nb 1\n"), (3, 2, 0));
    assert_eq!(counts("c 1\n"), (1, 1, 0));
    assert_eq!(counts("c 1\na 1\n"), (2, 2, 1));
    let Target { session, store, batch } = &mut target;
    batch.clear();
    let took = Duration::from_millis(1500);
    session.report(9, took, Some(Scraped { samples: 3, kept: 2, added: 1 }), store, batch).unwrap();
    assert_eq!(
        target.shown(),
        [
            "up{…} 1 @9",
            "scrape_duration_seconds{…} 1.5 @9",
            "scrape_samples_scraped{…} 3 @9",
            "scrape_samples_post_metric_relabeling{…} 2 @9",
            "scrape_series_added{…} 1 @9",
        ]
    );
}

#[test]
fn limits_fail_the_scrape_as_a_whole() {
    let refusal = |limit: &str, text: &str| Target::of(limit).take(1, text).unwrap_err();
    assert_eq!(
        refusal(", sample_limit: 1", "a 1\nb 1\n"),
        "more than 1 samples are left after relabelling"
    );
    let labels = refusal(", label_limit: 3", "a 1\nb{c=\"d\"} 1\n");
    assert_eq!(labels, "line 2, column 1: 4 labels, and 3 are allowed");
    let long = refusal(", label_value_length_limit: 5", "a{b=\"cdefgh\"} 1\n");
    assert!(long.contains("the value of the label `b`"), "{long}");
    let twice = refusal("", "a{b=\"c\",b=\"d\"} 1\n");
    assert_eq!(twice, "line 1, column 1: the label `b` is there twice");
}

#[test]
fn series_that_are_gone_are_forgotten() {
    let mut target = Target::of("");
    for round in 0..10 {
        let text: String = (0..500).map(|it| format!("a{{b=\"{round}-{it}\"}} 1\n")).collect();
        target.take(round + 1, &text).unwrap();
    }
    assert!(target.session.known.len() < 2_000, "{}", target.session.known.len());
    assert_eq!(target.session.known.len(), target.session.places.len());
}

#[test]
fn what_metrics_mean_is_told_once() {
    let mut target = Target::of("");
    let text = "# HELP a It.\n# TYPE a counter\na 1\n";
    target.take(1, text).unwrap();
    target.take(2, text).unwrap();
    let told = target.store.told();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!((told[1].1.kind.name(), &*told[1].1.help), ("counter", "It."));
}

#[test]
fn under_other_terms_what_is_no_longer_stored_has_ended() {
    let mut target = Target::of("");
    target.take(1, "a 1\nb 1\n").unwrap();
    let same = target.session.terms.clone();
    target.session = target.session.under(&same);
    assert_eq!(target.take(2, "a 2\nb 2\n").unwrap(), ["a{…} 2 @2", "b{…} 2 @2"]);
    let terms = Target::of(
        ", metric_relabel_configs: [{source_labels: [__name__], regex: b, action: drop}]",
    );
    target.session = target.session.under(&terms.session.terms);
    assert_eq!(target.take(3, "a 3\nb 3\n").unwrap(), ["a{…} 3 @3", "b{…} stale @3"]);
    assert_eq!(target.take(4, "a 4\nb 4\n").unwrap(), ["a{…} 4 @4"]);
    target.session = target.session.under(&same);
    target.session.lose(5, &mut target.batch);
    assert_eq!(target.shown(), ["a{…} stale @5"]);
}
