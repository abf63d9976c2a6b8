//! Every file of the corpus: what comes of it, and that our own reader takes it.

use std::fs;
use std::path::Path;

use evenkeel_import::{Capacity, Format, ImportError, LeftOut, capacity_plan, import, to_yaml};
use evenkeel_model::Library;
use evenkeel_model::document::{Document, LoadTest};

/// What our reader makes of the text.
pub(crate) fn read_back(yaml: &str) -> Vec<LoadTest> {
    let (library, diagnostics) =
        Library::check([("imported.yaml".to_owned(), yaml.as_bytes().to_vec())]);
    let errors: Vec<_> = diagnostics
        .iter()
        .map(|it| format!("{}:{} {}: {}", it.line, it.column, it.code, it.message))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}\n{yaml}");
    let tests = library.items().iter().filter_map(|it| match it.document() {
        Document::LoadTest(it) => Some(it.as_ref().clone()),
        _ => None,
    });
    tests.collect()
}

fn left_out(list: &[LeftOut]) -> String {
    list.iter().map(|it| format!("{}: {}: {}\n", it.place, it.what, it.why)).collect()
}

fn check(format: Format, file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(file);
    let bytes = fs::read(path).expect("the corpus is there");
    assert_eq!(Format::guess(file, &bytes), Some(format));
    assert_eq!(Format::guess("-", &bytes), Some(format), "by its beginning alone");
    let imported = import(format, file, &bytes).expect("the corpus can be imported");
    let yaml = to_yaml(&imported.tests);
    let shown = format!("{yaml}\n=== left out\n{}", left_out(&imported.left_out));
    insta::assert_snapshot!(file.replace(['/', '.'], "_"), shown);
    assert_eq!(read_back(&yaml), imported.tests);
    for secret in [
        "s3cr3t",
        "s3cret",
        "hunter2",
        "topsecret",
        "c0ffee",
        "eyJhb",
        "k-123",
        "sid=123",
        "abc.def",
    ] {
        assert!(!shown.contains(secret), "{secret} was written down");
    }
}

#[test]
fn plans_of_jmeter_are_load_tests() {
    for file in ["seed", "shop", "controllers", "graphql", "samples"] {
        check(Format::Jmx, &format!("jmx/{file}.jmx"));
    }
}

#[test]
fn a_plan_of_which_nothing_carries_over_says_what_is_in_it() {
    let text = "<jmeterTestPlan><hashTree><TestPlan testname=\"P\"/><hashTree>\n\
                <ThreadGroup testname=\"G\"/><hashTree>\n<FTPSampler testname=\"F\"/><hashTree/>\n\
                <MadeUp testname=\"M\"/></hashTree></hashTree></hashTree></jmeterTestPlan>";
    let error = import(Format::Jmx, "a.jmx", text.as_bytes()).unwrap_err();
    let ImportError::Nothing { left_out: list, .. } = error else { panic!("{error}") };
    let list = left_out(&list);
    for line in
        ["line 3: FTPSampler `F`: only requests of HTTP", "line 4: MadeUp `M`: this element"]
    {
        assert!(list.contains(line), "{list}");
    }
}

#[test]
fn recordings_of_browsers_are_scenarios() {
    for file in ["har/chrome.har", "har/firefox.har", "har/insomnia.har"] {
        check(Format::Har, file);
    }
}

#[test]
fn command_lines_of_curl_are_routes() {
    check(Format::Curl, "curl/lines.curl");
}

#[test]
fn descriptions_of_an_api_are_routes() {
    for file in ["openapi/petstore.yaml", "openapi/tasks.json"] {
        check(Format::OpenApi, file);
    }
}

#[test]
fn a_capacity_plan_is_four_load_tests() {
    let text = "capacity: {service: shop, url: \"http://127.0.0.1:8080\", path: /products, currentPeak: 800/s, target: 2000/s}";
    let capacity = Capacity::read("plan.yaml", text.as_bytes()).unwrap();
    let tests = capacity_plan(&capacity);
    let yaml = to_yaml(&tests);
    insta::assert_snapshot!(
        "capacity",
        format!("{yaml}\n=== left out\n{}", left_out(&capacity.left_out()))
    );
    assert_eq!(read_back(&yaml), tests);
}
