//! Function: what a template can do with a value.
//!
//! Source of the meanings: <https://prometheus.io/docs/prometheus/latest/configuration/template_reference/>.

use std::net::IpAddr;

use regex::Regex;

use super::printf;

/// What is handed on in a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Given {
    Number(f64),
    Text(String),
}

impl Given {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Number(it) => plain(*it),
            Self::Text(it) => it.clone(),
        }
    }

    fn number(&self) -> Result<f64, String> {
        match self {
            Self::Number(it) => Ok(*it),
            Self::Text(it) => it.trim().parse().map_err(|_| format!("{it:?} is no number")),
        }
    }
}

/// A function of templates.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Humanize,
    Humanize1024,
    HumanizeDuration,
    HumanizePercentage,
    HumanizeTimestamp,
    Printf,
    ReReplaceAll,
    StripPort,
    StripDomain,
    Title,
    ToLower,
    ToUpper,
}

/// Everything that Prometheus has beside, and Go's own.
const UNSUPPORTED: &[&str] = &[
    "and",
    "args",
    "block",
    "break",
    "call",
    "continue",
    "define",
    "else",
    "end",
    "eq",
    "externalURL",
    "first",
    "ge",
    "graphLink",
    "gt",
    "html",
    "if",
    "index",
    "js",
    "label",
    "le",
    "len",
    "lt",
    "match",
    "ne",
    "not",
    "or",
    "parseDuration",
    "pathPrefix",
    "print",
    "println",
    "query",
    "range",
    "safeHtml",
    "sortByLabel",
    "strvalue",
    "tableLink",
    "template",
    "with",
];

impl Function {
    const ALL: [(&'static str, Self, usize); 12] = [
        ("humanize", Self::Humanize, 1),
        ("humanize1024", Self::Humanize1024, 1),
        ("humanizeDuration", Self::HumanizeDuration, 1),
        ("humanizePercentage", Self::HumanizePercentage, 1),
        ("humanizeTimestamp", Self::HumanizeTimestamp, 1),
        ("printf", Self::Printf, 1),
        ("reReplaceAll", Self::ReReplaceAll, 3),
        ("stripPort", Self::StripPort, 1),
        ("stripDomain", Self::StripDomain, 1),
        ("title", Self::Title, 1),
        ("toLower", Self::ToLower, 1),
        ("toUpper", Self::ToUpper, 1),
    ];

    pub(super) fn named(name: &str) -> Result<Self, String> {
        if let Some(it) = Self::ALL.iter().find(|it| it.0 == name) {
            return Ok(it.1);
        }
        let all: Vec<_> = Self::ALL.iter().map(|it| it.0).collect();
        let there_is = all.join(", ");
        Err(match UNSUPPORTED.contains(&name) {
            true => format!("`{name}` is not supported in templates: there is {there_is}"),
            false => format!("there is no function `{name}`: there is {there_is}"),
        })
    }

    /// Whether it takes so many values.
    pub(super) fn takes(self, many: usize) -> Result<(), String> {
        let wanted = Self::ALL.iter().find(|it| it.1 == self);
        match wanted {
            Some((_, Self::Printf, least)) if many >= *least => Ok(()),
            Some((_, _, wanted)) if many == *wanted => Ok(()),
            Some((name, _, wanted)) => {
                let values = if *wanted == 1 { "value" } else { "values" };
                Err(format!("`{name}` takes {wanted} {values}, and here are {many}"))
            }
            None => Ok(()),
        }
    }

    /// Whether it can do something with a text that is its first value.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn understands(self, first: &str) -> Result<(), String> {
        match self {
            Self::Printf => printf::check(first),
            Self::ReReplaceAll => pattern(first).map(drop),
            _ => Ok(()),
        }
    }

    pub(super) fn of(self, all: &[Given]) -> Result<Given, String> {
        let Some(first) = all.first() else { return Err("nothing is given".to_owned()) };
        let text = || first.text();
        Ok(Given::Text(match self {
            Self::Humanize => humanized(first.number()?),
            Self::Humanize1024 => humanized_1024(first.number()?),
            Self::HumanizeDuration => lasting(first.number()?),
            Self::HumanizePercentage => format!("{}%", general(first.number()? * 100.0, 4)),
            Self::HumanizeTimestamp => moment(first.number()?)?,
            Self::Printf => printf::printed(&text(), all.get(1..).unwrap_or_default())?,
            Self::ReReplaceAll => {
                let [regex, replacement, of] = all else {
                    return Err("three texts are needed".to_owned());
                };
                let regex = pattern(&regex.text())?;
                regex.replace_all(&of.text(), &*replacement.text()).into_owned()
            }
            Self::StripPort => {
                let text = text();
                host_and_port(&text).map_or(&*text, |it| it.0).to_owned()
            }
            Self::StripDomain => without_domain(&text()),
            Self::Title => {
                let mut begins = true;
                let titled = |it: char| {
                    let upper = if begins { single(it, it.to_uppercase()) } else { it };
                    begins = match it.is_ascii() {
                        true => !it.is_ascii_alphanumeric() && it != '_',
                        false => it.is_whitespace(),
                    };
                    upper
                };
                text().chars().map(titled).collect()
            }
            Self::ToLower => text().chars().map(|it| single(it, it.to_lowercase())).collect(),
            Self::ToUpper => text().chars().map(|it| single(it, it.to_uppercase())).collect(),
        }))
    }
}

fn pattern(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|_| format!("`{text}` is no pattern"))
}

/// In Go, a letter becomes one letter, or stays as it is.
fn single(letter: char, mut other: impl Iterator<Item = char>) -> char {
    match (other.next(), other.next()) {
        (Some(one), None) => one,
        _ => letter,
    }
}

/// The parts of `host:port` and `[host]:port`; `None` of anything else.
fn host_and_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once("]:")?,
        None => text.split_once(':')?,
    };
    let is_plain = |it: &str| !it.contains(['[', ']']);
    (is_plain(host) && is_plain(port) && !port.contains(':')).then_some((host, port))
}

/// `host.domain:port` as `host:port`; addresses have no domain.
fn without_domain(text: &str) -> String {
    let (host, port) = host_and_port(text).unwrap_or((text, ""));
    if host.parse::<IpAddr>().is_ok() {
        return text.to_owned();
    }
    let name = host.split('.').next().unwrap_or(host);
    if port.is_empty() { name.to_owned() } else { format!("{name}:{port}") }
}

/// A number as Go prints it.
pub(super) fn plain(value: f64) -> String {
    let size = value.abs();
    match value {
        it if it.is_nan() => "NaN".to_owned(),
        it if it.is_infinite() => if it > 0.0 { "+Inf" } else { "-Inf" }.to_owned(),
        it if size > 0.0 && !(1e-4..1e6).contains(&size) => scientific(&format!("{it:e}")),
        it => it.to_string(),
    }
}

/// With a sign and two digits at least in the exponent, as C and Go have it.
pub(super) fn scientific(text: &str) -> String {
    let (digits, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

/// As `%g` with so many digits that count.
pub(super) fn general(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return plain(value);
    }
    let digits = digits.max(1);
    let rounded = format!("{value:.*e}", digits - 1);
    let exponent: i32 = rounded.split_once('e').and_then(|it| it.1.parse().ok()).unwrap_or(0);
    let without_zeros = |it: &str| match it.contains('.') {
        true => it.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => it.to_owned(),
    };
    if exponent < -4 || exponent >= i32::try_from(digits).unwrap_or(i32::MAX) {
        let (mantissa, exponent) = rounded.split_once('e').unwrap_or((&rounded, "0"));
        return scientific(&format!("{}e{exponent}", without_zeros(mantissa)));
    }
    let places = usize::try_from(i64::try_from(digits).unwrap_or(0) - 1 - i64::from(exponent));
    without_zeros(&format!("{value:.*}", places.unwrap_or(0)))
}

const LARGE: [&str; 8] = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
const SMALL: [&str; 8] = ["m", "u", "n", "p", "f", "a", "z", "y"];

fn is_plain(value: f64) -> bool {
    !value.is_finite() || value.abs() <= 0.0
}

fn grown(mut value: f64, by: f64, prefixes: &[&'static str]) -> (f64, &'static str) {
    let mut prefix = "";
    for it in prefixes {
        if value.abs() < by {
            break;
        }
        (prefix, value) = (it, value / by);
    }
    (value, prefix)
}

fn shrunk(mut value: f64) -> (f64, &'static str) {
    let mut prefix = "";
    for it in SMALL {
        if value.abs() >= 1.0 {
            break;
        }
        (prefix, value) = (it, value * 1000.0);
    }
    (value, prefix)
}

fn humanized(value: f64) -> String {
    if is_plain(value) {
        return general(value, 4);
    }
    let (value, prefix) = match value.abs() >= 1.0 {
        true => grown(value, 1000.0, &LARGE),
        false => shrunk(value),
    };
    format!("{}{prefix}", general(value, 4))
}

fn humanized_1024(value: f64) -> String {
    if is_plain(value) || value.abs() <= 1.0 {
        return general(value, 4);
    }
    let prefixes = ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"];
    let (value, prefix) = grown(value, 1024.0, &prefixes);
    format!("{}{prefix}", general(value, 4))
}

fn lasting(value: f64) -> String {
    if !value.is_finite() {
        return general(value, 4);
    }
    if value.abs() <= 0.0 {
        return "0s".to_owned();
    }
    if value.abs() < 1.0 {
        let (value, prefix) = shrunk(value);
        return format!("{}{prefix}s", general(value, 4));
    }
    let (sign, value) = (if value < 0.0 { "-" } else { "" }, value.abs());
    let whole = value as u64;
    let (seconds, minutes, hours) = (whole % 60, whole / 60 % 60, whole / 3600 % 24);
    match (whole / 86_400, hours, minutes) {
        (0, 0, 0) => format!("{sign}{}s", general(value, 4)),
        (0, 0, _) => format!("{sign}{minutes}m {seconds}s"),
        (0, _, _) => format!("{sign}{hours}h {minutes}m {seconds}s"),
        (days, ..) => format!("{sign}{days}d {hours}h {minutes}m {seconds}s"),
    }
}

fn moment(seconds: f64) -> Result<String, String> {
    if !seconds.is_finite() {
        return Ok(general(seconds, 4));
    }
    // Prometheus has moments in whole nanoseconds, and then in whole milliseconds of these.
    let nanos = seconds * 1e9;
    let within = (i64::MIN as f64..i64::MAX as f64).contains(&nanos);
    let at = jiff::Timestamp::from_millisecond(nanos as i64 / 1_000_000);
    match at {
        Ok(at) if within => Ok(at.strftime("%Y-%m-%d %H:%M:%S%.f +0000 UTC").to_string()),
        _ => Err(format!("{} is too far away to be a moment", plain(seconds))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_printed_as_go_prints_them() {
        for (value, expected) in [
            (1.0, "1"),
            (999_999.5, "999999.5"),
            (1e6, "1e+06"),
            (1_234_567.5, "1.2345675e+06"),
            (0.000_1, "0.0001"),
            (0.000_012, "1.2e-05"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(plain(value), expected);
        }
        for (value, expected) in [
            (1234.5, "1234"),
            (12345.0, "1.234e+04"),
            (0.5, "0.5"),
            (0.000_01, "1e-05"),
            (0.0, "0"),
        ] {
            assert_eq!(general(value, 4), expected);
        }
    }

    #[test]
    fn what_is_for_people_is_as_prometheus_says_it() {
        let all = |it: fn(f64) -> String, values: [f64; 5]| values.map(it);
        assert_eq!(
            all(humanized, [0.0, 1.0, 1_234_567.0, 0.12, -5_432.1]),
            ["0", "1", "1.235M", "120m", "-5.432k"]
        );
        assert_eq!(
            all(humanized_1024, [0.0, 1.0, 1_048_576.0, 0.12, 2_000.0]),
            ["0", "1", "1Mi", "0.12", "1.953ki"]
        );
        assert_eq!(
            all(lasting, [0.0, 1.5, 3_725.0, 90_061.0, 0.1]),
            ["0s", "1.5s", "1h 2m 5s", "1d 1h 1m 1s", "100ms"]
        );
        assert_eq!(lasting(-60.0), "-1m 0s");
        for (seconds, expected) in [
            (1_435_065_584.128, "2015-06-23 13:19:44.128 +0000 UTC"),
            (1.9999, "1970-01-01 00:00:01.999 +0000 UTC"),
            (-1.5, "1969-12-31 23:59:58.5 +0000 UTC"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(moment(seconds).as_deref(), Ok(expected));
        }
        assert!(moment(1e10).is_err());
    }

    #[test]
    fn hosts_lose_ports_and_domains() {
        for (text, port, domain) in [
            ("a.example:9090", "a.example", "a:9090"),
            ("127.0.0.1:9090", "127.0.0.1", "127.0.0.1:9090"),
            ("a.example", "a.example", "a"),
            ("[::1]:9090", "::1", "[::1]:9090"),
            ("::1", "::1", "::1"),
            ("a.b:c", "a.b", "a:c"),
            ("a.b:", "a.b", "a"),
            ("a:1:2", "a:1:2", "a:1:2"),
            (".b", ".b", ""),
        ] {
            let of = |it: Function| it.of(&[Given::Text(text.to_owned())]).unwrap().text();
            assert_eq!((&*of(Function::StripPort), &*of(Function::StripDomain)), (port, domain));
        }
    }

    #[test]
    fn letters_are_made_large_and_small_as_by_go() {
        let of = |it: Function, text: &str| it.of(&[Given::Text(text.to_owned())]).unwrap().text();
        let text = "foo_bar baz-qux élan a.b ßx 1a";
        assert_eq!(of(Function::Title, text), "Foo_bar Baz-Qux Élan A.B ßx 1a");
        assert_eq!(of(Function::ToUpper, "straße"), "STRAßE");
        assert_eq!(of(Function::ToLower, "ΟΔΟΣ"), "οδοσ");
    }
}
