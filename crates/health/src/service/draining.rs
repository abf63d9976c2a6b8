//! Draining: counts the requests that are under way, so that the end waits for them, and tells clients to come back elsewhere.
//!
//! A request is under way from the call until the last byte of its answer is handed to the server, or the answer is dropped: a
//! download that still runs is not cut off because its first bytes are out.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{Drain, UnderWay};

/// Counts the requests of a service for a [`Drain`], and says `Connection: close` with each answer once the end has begun.
///
/// That header is of HTTP/1; over HTTP/2 the server says the same with a GOAWAY when its graceful shutdown begins.
/// Put it around what must be finished, and not around the probes: these come until the end.
///
/// ```
/// use axum::{Router, routing::get};
/// use evenkeel_health::{Drain, DrainLayer, DrainPolicy};
///
/// let drain = Drain::try_new(DrainPolicy::default())?;
/// let app: Router = Router::new().route("/", get(|| async { "hello" })).layer(DrainLayer::new(&drain));
/// # Ok::<(), evenkeel_health::NoTimeLeft>(())
/// ```
#[derive(Clone, Debug)]
pub struct DrainLayer {
    drain: Drain,
}

impl DrainLayer {
    /// For this end.
    pub fn new(drain: &Drain) -> Self {
        Self { drain: drain.clone() }
    }
}

impl<S> Layer<S> for DrainLayer {
    type Service = DrainService<S>;

    fn layer(&self, inner: S) -> DrainService<S> {
        DrainService { inner, drain: self.drain.clone() }
    }
}

/// A service whose requests a [`Drain`] waits for.
#[derive(Clone, Debug)]
pub struct DrainService<S> {
    inner: S,
    drain: Drain,
}

impl<S, B, A> Service<Request<B>> for DrainService<S>
where
    S: Service<Request<B>, Response = Response<A>>,
{
    type Response = Response<DrainBody<A>>;
    type Error = S::Error;
    type Future = DrainFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let under_way = Some(self.drain.hold());
        let version = request.version();
        DrainFuture { inner: self.inner.call(request), under_way, version }
    }
}

pin_project! {
    /// The answer of a [`DrainService`].
    #[must_use = "futures do nothing unless polled"]
    pub struct DrainFuture<F> {
        #[pin]
        inner: F,
        under_way: Option<UnderWay>,
        version: Version,
    }
}

impl<F, A, E> Future for DrainFuture<F>
where
    F: Future<Output = Result<Response<A>, E>>,
{
    type Output = Result<Response<DrainBody<A>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answered = ready!(this.inner.poll(context));
        let under_way = this.under_way.take();
        let mut response = answered?;
        let is_last = under_way.as_ref().is_some_and(UnderWay::is_among_the_last);
        // An upgraded connection is not one of HTTP any more, and its `Connection` header says so.
        let says =
            *this.version < Version::HTTP_2 && response.status() != StatusCode::SWITCHING_PROTOCOLS;
        if is_last && says {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Poll::Ready(Ok(response.map(|inner| DrainBody { inner, under_way })))
    }
}

pin_project! {
    /// The body of an answer that is under way until it is over.
    #[derive(Debug)]
    pub struct DrainBody<B> {
        #[pin]
        inner: B,
        under_way: Option<UnderWay>,
    }
}

impl<B: Body> Body for DrainBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            // Who keeps the empty body does not keep the service.
            drop(this.under_way.take());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use bytes::Bytes;
    use http_body_util::{BodyExt as _, Full};
    use tokio::sync::oneshot;

    use super::*;
    use crate::{DrainPolicy, Drained, Health};

    type Answer = Response<Full<Bytes>>;

    /// Answers when it is told to, with this status.
    #[derive(Default)]
    struct Inner(Vec<oneshot::Receiver<u16>>);

    impl Service<Request<()>> for Inner {
        type Response = Answer;
        type Error = Infallible;
        type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<()>) -> Self::Future {
            let told = self.0.remove(0);
            Box::pin(async move {
                let mut response = Response::new(Full::new(Bytes::from_static(b"hello")));
                *response.status_mut() = StatusCode::from_u16(told.await.unwrap()).unwrap();
                Ok(response)
            })
        }
    }

    struct Scene {
        drain: Drain,
        health: Health,
        service: DrainService<Inner>,
    }

    impl Scene {
        fn new(requests: usize) -> (Self, Vec<oneshot::Sender<u16>>) {
            let drain = Drain::try_new(DrainPolicy::default()).unwrap();
            let (tell, told) = (0..requests).map(|_| oneshot::channel()).unzip();
            let service = DrainLayer::new(&drain).layer(Inner(told));
            (Self { drain, health: Health::builder().start().unwrap(), service }, tell)
        }

        fn call(
            &mut self,
            version: Version,
        ) -> <DrainService<Inner> as Service<Request<()>>>::Future {
            self.service.call(Request::builder().version(version).body(()).unwrap())
        }

        fn ends(&self) -> tokio::task::JoinHandle<Drained> {
            let (drain, health) = (self.drain.clone(), self.health.clone());
            tokio::spawn(async move { drain.run(&health).await })
        }
    }

    fn closes(answer: &Response<DrainBody<Full<Bytes>>>) -> bool {
        answer.headers().get(CONNECTION).is_some_and(|it| it == "close")
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_waits_until_the_last_byte_of_the_last_answer() {
        let (mut scene, mut tell) = Scene::new(1);
        let call = scene.call(Version::HTTP_11);
        let end = scene.ends();
        scene.drain.closing().await;
        tell.remove(0).send(200).unwrap();
        let mut answer = call.await.unwrap();
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(!end.is_finished());
        assert!(answer.body_mut().frame().await.unwrap().is_ok());
        assert!(!end.is_finished());
        assert!(answer.body_mut().frame().await.is_none());
        assert_eq!(end.await.unwrap(), Drained { cut_off: 0 });
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_or_an_answer_that_is_dropped_is_over() {
        let (mut scene, mut tell) = Scene::new(2);
        let (first, second) = (scene.call(Version::HTTP_11), scene.call(Version::HTTP_11));
        tell.remove(1).send(200).unwrap();
        let answer = second.await.unwrap();
        let end = scene.ends();
        scene.drain.closing().await;
        drop((first, answer));
        assert_eq!(end.await.unwrap(), Drained { cut_off: 0 });
    }

    #[tokio::test(start_paused = true)]
    async fn clients_of_http_1_are_sent_elsewhere_once_the_end_has_begun() {
        let (mut scene, tell) = Scene::new(4);
        tell.into_iter().zip([200, 200, 101, 200]).for_each(|(it, code)| it.send(code).unwrap());
        assert!(!closes(&scene.call(Version::HTTP_11).await.unwrap()));
        let end = scene.ends();
        scene.drain.begun().await;
        assert!(closes(&scene.call(Version::HTTP_11).await.unwrap()));
        assert!(!closes(&scene.call(Version::HTTP_11).await.unwrap()), "an upgrade");
        assert!(!closes(&scene.call(Version::HTTP_2).await.unwrap()));
        end.abort();
    }
}
