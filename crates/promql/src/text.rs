//! Text: numbers and histograms as Prometheus writes them.

use evenkeel_series::Histogram;

/// A float without an exponent: the value of a label of `count_values`.
pub fn plain(value: f64) -> String {
    special(value).unwrap_or_else(|| value.to_string())
}

/// A float in as few digits as tell it from its neighbours, with an exponent when it is very large or small.
pub fn general(value: f64) -> String {
    special(value).unwrap_or_else(|| {
        let exponent = if value.abs() > 0.0 { value.abs().log10().floor() } else { 0.0 };
        if (-4.0..21.0).contains(&exponent) {
            value.to_string()
        } else {
            with_exponent(&format!("{value:e}"))
        }
    })
}

/// A float in two significant digits.
pub(crate) fn two_digits(value: f64) -> String {
    special(value).unwrap_or_else(|| {
        let rounded = format!("{value:.1e}");
        let exponent = rounded.split_once('e').and_then(|(_, it)| it.parse::<i32>().ok());
        match exponent {
            Some(-4..2) => {
                rounded.parse::<f64>().map_or_else(|_| rounded.clone(), |it| it.to_string())
            }
            _ => with_exponent(&rounded.replace(".0e", "e")),
        }
    })
}

/// At least two digits, and a sign.
fn with_exponent(text: &str) -> String {
    let Some((digits, exponent)) = text.split_once('e') else { return text.to_owned() };
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

fn special(value: f64) -> Option<String> {
    let text = match value {
        _ if value.is_nan() => "NaN",
        f64::INFINITY => "+Inf",
        f64::NEG_INFINITY => "-Inf",
        _ => return None,
    };
    Some(text.to_owned())
}

/// A histogram on one line: count, sum, and each bucket that holds something.
pub fn histogram(histogram: &Histogram) -> String {
    use std::fmt::Write as _;
    let mut text = format!("{{count:{}, sum:{}", general(histogram.count), general(histogram.sum));
    for bucket in histogram.buckets().into_iter().filter(|bucket| bucket.count.abs() > 0.0) {
        let around_zero = bucket.lower <= 0.0 && bucket.upper >= 0.0 && !histogram.is_custom();
        let (open, close) = match bucket.lower < 0.0 {
            _ if around_zero => ('[', ']'),
            true if !histogram.is_custom() => ('[', ')'),
            _ => ('(', ']'),
        };
        let (lower, upper, count) =
            (general(bucket.lower), general(bucket.upper), general(bucket.count));
        let written = write!(text, ", {open}{lower},{upper}{close}:{count}");
        debug_assert!(written.is_ok(), "a text takes whatever is written");
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_go_writes_them() {
        for (value, text) in [
            (1.0, "1"),
            (0.1, "0.1"),
            (1e21, "1e+21"),
            (1e-7, "1e-07"),
            (f64::NAN, "NaN"),
            (-2.5, "-2.5"),
        ] {
            assert_eq!(general(value), text);
        }
        for (value, text) in [
            (1.0, "1"),
            (0.123, "0.12"),
            (1234.0, "1.2e+03"),
            (10.0, "10"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(two_digits(value), text);
        }
        assert_eq!(plain(1e22), "10000000000000000000000");
    }
}
