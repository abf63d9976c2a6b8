//! Race: the attempts of one call side by side in one task, the first good one of which ends it.

use std::future::poll_fn;
use std::ops::Deref;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use evenkeel_units::Moment;
use pin_project_lite::pin_project;

use super::{Course, Hedge};
use crate::Error;
use crate::retry::{Classify, Errors, Idempotency, Verdict};
use crate::time::now;
use crate::timer::Timer;

impl Hedge {
    /// Calls, and once more when that takes long. For what may happen twice.
    ///
    /// Each attempt is a future of its own, made by `call`. The first one is made at once. All of them run in this task, and those
    /// that lose are dropped, as all are if this future is.
    ///
    /// # Errors
    /// That of the last attempt.
    pub async fn call<T, E, F>(&self, call: impl FnMut() -> F) -> Result<T, Error<E>>
    where
        F: Future<Output = Result<T, Error<E>>>,
    {
        self.call_classified(Idempotency::Safe, Errors::default(), call).await
    }

    /// The same, where `idempotency` says whether it may happen twice, and is made once if not; and `classify` which results
    /// end the call.
    ///
    /// # Errors
    /// That of the last attempt.
    pub async fn call_classified<T, E, F>(
        &self,
        idempotency: Idempotency,
        classify: impl Classify<T, E>,
        mut call: impl FnMut() -> F,
    ) -> Result<T, Error<E>>
    where
        F: Future<Output = Result<T, Error<E>>>,
    {
        let running = Running::begin(self, idempotency);
        let mut race = pin!(Race::new(running, call()));
        poll_fn(|context| {
            race.as_mut()
                .poll(context, &classify, &mut |is_last| Another { attempt: call(), is_last })
        })
        .await
    }
}

/// A call that is told of its end, also when it is dropped.
pub(crate) struct Running<H: Deref<Target = Hedge>> {
    hedge: H,
    course: Course,
}

impl<H: Deref<Target = Hedge>> Running<H> {
    pub(crate) fn begin(hedge: H, idempotency: Idempotency) -> Self {
        let course = hedge.begin(now(), idempotency);
        Self { hedge, course }
    }

    fn start(&mut self, now: Moment) -> bool {
        self.hedge.start(now, &mut self.course)
    }

    fn ended(&mut self, now: Moment, number: usize, verdict: Verdict, is_refused: bool) -> bool {
        let verdict = match verdict {
            // Not made, which says nothing against those that were; and nobody wants more of them.
            Verdict::Permanent if is_refused && self.course.under_way > 1 => {
                self.course.no_more();
                Verdict::Unsent { retry_after: None }
            }
            verdict => verdict,
        };
        self.hedge.ended(now, &mut self.course, number as u32, verdict)
    }
}

impl<H: Deref<Target = Hedge>> Drop for Running<H> {
    fn drop(&mut self) {
        // Whoever panicked tells nothing of latencies.
        if self.course.is_first_open && !std::thread::panicking() {
            self.hedge.abandoned(now(), &mut self.course);
        }
    }
}

/// A further attempt.
pub(crate) struct Another<F> {
    pub(crate) attempt: F,
    /// Whether there can be none after it.
    pub(crate) is_last: bool,
}

pin_project! {
    /// The attempts of one call. `F` is one of them, `A` its answer.
    pub(crate) struct Race<H: Deref<Target = Hedge>, F, A> {
        #[pin]
        first: Option<F>,
        #[pin]
        second: Option<F>,
        #[pin]
        third: Option<F>,
        timer: Timer,
        // The last one, while others are under way or to come.
        failure: Option<A>,
        running: Running<H>,
    }
}

impl<H: Deref<Target = Hedge>, F, A> Race<H, F, A> {
    pub(crate) fn new(running: Running<H>, first: F) -> Self {
        let timer = Timer::new();
        Self { first: Some(first), second: None, third: None, timer, failure: None, running }
    }

    /// Polls what is under way, and begins what is due with what `again` makes, which is told whether it is the last.
    pub(crate) fn poll<T, E>(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        classify: &impl Classify<T, E>,
        again: &mut impl FnMut(bool) -> Another<F>,
    ) -> Poll<A>
    where
        F: Future<Output = A>,
        A: Answer<T, E>,
    {
        let this = self.project();
        let mut attempts = [this.first, this.second, this.third];
        let mut present = Moment::START;
        loop {
            for number in 0..attempts.len() {
                let Some(attempt) = attempts[number].as_mut().as_pin_mut() else { continue };
                let Poll::Ready(answer) = attempt.poll(context) else { continue };
                attempts[number].set(None);
                let verdict = classify.classify(answer.result());
                let is_refused = answer.result().is_err_and(Error::is_rejection);
                present = now();
                if this.running.ended(present, number, verdict, is_refused) {
                    // The others are cancelled now, and not when somebody drops this.
                    attempts.iter_mut().for_each(|it| it.set(None));
                    return Poll::Ready(answer);
                }
                *this.failure = Some(answer);
            }
            let Some(at) = this.running.course.next() else { return Poll::Pending };
            if at > present {
                present = ready!(this.timer.poll_until(context, at));
            }
            if this.running.start(present) {
                let Another { attempt, is_last } = again(this.running.course.left == 0);
                attempts[this.running.course.begun() as usize - 1].set(Some(attempt));
                if is_last {
                    this.running.course.no_more();
                }
            } else if this.running.course.is_over()
                && let Some(answer) = this.failure.take()
            {
                return Poll::Ready(answer);
            }
        }
    }
}

/// What an attempt gives.
pub(crate) trait Answer<T, E> {
    fn result(&self) -> Result<&T, &Error<E>>;
}

impl<T, E> Answer<T, E> for Result<T, Error<E>> {
    fn result(&self) -> Result<&T, &Error<E>> {
        self.as_ref()
    }
}
