//! Recorder: counts of one second, made into a frame at its end.

use std::time::Duration;

use evenkeel_model::{Answer, Frame, Series};
use evenkeel_stats::Histogram;

/// Counts of the present second.
pub(crate) struct Recorder {
    /// What is counted in plain numbers.
    pub(crate) frame: Frame,
    lag: Histogram,
    routes: Outcomes,
    transactions: Outcomes,
}

/// Times by what they are about and how it ended; made when first needed, since most never are.
struct Outcomes(Vec<Option<Times>>);

#[derive(Clone, Default)]
struct Times {
    response: Histogram,
    service: Histogram,
}

impl Outcomes {
    fn new(count: usize) -> Self {
        Self(vec![None; count * Answer::ALL.len()])
    }

    fn at(&mut self, index: u32, answer: Answer) -> &mut Times {
        let at = index as usize * Answer::ALL.len() + answer as usize;
        self.0[at].get_or_insert_default()
    }

    fn is_empty(&self) -> bool {
        self.0.iter().flatten().all(|it| it.response.count() == 0)
    }

    fn take(&mut self) -> Vec<Series> {
        let mut series = Vec::new();
        for (at, times) in self.0.iter_mut().enumerate() {
            if let Some(Times { response, service }) = times
                && response.count() > 0
            {
                series.push(Series {
                    route: at / Answer::ALL.len(),
                    answer: Answer::ALL[at % Answer::ALL.len()],
                    response_micros: response.to_distribution(),
                    service_micros: service.to_distribution(),
                });
                response.clear();
                service.clear();
            }
        }
        series
    }
}

impl Recorder {
    pub(crate) fn new(routes: usize, transactions: usize) -> Self {
        Self {
            frame: Frame::default(),
            lag: Histogram::new(),
            routes: Outcomes::new(routes),
            transactions: Outcomes::new(transactions),
        }
    }

    /// An arrival became due.
    pub(crate) fn planned(&mut self) {
        self.frame.planned += 1;
    }

    /// An arrival that became due has nothing to send yet.
    pub(crate) fn unplanned(&mut self) {
        self.frame.planned -= 1;
    }

    /// A request was sent, so long after it was due.
    pub(crate) fn sent(&mut self, lag: Duration) {
        self.frame.sent += 1;
        self.lag.record(lag);
    }

    /// An arrival was given up unsent.
    pub(crate) fn missed(&mut self) {
        self.frame.missed += 1;
    }

    /// What sending cost in it: processor time of one thread.
    pub(crate) fn cost(&mut self, cpu: Duration) {
        self.frame.cpu_micros = cpu.as_micros() as u64;
        self.frame.threads = 1;
    }

    /// The outcome of a request is known, so long after it was due, and so long after it was sent if it was.
    pub(crate) fn outcome(
        &mut self,
        route: u32,
        answer: Answer,
        response: Duration,
        service: Option<Duration>,
    ) {
        let times = self.routes.at(route, answer);
        times.response.record(response);
        if let Some(service) = service {
            times.service.record(service);
        }
    }

    /// A transaction has ended.
    pub(crate) fn transaction(&mut self, number: u32, answer: Answer, time: Duration) {
        self.transactions.at(number, answer).response.record(time);
    }

    /// The second that is being counted.
    pub(crate) fn second(&self) -> u64 {
        self.frame.second
    }

    /// Whether anything was counted in it.
    pub(crate) fn is_empty(&self) -> bool {
        let Frame { planned, sent, missed, .. } = &self.frame;
        planned + sent + missed == 0 && self.routes.is_empty()
    }

    /// The frame of the present second; counting goes on with the next.
    pub(crate) fn close(&mut self, in_flight: u64, waiting: u64) -> Frame {
        let next = Frame { second: self.frame.second + 1, ..Frame::default() };
        let frame = Frame {
            in_flight,
            waiting,
            lag_micros: self.lag.to_distribution(),
            series: self.routes.take(),
            transactions: self.transactions.take(),
            ..std::mem::replace(&mut self.frame, next)
        };
        self.lag.clear();
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_holds_its_own_second_and_nothing_of_the_last() {
        let mut recorder = Recorder::new(2, 1);
        assert!(recorder.is_empty());
        recorder.planned();
        recorder.sent(Duration::from_micros(5));
        let service = Some(Duration::from_micros(65));
        recorder.outcome(1, Answer::Body, Duration::from_micros(70), service);
        recorder.transaction(0, Answer::Ok, Duration::from_micros(90));
        assert!(!recorder.is_empty());
        let frame = recorder.close(3, 4);
        assert_eq!((frame.second, frame.planned, frame.sent, frame.missed), (0, 1, 1, 0));
        assert_eq!((frame.in_flight, frame.waiting, frame.lag_micros.micros), (3, 4, vec![(5, 1)]));
        let [series] = &*frame.series else { panic!("one series: {:?}", frame.series) };
        assert_eq!((series.route, series.answer), (1, Answer::Body));
        assert_eq!(series.response_micros.micros, [(70, 1)]);
        assert_eq!(series.service_micros.micros, [(65, 1)]);
        assert_eq!(frame.transactions.len(), 1);
        let next = recorder.close(0, 0);
        assert_eq!(next, Frame { second: 1, ..Frame::default() });
    }
}
