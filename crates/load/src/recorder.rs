//! Recorder: counts of one second, made into a frame at its end.

use std::time::Duration;

use evenkeel_model::{Answer, Frame, Series};
use evenkeel_stats::Histogram;

/// Counts of the present second.
pub(crate) struct Recorder {
    second: u64,
    planned: u64,
    sent: u64,
    missed: u64,
    lag: Histogram,
    /// By route and answer; made when first needed, since most never are.
    response: Vec<Option<Histogram>>,
}

impl Recorder {
    pub(crate) fn new(routes: usize) -> Self {
        let response = vec![None; routes * Answer::ALL.len()];
        Self { second: 0, planned: 0, sent: 0, missed: 0, lag: Histogram::new(), response }
    }

    /// An arrival became due.
    pub(crate) fn planned(&mut self) {
        self.planned += 1;
    }

    /// A request was sent, so long after it was due.
    pub(crate) fn sent(&mut self, lag: Duration) {
        self.sent += 1;
        self.lag.record(lag);
    }

    /// An arrival was given up unsent.
    pub(crate) fn missed(&mut self) {
        self.missed += 1;
    }

    /// The outcome of a request is known, so long after it was due.
    pub(crate) fn outcome(&mut self, route: u32, answer: Answer, response: Duration) {
        let at = route as usize * Answer::ALL.len() + answer as usize;
        self.response[at].get_or_insert_default().record(response);
    }

    /// The second that is being counted.
    pub(crate) fn second(&self) -> u64 {
        self.second
    }

    /// Whether anything was counted in it.
    pub(crate) fn is_empty(&self) -> bool {
        let answered = self.response.iter().flatten().any(|it| it.count() > 0);
        self.planned == 0 && self.sent == 0 && self.missed == 0 && !answered
    }

    /// The frame of the present second; counting goes on with the next.
    pub(crate) fn close(&mut self, in_flight: u64, waiting: u64) -> Frame {
        let mut series = Vec::new();
        for (at, histogram) in self.response.iter_mut().enumerate() {
            if let Some(histogram) = histogram
                && histogram.count() > 0
            {
                series.push(Series {
                    route: at / Answer::ALL.len(),
                    answer: Answer::ALL[at % Answer::ALL.len()],
                    response_micros: histogram.to_distribution(),
                });
                histogram.clear();
            }
        }
        let frame = Frame {
            second: self.second,
            planned: std::mem::take(&mut self.planned),
            sent: std::mem::take(&mut self.sent),
            missed: std::mem::take(&mut self.missed),
            in_flight,
            waiting,
            lag_micros: self.lag.to_distribution(),
            series,
        };
        self.lag.clear();
        self.second += 1;
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_holds_its_own_second_and_nothing_of_the_last() {
        let mut recorder = Recorder::new(2);
        assert!(recorder.is_empty());
        recorder.planned();
        recorder.sent(Duration::from_micros(5));
        recorder.outcome(1, Answer::Body, Duration::from_micros(70));
        assert!(!recorder.is_empty());
        let frame = recorder.close(3, 4);
        assert_eq!((frame.second, frame.planned, frame.sent, frame.missed), (0, 1, 1, 0));
        assert_eq!((frame.in_flight, frame.waiting, frame.lag_micros.micros), (3, 4, vec![(5, 1)]));
        let [series] = &*frame.series else { panic!("one series: {:?}", frame.series) };
        assert_eq!((series.route, series.answer), (1, Answer::Body));
        assert_eq!(series.response_micros.micros, [(70, 1)]);
        let next = recorder.close(0, 0);
        assert_eq!(next, Frame { second: 1, ..Frame::default() });
    }
}
