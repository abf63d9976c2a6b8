//! Reports that are read as text by people and build servers.

use evenkeel_report::{Format, junit, markdown, render};

use crate::fixture;

#[test]
fn markdown_shows_the_verdict_the_checks_the_score_and_the_faults() {
    insta::assert_snapshot!("markdown", markdown::render(&fixture::failing()));
}

#[test]
fn junit_tells_failures_errors_and_what_is_only_shown_apart() {
    insta::assert_snapshot!("junit", junit::render(&fixture::failing()));
}

#[test]
fn a_run_that_could_not_be_judged_is_an_error_for_a_build_server() {
    insta::assert_snapshot!("junit_could_not_run", junit::render(&fixture::could_not_run()));
}

#[test]
fn no_control_character_and_no_foreign_element_gets_into_the_xml() {
    let xml = junit::render(&fixture::hostile());
    assert!(!xml.contains('\u{1b}') && !xml.contains("<img"), "{xml}");
}

#[test]
fn no_foreign_element_gets_into_the_markdown() {
    let text = markdown::render(&fixture::hostile());
    assert!(!text.contains("<img") && !text.contains("</script>"), "{text}");
}

#[test]
fn faults_that_nobody_saw_are_not_told_as_failures() {
    let text = markdown::render(&fixture::aborted());
    assert!(text.contains("| – | not observed |"), "{text}");
    assert_eq!(text.matches("| – | · not begun | – | – |").count(), 2, "{text}");
}

#[test]
fn every_format_writes_every_outcome() {
    for (name, outcome) in fixture::all() {
        for format in Format::ALL {
            let text = render(&outcome, format);
            assert!(text.len() > 40 && text.ends_with(['\n', '>']), "{name} as {format}");
        }
    }
}
