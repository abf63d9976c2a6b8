//! Inner: the call that is protected. It costs next to nothing, so that what is measured is what stands around it.

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, poll_fn, ready};
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll};

use evenkeel_resilience::Error;
use tower::Service;

/// How the call would fail, if it did.
#[derive(Clone, Debug)]
pub(crate) struct Failed;

impl fmt::Display for Failed {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("failed")
    }
}

impl std::error::Error for Failed {}

impl From<Infallible> for Failed {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// The answer, which is there at once.
#[inline(never)]
pub(crate) fn answer(request: u64) -> Ready<Result<u64, Failed>> {
    ready(Ok(black_box(request)))
}

/// The same with an error of ours.
#[inline(never)]
pub(crate) fn answer_as_ours(request: u64) -> Ready<Result<u64, Error<Failed>>> {
    ready(Ok(black_box(request)))
}

/// A service that answers at once.
#[derive(Copy, Clone, Debug)]
pub(crate) struct AtOnce;

impl Service<u64> for AtOnce {
    type Response = u64;
    type Error = Failed;
    type Future = Ready<Result<u64, Failed>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        answer(request)
    }
}

/// A service that answers when it is asked a second time, which is at once.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Later;

impl Service<u64> for Later {
    type Response = u64;
    type Error = Failed;
    type Future = AnswerLater;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> AnswerLater {
        AnswerLater { request, has_waited: false }
    }
}

/// The answer of [`Later`].
#[derive(Debug)]
pub(crate) struct AnswerLater {
    request: u64,
    has_waited: bool,
}

impl Future for AnswerLater {
    type Output = Result<u64, Failed>;

    #[inline(never)]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.has_waited {
            return Poll::Ready(Ok(black_box(self.request)));
        }
        self.has_waited = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Asks a service, and says whether it answered.
pub(crate) async fn ask<S: Service<u64>>(service: &mut S, request: u64) -> bool {
    match poll_fn(|context| service.poll_ready(context)).await {
        Ok(()) => service.call(request).await.is_ok(),
        Err(_) => false,
    }
}
