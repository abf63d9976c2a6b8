//! HDR: response times as an interval log, which the tools of HdrHistogram read, plot and add up.
//!
//! Each second has one histogram of all requests, without a tag, and one for each route that was answered in
//! it, whose tag is the name of the route. Tags may have neither blanks nor commas, so these (and control
//! characters and `%`) stand as in URLs: `GET%20/products`.
//!
//! Values are microseconds. The column for people, the longest time of an interval, is in milliseconds; tools
//! that scale what they show need to be told the ratio: `HistogramLogProcessor -outputValueUnitRatio 1000`
//! shows milliseconds. Times count from when a request was due until its outcome was known, and failed
//! requests are among them.
//!
//! Source: <https://hdrhistogram.github.io/HdrHistogram/>.

use std::borrow::Borrow;
use std::time::{Duration, SystemTime};

use evenkeel_model::{Distribution, Frame};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriter, IntervalLogWriterBuilder, Tag};

/// Times are told apart as in the frames.
const SIGNIFICANT_DIGITS: u8 = 3;
/// Longer times are counted as this long: one hour, as in the frames.
const LONGEST_MICROS: u64 = 3_600_000_000;
const MICROS_PER_MILLI: f64 = 1000.0;

type Log<'a> = IntervalLogWriter<'a, 'a, Vec<u8>, V2DeflateSerializer>;

/// Writes the seconds of a load that began at `began`; the names are those of its routes, in order.
pub fn render(
    frames: impl IntoIterator<Item: Borrow<Frame>>,
    routes: &[String],
    began: SystemTime,
) -> String {
    let mut bytes = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("[Histogram log format version 1.3]")
        .add_comment("[Response times in microseconds, written by evenkeel]")
        .with_start_time(began)
        .with_base_time(began)
        .with_max_value_divisor(MICROS_PER_MILLI)
        .begin_log_with(&mut bytes, &mut serializer)
        .expect(FITS);
    for frame in frames {
        let frame = frame.borrow();
        interval(&mut log, frame.second, None, frame.series.iter().map(|it| &it.response_micros));
        for (index, name) in routes.iter().enumerate() {
            let own: Vec<_> = frame
                .series
                .iter()
                .filter(|it| it.route == index)
                .map(|it| &it.response_micros)
                .collect();
            if !own.is_empty() {
                interval(&mut log, frame.second, Some(&tag(name)), own.into_iter());
            }
        }
    }
    String::from_utf8(bytes).expect("a log is ASCII, except for tags, which are texts")
}

const FITS: &str = "a vector takes everything";

fn interval<'a>(
    log: &mut Log<'_>,
    second: u64,
    tag: Option<&str>,
    times: impl Iterator<Item = &'a Distribution>,
) {
    let mut histogram = Histogram::<u64>::new(SIGNIFICANT_DIGITS)
        .expect("three significant digits are within what the histogram allows");
    for &(micros, count) in times.flat_map(|it| &it.micros) {
        histogram
            .record_n(micros.clamp(1, LONGEST_MICROS), count)
            .expect("the histogram grows up to an hour");
    }
    let tag = tag.map(|it| Tag::new(it).expect("blanks and commas have been replaced"));
    let (from, length) = (Duration::from_secs(second), Duration::from_secs(1));
    log.write_histogram(&histogram, from, length, tag).expect(FITS);
}

/// A name as a tag. Different names stay different.
fn tag(name: &str) -> String {
    let mut tag = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            ' ' | ',' | '%' => tag.push_str(&format!("%{:02X}", u32::from(character))),
            it if it.is_control() || it.is_whitespace() => {
                let mut bytes = [0; 4];
                it.encode_utf8(&mut bytes)
                    .bytes()
                    .for_each(|it| tag.push_str(&format!("%{it:02X}")));
            }
            it => tag.push(it),
        }
    }
    // A tag without a character would not be one.
    if tag.is_empty() { "%".to_owned() } else { tag }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use evenkeel_model::{Answer, Series};
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    /// Route, what became of its requests, and microseconds with their counts.
    type Counted<'a> = (usize, Answer, &'a [(u64, u64)]);

    fn frame(second: u64, series: &[Counted<'_>]) -> Frame {
        let series = series
            .iter()
            .map(|&(route, answer, micros)| Series {
                route,
                answer,
                response_micros: Distribution { micros: micros.to_vec() },
                service_micros: Distribution::default(),
            })
            .collect();
        Frame { second, series, ..Frame::default() }
    }

    fn log(frames: &[Frame], routes: &[&str]) -> String {
        let routes: Vec<_> = routes.iter().map(|it| (*it).to_owned()).collect();
        render(frames, &routes, SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_250))
    }

    fn histogram(encoded: &str) -> Histogram<u64> {
        let bytes = STANDARD.decode(encoded).unwrap();
        Deserializer::new().deserialize(&mut &*bytes).unwrap()
    }

    #[test]
    fn the_tools_of_hdrhistogram_read_what_was_counted() {
        let frames = [
            frame(0, &[(0, Answer::Ok, &[(412, 90), (2_001, 9)]), (0, Answer::Reset, &[(70, 1)])]),
            frame(1, &[(0, Answer::Ok, &[(400, 1)]), (1, Answer::Ok, &[(1_000_000, 3)])]),
        ];
        let text = log(&frames, &["GET /products", "buy"]);
        let mut intervals = Vec::new();
        for entry in IntervalLogIterator::new(text.as_bytes()) {
            match entry.unwrap() {
                LogEntry::StartTime(at) | LogEntry::BaseTime(at) => {
                    assert_eq!(at, Duration::from_millis(1_700_000_000_250));
                }
                LogEntry::Interval(it) => intervals.push(it),
            }
        }
        let found: Vec<_> = intervals
            .iter()
            .map(|it| {
                let tag = it.tag().map(|it| it.as_str().to_owned());
                let counts = histogram(it.encoded_histogram());
                (it.start_timestamp().as_secs(), tag, counts.len(), it.max())
            })
            .collect();
        let products = Some("GET%20/products".to_owned());
        let expected = [
            (0, None, 100, 2.001),
            (0, products.clone(), 100, 2.001),
            (1, None, 4, 1000.447),
            (1, products, 1, 0.4),
            (1, Some("buy".to_owned()), 3, 1000.447),
        ];
        assert_eq!(found, expected);
        assert!(intervals.iter().all(|it| it.duration() == Duration::from_secs(1)));
        let first = histogram(intervals[0].encoded_histogram());
        assert_eq!((first.count_at(412), first.count_at(2_001), first.count_at(70)), (90, 9, 1));
        assert_eq!(first.value_at_quantile(0.9), 412);
    }

    #[test]
    fn a_second_without_an_answer_is_an_empty_interval() {
        let text = log(&[frame(0, &[])], &["list"]);
        let intervals: Vec<_> = IntervalLogIterator::new(text.as_bytes())
            .filter_map(|it| match it.unwrap() {
                LogEntry::Interval(it) => Some(histogram(it.encoded_histogram()).len()),
                LogEntry::StartTime(_) | LogEntry::BaseTime(_) => None,
            })
            .collect();
        assert_eq!(intervals, [0]);
    }

    #[test]
    fn the_head_says_what_follows() {
        let head = "#[Histogram log format version 1.3]\n\
                    #[Response times in microseconds, written by evenkeel]\n\
                    #[StartTime: 1700000000.250 (seconds since epoch)]\n\
                    #[BaseTime: 1700000000.250 (seconds since epoch)]\n\
                    #[MaxValueDivisor: 1000.000]\n";
        assert_eq!(log(&[], &[]), head);
    }

    #[test]
    fn different_names_are_different_tags() {
        for (name, written) in [
            ("a b", "a%20b"),
            ("a%20b", "a%2520b"),
            ("a,b", "a%2Cb"),
            ("a\r\nb", "a%0D%0Ab"),
            ("ü\u{a0}", "ü%C2%A0"),
            ("", "%"),
        ] {
            assert_eq!(tag(name), written);
            assert!(Tag::new(written).is_some());
        }
    }
}
