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
//! Fields are those of the library's policies, so that it reads the same map by itself; they stand in a file of their own.

use evenkeel_model::Diagnostic;
use evenkeel_model::decode::{API_VERSION, Findings, codes, nearest};
use evenkeel_model::yaml::{self, Entry, Node, Place, Sort, Value};
use evenkeel_resilience::pipeline::Severity;
use evenkeel_resilience::policies::Policies;

const KIND: &str = "Resilience";

/// What is wrong with a file of policies, and how many documents are in it; `None`: it is another file.
pub(super) fn check(name: &str, bytes: &[u8]) -> Option<(usize, Vec<Diagnostic>)> {
    // Nothing else is worth reading twice.
    if !bytes.windows(KIND.len()).any(|it| it == KIND.as_bytes()) {
        return None;
    }
    let mut found = Findings::default();
    let yaml::Text { source, roots, .. } = yaml::read(name, bytes.to_vec(), &mut found);
    let is_ours = |root: &Node| root.entry("kind").and_then(|it| it.value.text()) == Some(KIND);
    if !roots.iter().any(is_ours) {
        return None;
    }
    found.set_source(source);
    for root in &roots {
        match is_ours(root) {
            true => document(root, &mut found),
            false => {
                let message = format!("another kind of document in a file of `{KIND}`");
                let help = "Put it into a file of its own.";
                found.report(codes::KIND, root.locate("kind"), message, help);
            }
        }
    }
    Some((roots.len(), found.into_parts().1))
}

fn document(root: &Node, found: &mut Findings) {
    known(root, &["apiVersion", "kind", "metadata", "spec"], found);
    match root.entry("apiVersion") {
        Some(it) if it.value.text() == Some(API_VERSION) => {}
        Some(it) => {
            let help = format!("Write `{API_VERSION}`.");
            found.report(
                codes::API_VERSION,
                it.value.place,
                "an apiVersion that is not known",
                help,
            );
        }
        None => missing("apiVersion", root.place, found),
    }
    if let Some(metadata) = part(root, root.place, "metadata", found) {
        known(&metadata.value, &["name"], found);
        let name = metadata.value.at("name").and_then(Node::text).unwrap_or_default();
        if name.is_empty() {
            missing("name", metadata.key_place, found);
        }
    }
    let Some(spec) = part(root, root.place, "spec", found) else { return };
    known(&spec.value, &["services"], found);
    let Some(services) = part(&spec.value, spec.key_place, "services", found) else { return };
    if services.value.entries().is_empty() {
        let help = "Name one, with the policies of the calls to it.";
        found.report(codes::NOTHING, services.key_place, "there are no services", help);
    }
    services.value.entries().iter().for_each(|it| service(it, found));
}

/// The policies of the calls to one service.
fn service(service: &Entry, found: &mut Findings) {
    if !matches!(service.value.sort(), Sort::Map) {
        let message = format!("expected a map of policies, found {}", service.value.sort().name());
        found.report(codes::TYPE, service.key_place, message, "");
        return;
    }
    for pattern in service.value.entries().iter().filter(|it| it.value.sort() == Sort::Null) {
        let message = format!("`{}` says neither the defaults nor anything else", pattern.key);
        let help = format!("Write `{}: {{}}` for the defaults, or take the line out.", pattern.key);
        found.report(codes::NO_POLICY, pattern.key_place, message, help);
    }
    // Each pattern by itself first, so that a mistake in one hides none in another.
    let before = found.count();
    for pattern in service.value.entries() {
        let value = Value::Map(vec![pattern.clone()]);
        let alone = Node { place: pattern.key_place, value };
        let policies: Option<Policies> = yaml::read_into(&alone, pattern.key_place, found);
        for it in policies.and_then(|it| it.check().err()).unwrap_or_default().0 {
            found.report(codes::POLICY, blamed(pattern, &it.problem), it.problem, "");
        }
    }
    if found.count() > before {
        return;
    }
    let policies: Option<Policies> = yaml::read_into(&service.value, service.key_place, found);
    let Some(policies) = policies else { return };
    let entry = |pattern: &str| {
        let is_it = |it: &&Entry| it.key == pattern || Some(it.key.as_str()) == other_name(pattern);
        service.value.entries().iter().find(is_it).map_or(service.key_place, |it| it.key_place)
    };
    if let Err(wrong) = policies.check() {
        for it in wrong.0 {
            found.report(
                codes::POLICY,
                entry(it.pattern),
                format!("`{}` {}", it.pattern, it.problem),
                "",
            );
        }
        return;
    }
    for (pattern, it) in policies.lint() {
        let code = match it.severity {
            Severity::Error => codes::STACK,
            Severity::Warning => codes::LOOSE_STACK,
        };
        found.report(code, entry(pattern), it.problem, sentence(&it.remedy));
    }
}

/// How the library calls a pattern in files, beside its own name.
fn other_name(pattern: &str) -> Option<&'static str> {
    match pattern {
        "deadlines" => Some("timeouts"),
        "limit" => Some("rate_limit"),
        "breaker" => Some("circuit_breaker"),
        _ => None,
    }
}

/// The field that a message begins with, such as `backoff.cap` of a retry, if it was written; else the pattern.
fn blamed(pattern: &Entry, problem: &str) -> Place {
    let named = problem.trim_start_matches('`');
    let path: String = named
        .chars()
        .take_while(|it| it.is_ascii_alphanumeric() || matches!(it, '_' | '.'))
        .map(|it| if it == '.' { '/' } else { it })
        .collect();
    match pattern.value.at(&path) {
        Some(_) if !path.is_empty() => pattern.value.locate(&path),
        _ => pattern.key_place,
    }
}

/// The map of a field that has to be there.
fn part<'a>(node: &'a Node, at: Place, field: &str, found: &mut Findings) -> Option<&'a Entry> {
    let Some(entry) = node.entry(field) else {
        missing(field, at, found);
        return None;
    };
    if entry.value.sort() != Sort::Map {
        let message = format!("expected a map, found {}", entry.value.sort().name());
        found.report(codes::TYPE, entry.key_place, message, "");
        return None;
    }
    Some(entry)
}

fn missing(field: &str, at: Place, found: &mut Findings) {
    let message = format!("the field `{field}` is missing");
    found.report(codes::MISSING_FIELD, at, message, format!("Add `{field}:`."));
}

/// Refuses every field but these.
fn known(node: &Node, fields: &[&'static str], found: &mut Findings) {
    for it in node.entries().iter().filter(|it| !fields.contains(&it.key.as_str())) {
        let help = match nearest(&it.key, fields.iter().copied()) {
            Some(nearest) => format!("Did you mean `{nearest}`?"),
            None => format!("The fields here are {}.", fields.join(", ")),
        };
        let message = format!("unknown field `{}`", it.key.escape_debug());
        found.report(codes::UNKNOWN_FIELD, it.key_place, message, help);
    }
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
    use super::*;

    const HEAD: &str = "apiVersion: evenkeel.dev/v1\nkind: Resilience\nmetadata: {name: shop}\nspec:\n  services:\n";

    fn said(text: &str) -> Vec<String> {
        let (_, found) = check("shop.yaml", text.as_bytes()).unwrap();
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
    fn an_envelope_that_is_not_whole_is_told_and_other_files_are_left_alone() {
        let found = said("kind: Resilience\nspec: {service: {}}\n");
        assert_eq!(
            found,
            [
                "1:1 EK-D004 the field `apiVersion` is missing",
                "1:1 EK-D004 the field `metadata` is missing",
                "2:1 EK-D004 the field `services` is missing",
                "2:8 EK-D003 unknown field `service`",
            ]
        );
        assert_eq!(check("a.yaml", b"kind: Service # no Resilience\n"), None);
        assert_eq!(check("a.yaml", b"groups: []\n"), None);
    }
}
