//! Http: what requests and answers of HTTP mean to the patterns, for any client or server of `http` types.

use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, Request, Response};

use crate::Error;
use crate::breaker::{self, Judge, Outcome};
use crate::layer::Repeat;
use crate::retry::{self, Classify, IDEMPOTENCY_KEY, Idempotency, Verdict};

/// The rules of HTTP, wherever a layer asks what a request or an answer means.
///
/// | asked by | about | answer |
/// |---|---|---|
/// | a retry, to classify | a status | 408, 429, 500, 502, 503 and 504 are tried again, after `Retry-After` where that is said |
/// | a retry or a hedge, to repeat | a request | sent again if its method is idempotent (RFC 9110, section 9.2.2); tried again, but not hedged, if it has an `Idempotency-Key` |
/// | a stale cache, to classify | a status | what a retry would try again is not kept, and is as bad as an error (RFC 5861, section 4) |
/// | a breaker, to judge | a status | 5xx are failures of the neighbour; 4xx are ours, 429 among them |
///
/// An error of the connection is a failure, and worth another attempt. What our own patterns found means what it always does.
///
/// ```
/// use std::sync::Arc;
/// use evenkeel_resilience::layer::{BreakerLayer, RetryLayer};
/// use evenkeel_resilience::{Breaker, Http, Pipeline, Retry};
///
/// let retry = Retry::try_new(Default::default())?.classify(Http);
/// let patterns = Pipeline::new()
///     .retry(RetryLayer::new(Arc::new(retry)).repeat(Http))
///     .breaker(BreakerLayer::new(Arc::new(Breaker::try_new(Default::default())?)).judge(Http));
/// # drop(patterns); Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A client with types of its own turns them into these (reqwest: `request.try_into()`, `http::Response::from`), or closures
/// say the same of its own:
///
/// ```
/// use evenkeel_resilience::breaker::{Breaker, Errors, Judge as _, Outcome};
/// use evenkeel_resilience::retry::{Retry, TRANSIENT, Verdict};
/// use evenkeel_resilience::Error;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// struct Page { status: u16 }
/// type Answer = Result<Page, Error<std::io::Error>>;
///
/// let retry = Retry::try_new(Default::default())?.classify(|answer: Result<&Page, &Error<_>>| match answer {
///     Ok(page) => Verdict::of_status(page.status, None, None),
///     Err(error) => evenkeel_resilience::retry::Errors::default().error(error, |_| TRANSIENT),
/// });
/// let judge = |answer: &Answer| match answer {
///     Ok(page) => Some(Outcome::from_ok(page.status < 500)),
///     Err(_) => Errors.judge(answer),
/// };
/// let breaker = Breaker::try_new(Default::default())?;
/// let fetch = || async { Ok(Page { status: 503 }) };
/// let page = retry.call(|| breaker.call_judged(fetch, judge)).await?;
/// assert_eq!(page.status, 503);
/// assert_eq!(breaker.snapshot(evenkeel_resilience::time::now()).failed_total, 3);
/// # Ok(()) }
/// ```
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Http;

impl<B, E> Classify<Response<B>, E> for Http {
    fn classify(&self, result: Result<&Response<B>, &Error<E>>) -> Verdict {
        match result {
            Ok(answer) => {
                let header = |name| text(answer.headers(), &name);
                Verdict::of_status(answer.status().as_u16(), header(RETRY_AFTER), header(DATE))
            }
            Err(error) => retry::Errors::default().classify(Err::<&Response<B>, _>(error)),
        }
    }
}

impl<B, E> Judge<Response<B>, E> for Http {
    fn judge(&self, answer: &Result<Response<B>, Error<E>>) -> Option<Outcome> {
        match answer {
            Ok(answer) => Some(Outcome::from_ok(!answer.status().is_server_error())),
            Err(_) => breaker::Errors.judge(answer),
        }
    }
}

impl<B: Clone> Repeat<Request<B>> for Http {
    fn repeat(&self, request: &Request<B>) -> (Option<Request<B>>, Idempotency) {
        let has_key = request.headers().contains_key(IDEMPOTENCY_KEY);
        let idempotency = Idempotency::of_method(request.method().as_str(), has_key);
        (Some(request.clone()), idempotency)
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::retry::TRANSIENT;

    type Answer = Result<Response<()>, Error<&'static str>>;

    fn answer(status: u16) -> Response<()> {
        Response::builder().status(status).body(()).unwrap()
    }

    fn verdict(answer: &Answer) -> Verdict {
        Http.classify(answer.as_ref())
    }

    #[test]
    fn a_busy_server_is_asked_again_when_it_says() {
        assert_eq!(verdict(&Ok(answer(503))), TRANSIENT);
        let mut asked = answer(429);
        asked.headers_mut().insert(RETRY_AFTER, "7".parse().unwrap());
        let wait = Some(Duration::from_secs(7));
        assert_eq!(verdict(&Ok(asked)), Verdict::Transient { retry_after: wait });
        let mut dated = answer(503);
        dated.headers_mut().insert(RETRY_AFTER, "Sun, 06 Nov 1994 08:49:44 GMT".parse().unwrap());
        dated.headers_mut().insert(DATE, "Sun, 06 Nov 1994 08:49:37 GMT".parse().unwrap());
        assert_eq!(verdict(&Ok(dated)), Verdict::Transient { retry_after: wait });
        assert_eq!(verdict(&Ok(answer(404))), Verdict::Permanent);
        assert_eq!(verdict(&Err(Error::Inner("the connection broke"))), TRANSIENT);
        assert_eq!(verdict(&Err(Error::Full)), Verdict::Permanent);
    }

    #[test]
    fn what_the_server_does_wrong_is_its_failure_and_what_we_do_is_not() {
        let judged = |answer: Answer| Http.judge(&answer);
        assert_eq!(judged(Ok(answer(500))), Some(Outcome::Failure));
        assert_eq!(judged(Ok(answer(429))), Some(Outcome::Success));
        assert_eq!(judged(Err(Error::Inner("refused"))), Some(Outcome::Failure));
        assert_eq!(judged(Err(Error::Full)), None);
    }

    #[test]
    fn an_order_is_sent_once_unless_it_has_a_key() {
        let order = Request::post("/orders").body("a kettle").unwrap();
        let (copy, idempotency) = Http.repeat(&order);
        assert_eq!((*copy.unwrap().body(), idempotency), ("a kettle", Idempotency::Unsafe));
        let known = Request::post("/orders").header("Idempotency-Key", "7").body(()).unwrap();
        assert_eq!(Http.repeat(&known).1, Idempotency::Keyed);
        assert_eq!(Http.repeat(&Request::get("/").body(()).unwrap()).1, Idempotency::Safe);
    }
}
