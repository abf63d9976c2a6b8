//! Pages: what is shown of a run.
//!
//! A page is judged and drawn only when somebody asks for one that is new, and drawing takes at most a
//! tenth of the time: a long run is drawn less often, rather than at the cost of the load.

use std::time::Duration;

use bytes::Bytes;
use evenkeel_drill::frames::Frames;
use evenkeel_drill::{Run, judge};
use evenkeel_model::{Entry, Event};
use evenkeel_report::html;
use evenkeel_units::{Clock, Moment};

/// For each second of drawing, so many of rest.
const REST: u32 = 10;

/// A run as it is shown.
#[derive(Debug)]
pub(super) struct Pages<C> {
    clock: C,
    run: Option<Run>,
    /// When something last happened.
    last: Moment,
    /// How many pictures there could have been.
    number: u64,
    /// The last one that was drawn, and its number.
    drawn: Option<(u64, Bytes)>,
    /// When another may be drawn.
    rested: Moment,
    report: Option<Bytes>,
    is_over: bool,
}

impl<C: Clock> Pages<C> {
    pub(super) fn new(clock: C) -> Self {
        Self {
            clock,
            run: None,
            last: Moment::START,
            number: 0,
            drawn: None,
            rested: Moment::at(Duration::ZERO),
            report: None,
            is_over: false,
        }
    }

    /// Takes in what happened.
    pub(super) fn add(&mut self, entry: &Entry) {
        if let Event::Started { run, plan } = &entry.event {
            // A search makes several runs; the present one is shown.
            let frames = Frames::within(&std::env::temp_dir());
            self.run = Some(Run::new(run.clone(), plan.as_ref().clone(), frames));
        }
        self.run.iter_mut().for_each(|it| drop(it.on(entry)));
        self.last = entry.at;
        // What else happens is seen with the second that it happens in.
        let is_new = !matches!(
            entry.event,
            Event::Watched { .. } | Event::Tick | Event::Probed { .. } | Event::Measured { .. }
        );
        self.number += u64::from(is_new);
    }

    /// Takes in the report of a run.
    pub(super) fn report(&mut self, page: String) {
        self.report = Some(Bytes::from(page));
    }

    /// Nothing more will happen.
    pub(super) const fn end(&mut self) {
        self.is_over = true;
        self.number += 1;
    }

    /// Whether what is shown is the last.
    pub(super) const fn is_over(&self) -> bool {
        self.is_over
    }

    /// The number of the newest picture.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// How long to wait before another picture may be drawn.
    pub(super) fn rest(&self) -> Duration {
        match self.is_over {
            true => Duration::ZERO,
            false => self.rested - self.clock.now(),
        }
    }

    /// The page as it is now; nothing before the run has begun.
    pub(super) fn page(&mut self) -> Option<Bytes> {
        if let (true, Some(report)) = (self.is_over, &self.report) {
            return Some(report.clone());
        }
        let is_due =
            self.drawn.as_ref().is_none_or(|it| it.0 < self.number) && self.rest().is_zero();
        let from = self.clock.now();
        // Seconds that cannot be read back leave the last picture as it is; the verdict will say so.
        if is_due
            && let Some(run) = &self.run
            && let Ok(outcome) = judge(run, None)
        {
            let began = run.conductor().load_began();
            let elapsed = began.map_or(Duration::ZERO, |it| self.last - it);
            let page = html::render_live(&outcome, elapsed, self.number);
            self.drawn = Some((self.number, Bytes::from(page)));
            let now = self.clock.now();
            self.rested = now + (now - from) * REST;
        }
        self.drawn.as_ref().map(|it| it.1.clone())
    }
}
