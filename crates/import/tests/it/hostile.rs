//! Files that nobody should write: refused with a sentence, never a panic, and never slow.

use evenkeel_import::{Capacity, Format, ImportError, MAX_BYTES, chaos, import, to_yaml};
use proptest::prelude::*;

const FORMATS: [Format; 4] = [Format::Jmx, Format::Har, Format::Curl, Format::OpenApi];

fn refusal(format: Format, text: &str) -> String {
    import(format, "x", text.as_bytes()).expect_err("it is hostile").to_string()
}

#[test]
fn entities_of_a_document_type_are_not_expanded() {
    let bomb = "<?xml version=\"1.0\"?>\n<!DOCTYPE a [<!ENTITY b \"bbbb\"><!ENTITY c \"&b;&b;&b;\">]>\n<jmeterTestPlan>&c;</jmeterTestPlan>";
    assert_eq!(
        refusal(Format::Jmx, bomb),
        "line 2: a document type (`<!DOCTYPE`) is not read; remove it"
    );
}

#[test]
fn deep_nesting_is_refused_with_its_line() {
    let element = "<GenericController testclass=\"GenericController\"/>\n<hashTree>";
    let deep = format!("<jmeterTestPlan><hashTree>{}", element.repeat(100));
    let deep = format!("{deep}{}</hashTree></jmeterTestPlan>", "</hashTree>".repeat(100));
    assert!(
        refusal(Format::Jmx, &deep).contains("nested more than 40 levels deep"),
        "{}",
        refusal(Format::Jmx, &deep)
    );
    let deeper = format!("{}{}", "<a>".repeat(200_000), "</a>".repeat(200_000));
    assert!(refusal(Format::Jmx, &deeper).contains("it begins with `<a>`"));
    for format in [Format::Har, Format::OpenApi] {
        refusal(format, &"{\"a\":".repeat(100_000));
        refusal(format, &"[".repeat(100_000));
    }
}

#[test]
fn variables_that_multiply_end() {
    let variable = |n: usize| {
        let value = format!("${{v{}}}", n + 1).repeat(10);
        format!(
            "<elementProp name=\"v{n}\" elementType=\"Argument\"><stringProp name=\"Argument.name\">v{n}</stringProp>\
             <stringProp name=\"Argument.value\">{value}</stringProp></elementProp>"
        )
    };
    let variables: String = (0..20).map(variable).collect();
    let plan = format!(
        "<jmeterTestPlan><hashTree><TestPlan><elementProp name=\"TestPlan.user_defined_variables\">\
         <collectionProp name=\"Arguments.arguments\">{variables}</collectionProp></elementProp></TestPlan><hashTree>\
         <ThreadGroup/><hashTree><HTTPSamplerProxy><stringProp name=\"HTTPSampler.domain\">a</stringProp>\
         <stringProp name=\"HTTPSampler.path\">/${{v0}}</stringProp></HTTPSamplerProxy></hashTree></hashTree></hashTree></jmeterTestPlan>"
    );
    let imported = import(Format::Jmx, "x", plan.as_bytes()).unwrap();
    assert!(to_yaml(&imported.tests).len() < 100_000);
}

#[test]
fn schemas_that_multiply_end() {
    let wide: String =
        (0..20).map(|n| format!("        p{n}: {{$ref: \"#/components/schemas/A\"}}\n")).collect();
    let text = format!(
        "openapi: 3.0.0\npaths:\n  /a:\n    post:\n      requestBody:\n        content:\n          application/json:\n            \
         schema: {{$ref: \"#/components/schemas/A\"}}\ncomponents:\n  schemas:\n    A:\n      type: object\n      properties:\n{wide}    \
         B: {{$ref: \"#/components/schemas/B\"}}\n"
    );
    let imported = import(Format::OpenApi, "x", text.as_bytes()).unwrap();
    assert!(to_yaml(&imported.tests).len() < 100_000);
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    let large = vec![b' '; MAX_BYTES + 1];
    for format in FORMATS {
        assert_eq!(import(format, "x", &large), Err(ImportError::TooLarge(MAX_BYTES)));
    }
}

#[test]
fn the_wrong_file_is_told_what_it_is_not() {
    for (format, text, expected) in [
        (Format::Jmx, "<html/>", "this is no test plan of JMeter: it begins with `<html>`"),
        (Format::Jmx, "<jmeterTestPlan>\n<a", "line 2: not XML: "),
        (
            Format::Har,
            "{\"entries\": []}",
            "this is no recording of a browser (HAR): missing field `log` at line 1 column 15",
        ),
        (
            Format::Curl,
            "wget a",
            "there is nothing to send in it: wget: it is not a command of curl",
        ),
        (
            Format::OpenApi,
            "swagger: '2.0'",
            "this is no description of an API (OpenAPI 3): Swagger 2.0 is older; convert it to OpenAPI 3 first",
        ),
        (Format::OpenApi, "a: [", "line 1: "),
    ] {
        let refusal = refusal(format, text);
        assert!(refusal.starts_with(expected), "{refusal}");
    }
}

/// Documents of chaos, of which some characters, lines or halves are taken away or put elsewhere.
fn broken_chaos() -> impl Strategy<Value = String> {
    let corpus = [
        include_str!("../corpus/chaos/seeds/chaos-experiments.yml"),
        include_str!("../corpus/chaos/seeds/chaosmonkey.yaml"),
        include_str!("../corpus/chaos/seeds/chaos-mesh.yaml"),
        include_str!("../corpus/chaos/seeds/pod-kill.yaml"),
        include_str!("../corpus/chaos/seeds/gameday.md"),
        include_str!("../corpus/chaos/mesh/network.yaml"),
        include_str!("../corpus/chaos/mesh/hosts.yaml"),
        include_str!("../corpus/chaos/mesh/files.yaml"),
        include_str!("../corpus/chaos/mesh/machines.yaml"),
        include_str!("../corpus/chaos/mesh/clocks.yaml"),
        include_str!("../corpus/chaos/litmus/engine.yaml"),
        include_str!("../corpus/chaos/litmus/http.yaml"),
        include_str!("../corpus/chaos/litmus/cluster.yaml"),
        include_str!("../corpus/chaos/toolkit/experiment.json"),
        include_str!("../corpus/chaos/toolkit/experiment.yaml"),
        include_str!("../corpus/chaos/toolkit/kubernetes.yaml"),
        include_str!("../corpus/chaos/toolkit/toxiproxy.json"),
    ];
    let word = prop_oneof![
        Just("0"),
        Just("-1"),
        Just("1e300"),
        Just("999999999999999999999"),
        Just("~"),
        Just("[]"),
        Just("{}"),
        Just("100%"),
        Just("${a}"),
        Just("é\u{0}"),
        Just("'"),
        Just("all"),
        Just("http://a:0/é"),
        Just("-9"),
    ];
    let edit = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..4u8, word);
    (prop::sample::select(corpus.to_vec()), prop::collection::vec(edit, 0..6)).prop_map(
        |(text, edits)| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            for (from, to, how, word) in edits {
                let (from, to) = (from.index(lines.len()), to.index(lines.len()));
                match how {
                    0 if lines.len() > 1 => {
                        lines.remove(from);
                    }
                    1 => lines.swap(from, to),
                    2 => {
                        // The value of a key, or all behind a blank.
                        let line = &mut lines[from];
                        let at = line.rfind([':', ' ']).map_or(0, |it| it + 1);
                        line.truncate(at);
                        line.push_str(&format!(" {word}"));
                    }
                    _ => {
                        let line = lines[from].clone();
                        lines.insert(to, line);
                    }
                }
            }
            lines.join("\n")
        },
    )
}

/// Texts that are near to what the importers read.
fn near() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("<jmeterTestPlan><hashTree>"),
        Just("<hashTree>"),
        Just("</hashTree>"),
        Just("<TestPlan/>"),
        Just("<ThreadGroup/>"),
        Just("<HTTPSamplerProxy/>"),
        Just("<IfController/>"),
        Just("${__Random(1,"),
        Just("{\"log\": {\"entries\": ["),
        Just("{\"request\": {\"method\": \"GET\", \"url\": \"http://a/"),
        Just("\"}}"),
        Just("]}}"),
        Just("curl "),
        Just("-d @"),
        Just("$'\\u"),
        Just("-H 'a: b'"),
        Just("http://a/"),
        Just("openapi: 3.0.0\npaths:\n  /a/{b}:\n    get:\n"),
        Just("      responses: {"),
        Just("\\"),
        Just("\""),
        Just("'"),
        Just("${"),
        Just("$"),
        Just("\n"),
        Just("-"),
        Just("é"),
        Just("--"),
        Just("#"),
        Just("%"),
    ];
    prop::collection::vec(word, 0..24).prop_map(|it| it.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_bytes_cause_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in near()) {
        for format in FORMATS {
            for bytes in [bytes.as_slice(), text.as_bytes()] {
                if let Ok(imported) = import(format, "x", bytes) {
                    prop_assert!(!imported.tests.is_empty());
                    crate::corpus::read_back(&to_yaml(&imported.tests));
                }
            }
        }
        prop_assert!(Capacity::read("x", &bytes).is_err());
        Format::guess(&text, &bytes);
    }

    #[test]
    fn no_chaos_causes_a_panic_and_what_is_written_of_it_is_accepted(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        text in broken_chaos(),
    ) {
        let formats = chaos::Format::NAMES.map(|(_, it)| Some(it));
        for format in formats.into_iter().chain([None]) {
            for bytes in [bytes.as_slice(), text.as_bytes()] {
                if let Ok(imported) = chaos::import(format, "x", bytes) {
                    prop_assert!(!imported.experiments.is_empty());
                    let yaml = chaos::to_yaml(&imported.experiments);
                    prop_assert_eq!(crate::chaos::read_back(&yaml), imported.experiments);
                }
            }
        }
    }

    #[test]
    fn every_command_line_is_read_back_as_it_was_written(
        path in "[a-zA-Z0-9/?=&%. ${}é#-]{0,20}",
        body in "(?s).{0,20}",
        header in "[ -~]{0,20}",
    ) {
        let quote = |it: &str| format!("'{}'", it.replace('\'', "'\\''"));
        let line = format!(
            "curl {} --data-raw {} -H {}",
            quote(&format!("http://a/{path}")), quote(&body), quote(&format!("x-y: {header}"))
        );
        let imported = import(Format::Curl, "x", line.as_bytes()).unwrap();
        prop_assert_eq!(crate::corpus::read_back(&to_yaml(&imported.tests)), imported.tests);
    }
}
