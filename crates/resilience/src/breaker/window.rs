//! Window: the outcomes of calls of which the shares are.

use evenkeel_units::{Moment, Ratio, nanos};

use super::policy::Window;

/// How many calls, and how they went.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All that ended.
    pub total: u32,
    /// Failed ones.
    pub failed: u32,
    /// Slow ones, failed or not.
    pub slow: u32,
}

impl Counts {
    pub(super) fn add(&mut self, failed: bool, slow: bool) {
        self.total = self.total.saturating_add(1);
        self.failed = self.failed.saturating_add(u32::from(failed));
        self.slow = self.slow.saturating_add(u32::from(slow));
    }

    fn merge(&mut self, other: Self) {
        self.total = self.total.saturating_add(other.total);
        self.failed = self.failed.saturating_add(other.failed);
        self.slow = self.slow.saturating_add(other.slow);
    }

    fn take(&mut self, other: Self) {
        self.total = self.total.saturating_sub(other.total);
        self.failed = self.failed.saturating_sub(other.failed);
        self.slow = self.slow.saturating_sub(other.slow);
    }
}

/// Whether `part` of `all` reaches a share, exactly.
pub(super) fn reaches(part: u32, all: u32, share: Ratio) -> bool {
    u64::from(part) * 1_000_000_000 >= u64::from(share.billionths()) * u64::from(all)
}

/// The outcomes in a window.
#[derive(Debug)]
pub(super) struct Outcomes {
    sum: Counts,
    kept: Kept,
}

#[derive(Debug)]
enum Kept {
    /// Two bits a call, failed and slow, 32 calls a word. `next` is where the next call goes.
    Calls { size: u32, next: u32, bits: Box<[u64]> },
    /// A ring of buckets. `head` is the latest stretch, and stands at `place`; the one before it at the place before.
    Time { width: u64, head: u64, place: usize, buckets: Box<[Counts]> },
}

impl Outcomes {
    pub(super) fn new(window: Window) -> Self {
        let kept = match window {
            Window::Calls(size) => {
                let words = size.div_ceil(32) as usize;
                Kept::Calls { size, next: 0, bits: vec![0; words].into() }
            }
            Window::Time { buckets, width } => Kept::Time {
                width: u64::try_from(width.as_nanos()).unwrap_or(u64::MAX),
                head: 0,
                place: 0,
                buckets: vec![Counts::default(); buckets as usize].into(),
            },
        };
        Self { sum: Counts::default(), kept }
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.sum = Counts::default();
        match &mut self.kept {
            Kept::Calls { next, .. } => *next = 0,
            Kept::Time { buckets, .. } => buckets.fill(Counts::default()),
        }
    }

    /// Whether another call that went well would leave it as it is: it is full of such calls.
    pub(super) fn is_spotless(&self) -> bool {
        let Counts { total, failed, slow } = self.sum;
        matches!(self.kept, Kept::Calls { size, .. } if total == size) && failed == 0 && slow == 0
    }

    /// What the window holds.
    pub(super) fn counts(&mut self, now: Moment) -> Counts {
        self.advance(now);
        self.sum
    }

    /// Takes one in, and gives what the window then holds. The time is asked for only where calls are kept by it.
    pub(super) fn record(
        &mut self,
        now: impl FnOnce() -> Moment,
        failed: bool,
        slow: bool,
    ) -> Counts {
        if matches!(self.kept, Kept::Time { .. }) {
            self.advance(now());
        }
        match &mut self.kept {
            Kept::Calls { size, next, bits } => {
                let (word, shift) = (&mut bits[(*next / 32) as usize], *next % 32 * 2);
                let (old, new) = (*word >> shift & 3, u64::from(failed) | u64::from(slow) << 1);
                *next = if *next + 1 == *size { 0 } else { *next + 1 };
                // A full window in which a call takes the place of one that went as well is what it was. Nothing has to saturate: it
                // has a million calls at most.
                let is_full = self.sum.total == *size;
                if old != new || !is_full {
                    *word ^= (old ^ new) << shift;
                    let gone = if is_full { counts(old) } else { Counts::default() };
                    self.sum.total += 1 - gone.total;
                    self.sum.failed = self.sum.failed - gone.failed + u32::from(failed);
                    self.sum.slow = self.sum.slow - gone.slow + u32::from(slow);
                }
            }
            Kept::Time { place, buckets, .. } => {
                buckets[*place].add(failed, slow);
                self.sum.add(failed, slow);
            }
        }
        self.sum
    }

    /// Drops the stretches that are over. A clock that steps back moves nothing.
    fn advance(&mut self, now: Moment) {
        let Kept::Time { width, head, place, buckets } = &mut self.kept else { return };
        let stretch = nanos(now.elapsed()) / *width;
        if stretch <= *head {
            return;
        }
        let over = stretch - *head;
        if over >= buckets.len() as u64 {
            buckets.fill(Counts::default());
            self.sum = Counts::default();
            *place = 0;
        } else {
            for _ in 0..over {
                *place = if *place + 1 == buckets.len() { 0 } else { *place + 1 };
                self.sum.take(std::mem::take(&mut buckets[*place]));
            }
        }
        *head = stretch;
    }

    /// The same outcomes in another window, as far as it has room: the latest calls, or the buckets at their time. What was
    /// counted by time is not known call by call, nor the other way round: between the kinds nothing is kept.
    pub(super) fn resized(&self, window: Window) -> Self {
        let mut other = Self::new(window);
        match (&self.kept, &mut other.kept) {
            (Kept::Calls { size, next, bits }, Kept::Calls { size: room, .. }) => {
                let kept = self.sum.total.min(*room);
                for back in (1..=kept).rev() {
                    let at = (*next + *size - back) % *size;
                    let call = counts(bits[(at / 32) as usize] >> (at % 32 * 2) & 3);
                    other.record(|| Moment::START, call.failed > 0, call.slow > 0);
                }
            }
            (Kept::Time { width: old, head, place, buckets }, Kept::Time { .. }) => {
                let count = buckets.len();
                for back in (0..count.min(usize::try_from(*head).unwrap_or(count - 1) + 1)).rev() {
                    let begun = Moment::at(std::time::Duration::from_nanos(
                        (*head - back as u64).saturating_mul(*old),
                    ));
                    let bucket = buckets[(*place + count - back) % count];
                    other.advance(begun);
                    other.sum.merge(bucket);
                    if let Kept::Time { place, buckets, .. } = &mut other.kept {
                        buckets[*place].merge(bucket);
                    }
                }
            }
            _ => {}
        }
        other
    }
}

/// Of two bits, what they say of one call.
fn counts(bits: u64) -> Counts {
    Counts { total: 1, failed: (bits & 1) as u32, slow: (bits >> 1) as u32 }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Moment {
        Moment::at(Duration::from_millis(millis))
    }

    /// The plainest way to count.
    fn naive<'a>(calls: impl Iterator<Item = &'a (u64, bool, bool)>) -> Counts {
        let mut counts = Counts::default();
        calls.for_each(|(_, failed, slow)| counts.add(*failed, *slow));
        counts
    }

    fn calls() -> impl Strategy<Value = Vec<(u64, bool, bool)>> {
        let call = (prop_oneof![0u64..50, 0u64..5_000], any::<bool>(), any::<bool>());
        prop::collection::vec(call, 0..200).prop_map(|mut calls| {
            let mut now = 0;
            for (millis, ..) in &mut calls {
                now += *millis;
                *millis = now;
            }
            calls
        })
    }

    fn in_time(calls: &[(u64, bool, bool)], upto: u64, width: u64, buckets: u64) -> Counts {
        let stretch = upto / width;
        naive(calls.iter().filter(|it| it.0 <= upto && it.0 / width + buckets > stretch))
    }

    proptest! {
        #[test]
        fn the_last_calls_count_and_no_others(calls in calls(), size in 1u32..70) {
            let mut window = Outcomes::new(Window::Calls(size));
            for (index, (millis, failed, slow)) in calls.iter().enumerate() {
                let found = window.record(|| at(*millis), *failed, *slow);
                let from = (index + 1).saturating_sub(size as usize);
                prop_assert_eq!(found, naive(calls[from..=index].iter()));
            }
        }

        #[test]
        fn the_stretches_of_the_window_count_and_no_others(
            calls in calls(), buckets in 1u32..12, width in 1u64..2_000, later in 0u64..30_000,
        ) {
            let window = Window::Time { buckets, width: Duration::from_millis(width) };
            let mut window = Outcomes::new(window);
            for (index, (millis, failed, slow)) in calls.iter().enumerate() {
                let found = window.record(|| at(*millis), *failed, *slow);
                prop_assert_eq!(found, in_time(&calls[..=index], *millis, width, buckets.into()));
            }
            let end = calls.last().map_or(0, |it| it.0) + later;
            prop_assert_eq!(window.counts(at(end)), in_time(&calls, end, width, buckets.into()));
        }

        #[test]
        fn another_size_keeps_the_latest_calls(calls in calls(), size in 1u32..70, other in 1u32..70) {
            let mut window = Outcomes::new(Window::Calls(size));
            for it in &calls {
                window.record(|| at(it.0), it.1, it.2);
            }
            let mut resized = window.resized(Window::Calls(other));
            let from = calls.len().saturating_sub(size.min(other) as usize);
            prop_assert_eq!(resized.counts(at(0)), naive(calls[from..].iter()));
        }

        #[test]
        fn another_number_of_buckets_keeps_those_it_has_room_for(
            calls in calls(), buckets in 1u32..12, other in 1u32..12, width in 1u64..2_000,
        ) {
            let of = |buckets| Window::Time { buckets, width: Duration::from_millis(width) };
            let mut window = Outcomes::new(of(buckets));
            for it in &calls {
                window.record(|| at(it.0), it.1, it.2);
            }
            let end = calls.last().map_or(0, |it| it.0);
            let found = window.resized(of(other)).counts(at(end));
            prop_assert_eq!(found, in_time(&calls, end, width, buckets.min(other).into()));
        }

        #[test]
        fn another_width_keeps_each_bucket_at_its_time(
            calls in calls(), buckets in 1u32..12, other in 1u32..12, width in 1u64..2_000, wide in 1u64..2_000,
        ) {
            let of = |buckets, millis| Window::Time { buckets, width: Duration::from_millis(millis) };
            let mut window = Outcomes::new(of(buckets, width));
            for it in &calls {
                window.record(|| at(it.0), it.1, it.2);
            }
            let end = calls.last().map_or(0, |it| it.0);
            let kept = calls.iter().filter(|it| it.0 / width + u64::from(buckets) > end / width);
            let begun: Vec<_> = kept.map(|it| (it.0 / width * width, it.1, it.2)).collect();
            let found = window.resized(of(other, wide)).counts(at(end));
            prop_assert_eq!(found, in_time(&begun, end, wide, other.into()));
        }
    }

    #[test]
    fn a_clock_that_steps_back_counts_in_the_latest_stretch() {
        let mut window = Outcomes::new(Window::Time { buckets: 2, width: Duration::from_secs(1) });
        window.record(|| at(5_000), true, false);
        assert_eq!(
            window.record(|| at(1_000), false, true),
            Counts { total: 2, failed: 1, slow: 1 }
        );
        assert_eq!(window.counts(at(7_000)), Counts::default());
    }
}
