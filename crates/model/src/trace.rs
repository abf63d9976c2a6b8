//! Traces: what was recorded elsewhere, as rates.
//!
//! ```text
//! seconds,rate         at                              127.0.0.1 - - [10/Oct/2025:13:55:36 +0200] "GET / …" 200 12
//! 0,120                2025-10-10T13:55:36.120Z        127.0.0.1 - - [10/Oct/2025:13:55:36 +0200] "GET / …" 200 12
//! 60,150               2025-10-10T13:55:36.480Z
//! ```
//!
//! Rates with the second from which they held, moments of requests (in a column `at`, or one a line: seconds or RFC
//! 3339), or the access log of a server. Time counts from the first of them. What is recorded is spread over equal
//! stretches, and none of it is lost: the rates times their lengths are as many requests as were recorded.

use std::io;
use std::time::Duration;

use evenkeel_units::Rate;

use crate::Diagnostic;
use crate::decode::{Code, Findings, codes};
use crate::document::{Document, FileName, Shape};
use crate::yaml::{Place, Source};

/// The largest trace that is read, in bytes.
pub const MAX_BYTES: usize = 64 << 20;
/// How many stretches a trace may have: a day of seconds, and some.
pub(crate) const MAX_STRETCHES: usize = 100_000;

const FORMS: &str =
    "Begin with `seconds,rate` or with a column `at`, give one moment a line, or an access log.";
const EARLIER: &str = "Sort the lines by time, and give each moment one rate.";

/// Reads the traces that a document names, with `read`. Whether all could be read; what is wrong is in `found`.
pub(crate) fn recall(
    document: &mut Document,
    read: &dyn Fn(&FileName) -> io::Result<Vec<u8>>,
    found: &mut Findings,
) -> bool {
    let shapes: Vec<&mut Shape> = match document {
        Document::LoadTest(it) => it.shape.iter_mut().collect(),
        Document::Drill(it) => it.phases.iter_mut().map(|it| &mut it.shape).collect(),
        Document::Service(_)
        | Document::Slo(_)
        | Document::AlertPolicy(_)
        | Document::ErrorBudgetPolicy(_)
        | Document::Sla(_)
        | Document::ChaosExperiment(_)
        | Document::GameDay(_)
        | Document::Resilience(_)
        | Document::LoadBalancer(_)
        | Document::Patroni(_) => Vec::new(),
    };
    let before = found.count();
    for shape in shapes {
        let Shape::Recorded { every, file } = shape else { continue };
        let every = *every;
        match rates_of(file, every, read, found) {
            Ok(rates) => *shape = Shape::Trace { every, rates },
            Err(diagnostic) => found.add(*diagnostic),
        }
    }
    found.count() == before
}

fn rates_of(
    file: &FileName,
    every: Duration,
    read: &dyn Fn(&FileName) -> io::Result<Vec<u8>>,
    found: &Findings,
) -> Result<Vec<Rate>, Box<Diagnostic>> {
    let unreadable = |problem: String| {
        let help = "Write its path from the folder of this document, or from the root.";
        let message = format!("the trace `{}` cannot be read: {problem}", file.as_str());
        Box::new(found.source().diagnostic(codes::UNREADABLE, file.span(), message, help))
    };
    let bytes = read(file).map_err(|it| unreadable(it.to_string()))?;
    if bytes.len() > MAX_BYTES {
        return Err(unreadable(format!("it is larger than {} MiB", MAX_BYTES >> 20)));
    }
    let text = String::from_utf8(bytes).map_err(|it| unreadable(it.to_string()))?;
    let rates = parse(&text, every.as_secs_f64());
    rates.map_err(|Wrong { code, place, message, help }| {
        let source = Source::new(&file.path().display().to_string(), text);
        Box::new(source.diagnostic(code, place, message, help))
    })
}

/// What is wrong with a trace.
struct Wrong {
    code: Code,
    place: Place,
    message: String,
    help: &'static str,
}

/// A part of a line, and where it stands.
#[derive(Copy, Clone)]
struct Cell<'t> {
    text: &'t str,
    line: u32,
    column: u32,
}

impl Cell<'_> {
    fn wrong(&self, what: &str, help: &'static str) -> Wrong {
        let length = self.text.chars().count() as u32;
        let place = Place { line: self.line, column: self.column, length };
        let text: String = self.text.chars().take(60).collect();
        Wrong { code: codes::TRACE, place, message: format!("`{text}` {what}"), help }
    }

    /// Seconds since some moment that is the same for the whole file.
    fn moment(&self) -> Result<f64, Wrong> {
        let seconds = self.text.parse::<f64>().ok().filter(|it| it.is_finite());
        let moment = || self.text.parse::<jiff::Timestamp>().ok().map(seconds_of);
        let help = "Write seconds, such as `12.5`, or a moment, such as `2025-10-10T13:55:36Z`.";
        seconds.or_else(moment).ok_or_else(|| self.wrong("is no moment", help))
    }

    fn rate(&self) -> Result<f64, Wrong> {
        let plain = self.text.parse::<f64>().ok();
        let rate = plain.or_else(|| self.text.parse::<Rate>().ok().map(Rate::get));
        rate.filter(|it| (0.0..=MOST).contains(it)).ok_or_else(|| {
            self.wrong("is no rate", "Write requests a second, such as `120`, 10,000,000 at most.")
        })
    }
}

/// No single host sends more requests a second.
const MOST: f64 = 10e6;

fn seconds_of(moment: jiff::Timestamp) -> f64 {
    moment.as_nanosecond() as f64 / 1e9
}

/// The cells of a line; commas between quotes part nothing.
fn cells(line: u32, text: &str) -> Vec<Cell<'_>> {
    let mut is_quoted = false;
    let mut column = 1;
    let parts = text.split(|it: char| {
        is_quoted ^= it == '"';
        it == ',' && !is_quoted
    });
    parts
        .map(|part| {
            let blanks = part.chars().take_while(|it| it.is_whitespace() || *it == '"').count();
            let cell =
                Cell { text: part.trim().trim_matches('"'), line, column: column + blanks as u32 };
            column += part.chars().count() as u32 + 1;
            cell
        })
        .collect()
}

/// The moment of a line of an access log, in the form that all of them share.
fn logged(line: u32, text: &str) -> Option<(Cell<'_>, f64)> {
    let (before, rest) = text.split_once('[')?;
    let (inside, _) = rest.split_once(']')?;
    let moment = jiff::Timestamp::strptime("%d/%b/%Y:%H:%M:%S %z", inside).ok()?;
    let column = before.chars().count() as u32 + 2;
    Some((Cell { text: inside, line, column }, seconds_of(moment)))
}

fn parse(text: &str, every: f64) -> Result<Vec<Rate>, Wrong> {
    let text = text.trim_start_matches('\u{feff}');
    let numbered = (1..).zip(text.lines());
    let mut lines =
        numbered.filter(|(_, it)| !it.trim().is_empty() && !it.starts_with('#')).peekable();
    let Some((number, first)) = lines.peek().copied() else {
        return Err(whole("there is nothing in the trace", FORMS));
    };
    if logged(number, first).is_some() {
        let moment = |(n, line)| {
            let help = "Each line of an access log has its moment, such as `[10/Oct/2025:13:55:36 +0200]`.";
            let whole = Cell { text: line, line: n, column: 1 };
            logged(n, line).map(|(_, it)| it).ok_or_else(|| whole.wrong("has no moment", help))
        };
        return counted(&lines.map(moment).collect::<Result<Vec<_>, _>>()?, every);
    }
    let head = cells(number, first);
    let column = |name: &str| head.iter().position(|it| it.text.eq_ignore_ascii_case(name));
    let cell = |n: u32, line, column: usize| {
        let all = cells(n, line);
        let missing = Cell { text: line, line: n, column: 1 };
        let help = "Give every line the columns of the first.";
        all.get(column).copied().ok_or_else(|| missing.wrong("has too few columns", help))
    };
    if let Some((seconds, rate)) = column("seconds").zip(column("rate")) {
        let row = |(n, line)| {
            let moment = cell(n, line, seconds)?;
            Ok((moment, moment.moment()?, cell(n, line, rate)?.rate()?))
        };
        return spread(&lines.skip(1).map(row).collect::<Result<Vec<_>, Wrong>>()?, every);
    }
    let (at, skipped) = match (column("at"), head.as_slice()) {
        (Some(at), _) => (at, 1),
        (None, [only]) if only.moment().is_ok() => (0, 0),
        (None, [first, ..]) => return Err(first.wrong("begins no trace", FORMS)),
        (None, []) => return Err(whole("there is nothing in the trace", FORMS)),
    };
    let moments = lines.skip(skipped).map(|(n, line)| cell(n, line, at)?.moment());
    counted(&moments.collect::<Result<Vec<_>, _>>()?, every)
}

fn whole(message: &str, help: &'static str) -> Wrong {
    Wrong { code: codes::TRACE, place: Place::default(), message: message.to_owned(), help }
}

/// As many stretches without a request.
fn stretches(count: f64, every: f64) -> Result<Vec<f64>, Wrong> {
    match count <= MAX_STRETCHES as f64 {
        true => Ok(vec![0.0; count.max(1.0) as usize]),
        false => {
            let message =
                format!("the trace is longer than {MAX_STRETCHES} stretches of {every} s");
            Err(whole(&message, "Make them longer, such as `every: 1m`."))
        }
    }
}

/// Moments, in any order, as rates.
fn counted(moments: &[f64], every: f64) -> Result<Vec<Rate>, Wrong> {
    let start = moments.iter().copied().fold(f64::INFINITY, f64::min);
    let end = moments.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if moments.is_empty() {
        return Err(whole("there is no moment in the trace", FORMS));
    }
    let mut counts = stretches(((end - start) / every).floor() + 1.0, every)?;
    let last = counts.len() - 1;
    for moment in moments {
        let at = (((moment - start) / every) as usize).min(last);
        if let Some(count) = counts.get_mut(at) {
            *count += 1.0;
        }
    }
    rates(counts, every)
}

/// Rates, each of which holds until the next; the last as long as the one before it.
fn spread(rows: &[(Cell<'_>, f64, f64)], every: f64) -> Result<Vec<Rate>, Wrong> {
    let Some((_, start, _)) = rows.first() else {
        return Err(whole("there is no rate in the trace", FORMS));
    };
    let mut lengths = Vec::with_capacity(rows.len());
    for ((_, from, _), (cell, to, _)) in rows.iter().zip(rows.iter().skip(1)) {
        if to <= from {
            return Err(cell.wrong("is not later than the line before", EARLIER));
        }
        lengths.push(to - from);
    }
    lengths.push(lengths.last().copied().unwrap_or(every));
    let total: f64 = lengths.iter().sum();
    // A rest that is but an error of counting is no stretch.
    let mut counts = stretches((total / every - 1e-9).ceil(), every)?;
    let last = counts.len() - 1;
    for ((_, from, rate), length) in rows.iter().zip(lengths) {
        let (mut from, to) = (from - start, from - start + length);
        let first = ((from / every + 1e-9) as usize).min(last);
        for (n, count) in counts.iter_mut().enumerate().skip(first) {
            let end = if n == last { to } else { to.min((n + 1) as f64 * every) };
            *count += rate * (end - from).max(0.0);
            from = end;
            if end >= to {
                break;
            }
        }
    }
    rates(counts, every)
}

fn rates(counts: Vec<f64>, every: f64) -> Result<Vec<Rate>, Wrong> {
    if counts.iter().all(|it| *it <= 0.0) {
        return Err(whole("the trace sends nothing", "Give at least one rate above nothing."));
    }
    let rate = |count: f64| {
        let rate = count / every;
        let help = "No single host sends that many; make `every` longer.";
        let most = || whole(&format!("{rate:.0} requests a second are more than 10,000,000"), help);
        Rate::per_second(rate).filter(|it| it.get() <= MOST).ok_or_else(most)
    };
    counts.into_iter().map(rate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str, every: f64) -> Vec<f64> {
        let rates = parse(text, every).map_err(|it| it.message).unwrap();
        rates.into_iter().map(Rate::get).collect()
    }

    #[test]
    fn rates_hold_until_the_next_and_are_spread_over_equal_stretches() {
        assert_eq!(read("seconds,rate\n0,120\n1,150\n2,90/s\n", 1.0), [120.0, 150.0, 90.0]);
        assert_eq!(read("rate , at,seconds\n10,x,100\n30,y,102\n", 1.0), [10.0, 10.0, 30.0, 30.0]);
        assert_eq!(read("seconds,rate\n0,100\n3,0\n", 2.0), [100.0, 50.0, 0.0]);
    }

    #[test]
    fn moments_are_counted_in_any_order() {
        assert_eq!(read("# recorded\n7.5\n5\n5.2\n\n", 1.0), [2.0, 0.0, 1.0]);
        let text = "id,at\n\"a,b\",2025-10-10T13:55:36.9Z\nc,2025-10-10T15:55:36+02:00\n";
        assert_eq!(read(text, 0.5), [2.0, 2.0]);
        assert_eq!(read("\u{feff}at\n12\n", 10.0), [0.1]);
    }

    #[test]
    fn the_log_of_a_server_is_a_trace() {
        let line = |second: u32| {
            format!("::1 - ann [10/Oct/2025:13:55:{second} +0200] \"GET / HTTP/1.1\" 200 12\n")
        };
        let text: String = [36, 36, 38].map(line).concat();
        assert_eq!(read(&text, 1.0), [2.0, 0.0, 1.0]);
        let wrong = parse(&(text + "::1 - ann 13:55\n"), 1.0).err().unwrap();
        assert_eq!((wrong.place.line, wrong.message.contains("no moment")), (4, true));
    }

    #[test]
    fn mistakes_are_found_at_their_line_and_column() {
        for (text, line, column, words) in [
            ("seconds,rate\n0, many\n", 2, 4, "`many` is no rate"),
            ("seconds,rate\n0,1\n\n0,2\n", 4, 1, "`0` is not later"),
            ("seconds,rate\n0\n", 2, 1, "too few columns"),
            ("seconds,rate\n0,-1\n", 2, 3, "no rate"),
            ("id,at\n1,2\n2,soon\n", 3, 3, "`soon` is no moment"),
            ("time,load\n1,2\n", 1, 1, "`time` begins no trace"),
            ("1\nNaN\n", 2, 1, "no moment"),
            ("seconds,rate\n0,0\n", 0, 0, "sends nothing"),
            ("\n", 0, 0, "nothing in the trace"),
            ("at\n", 0, 0, "no moment in the trace"),
            ("0\n1e6\n", 0, 0, "longer than 100000 stretches of 1 s"),
            ("0\n1e300\n", 0, 0, "stretches"),
        ] {
            let wrong = parse(text, 1.0).err().unwrap();
            assert_eq!((wrong.place.line, wrong.place.column), (line, column), "{text}");
            assert!(wrong.message.contains(words), "{text}: {}", wrong.message);
        }
    }

    proptest! {
        #[test]
        fn nothing_recorded_is_lost(
            rows in proptest::collection::vec((1u32..5_000, 0u32..500), 1..40), every in 1u32..4_000,
        ) {
            let (mut at, mut text, mut due) = (0.0, "seconds,rate\n".to_owned(), 1.0);
            let every = f64::from(every) / 1e3;
            for (n, (ms, rate)) in rows.iter().enumerate() {
                text.push_str(&format!("{at},{}\n", rate + 1));
                let length = match (n + 1 == rows.len(), n) {
                    (false, _) => f64::from(*ms) / 1e3,
                    (true, 0) => every,
                    (true, _) => f64::from(rows[n - 1].0) / 1e3,
                };
                due += f64::from(rate + 1) * length;
                at += length;
            }
            let sum: f64 = read(&text, every).iter().map(|it| it * every).sum();
            prop_assert!((sum + 1.0 - due).abs() < 1e-6 * due, "{sum} {due}");
        }

        #[test]
        fn noise_never_panics(text in "(seconds,rate\n|at\n)?[0-9a-z,.\\-\\[\\]/:\" \n+]{0,60}", every in 1u32..9) {
            drop(parse(&text, f64::from(every)));
        }
    }
}
