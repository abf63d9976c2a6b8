//! Names: what Prometheus calls a metric and an attribute of OpenTelemetry.
//!
//! A name is its words joined by `_`, then its unit in full, then `total` for a count that only grows and `ratio` for a
//! level of unit `1`; each once. Source: <https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/>.

/// What a metric is, as far as its name goes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// It only grows.
    Counter,
    /// A level.
    Gauge,
    /// Anything else.
    Other,
}

const UNITS: &[(&str, &str)] = &[
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tibibytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("1", ""),
    ("%", "percent"),
];

const PER: &[(&str, &str)] = &[
    ("s", "second"),
    ("m", "minute"),
    ("h", "hour"),
    ("d", "day"),
    ("w", "week"),
    ("mo", "month"),
    ("y", "year"),
];

/// The name of a metric, and its unit as a part of that.
pub(super) fn metric(name: &str, unit: &str, sort: Sort) -> (String, String) {
    let is_of_name = |it: char| it.is_ascii_alphanumeric() || it == ':';
    let mut words: Vec<String> =
        name.split(|it| !is_of_name(it)).filter(|it| !it.is_empty()).map(str::to_owned).collect();
    let (main, per) = match unit.split_once('/') {
        Some((main, per)) => (main.trim(), per.trim()),
        None => (unit.trim(), ""),
    };
    let main = in_full(main, UNITS);
    let per = match in_full(per, PER).as_str() {
        "" => String::new(),
        it => format!("per_{it}"),
    };
    for part in [&main, &per] {
        // The words of a unit are there when the last words of the name are.
        let part: Vec<String> =
            part.split('_').filter(|it| !it.is_empty()).map(str::to_owned).collect();
        let is_there = part.is_empty() || words.windows(part.len()).any(|it| *it == *part);
        if !is_there {
            words.extend(part);
        }
    }
    let last = match sort {
        Sort::Counter => "total",
        Sort::Gauge if unit.trim() == "1" => "ratio",
        Sort::Gauge | Sort::Other => "",
    };
    if !last.is_empty() {
        words.retain(|it| it != last);
        words.push(last.to_owned());
    }
    let mut name = words.join("_");
    if name.starts_with(|it: char| it.is_ascii_digit()) {
        name.insert(0, '_');
    }
    let unit = [main, per].into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join("_");
    (name, unit)
}

fn in_full(unit: &str, names: &[(&str, &str)]) -> String {
    // What stands in braces is a remark.
    if unit.contains(['{', '}']) {
        return String::new();
    }
    match names.iter().find(|it| it.0 == unit) {
        Some((_, name)) => (*name).to_owned(),
        None => {
            let plain = |it: char| if it.is_ascii_alphanumeric() || it == ':' { it } else { '_' };
            unit.chars().map(plain).collect::<String>().trim_matches('_').to_owned()
        }
    }
}

/// The name of an attribute as a label.
pub(super) fn label(key: &str) -> String {
    let plain = |it: char| if it.is_ascii_alphanumeric() { it } else { '_' };
    let name: String = key.chars().map(plain).collect();
    match name.starts_with(|it: char| it.is_ascii_digit()) {
        true => format!("key_{name}"),
        false => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_prometheus() {
        for (name, unit, sort, expected) in [
            ("http.server.duration", "s", Sort::Other, "http_server_duration_seconds"),
            ("http.server.duration.seconds", "s", Sort::Other, "http_server_duration_seconds"),
            ("system.io", "By", Sort::Counter, "system_io_bytes_total"),
            ("requests_total", "1", Sort::Counter, "requests_total"),
            ("requests.total.of.all", "", Sort::Counter, "requests_of_all_total"),
            ("requests", "{request}", Sort::Counter, "requests_total"),
            ("cpu.utilization", "1", Sort::Gauge, "cpu_utilization_ratio"),
            ("speed", "m/s", Sort::Gauge, "speed_meters_per_second"),
            ("speed", "{thing}/s", Sort::Gauge, "speed_per_second"),
            ("a..b--c__d", "", Sort::Gauge, "a_b_c_d"),
            ("2xx", "", Sort::Gauge, "_2xx"),
            ("memory", "widgets", Sort::Gauge, "memory_widgets"),
            ("job:rate", "", Sort::Gauge, "job:rate"),
        ] {
            assert_eq!(metric(name, unit, sort).0, expected, "{name} {unit}");
        }
        assert_eq!(metric("speed", "m/s", Sort::Gauge).1, "meters_per_second");
    }

    #[test]
    fn labels_have_letters_digits_and_underscores() {
        assert_eq!(label("http.status_code"), "http_status_code");
        assert_eq!((&*label("2xx"), &*label("é")), ("key_2xx", "_"));
    }
}
