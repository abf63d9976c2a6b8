//! Scrape: targets are asked for their metrics, each at its own moments.
//!
//! ```text
//! target   which targets a job has, and under which labels
//! session  one target through time: what its text becomes, and which series have ended; no IO
//! fetch    one request to a target, within time and bytes
//! pool     all targets of all jobs: who is asked when, and who has come or gone
//! ```
//!
//! A target is asked at moments that are its own within the interval, by a hash of what it is, so that thousands are
//! never asked at once and each keeps its moments over restarts. A sample has the moment at which the target was due.

mod fetch;
mod pool;
mod session;
mod target;

pub(crate) use fetch::{authorization, client};
pub(crate) use pool::fits;
pub use pool::{Health, Past, Pool, Stopping, Watched};
pub use session::Scraped;
pub use target::{Dropped, Target, time};

/// When a target is due next: the first moment after `now` that is `offset` after a multiple of the interval. All in
/// milliseconds.
fn due(now: i64, every: i64, offset: i64) -> i64 {
    let every = every.max(1);
    let into = now.wrapping_sub(offset).rem_euclid(every);
    now + (every - into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_target_is_due_once_an_interval_at_its_own_moment(
            now in 0_i64..4_000_000_000_000, every in 1_i64..600_000, offset in 0_i64..600_000
        ) {
            let next = due(now, every, offset);
            prop_assert!(now < next && next <= now + every);
            prop_assert_eq!((next - offset).rem_euclid(every), 0);
            prop_assert_eq!(due(next, every, offset), next + every);
        }
    }
}
