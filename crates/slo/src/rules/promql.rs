//! PromQL: durations, labels and templates, as they are written there.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use evenkeel_model::document::Query;
use evenkeel_units::Ratio;

/// A duration as Prometheus prints one: `5m`, `1d12h`, `4w`, `30d`. Years and weeks only where nothing is left over.
pub fn duration(it: Duration) -> String {
    const UNITS: [(&str, u128, bool); 7] = [
        ("y", 365 * 86_400_000, true),
        ("w", 7 * 86_400_000, true),
        ("d", 86_400_000, false),
        ("h", 3_600_000, false),
        ("m", 60_000, false),
        ("s", 1_000, false),
        ("ms", 1, false),
    ];
    let mut left = it.as_millis();
    if left == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, length, only_whole) in UNITS {
        if only_whole && !left.is_multiple_of(length) {
            continue;
        }
        if left >= length {
            text += &format!("{}{unit}", left / length);
            left %= length;
        }
    }
    text
}

/// A value between quotes.
pub(super) fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for letter in value.chars() {
        match letter {
            '"' => text += "\\\"",
            '\\' => text += "\\\\",
            '\n' => text += "\\n",
            '\t' => text += "\\t",
            '\r' => text += "\\r",
            // Nothing is lost if this cannot fail, and writing to a string cannot.
            it if it.is_control() => drop(write!(text, "\\u{:04x}", u32::from(it))),
            it => text.push(it),
        }
    }
    text + "\""
}

/// The name of a label, between quotes where it is not made of letters, digits and `_`.
pub(crate) fn label(name: &str) -> Cow<'_, str> {
    let is_word = |it: char| it.is_ascii_alphanumeric() || it == '_';
    let begins = name.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_');
    match begins && name.chars().all(is_word) {
        true => name.into(),
        false => quoted(name).into(),
    }
}

/// A share as a decimal: `0.001`.
pub(crate) fn ratio(it: Ratio) -> String {
    if it == Ratio::ONE {
        return "1".to_owned();
    }
    let text = format!("0.{:09}", it.billionths());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A share as a percentage without its sign: `99.9`.
pub(super) fn percentage(it: Ratio) -> String {
    it.to_string().trim_end_matches('%').to_owned()
}

/// A query of a window, which takes the place of `$window`.
pub(super) fn of_window(query: &str, window: Duration) -> String {
    query.trim().replace(Query::WINDOW, &duration(window))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn durations_are_as_prometheus_prints_them() {
        for (length, expected) in [
            (HOUR / 12, "5m"),
            (36 * HOUR, "1d12h"),
            (28 * 24 * HOUR, "4w"),
            (30 * 24 * HOUR, "30d"),
            (365 * 24 * HOUR, "1y"),
            (Duration::from_millis(1500), "1s500ms"),
            (Duration::ZERO, "0s"),
        ] {
            assert_eq!(duration(length), expected);
        }
    }

    #[test]
    fn windows_are_put_in_and_other_templates_left() {
        let query = "\n a[$window] / b[$window] {{$labels.x}} {{";
        assert_eq!(of_window(query, HOUR), "a[1h] / b[1h] {{$labels.x}} {{");
    }

    #[test]
    fn shares_are_decimals_without_noise() {
        let shares = ["99.9%", "0.1%", "99.99%", "100%", "0%"].map(|it| ratio(it.parse().unwrap()));
        assert_eq!(shares, ["0.999", "0.001", "0.9999", "1", "0"]);
        assert_eq!(percentage("99.95%".parse().unwrap()), "99.95");
    }

    #[test]
    fn quotes_cannot_be_left() {
        assert_eq!(quoted("a\"} or vector(1) # \\\n\u{1}"), r#""a\"} or vector(1) # \\\n\u0001""#);
    }

    proptest! {
        #[test]
        fn no_template_panics(query in "[$ window]{0,30}") {
            prop_assert!(!of_window(&query, HOUR).contains("$window"));
        }
    }
}
