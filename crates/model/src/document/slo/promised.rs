//! What a description promises, in words: "95% of requests complete within 300ms".

use std::sync::LazyLock;
use std::time::Duration;

use evenkeel_units::{Human, Ratio, parse_duration};
use regex::Regex;

use super::{Indicator, Slo};

/// A share, and a time behind it in the same sentence.
static FORM: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(\d{1,3}(?:\.\d+)?)\s*%[^.%]{0,80}?\b(?:within|under|below|faster than|less than)\s+(\d+(?:\.\d+)?\s*(?:ms|s|m)\b)?").ok()
});

impl Slo {
    /// That the description promises another share, or another time, than the objective; `None` when it does not. A
    /// percentile is no second figure beside an objective, but another objective.
    pub fn other_promise(&self) -> Option<String> {
        let (Indicator::Latency { threshold } | Indicator::Percentile { threshold, .. }) =
            self.indicator
        else {
            return None;
        };
        let promise = self.promise()?;
        let (share, within) = promised(self.description.as_deref()?)?;
        let differs = share != promise || within.is_some_and(|it| it != threshold);
        let within = within.map(|it| format!(" within {}", Human(it))).unwrap_or_default();
        let threshold = Human(threshold);
        differs.then(|| {
            format!("the description promises {share}{within}, and the objective {promise} within {threshold}")
        })
    }
}

/// A share within a time that a sentence promises.
fn promised(text: &str) -> Option<(Ratio, Option<Duration>)> {
    let found = FORM.as_ref()?.captures(text)?;
    let share = format!("{}%", found.get(1)?.as_str()).parse().ok()?;
    let within = found.get(2).and_then(|it| parse_duration(it.as_str()).ok());
    Some((share, within))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_is_found_in_a_sentence() {
        let found = |text| promised(text).map(|(share, it)| (share.to_string(), it.map(Human)));
        let some =
            |share: &str, ms| Some((share.to_owned(), Some(Human(Duration::from_millis(ms)))));
        assert_eq!(found("95% of requests complete within 300ms"), some("95%", 300));
        assert_eq!(found("99.5 % are answered in less than 2 s, or so"), some("99.5%", 2000));
        assert_eq!(found("fast for 10% of users. Others are under no promise"), None);
        assert_eq!(found("latency of the checkout"), None);
    }
}
