//! CSV: every second of a load as rows, for spreadsheets and data frames.
//!
//! One row for the whole of each second (`kind` is `all`), one for each route, and one for each transaction,
//! whether anything happened in it or not. What is known of the whole alone is empty in the other rows, as
//! are figures of times where there was none. Times are in seconds, percentiles by nearest rank.
//!
//! Percentiles of several seconds cannot be had from those of each: the interval log
//! ([`hdr`](crate::hdr)) has what is needed for that.
//!
//! Fields are quoted as RFC 4180 says, and lines end with CR LF. A name that a spreadsheet would take for a
//! formula, because it begins with `=`, `+`, `-`, `@`, a tab or a line break, gets an apostrophe in front: the
//! spreadsheet shows it as text, and other readers see the apostrophe.

use std::borrow::Borrow;
use std::fmt::Write as _;
use std::time::Duration;

use evenkeel_model::{Answer, Distribution, Frame, Series};
use evenkeel_stats::Histogram;

/// Statistics of times: name and share.
const QUANTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999)];

/// What is known of a whole second only.
const OF_ALL: [&str; 10] = [
    "planned",
    "sent",
    "missed",
    "in_flight",
    "waiting",
    "bytes_received",
    "bytes_sent",
    "connections",
    "resumed",
    "send_lag_p99_seconds",
];

/// Times that have statistics: of every answer, of those that were right, and from when it was sent.
const TIMES: [&str; 3] = ["response", "good_response", "service"];

/// Writes the seconds of a load; the names are those of its routes and transactions, in order.
pub fn render(
    frames: impl IntoIterator<Item: Borrow<Frame>>,
    routes: &[String],
    transactions: &[String],
) -> String {
    let mut text = header();
    for frame in frames {
        let frame = frame.borrow();
        let all: Vec<&Series> = frame.series.iter().collect();
        row(&mut text, frame.second, "all", "", &of_all(frame), &all);
        for (kind, names, series) in
            [("route", routes, &frame.series), ("transaction", transactions, &frame.transactions)]
        {
            for (index, name) in names.iter().enumerate() {
                let own: Vec<&Series> = series.iter().filter(|it| it.route == index).collect();
                row(
                    &mut text,
                    frame.second,
                    kind,
                    name,
                    &[const { String::new() }; OF_ALL.len()],
                    &own,
                );
            }
        }
    }
    text
}

/// The names of the columns, in order.
pub fn columns() -> Vec<String> {
    let bad = Answer::ALL.iter().filter(|it| !it.is_ok()).map(|it| format!("failed_{}", it.name()));
    let times = TIMES.iter().flat_map(|times| {
        let statistics = QUANTILES.iter().map(|it| it.0).chain(["max", "mean"]);
        statistics.map(move |it| format!("{times}_{it}_seconds"))
    });
    ["second", "kind", "name"]
        .into_iter()
        .chain(OF_ALL)
        .chain(["answered", "good", "failed"])
        .map(str::to_owned)
        .chain(bad)
        .chain(times)
        .collect()
}

fn header() -> String {
    let mut line = columns().join(",");
    line.push_str("\r\n");
    line
}

fn of_all(frame: &Frame) -> [String; OF_ALL.len()] {
    let lag = Histogram::of(&frame.lag_micros).quantile(0.99);
    [
        frame.planned.to_string(),
        frame.sent.to_string(),
        frame.missed.to_string(),
        frame.in_flight.to_string(),
        frame.waiting.to_string(),
        frame.bytes_received.to_string(),
        frame.bytes_sent.to_string(),
        frame.connected.to_string(),
        frame.resumed.to_string(),
        seconds(lag),
    ]
}

fn row(
    text: &mut String,
    second: u64,
    kind: &str,
    name: &str,
    of_all: &[String],
    series: &[&Series],
) {
    let count = |of: &dyn Fn(Answer) -> bool| -> u64 {
        series.iter().filter(|it| of(it.answer)).map(|it| it.response_micros.count()).sum()
    };
    let good = count(&Answer::is_ok);
    let all = count(&|_| true);
    write!(text, "{second},{kind},{},{}", field(name), of_all.join(",")).expect(FITS);
    write!(text, ",{all},{good},{}", all - good).expect(FITS);
    for answer in Answer::ALL.into_iter().filter(|it| !it.is_ok()) {
        write!(text, ",{}", count(&|it| it == answer)).expect(FITS);
    }
    let times = |of: fn(&Series) -> &Distribution, good_only: bool| {
        let mut sum = Histogram::new();
        series.iter().filter(|it| !good_only || it.answer.is_ok()).for_each(|it| sum.add(of(it)));
        sum
    };
    for times in [
        times(|it| &it.response_micros, false),
        times(|it| &it.response_micros, true),
        times(|it| &it.service_micros, false),
    ] {
        for (_, q) in QUANTILES {
            write!(text, ",{}", seconds(times.quantile(q))).expect(FITS);
        }
        write!(text, ",{},{}", seconds(times.max()), seconds(times.mean())).expect(FITS);
    }
    text.push_str("\r\n");
}

const FITS: &str = "a string takes everything";

fn seconds(time: Option<Duration>) -> String {
    time.map_or_else(String::new, |it| format!("{:.6}", it.as_secs_f64()))
}

/// A name as a field: nothing that a spreadsheet would calculate, and quoted where it must be.
fn field(name: &str) -> String {
    let mark = if name.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { "'" } else { "" };
    match name.contains(['"', ',', '\r', '\n']) {
        true => format!("\"{mark}{}\"", name.replace('"', "\"\"")),
        false => format!("{mark}{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(route: usize, answer: Answer, micros: &[(u64, u64)]) -> Series {
        let times = Distribution { micros: micros.to_vec() };
        Series { route, answer, response_micros: times.clone(), service_micros: times }
    }

    fn frame() -> Frame {
        Frame {
            second: 7,
            planned: 12,
            sent: 11,
            missed: 1,
            in_flight: 2,
            bytes_received: 4096,
            lag_micros: Distribution { micros: vec![(20, 11)] },
            series: vec![
                series(0, Answer::Ok, &[(500, 6), (900, 2)]),
                series(0, Answer::Timeout, &[(2000, 1)]),
            ],
            transactions: vec![series(0, Answer::Ok, &[(1500, 1)])],
            ..Frame::default()
        }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|it| (*it).to_owned()).collect()
    }

    /// Rows by the names of the columns; no field of these tests holds a comma.
    fn rows(text: &str) -> Vec<Vec<(String, String)>> {
        let mut lines =
            text.split_terminator("\r\n").map(|it| names(&it.split(',').collect::<Vec<_>>()));
        let header = lines.next().unwrap();
        lines
            .map(|it| {
                assert_eq!(it.len(), header.len(), "{it:?}");
                header.iter().cloned().zip(it).collect()
            })
            .collect()
    }

    fn of<'a>(row: &'a [(String, String)], column: &str) -> &'a str {
        &row.iter().find(|it| it.0 == column).unwrap_or_else(|| panic!("no column {column}")).1
    }

    #[test]
    fn a_second_is_a_row_for_the_whole_and_one_for_each_name() {
        let text = render(&[frame()], &names(&["list", "buy"]), &names(&["order"]));
        let rows = rows(&text);
        let kinds: Vec<_> = rows.iter().map(|it| (of(it, "kind"), of(it, "name"))).collect();
        assert_eq!(
            kinds,
            [("all", ""), ("route", "list"), ("route", "buy"), ("transaction", "order")]
        );
        for (column, all, list, buy) in [
            ("second", "7", "7", "7"),
            ("planned", "12", "", ""),
            ("missed", "1", "", ""),
            ("bytes_received", "4096", "", ""),
            ("send_lag_p99_seconds", "0.000020", "", ""),
            ("answered", "9", "9", "0"),
            ("good", "8", "8", "0"),
            ("failed", "1", "1", "0"),
            ("failed_timeout", "1", "1", "0"),
            ("failed_dns", "0", "0", "0"),
            ("response_p50_seconds", "0.000500", "0.000500", ""),
            ("response_max_seconds", "0.002000", "0.002000", ""),
            ("good_response_max_seconds", "0.000900", "0.000900", ""),
            ("good_response_mean_seconds", "0.000600", "0.000600", ""),
        ] {
            let found = (of(&rows[0], column), of(&rows[1], column), of(&rows[2], column));
            assert_eq!(found, (all, list, buy), "{column}");
        }
        assert_eq!(of(&rows[3], "response_p99_seconds"), "0.001500");
    }

    #[test]
    fn a_load_without_seconds_has_its_columns() {
        let text = render(&[], &names(&["list"]), &[]);
        assert!(
            text.starts_with("second,kind,name,planned,") && text.ends_with("_mean_seconds\r\n")
        );
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn names_are_quoted_and_never_formulas() {
        for (name, written) in [
            ("GET /products", "GET /products"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("@cmd", "'@cmd"),
            ("-a,b", "\"'-a,b\""),
            ("\tx", "'\tx"),
        ] {
            assert_eq!(field(name), written);
        }
    }
}
