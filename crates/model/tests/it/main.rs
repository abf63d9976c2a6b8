//! The documents of Evenkeel through the public face: everything a file can hold, from right to hostile.

#![expect(clippy::unwrap_used, reason = "what helps a test may fail as a test does")]

mod check;
mod drafts;
mod examples;
mod experiment;
mod gameday;
mod hostile;
mod lint;
mod load;
mod load_balancer;
mod objectives;
mod patroni;
mod performance;
mod planning;
mod schema;

use evenkeel_model::{Diagnostic, Library};

/// Checks one file called `it.yaml`.
fn check(text: &str) -> (Library, Vec<Diagnostic>) {
    Library::check([("it.yaml".to_owned(), text.as_bytes().to_vec())])
}

/// What was found in a text, one a line: code, place, message and help of each.
fn findings(text: &str) -> String {
    let (_, found) = check(text);
    let lines = found.iter().map(|it| {
        let separator = if it.help.is_empty() { "" } else { " | " };
        format!("{} {}:{} {}{separator}{}", it.code, it.line, it.column, it.message, it.help)
    });
    lines.collect::<Vec<_>>().join("\n")
}
