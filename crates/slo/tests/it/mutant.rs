//! Mutants: rules with one number or one time in them changed, which nobody should take for right.
//!
//! A number is made three hundredths less and more: that 14 is written for 14.4 is found. A range is made a fifth shorter and
//! a quarter longer, and a record is taken for that of the next shorter and the next longer window.

use std::ops::Range;
use std::time::Duration;

use evenkeel_slo::rules::{Makes, PromRule, duration};
use evenkeel_units::parse_duration;

/// A rule that is wrong.
#[derive(Clone, Debug)]
pub(crate) struct Mutant {
    pub(crate) rule: PromRule,
    was: String,
    what: String,
}

impl Mutant {
    /// What was changed.
    pub(crate) fn was(&self) -> &str {
        &self.was
    }

    /// Which rule it is, and what was changed in it.
    pub(crate) fn described(&self) -> String {
        let (Makes::Record(name) | Makes::Alert { name, .. }) = &self.rule.makes;
        let labels = self.rule.labels.values().cloned().collect::<Vec<_>>().join(" ");
        format!("{name} ({labels}): {}", self.what)
    }
}

/// Something in a query that can be changed.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    Number(f64),
    Range(Duration),
    /// The window at the end of the name of a record.
    Record(Duration),
}

/// Every way in which one number or time of a rule can be wrong. Zero stays zero.
pub(crate) fn mutants(rule: &PromRule) -> Vec<Mutant> {
    parts(&rule.expr).into_iter().flat_map(|(place, part)| changed(rule, &place, &part)).collect()
}

fn changed(rule: &PromRule, place: &Range<usize>, part: &Part) -> Vec<Mutant> {
    const MINUTE: Duration = Duration::from_mins(1);
    let seconds = |it: Duration| format!("{}s", it.as_secs());
    let texts = match part {
        Part::Number(it) => [it * 0.97, it * 1.03].map(|it| it.to_string()).to_vec(),
        Part::Range(it) => vec![seconds(*it * 4 / 5), seconds(*it * 5 / 4)],
        Part::Record(it) => {
            let windows = [5, 30, 60, 120, 360, 1_440, 4_320, 43_200].map(|it| it * MINUTE);
            let place = windows.iter().position(|window| window == it);
            let near = place.map(|it| [it.checked_sub(1), Some(it + 1)]).unwrap_or_default();
            near.iter()
                .flatten()
                .filter_map(|it| windows.get(*it))
                .map(|it| duration(*it))
                .collect()
        }
    };
    let was = rule.expr.get(place.clone()).unwrap_or_default();
    let mutant = |text: String| {
        let mut expr = rule.expr.clone();
        expr.replace_range(place.clone(), &text);
        let what = format!("{was} at {} is {text}", place.start);
        Mutant { rule: PromRule { expr, ..rule.clone() }, was: was.to_owned(), what }
    };
    texts.into_iter().map(mutant).collect()
}

/// Numbers and times of a query, without what is between quotes, in names, and zero.
fn parts(query: &str) -> Vec<(Range<usize>, Part)> {
    let mut found = Vec::new();
    let (mut rest, mut word) = (query.char_indices().peekable(), String::new());
    let mut quote = None;
    while let Some((at, letter)) = rest.next() {
        if quote.is_some() {
            if quote == Some(letter) {
                quote = None;
            }
            continue;
        }
        if letter == '"' {
            quote = Some(letter);
        }
        if !letter.is_ascii_digit() || word.ends_with(|it: char| it.is_ascii_digit()) {
            match letter.is_ascii_alphanumeric() || "_:.".contains(letter) {
                true => word.push(letter),
                false => word.clear(),
            }
            continue;
        }
        let mut text = String::from(letter);
        while let Some((_, next)) = rest.next_if(|it| it.1.is_ascii_alphanumeric() || it.1 == '.') {
            text.push(next);
        }
        let place = at..at + text.len();
        let part = match (text.parse::<f64>(), parse_duration(&text)) {
            (Ok(it), _) if word.is_empty() && it != 0.0 => Some(Part::Number(it)),
            (_, Ok(it)) if word.is_empty() => Some(Part::Range(it)),
            (_, Ok(it)) if word.contains(':') => Some(Part::Record(it)),
            _ => None,
        };
        found.extend(part.map(|part| (place, part)));
        word += &text;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_between_quotes_and_in_names_stays() {
        let query = r#"a:rate5m{le="0.4",f1="5m"}[30d:5m] > (14.4 * 0.001) or 0 * b_2xx / 3"#;
        let texts: Vec<_> = parts(query).into_iter().filter_map(|(at, _)| query.get(at)).collect();
        assert_eq!(texts, ["5m", "30d", "5m", "14.4", "0.001", "3"]);
    }
}
