//! Resilience: the policies of calls to services, for those who read them with `evenkeel-resilience`.
//!
//! ```yaml
//! apiVersion: evenkeel.dev/v1
//! kind: Resilience
//! metadata: {name: shop}
//! spec:
//!   services:
//!     payment:
//!       deadlines: {total: 2s, attempt: 500ms, connect: 100ms, read: 500ms}
//!       retry: {attempts: 3}
//!       circuit_breaker: {failure_threshold: 3, recovery_timeout: 30}
//!       bulkhead: {max_concurrent: 10, queue_size: 50}
//! ```
//!
//! Fields are those of the library's policies, so that it reads the same map by itself, and the schema is what the library's types say that
//! they read.

use evenkeel_model::decode::{Findings, codes};
use evenkeel_model::library::Item;
use evenkeel_model::schema::of_type;
use evenkeel_model::yaml::{self, Entry, Node, Place, Sort, Value};
use evenkeel_model::{Diagnostic, Library};
use evenkeel_resilience::pipeline::Severity;
use evenkeel_resilience::policies::Policies;
use serde_json::Value as Json;

/// What is wrong with the policies of all documents.
pub(super) fn check(library: &Library) -> Vec<Diagnostic> {
    library.look_into("Resilience", |item: &Item, found: &mut Findings| {
        let services = item.spec().entry("services").map(|it| it.value.entries());
        services.unwrap_or_default().iter().for_each(|it| service(it, found));
    })
}

/// Puts the policies, as they are read here, into a schema that leaves their place open.
pub(crate) fn describe(schema: &mut Json) {
    let Some(place) = schema.pointer_mut("/$defs/Policies") else { return };
    *place = of_type::<Policies>();
    // A pattern that is there has a policy.
    let patterns = place["properties"].as_object_mut().into_iter().flatten();
    patterns.for_each(|(_, it)| *it = it["anyOf"][0].take());
}

/// The policies of the calls to one service. What is no map has been told by the library of documents.
fn service(service: &Entry, found: &mut Findings) {
    let before = found.count();
    // Each pattern by itself first, so that a mistake in one hides none in another.
    let mut patterns = Vec::new();
    for entry in service.value.entries() {
        if entry.value.sort() == Sort::Null {
            let message = format!("`{}` says neither the defaults nor anything else", entry.key);
            let help =
                format!("Write `{}: {{}}` for the defaults, or take the line out.", entry.key);
            found.report(codes::NO_POLICY, entry.key_place, message, help);
        }
        let Some(known) = without_others(entry, found) else { continue };
        let alone = Node { place: entry.key_place, value: Value::Map(vec![known]) };
        let policies: Option<Policies> = yaml::read_into(&alone, entry.key_place, found);
        for it in policies.iter().filter_map(|it| it.check().err()).flat_map(|it| it.0) {
            found.report(codes::POLICY, blamed(entry, &it.problem), it.problem, "");
        }
        let pattern = policies.and_then(|it| it.patterns().next());
        patterns.extend(pattern.map(|it| (it, entry.key_place)));
    }
    if found.count() > before {
        return;
    }
    let policies: Option<Policies> = yaml::read_into(&service.value, service.key_place, found);
    let Some(policies) = policies else { return };
    let place = |pattern: &str| {
        let named = patterns.iter().find(|it| it.0 == pattern);
        named.map_or(service.key_place, |it| it.1)
    };
    if let Err(wrong) = policies.check() {
        for it in wrong.0 {
            let message = format!("`{}` {}", it.pattern, it.problem);
            found.report(codes::POLICY, place(it.pattern), message, "");
        }
        return;
    }
    for (pattern, it) in policies.lint() {
        let code = match it.severity {
            Severity::Error => codes::STACK,
            Severity::Warning => codes::LOOSE_STACK,
        };
        found.report(code, place(pattern), it.problem, sentence(&it.remedy));
    }
}

/// Fields in use elsewhere that are no policies here, and where what they say belongs.
const OTHERS: [(&str, &str); 4] = [
    ("load_balancer", "Who answers is a document of its own, with `load_balancer:` at its top."),
    ("expected_exception", "Which errors count is code: the program judges them."),
    ("retryable_exceptions", "Which errors are tried again is code: the program classifies them."),
    ("exceptions", "Which errors are tried again is code: the program classifies them."),
];

/// The policy of a pattern without such fields, which are told; `None`: it is one itself.
fn without_others(entry: &Entry, found: &mut Findings) -> Option<Entry> {
    let mut is_other = |it: &Entry| {
        let other = OTHERS.iter().find(|other| other.0 == it.key);
        if let Some((name, help)) = other {
            let message = format!("`{name}` is no policy");
            found.report(codes::UNKNOWN_FIELD, it.key_place, message, *help);
        }
        other.is_some()
    };
    if is_other(entry) {
        return None;
    }
    let mut known = entry.clone();
    if let Value::Map(fields) = &mut known.value.value {
        fields.retain(|it| !is_other(it));
    }
    Some(known)
}

/// The field that a message begins with, such as `backoff.cap` of a retry, if it was written; else the pattern. Between the steps may stand
/// the word of a choice: `window.buckets` is in `window: {time: {buckets: 10}}`.
fn blamed(pattern: &Entry, problem: &str) -> Place {
    let named = problem.trim_start_matches('`');
    let is_of_name = |it: &char| it.is_ascii_alphanumeric() || matches!(it, '_' | '.');
    let path: String = named.chars().take_while(is_of_name).collect();
    let mut entry = pattern;
    for step in path.split('.') {
        match below(&entry.value, step) {
            Some(next) => entry = next,
            None => return pattern.key_place,
        }
    }
    match entry.value.text().is_some() && entry.value.place.length > 0 {
        true => entry.value.place,
        false => entry.key_place,
    }
}

/// The first entry with this key below a node, the nearest first.
fn below<'a>(node: &'a Node, key: &str) -> Option<&'a Entry> {
    let deeper = || node.entries().iter().find_map(|it| below(&it.value, key));
    node.entry(key).or_else(deeper)
}

/// Makes `lower it` a sentence.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|it| it.to_ascii_uppercase());
    let rest: String = first.into_iter().chain(characters).collect();
    format!("{rest}.")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HEAD: &str = "apiVersion: evenkeel.dev/v1\nkind: Resilience\nmetadata: {name: shop}\nspec:\n  services:\n";

    fn said(text: &str) -> Vec<String> {
        let files = vec![("shop.yaml".to_owned(), text.as_bytes().to_vec())];
        let mut found = super::super::read(files).diagnostics;
        found.sort_by_key(|it| (it.line, it.column));
        let show =
            |it: &Diagnostic| format!("{}:{} {} {}", it.line, it.column, it.code, it.message);
        found.iter().map(show).collect()
    }

    #[test]
    fn policies_of_services_are_read_in_both_forms() {
        let ours = "    payment:\n      deadlines: {total: 2s, attempt: 500ms, connect: 100ms, read: 500ms}\n      \
                    retry: {attempts: 3, backoff: {base: 50ms, cap: 200ms}}\n      breaker: {failures: 50%, slow: ~}\n";
        let theirs = "    stock:\n      circuit_breaker: {failure_threshold: 3, recovery_timeout: 30}\n      \
                      bulkhead: {max_concurrent: 10, queue_size: 50}\n      adaptive: ~\n";
        let found = said(&format!("{HEAD}{ours}{theirs}"));
        assert_eq!(found, ["13:7 EK-D048 `adaptive` says neither the defaults nor anything else"]);
    }

    #[test]
    fn every_mistake_of_every_service_is_told_in_one_run() {
        let text = "    payment:\n      retry: {attempts: 0, budget: {share: 200%}, tries: 3}\n      bulkhead: {limit: 10, wait: 100}\n    \
                    stock:\n      bulkhead: {limit: 0}\n      retry: {attempts: 2, backoff: {base: 3s, cap: 2s}}\n      hedge: 50ms\n    \
                    mail:\n      bulkhead: {}\n      adaptive: {}\n";
        assert_eq!(
            said(&format!("{HEAD}{text}")),
            [
                "7:44 EK-D007 `200%` is more than 100%: write a share between 0% and 100%",
                "7:51 EK-D003 unknown field `tries`",
                "8:35 EK-D005 expected a duration with its unit, such as `250ms`, found a number `100`",
                "10:25 EK-D047 `limit` is 0, which lets no call through: write at least 1 (to stop all calls, force a breaker open)",
                "11:53 EK-D047 `backoff.cap` of 2s is shorter than `backoff.base` of 3s: raise the cap",
                "12:14 EK-D005 expected a map, found a text `50ms`",
                "15:7 EK-D047 `adaptive` stands beside `bulkhead`, which is what it finds the size of: leave that out",
            ]
        );
    }

    #[test]
    fn durations_that_contradict_each_other_are_told_at_their_pattern() {
        let text = "    payment:\n      timeouts: {total: 1s, attempt: 1s, connect: 1s, read: 1s}\n      \
                    bulkhead: {queue: 5, wait: 5s}\n";
        let found = said(&format!("{HEAD}{text}"));
        assert!(found.iter().any(|it| it.starts_with("8:7 EK-")), "{found:?}");
    }

    #[test]
    fn the_example_of_the_manual_is_without_a_mistake() {
        let manual = include_str!("../../../../../docs/policies.md");
        let example = manual.split("```yaml\n").nth(1).and_then(|it| it.split("```").next());
        assert_eq!(said(example.unwrap()), [""; 0]);
    }

    #[test]
    fn policies_are_read_although_the_document_has_other_mistakes() {
        let text = "apiVersion: evenkeel.dev/v1\nkind: Resilience\nmetadata: {name: Shop}\nspec:\n  services:\n    \
                    mail: {retry: {attempts: 0}}\n    stock: 3\n  more: 1\n";
        assert_eq!(
            said(text),
            [
                "3:18 EK-D010 `Shop` is not a name",
                "6:30 EK-D047 `attempts` is 0: the first attempt counts, so write 1 for no retries",
                "7:12 EK-D005 expected a map of policies, found a number `3`",
                "8:3 EK-D003 unknown field `more`",
            ]
        );
        let empty = format!("{}{{}}\n", HEAD.trim_end().to_owned() + " ");
        assert_eq!(said(&empty), ["5:3 EK-D019 there are no services"]);
    }

    #[test]
    fn it_stands_beside_other_documents_in_one_file() {
        let other = "---\napiVersion: evenkeel.dev/v1\nkind: Service\nmetadata: {name: shop}\nspec: {url: \"http://127.0.0.1:80\"}\n";
        let text = format!("{HEAD}    mail:\n      bulkhead: {{limit: 0}}\n{other}");
        let found = said(&text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("7:25 EK-D047 `limit` is 0"), "{found:?}");
        let twice = format!("{HEAD}    mail: {{}}\n---\n{HEAD}    mail: {{}}\n");
        assert_eq!(said(&twice), ["10:18 EK-D011 a second Resilience called `shop`"]);
    }

    #[test]
    fn fields_of_other_forms_that_are_no_policies_are_refused_with_the_reason() {
        let text = "    mail:\n      load_balancer: {primary: {host: a}}\n      \
                    circuit_breaker: {failure_threshold: 0, expected_exception: IOError}\n";
        assert_eq!(
            said(&format!("{HEAD}{text}")),
            [
                "7:7 EK-D003 `load_balancer` is no policy",
                "8:7 EK-D047 consecutive: no failure is no reason; take 1 at least",
                "8:47 EK-D003 `expected_exception` is no policy",
            ]
        );
    }

    #[test]
    fn a_field_within_the_word_of_a_choice_is_found() {
        let text = "    mail:\n      breaker: {window: {time: {buckets: 0, width: 1s}}}\n      failover: {failback: {automatic: {after: 9d}}}\n      \
                    balancer: {strategy: {consistent_hash: {table: 100}}}\n      circuit_breaker: {}\n";
        let found: Vec<_> = said(&format!("{HEAD}{text}"))
            .iter()
            .map(|it| it.split(' ').take(2).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(found, ["7:42 EK-D047", "8:48 EK-D047", "9:54 EK-D047"]);
        let text = "    mail:\n      breaker: {}\n      circuit_breaker: {}\n";
        assert_eq!(
            said(&format!("{HEAD}{text}")),
            ["6:5 EK-D014 `breaker` stands here twice, once by another name"]
        );
    }

    fn schema() -> Json {
        let mut schema = evenkeel_model::schema(Some("Resilience")).unwrap();
        describe(&mut schema);
        schema
    }

    /// Everything that a schema knows, each with values of every sort, and few of them right.
    fn bent(schema: &Json) -> Vec<Json> {
        let mut all = vec![
            json!(true),
            json!(0),
            json!(1),
            json!(-1),
            json!(0.5),
            json!(7),
            json!("1s"),
            json!("50%"),
            json!("some"),
            json!(null),
            json!([]),
            json!({}),
            json!({"some": 1}),
        ];
        all.extend(schema["enum"].as_array().into_iter().flatten().cloned());
        all.extend(schema["anyOf"].as_array().into_iter().flatten().flat_map(bent));
        let properties = schema["properties"].as_object();
        let required = schema["required"].as_array().into_iter().flatten();
        let right = |it: &Json| {
            let name = it.as_str().unwrap();
            let schema = &properties.unwrap()[name];
            (
                name.to_owned(),
                bent(schema).into_iter().find(|it| jsonschema::is_valid(schema, it)).unwrap(),
            )
        };
        let whole: serde_json::Map<_, _> = required.map(right).collect();
        for (name, schema) in properties.into_iter().flatten() {
            all.push(json!(name));
            all.extend(bent(schema).into_iter().map(|value| {
                let mut one = whole.clone();
                one.insert(name.clone(), value);
                Json::Object(one)
            }));
        }
        all
    }

    #[test]
    fn the_schema_and_what_is_read_agree() {
        let schema = schema();
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let of_form = [
            codes::UNKNOWN_FIELD,
            codes::MISSING_FIELD,
            codes::TYPE,
            codes::CHOICE,
            codes::ONE_KEY,
            codes::NO_POLICY,
        ];
        let (mut right, mut all) = (0, 0);
        for policies in bent(&schema["$defs"]["Policies"]) {
            let document = json!({
                "apiVersion": "evenkeel.dev/v1", "kind": "Resilience", "metadata": {"name": "shop"},
                "spec": {"services": {"mail": policies}},
            });
            let found =
                super::super::read(vec![("it.yaml".to_owned(), document.to_string().into_bytes())])
                    .diagnostics;
            let is_of_form =
                found.iter().any(|it| of_form.iter().any(|code| code.name() == it.code));
            match validator.is_valid(&document) {
                true => assert!(!is_of_form, "only the reader refuses {policies}: {found:?}"),
                false => assert!(!found.is_empty(), "only the schema refuses {policies}"),
            }
            right += usize::from(found.is_empty());
            all += 1;
        }
        assert!(right > 200 && all > 1_500, "{right} of {all}");
    }

    #[test]
    fn every_field_is_in_the_manual() {
        let manual = include_str!("../../../../../docs/policies.md");
        let words: std::collections::BTreeSet<_> =
            manual.split(|it: char| !it.is_ascii_alphanumeric() && it != '_').collect();
        let schema = schema();
        let mut left = vec![&schema["$defs"]["Policies"]];
        while let Some(schema) = left.pop() {
            left.extend(schema["anyOf"].as_array().into_iter().flatten());
            for word in schema["enum"].as_array().into_iter().flatten() {
                assert!(words.contains(word.as_str().unwrap()), "{word}");
            }
            for (name, of) in schema["properties"].as_object().into_iter().flatten() {
                assert!(words.contains(name.as_str()), "{name}");
                left.push(of);
            }
        }
    }
}
