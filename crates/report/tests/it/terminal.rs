//! What a person sees on a terminal, while a run is under way and at its end.

use std::time::Duration;

use evenkeel_report::live::{self, LiveBudget, LiveFault, LiveGuard, LivePhase, LiveView};
use evenkeel_report::text;

use crate::fixture;

fn files() -> Vec<String> {
    ["report.html", "report.json", "junit.xml", "journal.jsonl"]
        .map(|it| format!("runs/checkout/{it}"))
        .into()
}

#[test]
fn the_summary_says_the_verdict_its_cause_and_what_to_do_next() {
    insta::assert_snapshot!(
        "summary",
        text::summary(&fixture::failing(), &files(), "evenkeel drill show checkout", 100, false)
    );
}

#[test]
fn a_run_that_could_not_run_says_so_briefly() {
    insta::assert_snapshot!(text::summary(&fixture::could_not_run(), &[], "", 100, false), @r"
    ? COULD NOT RUN  The drill could not run (exit 3)
      shop did not become ready within 30s: http://127.0.0.1:7400/health/ready refuses connections.

    Score  – (no part has data)
    ");
}

#[test]
fn a_summary_is_never_longer_than_forty_lines_nor_wider_than_a_hundred() {
    let mut outcomes = fixture::all();
    let mut many = fixture::failing();
    many.checks = (0..9).flat_map(|_| many.checks.clone()).collect();
    many.faults = (0..9).flat_map(|_| many.faults.clone()).collect();
    many.verdict.cause = "why ".repeat(900);
    outcomes.push(("many", many));
    let many_files: Vec<String> = (0..60).map(|it| format!("file-{it}")).collect();
    for (name, outcome) in outcomes {
        for width in [1, 60, 72, 80, 100, 500] {
            let text = text::summary(&outcome, &many_files, "evenkeel drill show", width, false);
            assert!(text.lines().count() <= text::LINES, "{name}:\n{text}");
            for line in text.lines() {
                let most = width.clamp(text::NARROW, text::WIDTH);
                assert!(live::columns(line) <= most, "{name}, {width}: {line}");
            }
            assert!(text.ends_with("evenkeel drill show\n"), "{name}:\n{text}");
        }
    }
}

#[test]
fn the_summary_fits_a_terminal_of_eighty_columns() {
    insta::assert_snapshot!(
        "summary_80",
        text::summary(&fixture::failing(), &files(), "next", 80, false)
    );
}

#[test]
fn a_summary_tells_no_data_from_bad_news() {
    let text = text::summary(&fixture::aborted(), &[], "", 80, false);
    assert!(text.contains("not observed") && text.contains("not begun"), "{text}");
    assert!(!text.contains("never") && !text.contains("not yet"), "{text}");
    let text = text::side_by_side(&fixture::refused(), &fixture::aborted(), ("a", "b"), 80);
    assert!(text.contains("not begun           not observed"), "{text}");
    assert!(text.contains("no data") && !text.contains("0% spent"), "{text}");
}

#[test]
fn colour_changes_nothing_but_the_colour() {
    let plain = text::summary(&fixture::failing(), &files(), "next", 100, false);
    let mut painted = text::summary(&fixture::failing(), &files(), "next", 100, true);
    for code in ["0", "1", "2", "31", "32", "33"] {
        painted = painted.replace(&format!("\u{1b}[{code}m"), "");
    }
    assert_eq!(painted, plain);
    assert!(!plain.contains('\u{1b}'));
}

#[test]
fn two_runs_stand_side_by_side() {
    let (before, after) = (fixture::failing(), fixture::passing());
    insta::assert_snapshot!(
        "side_by_side",
        text::side_by_side(&before, &after, ("fragile", "resilient"), 100)
    );
    for (name, outcome) in fixture::all() {
        for width in [60, 80, 100] {
            let labels = ("this label is rather long, and it is cut", name);
            let text = text::side_by_side(&before, &outcome, labels, width);
            assert!(text.lines().all(|it| live::columns(it) <= width), "{text}");
        }
    }
}

fn view() -> LiveView {
    let phase = |name: &str, from, to| LivePhase {
        name: name.to_owned(),
        from: Duration::from_secs(from),
        to: Duration::from_secs(to),
    };
    LiveView {
        drill: "checkout".to_owned(),
        phase: "faults".to_owned(),
        elapsed: Duration::from_secs(42),
        length: Duration::from_secs(110),
        phases: vec![phase("baseline", 0, 30), phase("faults", 30, 92), phase("recovery", 92, 110)],
        planned_per_second: 200.0,
        achieved_per_second: 187.0,
        p50: Some(Duration::from_millis(21)),
        p99: Some(Duration::from_millis(858)),
        error_ratio: Some(0.0512),
        in_flight: 148,
        faults: vec![LiveFault {
            label: "latency +800ms · payment".to_owned(),
            remaining: Some(Duration::from_secs(6)),
        }],
        guards: vec![
            LiveGuard {
                condition: "error_rate > 10% for 3s".to_owned(),
                value: "5.12%".to_owned(),
                closeness: Some(0.512),
            },
            LiveGuard {
                condition: "availability < 50%".to_owned(),
                value: "94.88%".to_owned(),
                closeness: Some(0.1),
            },
        ],
        budget: Some(LiveBudget {
            objective: "checkout-availability".to_owned(),
            spent_ratio: 3.2,
        }),
        history: (0..40).map(|it| if it < 32 { 200.0 } else { 187.0 - f64::from(it) }).collect(),
    }
}

#[test]
fn the_live_picture_shows_load_faults_and_guards() {
    insta::assert_snapshot!(live::render(&view(), 80, false).join("\n"), @"
    checkout  faults  0:42 of 1:50
    ━━━━━━━━━━━━━━━━━━━━━━┃━━━━━━━━────────────────────────────────────┃────────────
    baseline              faults                                       recovery
    load    187/s of 200/s  ████████████████████████████████▆▆▆▆▆▆▆▆
    latency p50 21ms  p99 858ms
    errors  5.12%  148 in flight
    faults  ● latency +800ms · payment  0:06 left
    guards  error_rate > 10% for 3s  ▰▰▰▰▰▱▱▱▱▱  5.12%
            availability < 50%       ▰▱▱▱▱▱▱▱▱▱  94.88%
    budget  320% spent  checkout-availability
    ");
}

#[test]
fn the_live_picture_stays_within_its_lines_and_its_width() {
    let mut many = view();
    many.faults = (0..20).flat_map(|_| many.faults.clone()).collect();
    many.guards = (0..20).flat_map(|_| many.guards.clone()).collect();
    many.phases = (0..60).flat_map(|_| many.phases.clone()).collect();
    many.drill = "結帳 ".repeat(60);
    many.faults[0].label = "遅延 ✓ ".repeat(40);
    many.phases[1].name = "故障の時間".repeat(9);
    many.guards[0].condition = "誤り > 1%".repeat(9);
    many.error_ratio = Some(f64::NAN);
    many.history = vec![f64::NAN; 300];
    for view in [LiveView::default(), many] {
        for (width, color) in
            [1, 19, 40, 80, 81, 300].into_iter().zip([false, true].into_iter().cycle())
        {
            let lines = live::render(&view, width, color);
            assert!(lines.len() <= live::LINES, "{lines:?}");
            for line in lines {
                assert!(live::columns(&line) <= width, "{width}: {line}");
                assert!(!line.contains("NaN"), "{line}");
            }
        }
    }
}

#[test]
fn faults_that_act_once_and_guards_without_data_say_so() {
    let mut view = view();
    view.faults = vec![LiveFault { label: "kill · gateway-*".to_owned(), remaining: None }];
    view.guards[0].closeness = None;
    view.guards[0].value = "no data".to_owned();
    let picture = live::render(&view, 80, false).join("\n");
    assert!(picture.contains("faults  ● kill · gateway-* (acted)\n"), "{picture}");
    assert!(picture.contains("error_rate > 10% for 3s  ▱▱▱▱▱▱▱▱▱▱  no data"), "{picture}");
    view.guards[1].closeness = Some(0.9);
    assert!(live::quiet_line(&view).ends_with("near availability < 50% (now 94.88%)"));
}

#[test]
fn without_a_terminal_one_line_says_the_same() {
    let line = "0:42 of 1:50 · faults · 187/s of 200/s · p50 21ms p99 858ms · errors 5.12% \
                · active: latency +800ms · payment · near error_rate > 10% for 3s (now 5.12%)";
    assert_eq!(live::quiet_line(&view()), line);
}
