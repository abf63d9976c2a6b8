//! The pages by the rules of axe-core, in a browser, in both themes: no violations.

use std::fs;
use std::path::PathBuf;

use evenkeel_report::{html, slo};
use serde_json::json;

use crate::chromium::{self, Chromium};
use crate::fixture::{self, objectives};

/// Where `cargo xtask test` has put the script of axe-core. Without it a build server fails, and a person is told how to
/// get it.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn script() -> Option<PathBuf> {
    let found = std::env::var_os("EVENKEEL_AXE").map(PathBuf::from);
    if found.is_none() {
        let on_ci = std::env::var("CI").is_ok_and(|it| it == "true");
        assert!(!on_ci, "no axe-core: run the tests by `cargo xtask test`, which fetches it");
        eprintln!("skipped: no axe-core; `cargo xtask test` fetches it");
    }
    found
}

/// What is wrong with the page that is open, with everything in it unfolded.
const JUDGE: &str = "(async () => {
  document.querySelectorAll('details').forEach(it => { it.open = true; });
  const found = await axe.run(document, {resultTypes: ['violations']});
  return found.violations.map(it => it.id + ': ' + it.help + ': '
    + it.nodes.slice(0, 5).map(node => node.target.join(' ') + ' ' + node.any.map(why => why.message).join('; ')).join(' | '));
})()";

#[test]
fn pages_break_no_rule_of_axe_in_either_theme() {
    let (Some(program), Some(axe)) = (chromium::installed(), script()) else { return };
    let axe = fs::read_to_string(axe).unwrap();
    let served = slo::Served { number: 1, every_seconds: 15 };
    let some = [
        objectives::at_risk(),
        objectives::exhausted(),
        objectives::of_time(),
        objectives::unknown(),
    ];
    let pages = [
        ("drill", html::render(&fixture::failing())),
        ("objective", slo::file(&some[..1])),
        ("burning", slo::file(&some[1..2])),
        ("overview", slo::overview(&some, served)),
    ];
    let folder = tempfile::tempdir().unwrap();
    let mut browser = Chromium::start(&program);
    for (name, page) in pages {
        let file = folder.path().join(format!("{name}.html"));
        fs::write(&file, page).unwrap();
        for theme in ["light", "dark"] {
            browser.look(1280, theme);
            browser.open(&format!("file://{}", file.display()));
            browser.run(&format!("{axe};0"));
            assert_eq!(browser.run(JUDGE), json!([]), "{name}, {theme}");
        }
    }
}
