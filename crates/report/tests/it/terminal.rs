//! What a person sees on a terminal at the end of a run.

use evenkeel_report::text;

use crate::fixture;

/// Columns that a line without colours takes.
fn columns(line: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(line)
}

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
                assert!(columns(line) <= most, "{name}, {width}: {line}");
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
fn the_words_of_a_check_are_whole_however_narrow_the_terminal() {
    let mut it = fixture::failing();
    it.checks.truncate(1);
    it.checks[0].name = "generator kept up".to_owned();
    it.checks[0].limit = "< 95% busy".to_owned();
    it.checks[0].measured = "median send lag 12µs, 35% of a core".to_owned();
    (it.checks[0].baseline, it.checks[0].margin) = (String::new(), String::new());
    let table = |width| {
        let text = text::load(&it, &[], "", width, false);
        let rest: Vec<_> = text.lines().skip_while(|it| !it.starts_with("  result")).collect();
        rest.iter().take_while(|it| !it.is_empty()).copied().collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(table(60), @"
      result  check                   limit             measured
    ✗ fail    generator kept up  < 95% busy      median send lag
                                             12µs, 35% of a core
    ");
    let whole = "generator kept up  < 95% busy  median send lag 12µs, 35% of a core";
    assert!(table(80).ends_with(whole), "{}", table(80));
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
            assert!(text.lines().all(|it| columns(it) <= width), "{text}");
        }
    }
}
