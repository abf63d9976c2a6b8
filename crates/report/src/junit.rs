//! JUnit: the checks as test cases, for build servers that know nothing of drills.
//!
//! One suite for each kind of check. A check that failed is a failure, one that could not be decided an
//! error, one that is only shown is skipped. A run that could not be judged is an error of its own, so
//! that no build server takes silence for success.

use std::fmt::Write as _;

use evenkeel_model::Outcome;
use evenkeel_model::outcome::{Check, CheckKind, CheckResult, Ending};

use crate::{figure, mark};

const KINDS: [CheckKind; 7] = [
    CheckKind::Objective,
    CheckKind::Success,
    CheckKind::SteadyState,
    CheckKind::Regression,
    CheckKind::Load,
    CheckKind::Evidence,
    CheckKind::Undo,
];

/// Writes an outcome.
pub fn render(outcome: &Outcome) -> String {
    let drill = escape(&outcome.plan.drill);
    let suites: String = KINDS
        .iter()
        .map(|kind| {
            (*kind, outcome.checks.iter().filter(|it| it.kind == *kind).collect::<Vec<_>>())
        })
        .filter(|(_, checks)| !checks.is_empty())
        .map(|(kind, checks)| suite(outcome, kind, &checks))
        .collect();
    let stopped = unjudged(outcome);
    let count = |result| outcome.checks.iter().filter(|it| it.result == result).count();
    let failures = count(CheckResult::Fail);
    let errors = count(CheckResult::Inconclusive) + usize::from(stopped.is_some());
    let tests = outcome.checks.len() + usize::from(stopped.is_some());
    let seconds = outcome.duration.as_secs_f64();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites name=\"{drill}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" time=\"{seconds:.3}\">\n\
         {}{suites}</testsuites>\n",
        stopped.unwrap_or_default(),
    )
}

/// The run itself as a suite, when it ended in a way that no check tells.
fn unjudged(outcome: &Outcome) -> Option<String> {
    let verdict = &outcome.verdict;
    let open = match verdict.result {
        Ending::Pass | Ending::Fail => false,
        Ending::Inconclusive => {
            !outcome.checks.iter().any(|it| it.result == CheckResult::Inconclusive)
        }
        Ending::CouldNotRun | Ending::Aborted | Ending::Refused | Ending::Interrupted => true,
    };
    open.then(|| {
        let (drill, word) = (escape(&outcome.plan.drill), verdict.result.word());
        let (headline, cause) = (escape(&verdict.headline), escape(&verdict.cause));
        format!(
            "  <testsuite name=\"{drill}: run\" tests=\"1\" failures=\"0\" errors=\"1\" skipped=\"0\" time=\"{:.3}\">\n\
             {}    <testcase classname=\"{drill}.run\" name=\"the {} ran to its end\">\n\
             \x20     <error type=\"{word}\" message=\"{headline}\">{cause}</error>\n    </testcase>\n  </testsuite>\n",
            outcome.duration.as_secs_f64(),
            properties(outcome),
            outcome.plan.noun(),
        )
    })
}

fn suite(outcome: &Outcome, kind: CheckKind, checks: &[&Check]) -> String {
    let count = |result| checks.iter().filter(|it| it.result == result).count();
    let drill = escape(&outcome.plan.drill);
    let mut text = format!(
        "  <testsuite name=\"{drill}: {}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{:.3}\">\n{}",
        mark::kind(kind),
        checks.len(),
        count(CheckResult::Fail),
        count(CheckResult::Inconclusive),
        count(CheckResult::Info),
        outcome.duration.as_secs_f64(),
        properties(outcome),
    );
    for it in checks {
        text.push_str(&case(outcome, it));
    }
    text + "  </testsuite>\n"
}

fn properties(outcome: &Outcome) -> String {
    let grade = outcome.score.grade.clone().unwrap_or_default();
    let each = [
        ("run", outcome.run.id.clone()),
        ("started", outcome.run.started.clone()),
        ("evenkeel.version", outcome.run.version.clone()),
        ("seed", outcome.plan.seed.to_string()),
        ("verdict", outcome.verdict.result.word().to_owned()),
        ("exit_code", outcome.verdict.exit_code.to_string()),
        ("score", format!("{} {grade}", figure::points(outcome.score.value)).trim().to_owned()),
    ];
    let line = |(name, value): &(&str, String)| {
        format!("      <property name=\"{name}\" value=\"{}\"/>\n", escape(value))
    };
    format!("    <properties>\n{}    </properties>\n", each.iter().map(line).collect::<String>())
}

fn case(outcome: &Outcome, check: &Check) -> String {
    let mut name = check.name.clone();
    if let Some(phase) = &check.phase {
        name = format!("{name} ({phase})");
    }
    let class = format!("{}.{}", outcome.plan.drill, mark::kind(check.kind));
    let open = format!("    <testcase classname=\"{}\" name=\"{}\"", escape(&class), escape(&name));
    let mut message = format!("measured {}, limit {}", known(&check.measured), known(&check.limit));
    for (what, value) in [("baseline", &check.baseline), ("margin", &check.margin)] {
        if !value.is_empty() {
            message = format!("{message}, {what} {value}");
        }
    }
    let message = escape(&message);
    let inside = match check.result {
        CheckResult::Pass => return format!("{open}/>\n"),
        CheckResult::Info => format!("<skipped message=\"shown, not judged: {message}\"/>"),
        CheckResult::Fail => format!(
            "<failure type=\"check\" message=\"{message}\">{}</failure>",
            escape(&outcome.verdict.cause)
        ),
        CheckResult::Inconclusive => {
            format!("<error type=\"inconclusive\" message=\"too little data to say: {message}\"/>")
        }
    };
    format!("{open}>\n      {inside}\n    </testcase>\n")
}

fn known(text: &str) -> &str {
    if text.is_empty() { figure::NONE } else { text }
}

/// Text as XML 1.0 takes it. Characters that XML cannot hold at all, not even escaped, are replaced.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&apos;"),
            '\t' | '\n' | '\r' => {
                // Inside an attribute these would be read back as spaces.
                let written = write!(safe, "&#{};", u32::from(c));
                debug_assert!(written.is_ok(), "a string takes everything");
            }
            '\0'..' ' | '\u{7f}'..'\u{a0}' | '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_hold_is_replaced() {
        assert_eq!(
            escape("a<b>&\"'\u{1b}[31m\n\0"),
            "a&lt;b&gt;&amp;&quot;&apos;\u{fffd}[31m&#10;\u{fffd}"
        );
    }
}
