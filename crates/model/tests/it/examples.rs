//! Every example that is shown anywhere can be used as it stands.

use evenkeel_model::{Library, render};
use evenkeel_units::Seed;

const EXAMPLES: [(&str, &str); 3] = [
    ("checkout.yaml", include_str!("../../../../examples/checkout.yaml")),
    ("nginx.yaml", include_str!("../../../../examples/nginx.yaml")),
    ("load/scenario.yaml", include_str!("../../../../examples/load/scenario.yaml")),
];

/// The page of the manual of each kind, which is the head of its source.
const PAGES: [(&str, &str); 8] = [
    ("service.rs", include_str!("../../src/document/service.rs")),
    ("slo/mod.rs", include_str!("../../src/document/slo/mod.rs")),
    ("alert_policy.rs", include_str!("../../src/document/alert_policy.rs")),
    ("error_budget_policy.rs", include_str!("../../src/document/error_budget_policy.rs")),
    ("sla.rs", include_str!("../../src/document/sla.rs")),
    ("load.rs", include_str!("../../src/document/load/mod.rs")),
    ("chaos/mod.rs", include_str!("../../src/document/chaos/mod.rs")),
    ("drill.rs", include_str!("../../src/document/drill.rs")),
];

/// The YAML of the head of a source.
fn example(source: &str) -> String {
    let head = source.lines().map_while(|it| it.strip_prefix("//!"));
    let head: Vec<_> = head.map(|it| it.strip_prefix(' ').unwrap_or(it)).collect();
    let body =
        head.iter().skip_while(|it| **it != "```yaml").skip(1).take_while(|it| **it != "```");
    body.map(|it| format!("{it}\n")).collect()
}

#[test]
fn every_file_of_the_examples_is_clean_and_can_be_planned() {
    for (name, text) in EXAMPLES {
        let (library, found) = Library::check([(name.to_owned(), text.into())]);
        assert!(found.is_empty(), "{}", render(&found, false));
        for drill in library.drills() {
            let plan = library.plan(drill, Seed(7)).map_err(|it| render(&it, false)).unwrap();
            assert!(plan.load.as_ref().unwrap().url.is_some());
        }
        for load in library.load_tests().into_iter().filter(|_| library.drills().is_empty()) {
            let plan = library.plan_load(load, Seed(7)).map_err(|it| render(&it, false)).unwrap();
            assert!(plan.load.as_ref().unwrap().url.is_some() && !plan.phases.is_empty(), "{name}");
        }
    }
}

#[test]
fn every_file_of_the_examples_is_in_the_test() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    for under in ["", "load/"] {
        for file in std::fs::read_dir(format!("{folder}/{under}")).unwrap() {
            let path = file.unwrap().path();
            let is_yaml = path.extension().is_some_and(|it| it == "yaml" || it == "yml");
            let name = format!("{under}{}", path.file_name().unwrap().display());
            assert!(!is_yaml || EXAMPLES.iter().any(|(it, _)| *it == name), "{path:?}");
        }
    }
}

#[test]
fn every_page_of_the_manual_can_be_read() {
    for (name, source) in PAGES {
        let (library, found) = Library::read([(name.to_owned(), example(source).into())]);
        assert!(found.is_empty(), "{}", render(&found, false));
        assert_eq!(library.items().len(), 1, "{name}");
    }
}

/// The blocks of YAML of a page of the documentation.
fn blocks(page: &str) -> Vec<String> {
    let starts = page.split("\n```yaml\n").skip(1);
    starts.filter_map(|it| it.split_once("\n```").map(|(block, _)| format!("{block}\n"))).collect()
}

#[test]
fn every_example_of_the_page_about_objectives_is_clean() {
    let page = include_str!("../../../../docs/objectives.md");
    let files: Vec<_> = blocks(page)
        .into_iter()
        .enumerate()
        .map(|(n, it)| (format!("example-{}.yaml", n + 1), it.into_bytes()))
        .collect();
    assert!(files.len() > 10, "{}", files.len());
    let (library, found) = Library::check(files);
    assert!(found.is_empty(), "{}", render(&found, false));
    // Every field of every document about objectives is on the page.
    for kind in ["SLO", "AlertPolicy", "ErrorBudgetPolicy", "SLA"] {
        let schema = evenkeel_model::schema(Some(kind)).unwrap();
        for (title, definition) in schema["$defs"].as_object().unwrap() {
            for field in definition["properties"].as_object().unwrap().keys() {
                let is_there =
                    page.contains(&format!("`{field}`")) || page.contains(&format!("{field}:"));
                assert!(is_there, "{title}: {field}");
            }
        }
    }
    assert!(library.slos().len() > 8);
}

#[test]
fn the_pages_of_the_manual_fit_together() {
    // The page of the drill promises an availability that no page of an SLO shows.
    let more = "apiVersion: evenkeel.dev/v1\nkind: SLO\nmetadata: {name: checkout-availability}\n\
                spec: {sli: availability, objective: 99%}\n";
    let pages = PAGES.map(|(name, source)| (name.to_owned(), example(source).into_bytes()));
    let pages = pages.into_iter().chain([("more.yaml".to_owned(), more.into())]);
    let (library, found) = Library::check(pages);
    assert!(found.is_empty(), "{}", render(&found, false));
    assert!(library.plan("checkout", Seed(7)).is_ok());
}
