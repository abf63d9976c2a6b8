//! Figures as people read them: one way to write each, in every report.
//!
//! What is unknown or not a number is a dash, and a time without an end is no answer. A figure is never rounded to a promise that it
//! does not keep: 99.9996 % is not 100 %.

use std::time::Duration;

use evenkeel_units::Human;
use unicode_width::UnicodeWidthChar as _;

/// Stands for a figure that there is not.
pub(crate) const NONE: &str = "–";
/// Stands for a time that did not end.
pub(crate) const ENDLESS: &str = "no answer";
/// Between digits and in front of signs: narrow, and never the end of a line.
const THIN: char = '\u{202f}';

/// A time in seconds, such as `412ms`.
pub(crate) fn time(seconds: f64) -> String {
    match Duration::try_from_secs_f64(seconds) {
        Ok(it) => Human(it).to_string(),
        Err(_) if seconds > 0.0 => ENDLESS.to_owned(),
        Err(_) => NONE.to_owned(),
    }
}

/// A time that may be unknown.
pub(crate) fn time_or_none(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| NONE.to_owned(), time)
}

/// A time, to the tenth of a second: how long something took to show or to mend.
pub(crate) fn span(it: Duration) -> String {
    Human(Duration::from_millis((it.as_millis() as u64 + 50) / 100 * 100)).to_string()
}

/// A long time in its two largest units, such as `4d9h`: how long a budget lasts.
pub(crate) fn rough(it: Duration) -> String {
    let seconds = it.as_secs();
    let unit = match seconds {
        0..60 => return span(it),
        60..3_600 => 1,
        3_600..86_400 => 60,
        86_400..8_640_000 => 3_600,
        _ => 86_400,
    };
    Human(Duration::from_secs(seconds / unit * unit)).to_string()
}

/// A moment of a run, such as `1:05`.
pub(crate) fn clock(seconds: f64) -> String {
    if !seconds.is_finite() {
        return NONE.to_owned();
    }
    let whole = seconds.max(0.0).round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, minutes, seconds) => format!("{minutes}:{seconds:02}"),
        (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// A count, such as `612 400`.
pub(crate) fn count(it: u64) -> String {
    let digits = it.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (index, digit) in digits.chars().enumerate() {
        // Four digits are read at a glance.
        if index > 0 && (digits.len() - index).is_multiple_of(3) && digits.len() > 4 {
            text.push(THIN);
        }
        text.push(digit);
    }
    text
}

/// A count for a card: the digits and their unit, such as `612` and `k`.
pub(crate) fn short_count(it: u64) -> (String, &'static str) {
    match it {
        0..10_000 => (count(it), ""),
        10_000..1_000_000 => (decimal(it as f64 / 1e3), "k"),
        _ => (decimal(it as f64 / 1e6), "M"),
    }
}

/// So many each second, such as `98.4/s`.
pub(crate) fn rate(per_second: f64) -> String {
    if per_second.is_finite() { format!("{}/s", decimal(per_second)) } else { NONE.to_owned() }
}

/// A share as a percentage, such as `99.71%`.
pub(crate) fn share(ratio: f64) -> String {
    if !ratio.is_finite() {
        return NONE.to_owned();
    }
    let percent = ratio * 100.0;
    let close = (100.0 - percent).abs().min(percent.abs());
    let decimals = match close {
        // Beyond twice the whole nobody asks for hundredths.
        _ if percent.abs() >= 200.0 => 0,
        0.0 => 0,
        it if it >= 0.005 => 2,
        it => (1.0 - it.log10().floor()).clamp(2.0, 7.0) as usize,
    };
    let text = format!("{percent:.decimals$}");
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    match text.strip_prefix('-') {
        Some(text) => format!("−{text}%"),
        None => format!("{text}%"),
    }
}

/// A share that may be unknown.
pub(crate) fn share_or_none(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| NONE.to_owned(), share)
}

/// A factor, such as `3.2×`.
pub(crate) fn factor(it: f64) -> String {
    if it.is_finite() { format!("{}×", decimal(it)) } else { NONE.to_owned() }
}

/// A score or a part of one, such as `71`.
pub(crate) fn points(it: Option<f64>) -> String {
    it.filter(|it| it.is_finite()).map_or_else(|| NONE.to_owned(), |it| format!("{it:.0}"))
}

/// A change of a score, such as `−9`.
pub(crate) fn change(it: f64) -> String {
    match it.round() {
        it if !it.is_finite() => NONE.to_owned(),
        it if it < 0.0 => format!("−{:.0}", it.abs()),
        it if it > 0.0 => format!("+{it:.0}"),
        _ => "±0".to_owned(),
    }
}

/// Minutes of a budget, such as `26s` or `43m12s`.
pub(crate) fn minutes(it: f64) -> String {
    let text = Duration::try_from_secs_f64(it.abs() * 60.0).map(|it| Human(it).to_string());
    let sign = if it < 0.0 { "−" } else { "" };
    text.map_or_else(|_| NONE.to_owned(), |it| format!("{sign}{it}"))
}

/// Three significant digits, without an exponent.
pub(crate) fn decimal(it: f64) -> String {
    let decimals = match it.abs() {
        size if !size.is_finite() => return NONE.to_owned(),
        size if size >= 99.95 => return count_signed(it),
        size if size >= 9.995 => 1,
        _ => 2,
    };
    let text = format!("{it:.decimals$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn count_signed(it: f64) -> String {
    let sign = if it < 0.0 { "−" } else { "" };
    format!("{sign}{}", count(it.abs().round() as u64))
}

/// A figure and its unit apart, for cards: `412ms` is `412` and `ms`. A time of several parts stays whole.
pub(crate) fn apart(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '−' | THIN | '–'));
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let whole = number.is_empty() || unit.contains(|c: char| c.is_ascii_digit());
    if whole { (text, "") } else { (number, unit) }
}

/// Columns of a terminal that a character takes, and rather more than fewer: what asks for the coloured
/// form of a sign widens it on some terminals.
fn columns_of(c: char) -> usize {
    if c == '\u{fe0f}' { 1 } else { c.width().unwrap_or(0) }
}

/// Columns of a terminal that a text takes.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// Text from elsewhere as one line that cannot command the terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The text, cut to so many columns of a terminal.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut left = width;
    let mut shown = String::new();
    for c in text.chars() {
        // One column is kept for the sign that there is more.
        let wide = columns_of(c);
        if wide + 1 > left {
            break;
        }
        left -= wide;
        shown.push(c);
    }
    if width > 0 {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_rounded_to_a_promise_it_does_not_keep() {
        let shares = [1.0, 0.0, 0.9971, 0.999_996, 0.000_004, 0.5, 12.0, 3.214, -0.5].map(share);
        let said = ["100%", "0%", "99.71%", "99.9996%", "0.0004%", "50%", "1200%", "321%", "−50%"];
        assert_eq!(shares, said);
    }

    #[test]
    fn text_is_measured_in_columns_of_a_terminal() {
        assert_eq!(["結帳", "a\u{301}", "✓ ok", "⚠️"].map(columns), [4, 1, 4, 2]);
        assert_eq!([0, 1, 2, 3, 4].map(|it| cut("結帳", it)), ["", "…", "…", "結…", "結帳"]);
    }

    #[test]
    fn a_time_without_an_end_is_no_answer() {
        assert_eq!(time(f64::INFINITY), "no answer");
        assert_eq!(time_or_none(Some(f64::INFINITY)), "no answer");
        assert_eq!([time(f64::NEG_INFINITY), minutes(f64::INFINITY)], [NONE; 2]);
    }

    #[test]
    fn what_is_no_number_is_a_dash() {
        let texts = [
            time(f64::NAN),
            share(f64::INFINITY),
            rate(f64::NAN),
            factor(f64::NAN),
            decimal(f64::NAN),
        ];
        assert_eq!(texts, [NONE; 5]);
        assert_eq!(points(Some(f64::NAN)), NONE);
        assert_eq!(clock(f64::NAN), NONE);
    }

    #[test]
    fn figures_are_short() {
        assert_eq!(count(612_400), "612\u{202f}400");
        assert_eq!(short_count(612_400), ("612".to_owned(), "k"));
        assert_eq!(rate(98.42), "98.4/s");
        assert_eq!(decimal(0.5), "0.5");
        assert_eq!([-9.4, 0.2, 3.0].map(change), ["−9", "±0", "+3"]);
        assert_eq!(clock(3_725.0), "1:02:05");
        assert_eq!(apart("412ms"), ("412", "ms"));
        assert_eq!(apart("1m30s"), ("1m30s", ""));
        assert_eq!(apart("–"), ("–", ""));
        assert_eq!(apart("never"), ("never", ""));
        assert_eq!([0, 5, 7].map(|it| cut("payment", it)), ["", "paym…", "payment"]);
        assert_eq!(span(Duration::from_millis(11_532)), "11.5s");
    }
}
