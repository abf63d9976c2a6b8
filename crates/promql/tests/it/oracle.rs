//! Prometheus' own acceptance scripts, and the page that says which of their evaluations go wrong here.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use evenkeel_promql::promqltest::{Class, Report};

/// Between these the page lists what goes wrong.
const MARKS: [&str; 2] =
    ["<!-- what goes wrong: from here -->", "<!-- what goes wrong: to here -->"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The scripts, which are no part of the project.
fn report() -> Option<Report> {
    let folder = root().join("../shared/oracles/promql");
    let Ok(files) = fs::read_dir(&folder) else {
        let on_ci = std::env::var("CI").is_ok_and(|it| it == "true");
        assert!(!on_ci, "{} is missing: put the oracles there", folder.display());
        eprintln!("skipped: {} is missing", folder.display());
        return None;
    };
    let mut report = Report::default();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|it| it == "test"));
    files.sort();
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        report.take(name, &fs::read_to_string(&file).unwrap()).unwrap();
    }
    Some(report)
}

#[test]
fn evaluations_of_prometheus_give_what_prometheus_gives() {
    let Some(report) = report() else { return };
    let share = |class| {
        let (all, passed) = report.count(class);
        passed as f64 / all as f64
    };
    assert!(share(Class::Float) >= 0.995, "{report}");
    assert!(share(Class::Histogram) >= 0.98, "{report}");
    assert!(share(Class::Experimental) >= 0.96, "{report}");
    // As many as there were when the project set its bar, but for a few on the border between classes.
    for (class, were) in [(Class::Float, 770), (Class::Histogram, 1010), (Class::Experimental, 434)]
    {
        assert!(report.count(class).0.abs_diff(were) <= 5, "{report}");
    }
}

#[test]
fn the_page_lists_just_what_goes_wrong() {
    let Some(report) = report() else { return };
    let found: BTreeSet<String> =
        report.failures().map(|(script, verdict)| format!("{script}:{}", verdict.line)).collect();
    let page = fs::read_to_string(root().join("docs/promql.md")).unwrap();
    let (_, rest) = page.split_once(MARKS[0]).unwrap();
    let (table, _) = rest.split_once(MARKS[1]).unwrap();
    let mut listed = BTreeSet::new();
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let mut cells = row.trim_matches('|').split('|').map(str::trim);
        let (script, lines) = (cells.next().unwrap().trim_matches('`'), cells.next().unwrap());
        listed.extend(lines.split_whitespace().map(|line| format!("{script}:{line}")));
    }
    assert_eq!(found, listed);
}

#[test]
fn the_page_names_every_function() {
    let page = fs::read_to_string(root().join("docs/promql.md")).unwrap();
    for function in evenkeel_promql::function::FUNCTIONS {
        assert!(page.contains(&format!("`{}`", function.name)), "{}", function.name);
    }
}
