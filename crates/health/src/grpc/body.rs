//! Body: what is answered over gRPC: one message and its end, or a stream of them that ends with the service.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http::header::HeaderValue;
use http_body::{Body, Frame};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::watch::Receiver;

use super::{Code, Serves, ServingStatus, wire};
use crate::board::Stand;

/// The body of an answer of [`GrpcHealth`](super::GrpcHealth).
#[derive(Debug)]
pub struct GrpcBody(State);

#[derive(Debug)]
enum State {
    /// Nothing, or nothing any more.
    Empty,
    One(Bytes),
    Watch(Watch),
    End(Code),
}

/// One who listens.
struct Watch {
    serves: Option<Serves>,
    last: Option<ServingStatus>,
    next: Pin<Box<dyn Future<Output = (Receiver<Stand>, Heard)> + Send>>,
    _place: OwnedSemaphorePermit,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch")
            .field("serves", &self.serves)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

#[derive(Copy, Clone)]
enum Heard {
    /// It changed.
    Now(ServingStatus),
    /// Nothing will ever change again.
    Over,
}

impl GrpcBody {
    /// Without anything; what is to be said stands in the headers.
    pub(super) const fn empty() -> Self {
        Self(State::Empty)
    }

    /// One message, and that all went well.
    pub(super) fn one(message: &[u8]) -> Self {
        Self(State::One(wire::framed(message).into()))
    }

    /// How a service stands, now and each time that this changes; of one that is unknown, that it is.
    pub(super) fn watch(
        serves: Option<Serves>,
        stands: Receiver<Stand>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let next = Box::pin(next(stands, serves.clone(), None));
        Self(State::Watch(Watch { serves, last: None, next, _place: place }))
    }
}

/// Waits for what differs from what was said last.
async fn next(
    mut stands: Receiver<Stand>,
    serves: Option<Serves>,
    last: Option<ServingStatus>,
) -> (Receiver<Stand>, Heard) {
    loop {
        let (serving, is_closing) = {
            let stand = stands.borrow_and_update();
            let serving = serves.as_ref().map_or(ServingStatus::ServiceUnknown, |it| it.at(&stand));
            (serving, stand.is_closing)
        };
        if last != Some(serving) {
            return (stands, Heard::Now(serving));
        }
        if is_closing || stands.changed().await.is_err() {
            return (stands, Heard::Over);
        }
    }
}

impl Body for GrpcBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = match &mut self.0 {
            State::Empty => None,
            State::One(message) => {
                let message = std::mem::take(message);
                self.0 = State::End(Code::Ok);
                Some(Frame::data(message))
            }
            State::Watch(watch) => {
                let (stands, heard) = ready!(watch.next.as_mut().poll(context));
                match heard {
                    Heard::Now(serving) => {
                        watch.last = Some(serving);
                        watch.next = Box::pin(next(stands, watch.serves.clone(), watch.last));
                        Some(Frame::data(wire::framed(&wire::status(serving as u8)).into()))
                    }
                    Heard::Over => {
                        self.0 = State::Empty;
                        Some(Frame::trailers(trailers(Code::Unavailable)))
                    }
                }
            }
            State::End(code) => {
                let trailers = trailers(*code);
                self.0 = State::Empty;
                Some(Frame::trailers(trailers))
            }
        };
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, State::Empty)
    }
}

/// How a call ended, as it is said after its last message, or instead of any.
pub(super) fn trailers(code: Code) -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(2);
    trailers.insert("grpc-status", HeaderValue::from(code as u16));
    if !code.message().is_empty() {
        trailers.insert("grpc-message", HeaderValue::from_static(code.message()));
    }
    trailers
}
