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
        text::summary(&fixture::failing(), &files(), "evenkeel drill show checkout", false)
    );
}

#[test]
fn a_run_that_could_not_run_says_so_briefly() {
    insta::assert_snapshot!(text::summary(&fixture::could_not_run(), &[], "", false), @r"
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
        let text = text::summary(&outcome, &many_files, "evenkeel drill show", false);
        assert!(text.lines().count() <= text::LINES, "{name}:\n{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= text::WIDTH, "{name}: {line}");
        }
        assert!(text.ends_with("evenkeel drill show\n"), "{name}:\n{text}");
    }
}

#[test]
fn colour_changes_nothing_but_the_colour() {
    let plain = text::summary(&fixture::failing(), &files(), "next", false);
    let mut painted = text::summary(&fixture::failing(), &files(), "next", true);
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
        text::side_by_side(&before, &after, ("fragile", "resilient"))
    );
    for (name, outcome) in fixture::all() {
        let text = text::side_by_side(
            &before,
            &outcome,
            ("this label is rather long, and it is cut", name),
        );
        assert!(text.lines().all(|it| it.chars().count() <= text::WIDTH), "{text}");
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
                closeness: 0.512,
            },
            LiveGuard {
                condition: "availability < 50%".to_owned(),
                value: "94.88%".to_owned(),
                closeness: 0.1,
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
    many.drill = "name ".repeat(60);
    many.error_ratio = Some(f64::NAN);
    many.history = vec![f64::NAN; 300];
    for view in [LiveView::default(), many] {
        for width in [1, 40, 80, 300] {
            let lines = live::render(&view, width, false);
            assert!(lines.len() <= live::LINES, "{lines:?}");
            for line in lines {
                assert!(line.chars().count() <= width.max(20), "{width}: {line}");
                assert!(!line.contains("NaN"), "{line}");
            }
        }
    }
}

#[test]
fn without_a_terminal_one_line_says_the_same() {
    let line = "0:42 of 1:50 · faults · 187/s of 200/s · p50 21ms p99 858ms · errors 5.12% \
                · active: latency +800ms · payment · near error_rate > 10% for 3s (now 5.12%)";
    assert_eq!(live::quiet_line(&view()), line);
}
