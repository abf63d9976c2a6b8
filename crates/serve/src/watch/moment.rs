//! Moment: reckoning with moments in milliseconds since 1970, as samples have them.

use std::time::Duration;

/// A time in milliseconds.
pub(super) fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// A moment that comes later.
pub(super) fn after(at: i64, by: Duration) -> i64 {
    at.saturating_add(millis(by))
}

/// The time from one moment to a later one; nothing when it is earlier.
pub(super) fn between(from: i64, to: i64) -> Duration {
    Duration::from_millis(to.saturating_sub(from).max(0).unsigned_abs())
}

/// The next moment after `now` that is `offset` after a multiple of an interval.
pub(super) fn next(now: i64, every: Duration, offset: i64) -> i64 {
    let every = millis(every).max(1);
    now + (every - now.wrapping_sub(offset).rem_euclid(every))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_moment_is_at_its_offset_and_never_now() {
        let minute = Duration::from_mins(1);
        let at = |now| next(now, minute, 0);
        assert_eq!([at(0), at(1), at(59_999), at(-1)], [60_000, 60_000, 60_000, 0]);
        assert_eq!([next(0, minute, 7), next(7, minute, 7)], [7, 60_007]);
        assert_eq!(next(5, Duration::ZERO, 0), 6);
    }
}
