//! The page as text: one file, closed to the network, and nothing from outside becomes markup.

use evenkeel_report::html;

use crate::fixture;

#[test]
fn the_page_is_the_same_every_time() {
    assert_eq!(html::render(&fixture::failing()), html::render(&fixture::failing()));
}

#[test]
fn the_page_refers_to_nothing_outside_itself() {
    for (name, outcome) in fixture::all() {
        let page = html::render(&outcome);
        for outside in ["src=\"http", "href=\"http", "@import", "url(http", "url(\"http"] {
            assert!(!page.contains(outside), "{name}: {outside}");
        }
    }
}

#[test]
fn nothing_from_outside_becomes_markup() {
    let page = html::render(&fixture::hostile());
    assert!(!page.contains("<img"), "an element was let through");
    assert!(!page.contains("href=\"javascript:"), "a script was let through as a link");
    // The script and the readouts, each ended once.
    assert_eq!(page.matches("<script").count(), page.matches("</script>").count());
}

#[test]
fn the_policy_forbids_everything_but_the_page_itself() {
    let page = html::render(&fixture::could_not_run());
    assert!(page.contains("content=\"default-src 'none'; script-src 'sha256-"), "no policy");
    assert!(
        !page.contains(" onclick") && !page.contains(" onload"),
        "handlers do not pass the policy"
    );
}

#[test]
fn what_is_not_known_is_a_dash_and_never_a_nan() {
    for (name, outcome) in fixture::all() {
        let page = html::render(&outcome);
        assert!(
            page.split(|c: char| !c.is_alphanumeric()).all(|it| it != "NaN" && it != "inf"),
            "{name}"
        );
    }
}

#[test]
fn ninety_minutes_stay_a_small_page() {
    let page = html::render(&fixture::long());
    assert!(page.len() < 300_000, "{} bytes", page.len());
}

#[test]
fn a_run_without_data_shows_its_verdict_and_no_empty_charts() {
    let page = html::render(&fixture::could_not_run());
    assert!(page.contains("shop did not become ready within 30s"));
    assert!(!page.contains("class=\"plot\""));
}
