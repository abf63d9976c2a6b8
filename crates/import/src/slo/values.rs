//! Shares, windows and labels as other tools write them.

use std::time::Duration;

use evenkeel_model::document::{
    BurnThreshold, BurnWindow, Calendar, CalendarPeriod, Labels, Severity, Window,
};
use evenkeel_model::yaml::{Entry, Sort};
use evenkeel_units::Ratio;

use crate::fields::{Fields, at};
use crate::ledger::Ledger;
use crate::notes::cut;

/// Values of an entry; what cannot be read is a mistake of the document.
impl Ledger {
    /// An objective in hundredths, below all and above nothing.
    pub(super) fn objective(&mut self, entry: &Entry) -> Option<Ratio> {
        let ratio = self.percent(entry)?;
        self.promised(entry, ratio)
    }

    /// An objective as a fraction.
    pub(super) fn target(&mut self, entry: &Entry) -> Option<Ratio> {
        let ratio = self.fraction(entry)?;
        self.promised(entry, ratio)
    }

    fn promised(&mut self, entry: &Entry, ratio: Ratio) -> Option<Ratio> {
        if ratio > Ratio::ZERO && ratio < Ratio::ONE {
            return Some(ratio);
        }
        let message = format!("`{}`: {ratio} leaves no error budget, or all of it", entry.key);
        self.wrong(
            at(entry.value.place, entry.key_place),
            message,
            "Promise less than everything.",
        );
        None
    }

    /// A share as a number from 0 to 1.
    pub(super) fn fraction(&mut self, entry: &Entry) -> Option<Ratio> {
        let number = self.number(entry)?;
        let ratio = Ratio::new(number);
        if ratio.is_none() {
            let message = format!("`{}`: {number} is no share", entry.key);
            let help = "Write a number from 0 to 1, such as `0.999`.";
            self.wrong(at(entry.value.place, entry.key_place), message, help);
        }
        ratio
    }

    /// A time as Prometheus writes it: `30d`, `4w`, `1h30m`.
    pub(super) fn span(&mut self, entry: &Entry) -> Option<Duration> {
        let text = entry.value.text().unwrap_or_default().trim();
        match span(text).filter(|it| !it.is_zero()) {
            Some(it) => Some(it),
            None => {
                let message = format!("`{}`: `{}` is no time", entry.key, cut(text));
                let help = "Write a time with its unit, such as `30d` or `1h`.";
                self.wrong(at(entry.value.place, entry.key_place), message, help);
                None
            }
        }
    }
}

/// `30d`, `4w`, `1h30m`; a year has 365 days.
pub(super) fn span(text: &str) -> Option<Duration> {
    const UNITS: [(&str, u64); 7] = [
        ("ms", 1),
        ("s", 1_000),
        ("m", 60_000),
        ("h", 3_600_000),
        ("d", 86_400_000),
        ("w", 7 * 86_400_000),
        ("y", 365 * 86_400_000),
    ];
    const LONGEST: u64 = 100 * 365 * 86_400_000;
    let mut rest = text;
    let mut millis = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|it: char| !it.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let end = after.find(|it: char| it.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let (_, each) = UNITS.iter().find(|(it, _)| *it == unit)?;
        millis = millis.checked_add(number.parse::<u64>().ok()?.checked_mul(*each)?)?;
        rest = after;
    }
    (!text.is_empty() && millis <= LONGEST).then(|| Duration::from_millis(millis))
}

/// A period of the calendar, where `1M` is one.
pub(super) fn period(text: &str) -> Option<CalendarPeriod> {
    match text {
        "1d" => Some(CalendarPeriod::Day),
        "1w" | "7d" => Some(CalendarPeriod::Week),
        "1M" => Some(CalendarPeriod::Month),
        "1Q" | "3M" => Some(CalendarPeriod::Quarter),
        "1Y" | "12M" => Some(CalendarPeriod::Year),
        _ => None,
    }
}

/// A window of the calendar.
pub(super) fn calendar(period: CalendarPeriod, zone: Option<&str>) -> Window {
    let time_zone = zone.unwrap_or("UTC").to_owned();
    Window::Calendar(Calendar { period, time_zone, from: None })
}

/// Labels under a key; those that no label of Prometheus could be are left out.
pub(super) fn labels(fields: &mut Fields<'_>, key: &str, ledger: &mut Ledger) -> Labels {
    let Some(map) = fields.map(key, ledger) else { return Labels::new() };
    let mut labels = Labels::new();
    for entry in map.rest() {
        match (label_name(&entry.key), entry.value.text()) {
            (Some(name), Some(text)) if entry.value.sort() != Sort::Null => {
                labels.insert(name, text.to_owned());
            }
            (None, _) => ledger.leave(entry, "a label is named by letters, digits and `_`"),
            (Some(_), _) => ledger.leave(entry, "a label has one text"),
        }
    }
    labels
}

/// The name, when it is that of a label.
pub(super) fn label_name(name: &str) -> Option<String> {
    let fits = name.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
        && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')
        && name.len() <= 128;
    fits.then(|| name.to_owned())
}

/// An alert by one window, as most tools have it.
pub(super) fn burn_window(
    severity: &str,
    factor: f64,
    long: Duration,
    sustained: Duration,
) -> BurnWindow {
    let urgent = ["page", "critical", "high", "sev1", "p1", "emergency"];
    let pages = urgent.contains(&severity.to_ascii_lowercase().as_str());
    let known = ["page", "ticket"].contains(&severity);
    let own =
        (!known && !severity.is_empty()).then(|| ("severity".to_owned(), severity.to_owned()));
    BurnWindow {
        severity: if pages { Severity::Page } else { Severity::Ticket },
        threshold: BurnThreshold::Factor(factor),
        long,
        short: None,
        sustained,
        keep_firing: Duration::ZERO,
        labels: own.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_prometheus_writes_them() {
        assert_eq!(span("4w"), Some(Duration::from_hours(28 * 24)));
        assert_eq!(span("1h30m"), Some(Duration::from_mins(90)));
        for text in ["", "30", "d", "1.5h", "1M", "99999999999999999999y", "-1d"] {
            assert_eq!(span(text), None, "{text}");
        }
    }
}
