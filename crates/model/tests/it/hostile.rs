//! What a stranger's file could do to us.

use evenkeel_model::yaml::{MAX_BYTES, MAX_DOCUMENTS};
use evenkeel_model::{Library, render};
use proptest::prelude::*;

use super::check;

fn codes(bytes: Vec<u8>) -> Vec<String> {
    let (library, found) = Library::check([("it.yaml".to_owned(), bytes)]);
    assert!(library.items().is_empty());
    assert!(render(&found, true).len() < 20_000_000);
    found.into_iter().map(|it| it.code).collect()
}

#[test]
fn twenty_thousand_levels_are_refused_without_a_deep_stack() {
    for text in ["[", "{a: ", "- ", "? ", "[[{a: "] {
        let codes = codes(text.repeat(20_000).into_bytes());
        assert_eq!(codes.len(), 1, "{text}: {codes:?}");
        assert!(["EK-D016", "EK-D002"].contains(&codes[0].as_str()), "{text}: {codes:?}");
    }
    let block: String = (0..20_000).map(|it| format!("{}a:\n", " ".repeat(it % 3_000))).collect();
    assert!(!codes(block.into_bytes()).is_empty());
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..12 {
        let before = format!("*a{}", n - 1);
        let list = vec![before; 10].join(", ");
        text.push_str(&format!("a{n}: &a{n} [{list}]\n"));
    }
    assert_eq!(codes(text.into_bytes()), ["EK-D017"]);
}

#[test]
fn a_large_text_cannot_be_repeated_without_end() {
    let text = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 19), "*a, ".repeat(5_000));
    assert_eq!(codes(text.into_bytes()), ["EK-D017"]);
}

#[test]
fn aliases_that_nest_are_no_way_around_the_depth() {
    let mut text = "a0: &a0 [x]\n".to_owned();
    for n in 1..70 {
        text.push_str(&format!("a{n}: &a{n} [*a{}]\n", n - 1));
    }
    assert_eq!(codes(text.into_bytes()), ["EK-D016"]);
}

#[test]
fn an_alias_inside_of_what_it_repeats_is_refused() {
    assert_eq!(codes(b"a: &a [*a]\n".to_vec()), ["EK-D018"]);
    assert_eq!(codes(b"a: *nobody\n".to_vec()), ["EK-D018"]);
}

#[test]
fn an_alias_repeats_its_value() {
    let (library, found) = check(
        "apiVersion: evenkeel.dev/v1\nkind: Service\nmetadata: {name: &n shop}\nspec:\n  instances:\n    a: &i {port: 80}\n    b: *i\n",
    );
    assert!(found.is_empty(), "{}", render(&found, false));
    assert_eq!(library.service("shop").unwrap().instances.len(), 2);
}

#[test]
fn a_byte_that_is_not_utf_8_is_shown_by_line_and_column() {
    let bytes = b"# caf\xc3\xa9\nkind: \xc3\xa9\xffx\n".to_vec();
    let (_, found) = Library::check([("it.yaml".to_owned(), bytes)]);
    assert_eq!((found[0].code.as_str(), found[0].line, found[0].column), ("EK-D001", 2, 8));
    assert_eq!(found[0].message, "byte 0xff is not UTF-8");
}

#[test]
fn a_file_above_the_limit_is_refused_and_one_below_it_is_not() {
    let refused = "#".repeat(MAX_BYTES + 1).into_bytes();
    assert_eq!(codes(refused), ["EK-D015"]);
    assert_eq!(codes("#\n".repeat(MAX_BYTES / 2).into_bytes()), ["EK-D019"]);
}

#[test]
fn brackets_without_end_are_refused_before_they_are_parsed() {
    for item in ["a,\n", "\"\" ", "{a: b}, ", "? "] {
        let text = format!("[{}]\n", item.repeat(500_000));
        assert_eq!(codes(text.into_bytes()), ["EK-D017"]);
    }
}

#[test]
fn too_many_documents_are_refused() {
    let codes = codes("--- x\n".repeat(MAX_DOCUMENTS + 1).into_bytes());
    assert!(codes.contains(&"EK-D017".to_owned()));
}

#[test]
fn mistakes_without_end_are_counted_and_not_all_kept() {
    let mut text =
        "apiVersion: evenkeel.dev/v1\nkind: Service\nmetadata: {name: shop}\nspec:\n".to_owned();
    text.extend((0..2_000).map(|n| format!("  field{n}: {}\n", "x".repeat(1_000))));
    let (_, found) = check(&text);
    assert_eq!(found.len(), 101);
    assert_eq!(found.last().unwrap().message, "1900 more findings are not shown");
}

#[test]
fn a_list_without_end_and_faults_without_end_are_refused() {
    let head = "apiVersion: evenkeel.dev/v1\nkind: ChaosExperiment\nmetadata: {name: x}\nspec:\n  method:\n";
    assert_eq!(codes(format!("{head}{}", "  - kill\n".repeat(1_001)).into_bytes()), ["EK-D017"]);
    // Small lists that name each other multiply.
    let chaos = ["slow"; 800].join(", ");
    let text = super::lint::RIGHT.replace("chaos: [slow]", &format!("chaos: [{chaos}]"));
    let (_, found) = check(&text);
    assert!(found.iter().any(|it| it.code == "EK-L023"));
}

#[test]
fn a_hostile_line_is_shown_as_a_window() {
    let text = format!("kind: {}\u{1b}[2J", "x".repeat(1_000_000));
    let (_, found) = check(&text);
    assert!(render(&found, false).len() < 2_000);
}

#[test]
fn a_million_empty_items_end_in_time() {
    assert_eq!(codes("- \n".repeat(1_000_001).into_bytes()), ["EK-D017"]);
}

#[test]
fn unclosed_quotes_and_brackets_in_many_documents_end_in_time() {
    for line in ["--- \"\n", "--- [\n", "--- |\n x\n", "---\n a: 'b\n", "---\n\ta\n"] {
        codes(line.repeat(1 << 20).into_bytes().into_iter().take(MAX_BYTES / 4).collect());
    }
}

/// Text that is nearly YAML.
fn nearly_yaml() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("- "),
        Just(": "),
        Just("\n"),
        Just("  "),
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(", "),
        Just("---\n"),
        Just("&a "),
        Just("*a "),
        Just("'"),
        Just("\""),
        Just("|\n"),
        Just(">-\n"),
        Just("!!str "),
        Just("? "),
        Just("#"),
        Just("\t"),
        Just("\r\n"),
        Just("%YAML"),
        Just("\u{feff}"),
        Just("\u{0}"),
        Just("é"),
        Just("kind"),
        Just("spec"),
        Just("Drill"),
        Just("apiVersion: evenkeel.dev/v1\n"),
        Just("metadata: {name: a}\n"),
        Just("kind: Drill\n"),
        Just("kind: Service\n"),
        Just("spec:\n"),
        Just("~"),
        Just("5%"),
        Just("1e999"),
        Just("\\x"),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|it| it.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_text_makes_it_panic(text in nearly_yaml()) {
        let (_, found) = check(&text);
        render(&found, true);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (_, found) = Library::check([("it.yaml".to_owned(), bytes)]);
        render(&found, false);
    }

    #[test]
    fn no_mutation_of_a_right_file_makes_it_panic(at in 0usize..4_000, with in "\\PC{0,3}", cut in 0usize..40) {
        let text = include_str!("../../../../examples/checkout.yaml");
        let mut characters: Vec<char> = text.chars().collect();
        let at = at.min(characters.len());
        let end = (at + cut).min(characters.len());
        characters.splice(at..end, with.chars());
        let (_, found) = check(&characters.into_iter().collect::<String>());
        render(&found, true);
    }
}

#[test]
fn steps_within_steps_are_bounded() {
    let begin = "apiVersion: evenkeel.dev/v1\nkind: LoadTest\nmetadata: {name: it}\nspec:\n  url: http://a\n  scenarios:\n    - {name: a, steps: [";
    let deep = |levels: usize| {
        let open = "{repeat: {times: 2, steps: [".repeat(levels);
        format!("{begin}{open}{{path: /}}{}]}}\n", "]}}".repeat(levels))
    };
    let (_, found) = check(&deep(15));
    assert!(found.is_empty(), "{found:?}");
    let (_, found) = check(&deep(25));
    assert_eq!(found[0].code, "EK-D016");
    let many = |count: usize| {
        let steps: String = (0..count).map(|it| format!("{{path: /{it}}},")).collect();
        let wide = format!("{{repeat: {{times: 2, steps: [{steps}]}}}},");
        let other = wide.replace("path: /", "path: /b");
        format!("{begin}{wide}{other}]}}\n")
    };
    let (_, found) = check(&many(500));
    assert!(found.is_empty(), "{found:?}");
    let (_, found) = check(&many(1_000));
    assert_eq!(found[0].code, "EK-D017");
}
