//! Load shedding: as a layer, by the priority of each request.

use std::convert::Infallible;
use std::future::{Pending, pending, poll_fn};
use std::sync::Arc;
use std::task::{Context, Poll};

use evenkeel_resilience::Error;
use evenkeel_resilience::layer::{Base, ShedLayer};
use evenkeel_resilience::shed::{Policy, Priority, Shed};
use tower_layer::Layer;
use tower_service::Service;

/// Never answers.
#[derive(Clone)]
struct Hangs;

impl Service<Priority> for Hangs {
    type Response = ();
    type Error = Infallible;
    type Future = Pending<Result<(), Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Priority) -> Self::Future {
        pending()
    }
}

#[tokio::test(start_paused = true)]
async fn a_layered_service_sheds_by_priority_and_makes_room_when_a_call_is_dropped() {
    let shed = Arc::new(Shed::try_new(Policy { capacity: 2, ..Policy::default() }).unwrap());
    let mut service =
        ShedLayer::new(Arc::clone(&shed), |it: &Priority| *it).layer(Base::new(Hangs));
    poll_fn(|context| service.poll_ready(context)).await.unwrap();
    let hangs = service.call(Priority::Sheddable);
    assert_eq!(service.call(Priority::Sheddable).await, Err(Error::Shed));
    let checkout = service.call(Priority::Critical);
    assert_eq!(shed.snapshot().in_flight, 2);
    drop((hangs, checkout));
    assert_eq!(shed.snapshot().in_flight, 0);
    assert_eq!(
        shed.call(Priority::Sheddable, || async { Ok::<_, Error<Infallible>>(1) }).await,
        Ok(1)
    );
}
