//! Retry-After: how long an answer asks us to wait (RFC 9110, section 10.2.3).
//!
//! It is a number of seconds, or a date. A date is read against the `Date` of the same answer, that is by the clock of who wrote
//! both, so that a clock of ours that is wrong by an hour does not make a wait of an hour.

use std::time::Duration;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The wait that the value of a `Retry-After` asks for; `date` is the value of the `Date` of the same answer. `None` when it says
/// nothing that can be used: neither seconds nor a date, or a date without another to count from.
///
/// ```
/// use std::time::Duration;
/// use evenkeel_resilience::retry::parse_retry_after;
///
/// assert_eq!(parse_retry_after("120", None), Some(Duration::from_secs(120)));
/// let (until, date) = ("Sun, 06 Nov 1994 08:50:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT");
/// assert_eq!(parse_retry_after(until, Some(date)), Some(Duration::from_secs(60)));
/// ```
pub fn parse_retry_after(value: &str, date: Option<&str>) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|it| it.is_ascii_digit()) {
        // More seconds than can be counted are for ever.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let seconds = seconds_of(value)?.saturating_sub(seconds_of(date?.trim())?);
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// Seconds since the year 0 of a date in one of the three forms of HTTP (RFC 9110, section 5.6.7), of which the last two are no longer
/// written and have to be read: `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT` and `Sun Nov  6 08:49:37 1994`. The
/// name of the day is not looked at.
fn seconds_of(date: &str) -> Option<i64> {
    let (day, month, year, clock) = match date.split_once(", ") {
        Some((_, rest)) => {
            let (date, clock) = rest.strip_suffix(" GMT")?.rsplit_once(' ')?;
            let (day, rest) = date.split_once([' ', '-'])?;
            let (month, year) = rest.split_once([' ', '-'])?;
            let year = match year.len() {
                2 => number(year, 2, 99).map(|it| if it < 70 { it + 2_000 } else { it + 1_900 }),
                _ => number(year, 4, 9_999),
            };
            (number(day, 2, 31)?, month, year?, clock)
        }
        None => {
            let (month, rest) = date.split_once(' ')?.1.split_once(' ')?;
            let (day, rest) = rest.split_at_checked(2)?;
            let (clock, year) = rest.strip_prefix(' ')?.split_once(' ')?;
            let day =
                day.strip_prefix(' ').map_or_else(|| number(day, 2, 31), |it| number(it, 1, 9));
            (day?, month, number(year, 4, 9_999)?, clock)
        }
    };
    let month = i64::try_from(MONTHS.iter().position(|it| *it == month)?).ok()?;
    let mut clock = clock.split(':');
    let hours = number(clock.next()?, 2, 23)?;
    let minutes = number(clock.next()?, 2, 59)?;
    // 60 is a leap second.
    let seconds = number(clock.next()?, 2, 60)?;
    if clock.next().is_some() || day == 0 {
        return None;
    }
    // Years that begin in March, so that the leap day is the last: H. Hinnant, "chrono-compatible low-level date algorithms".
    let (year, month) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = 365 * year + leaps + day_of_year;
    Some(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
}

fn number(text: &str, digits: usize, most: i64) -> Option<i64> {
    let is_number = text.len() == digits && text.bytes().all(|it| it.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten().filter(|it| *it <= most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DATE: &str = "Wed, 28 Feb 2024 23:59:50 GMT";

    fn wait(value: &str) -> Option<u64> {
        parse_retry_after(value, Some(DATE)).map(|it| it.as_secs())
    }

    #[test]
    fn seconds_are_read() {
        assert_eq!(wait("0"), Some(0));
        assert_eq!(wait(" 17 "), Some(17));
        assert_eq!(wait("99999999999999999999"), Some(u64::MAX));
    }

    #[test]
    fn a_date_is_counted_from_that_of_the_answer() {
        assert_eq!(wait("Thu, 29 Feb 2024 00:00:00 GMT"), Some(10));
        assert_eq!(wait("Fri, 01 Mar 2024 00:00:00 GMT"), Some(86_410));
        assert_eq!(wait("Sat, 28 Feb 2026 23:59:50 GMT"), Some(731 * 86_400));
        assert_eq!(parse_retry_after("Thu, 29 Feb 2024 00:00:00 GMT", None), None);
    }

    #[test]
    fn a_date_is_read_in_all_the_forms_that_were_ever_written() {
        assert_eq!(wait("Thursday, 29-Feb-24 00:00:00 GMT"), Some(10));
        assert_eq!(wait("Thu Feb 29 00:00:00 2024"), Some(10));
        assert_eq!(wait("Fri Mar  1 00:00:00 2024"), Some(86_410));
        assert_eq!(wait("Wednesday, 28-Feb-99 23:59:50 GMT"), Some(0), "of the last century");
        assert_eq!(
            parse_retry_after("Sun Nov  6 08:50:37 1994", Some("Sunday, 06-Nov-94 08:49:37 GMT"))
                .map(|it| it.as_secs()),
            Some(60)
        );
    }

    #[test]
    fn a_date_that_is_over_asks_for_no_wait() {
        assert_eq!(wait("Mon, 01 Jan 2024 00:00:00 GMT"), Some(0));
    }

    #[test]
    fn what_is_neither_is_not_understood() {
        let odd = "|soon|-3|1.5|Thu, 29 Feb 2024|Thu, 29 Feb 2024 00:00:00 CET|Thu, 29 Feb 2024 00:00:00|\
                   Thu, 29 Feb 024 00:00:00 GMT|Thu, 00 Feb 2024 00:00:00 GMT|Thu, 29 Feb 2024 00:00:00:00 GMT|\
                   Thu Feb 29 00:00:00 2024 GMT|Thu Feb  0 00:00:00 2024|Thu Feb é9 00:00:00 2024";
        for odd in odd.split('|') {
            assert_eq!(wait(odd), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(value in "\\PC*", date in "\\PC*") {
            let _wait = parse_retry_after(&value, Some(&date));
        }

        #[test]
        fn no_date_makes_it_panic(day in 0u32..99, year in 0u32..9999, hour in 0u32..99) {
            let date = format!("Sun, {day:02} Mar {year:04} {hour:02}:00:60 GMT");
            let _wait = parse_retry_after(&date, Some(DATE));
        }
    }
}
