//! What one stream of one connection gets of all that lies on its link.
//!
//! Chance decides once for a connection and a toxic, so that a toxicity that is raised hits more of the
//! connections and spares none that was hit.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use evenkeel_units::{Bytes, Ratio};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tokio::time::Instant;

use super::bucket::{Allowance, Bucket};
use super::toxic::{Laid, Stream, Toxic, Toxics};

/// What a stream gets of one toxic.
#[derive(Debug)]
struct Dose {
    id: usize,
    laid: Laid,
    /// Where the connection stands among all, from 0 to 1; drawn when it first matters.
    drawn: Option<f64>,
    acts: bool,
    /// Since when it waits for whatever ends it.
    since: Instant,
    /// Bytes that it has let pass.
    passed: u64,
    bucket: Bucket,
    slice: Slice,
}

/// The piece that is being sent.
#[derive(Debug)]
struct Slice {
    left: u64,
    /// When the next may begin.
    resumes: Instant,
}

/// All doses of a stream, in the order in which they were laid.
#[derive(Debug)]
pub(crate) struct Doses {
    stream: Stream,
    all: Vec<Dose>,
    acts: bool,
    /// Something else than a dose makes segments late.
    holds: bool,
}

impl Doses {
    pub(crate) const fn new(stream: Stream) -> Self {
        Self { stream, all: Vec::new(), acts: false, holds: false }
    }

    /// Takes in what lies on the link now.
    pub(crate) fn see(&mut self, toxics: &Toxics, now: Instant, rng: &mut ChaCha8Rng) {
        let mut before = std::mem::take(&mut self.all).into_iter().peekable();
        for (id, laid) in &toxics.0 {
            let is_elsewhere = laid.placed.stream.is_some_and(|it| it != self.stream);
            if is_elsewhere || laid.placed.toxic.is_of_link() {
                continue;
            }
            // Both are in the order of their numbers.
            while before.next_if(|it| it.id < *id).is_some() {}
            let known = before.next_if(|it| it.id == *id);
            let mut dose = known.unwrap_or_else(|| Dose::new(*id, laid, now));
            if !Arc::ptr_eq(&dose.laid.counts, &laid.counts) {
                (dose.laid, dose.since) = (laid.clone(), now);
            }
            dose.acts = dose.is_hit(rng);
            self.all.push(dose);
        }
        self.acts = self.all.iter().any(|it| it.acts);
        self.holds = self.stream == Stream::Down && toxics.holds_answers();
    }

    /// Whether anything acts on this stream.
    pub(crate) const fn act(&self) -> bool {
        self.acts
    }

    pub(crate) fn has_latency(&self) -> bool {
        self.holds || self.latencies().next().is_some()
    }

    /// How late a segment leaves that arrives now.
    pub(crate) fn delay(&self, rng: &mut ChaCha8Rng) -> Duration {
        self.latencies()
            .map(|(_, delay, jitter)| {
                let spread = jitter.as_secs_f64() * (2.0 * rng.random::<f64>() - 1.0);
                Duration::try_from_secs_f64(delay.as_secs_f64() + spread).unwrap_or_default()
            })
            .sum()
    }

    /// Notes how late a segment really left.
    pub(crate) fn delayed(&self, by: Duration) {
        for (dose, ..) in self.latencies() {
            dose.laid.counts.delayed(by);
        }
    }

    /// How late the end of the stream arrives; `None` when nothing holds it up.
    pub(crate) fn slow_close(&self) -> Option<Duration> {
        let delays = self.acting().filter_map(|it| match *it.toxic() {
            Toxic::SlowClose { delay } => Some(delay),
            _ => None,
        });
        delays.reduce(Duration::saturating_add)
    }

    /// How long after data the connection is reset, and where that is counted.
    pub(crate) fn reset(&self) -> Option<(Duration, &Laid)> {
        self.acting().find_map(|it| match *it.toxic() {
            Toxic::Reset { after } => Some((after, &it.laid)),
            _ => None,
        })
    }

    /// Whether data disappears; with `bytes` that do so now.
    pub(crate) fn swallows(&mut self, bytes: usize, now: Instant) -> bool {
        let mut swallows = false;
        for dose in self.acting_mut() {
            if matches!(dose.toxic(), Toxic::Timeout { .. }) {
                if bytes > 0 {
                    dose.since = now;
                    dose.laid.counts.swallowed_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
                }
                swallows = true;
            }
        }
        swallows
    }

    /// When the connection is closed if nothing is sent until then.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let deadlines = self.acting().filter_map(|it| match *it.toxic() {
            Toxic::Timeout { after: Some(after) } => it.since.checked_add(after),
            _ => None,
        });
        deadlines.min()
    }

    /// How many of `bytes` pass before the connection is closed, and whether these are the last.
    pub(crate) fn limit(&mut self, bytes: usize) -> (usize, bool) {
        let of = |it: &Dose| match *it.toxic() {
            Toxic::LimitData { bytes: Bytes(most) } => Some(most.saturating_sub(it.passed)),
            _ => None,
        };
        let Some(left) = self.acting().filter_map(of).min() else { return (bytes, false) };
        let passes = bytes.min(usize::try_from(left).unwrap_or(usize::MAX));
        for dose in self.acting_mut().filter(|it| of(it).is_some()) {
            dose.passed += passes as u64;
        }
        (passes, passes as u64 == left)
    }

    /// How many of `wanted` bytes belong to the piece that may be sent now, or when to ask again.
    pub(crate) fn slice(&mut self, wanted: usize, now: Instant, rng: &mut ChaCha8Rng) -> Allowance {
        let mut most = wanted;
        for dose in self.acting_mut() {
            let Toxic::Slicer { size, variation, .. } = *dose.toxic() else { continue };
            if dose.slice.resumes > now {
                return Allowance::Wait(dose.slice.resumes);
            }
            if dose.slice.left == 0 {
                let range = size.saturating_sub(variation)..=size.saturating_add(variation);
                // A piece of nothing would never end.
                dose.slice.left = rng.random_range(range).max(1);
            }
            most = most.min(usize::try_from(dose.slice.left).unwrap_or(usize::MAX));
        }
        Allowance::Pass(most)
    }

    /// Notes that `bytes` of a piece were sent. A segment that has ended ends the piece, too.
    pub(crate) fn sliced(&mut self, bytes: usize, ended: bool, now: Instant) {
        for dose in self.acting_mut() {
            let Toxic::Slicer { pause, .. } = *dose.toxic() else { continue };
            dose.slice.left = dose.slice.left.saturating_sub(bytes as u64);
            if dose.slice.left == 0 || ended {
                dose.slice = Slice { left: 0, resumes: now + pause };
            }
        }
    }

    /// How many of `wanted` bytes may pass now, or when to ask again.
    pub(crate) fn allowance(&mut self, wanted: usize, now: Instant) -> Allowance {
        let stream = self.stream;
        let Some((dose, rate)) = self.narrowest() else { return Allowance::Pass(wanted) };
        let allowance = match dose.toxic() {
            Toxic::Bandwidth { .. } => dose.laid.bucket(stream).take(rate, wanted, now),
            _ => dose.bucket.take(rate, wanted, now),
        };
        let counts = &dose.laid.counts;
        // Before the receiver can know, so that whoever asks after an answer finds it counted.
        match allowance {
            Allowance::Pass(bytes) => counts.bytes.fetch_add(bytes as u64, Ordering::Relaxed),
            Allowance::Wait(_) => counts.waits.fetch_add(1, Ordering::Relaxed),
        };
        allowance
    }

    /// Gives back what was allowed and not used.
    pub(crate) fn give_back(&mut self, unused: usize) {
        let stream = self.stream;
        if unused > 0
            && let Some((dose, _)) = self.narrowest()
        {
            match dose.toxic() {
                Toxic::Bandwidth { .. } => dose.laid.bucket(stream).give_back(unused),
                _ => dose.bucket.give_back(unused),
            }
            dose.laid.counts.bytes.fetch_sub(unused as u64, Ordering::Relaxed);
        }
    }

    fn acting(&self) -> impl Iterator<Item = &Dose> {
        self.all.iter().filter(|it| it.acts)
    }

    fn acting_mut(&mut self) -> impl Iterator<Item = &mut Dose> {
        self.all.iter_mut().filter(|it| it.acts)
    }

    fn latencies(&self) -> impl Iterator<Item = (&Dose, Duration, Duration)> {
        self.acting().filter_map(|it| match *it.toxic() {
            Toxic::Latency { delay, jitter } => Some((it, delay, jitter)),
            _ => None,
        })
    }

    /// The bandwidth that rules, in bytes a second.
    fn narrowest(&mut self) -> Option<(&mut Dose, u64)> {
        let rates = self.acting_mut().filter_map(|it| match *it.toxic() {
            Toxic::Bandwidth { rate } | Toxic::Throttle { rate } => Some((it, rate.0)),
            _ => None,
        });
        rates.min_by_key(|(_, rate)| *rate)
    }
}

impl Dose {
    fn new(id: usize, laid: &Laid, now: Instant) -> Self {
        Self {
            id,
            laid: laid.clone(),
            drawn: None,
            acts: false,
            since: now,
            passed: 0,
            bucket: Bucket::default(),
            slice: Slice { left: 0, resumes: now },
        }
    }

    const fn toxic(&self) -> &Toxic {
        &self.laid.placed.toxic
    }

    fn is_hit(&mut self, rng: &mut ChaCha8Rng) -> bool {
        match self.laid.placed.toxicity {
            Ratio::ONE => true,
            Ratio::ZERO => false,
            some => *self.drawn.get_or_insert_with(|| rng.random()) < some.get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::toxic::Placed;
    use evenkeel_units::Seed;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn on_all(toxics: &[Toxic]) -> Toxics {
        placed(toxics.iter().map(|it| Placed {
            toxic: it.clone(),
            stream: None,
            toxicity: Ratio::ONE,
        }))
    }

    fn placed(all: impl Iterator<Item = Placed>) -> Toxics {
        let rng = || Seed(1).stream("toxic");
        Toxics(all.map(|it| Laid::new(it, rng())).enumerate().collect::<BTreeMap<_, _>>())
    }

    #[test]
    fn a_stream_gets_what_is_meant_for_it() {
        let toxic = Toxic::SlowClose { delay: Duration::from_secs(1) };
        let up = Placed { toxic, stream: Some(Stream::Up), toxicity: Ratio::ONE };
        let toxics = placed([up].into_iter());
        let mut rng = Seed(1).stream("x");
        for (stream, gets) in [(Stream::Up, true), (Stream::Down, false)] {
            let mut doses = Doses::new(stream);
            doses.see(&toxics, Instant::now(), &mut rng);
            assert_eq!((doses.act(), doses.slow_close().is_some()), (gets, gets));
        }
    }

    #[test]
    fn a_bandwidth_is_shared_by_connections_and_a_throttle_is_not() {
        let rate = Bytes(1_000_000);
        let cases = [(Toxic::Bandwidth { rate }, false), (Toxic::Throttle { rate }, true)];
        for (toxic, both_pass) in cases {
            let (toxics, mut now, mut rng) =
                (on_all(&[toxic]), Instant::now(), Seed(1).stream("x"));
            let mut connections = [(); 2].map(|()| Doses::new(Stream::Down));
            connections.iter_mut().for_each(|it| it.see(&toxics, now, &mut rng));
            // Buckets begin empty, and are full after 20 ms.
            for it in &mut connections {
                assert!(matches!(it.allowance(20_000, now), Allowance::Wait(_)));
            }
            now += Duration::from_millis(20);
            let passes = connections.map(|mut it| it.allowance(20_000, now));
            assert_eq!(passes[0], Allowance::Pass(20_000));
            assert_eq!(passes[1] == passes[0], both_pass, "{passes:?}");
        }
    }

    #[test]
    fn what_is_lifted_and_laid_in_between_changes_nothing_for_the_others() {
        let limit = |bytes| Toxic::LimitData { bytes: Bytes(bytes) };
        let mut toxics = on_all(&[limit(50), limit(100), limit(200)]);
        let (mut doses, mut rng) = (Doses::new(Stream::Up), Seed(1).stream("x"));
        doses.see(&toxics, Instant::now(), &mut rng);
        assert_eq!(doses.limit(20), (20, false));
        toxics.0.remove(&0);
        let laid = Laid::new(limit(1000).into(), Seed(1).stream("toxic"));
        toxics.0.insert(3, laid);
        doses.see(&toxics, Instant::now(), &mut rng);
        assert_eq!(doses.limit(79), (79, false));
        assert_eq!(doses.limit(7), (1, true));
        assert_eq!(doses.limit(7), (0, true));
    }

    proptest! {
        #[test]
        fn a_delay_stays_within_its_jitter(seed: u64, delay in 0u64..1000, jitter in 0u64..2000) {
            let [delay, jitter] = [delay, jitter].map(Duration::from_millis);
            let mut rng = Seed(seed).stream("x");
            let mut doses = Doses::new(Stream::Down);
            let toxics = on_all(&[Toxic::Latency { delay, jitter }]);
            doses.see(&toxics, Instant::now(), &mut rng);
            let late = doses.delay(&mut rng);
            let slack = Duration::from_nanos(2);
            prop_assert!(late + jitter + slack >= delay && late <= delay + jitter + slack);
        }

        #[test]
        fn a_higher_toxicity_hits_more_and_spares_none(seed: u64, low in 0u32..=100, high in 0u32..=100) {
            let (low, high) = (low.min(high), low.max(high));
            let mut rng = Seed(seed).stream("x");
            let mut doses = Doses::new(Stream::Down);
            let mut hits = |percent| {
                let toxic = Toxic::SlowClose { delay: Duration::ZERO };
                let toxicity = Ratio::percent(percent);
                let toxics = placed([Placed { toxic, stream: None, toxicity }].into_iter());
                doses.see(&toxics, Instant::now(), &mut rng);
                doses.act()
            };
            let (before, after) = (hits(low), hits(high));
            prop_assert!(after || !before);
        }

        #[test]
        fn pieces_are_of_their_size_and_a_pause_apart(
            seed: u64, size in 0u64..200, variation in 0u64..200, wanted in 1usize..500,
        ) {
            let pause = Duration::from_millis(5);
            let (mut rng, now) = (Seed(seed).stream("x"), Instant::now());
            let mut doses = Doses::new(Stream::Up);
            doses.see(&on_all(&[Toxic::Slicer { size, variation, pause }]), now, &mut rng);
            let Allowance::Pass(bytes) = doses.slice(wanted, now, &mut rng) else { panic!("no piece") };
            prop_assert!(bytes >= 1 && bytes as u64 <= (size + variation).max(1));
            prop_assert!(bytes == wanted || bytes as u64 >= size.saturating_sub(variation));
            doses.sliced(bytes, bytes == wanted, now);
            prop_assert_eq!(doses.slice(wanted, now, &mut rng), Allowance::Wait(now + pause));
            prop_assert!(matches!(doses.slice(wanted, now + pause, &mut rng), Allowance::Pass(_)));
        }
    }
}
