//! Dates: what day and hour a moment is, in UTC.

const DAY: i64 = 86_400;

/// Whether a function asks for a part of a date.
pub(super) fn is_part(name: &str) -> bool {
    matches!(
        name,
        "minute"
            | "hour"
            | "day_of_week"
            | "day_of_month"
            | "day_of_year"
            | "days_in_month"
            | "month"
            | "year"
    )
}

/// A part of the date that is so many seconds after 1970.
pub(super) fn part(name: &str, seconds: f64) -> f64 {
    // What no calendar knows is at its end.
    let seconds = (seconds as i64).clamp(-1 << 50, 1 << 50);
    let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year, month, day) = civil(days);
    let part = match name {
        "minute" => second / 60 % 60,
        "hour" => second / 3600,
        // 1970 began on a Thursday.
        "day_of_week" => (days + 4).rem_euclid(7),
        "day_of_month" => day,
        "day_of_year" => days - days_before(year, 1) + 1,
        "days_in_month" => {
            let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
            days_before(next.0, next.1) - days_before(year, month)
        }
        "month" => month,
        _ => year,
    };
    part as f64
}

/// As RFC 3339 writes it.
pub(crate) fn rfc3339(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a day counted from 1970, by Howard Hinnant's `civil_from_days`: years begin in March, so that
/// the day that only some have is their last.
const fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + (month <= 2) as i64, month, day)
}

/// Days from 1970 to the first of a month, by `days_from_civil` of the same author.
const fn days_before(year: i64, month: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month + 2) / 5;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
        let of = |name| part(name, 951_782_400.0);
        assert_eq!((of("day_of_year"), of("days_in_month"), of("day_of_week")), (60.0, 29.0, 2.0));
    }

    #[test]
    fn what_no_calendar_knows_does_no_harm() {
        for seconds in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
            assert!(part("day_of_year", seconds) >= 1.0);
        }
    }
}
