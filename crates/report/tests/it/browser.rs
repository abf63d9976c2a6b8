//! The page in a browser: it asks the network for nothing, complains about nothing, reads the same
//! without its script, and nothing in it collides.

use std::fs;
use std::path::Path;

use evenkeel_report::slo;
use serde_json::{Value, json};

use crate::chromium::{self, Chromium};
use crate::fixture;

/// Every page in a folder of its own, by name and address.
fn pages(folder: &Path) -> Vec<(&'static str, String)> {
    let write = |(name, page): (&'static str, String)| {
        let file = folder.join(format!("{name}.html"));
        fs::write(&file, page).unwrap();
        (name, format!("file://{}", file.display()))
    };
    let runs = fixture::all().into_iter();
    let runs = runs.map(|(name, it)| (name, evenkeel_report::html::render(&it)));
    let objectives: Vec<_> = fixture::objectives::all().into_iter().map(|it| it.1).collect();
    runs.chain([("objective", slo::file(&objectives[..1])), ("objectives", slo::file(&objectives))])
        .map(write)
        .collect()
}

/// Addresses that were asked for, beside the page itself and what it holds.
fn requests(events: &[Value], page: &str) -> Vec<String> {
    events
        .iter()
        .filter(|it| it["method"] == "Network.requestWillBeSent")
        .map(|it| it["params"]["request"]["url"].as_str().unwrap().to_owned())
        .filter(|url| url != page && !url.starts_with("data:"))
        .collect()
}

/// Complaints of the browser: errors, warnings, and violations of the page's policy.
fn complaints(events: &[Value]) -> Vec<&Value> {
    let about = ["Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"];
    events.iter().filter(|it| about.iter().any(|about| it["method"] == *about)).collect()
}

#[test]
fn pages_ask_the_network_for_nothing_and_raise_no_complaint_in_both_themes() {
    let Some(program) = chromium::installed() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut browser = Chromium::start(&program);
    for (name, url) in pages(folder.path()) {
        for theme in ["light", "dark"] {
            browser.look(1440, theme);
            let events = browser.open(&url);
            assert_eq!(requests(&events, &url), [""; 0], "{name}, {theme}");
            assert!(complaints(&events).is_empty(), "{name}, {theme}: {:?}", complaints(&events));
            let back = browser.run("getComputedStyle(document.body).backgroundColor");
            let expected = if theme == "light" { "rgb(243, 246, 251)" } else { "rgb(10, 17, 29)" };
            assert_eq!(back, json!(expected), "{name}, {theme}");
        }
    }
}

#[test]
fn pages_read_the_same_without_their_script() {
    let Some(program) = chromium::installed() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut browser = Chromium::start(&program);
    for (name, url) in pages(folder.path()) {
        let mut text = |off: bool| {
            browser.ask("Emulation.setScriptExecutionDisabled", &json!({"value": off}));
            browser.open(&url);
            let toggle = browser.run("document.querySelector('.theme').hidden");
            assert_eq!(toggle, json!(off), "the script must be off when it is meant to be");
            browser.run("document.body.innerText").as_str().unwrap().to_owned()
        };
        let (with, without) = (text(false), text(true));
        assert_eq!(with, without, "{name}");
    }
}

/// Pairs of labels of one chart that overlap, and elements that stick out of the page.
const COLLISIONS: &str = "(() => {
  const found = [];
  const name = it => it.className + ' ' + it.textContent.slice(0, 40);
  for (const plot of document.querySelectorAll('.plot')) {
    for (const kind of ['.tag', '.xt', '.yt', '.rl']) {
      const boxes = [...plot.querySelectorAll(kind)].map(it => [it, it.getBoundingClientRect()])
        .filter(([, box]) => box.width > 0);
      boxes.forEach(([a, p], i) => boxes.slice(i + 1).forEach(([b, q]) => {
        const wide = Math.min(p.right, q.right) - Math.max(p.left, q.left);
        const high = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
        if (wide > 1 && high > 3) found.push(plot.id + ': ' + name(a) + ' / ' + name(b));
      }));
    }
  }
  const over = document.documentElement.scrollWidth - innerWidth;
  if (over > 0) found.push('wider than the screen by ' + over);
  return found;
})()";

#[test]
fn labels_never_collide_and_nothing_sticks_out_on_any_screen() {
    let Some(program) = chromium::installed() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut browser = Chromium::start(&program);
    for (name, url) in pages(folder.path()) {
        browser.open(&url);
        for width in [1920, 1440, 1180, 1024, 768, 390, 320] {
            browser.look(width, "dark");
            assert_eq!(browser.run(COLLISIONS), json!([]), "{name}, {width} px");
        }
    }
}

#[test]
fn arrow_keys_read_a_chart_out_and_the_button_changes_the_theme() {
    let Some(program) = chromium::installed() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut browser = Chromium::start(&program);
    let pages = pages(folder.path());
    browser.look(1440, "dark");
    browser.open(&pages[0].1);
    browser.run("document.getElementById('plot-latency').focus()");
    browser.press("ArrowRight");
    browser.press("ArrowRight");
    let tip = browser.run("document.querySelector('#plot-latency .tip').innerText");
    let tip = tip.as_str().unwrap();
    assert!(tip.starts_with("0:01\np99\n"), "{tip}");
    let said = browser.run("document.querySelector('[data-said=plot-latency]').textContent");
    assert!(said.as_str().unwrap().starts_with("0:01: p99 "), "{said}");
    browser.press("Escape");
    assert_eq!(browser.run("document.querySelector('#plot-latency .tip').hidden"), json!(true));
    browser.run("document.querySelector('.theme').click()");
    assert_eq!(
        browser.run("getComputedStyle(document.body).backgroundColor"),
        json!("rgb(243, 246, 251)")
    );
}
