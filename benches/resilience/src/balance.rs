//! Balancers over ten endpoints, the lesser loaded of two by latency and calls under way.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use evenkeel_resilience::balance::{Balancer, Member, Policy};
use evenkeel_resilience::layer::{BalanceService, Base};
use evenkeel_units::Moment;
use tower::balance::p2c::Balance;
use tower::discover::ServiceList;
use tower::load::{CompleteOnResponse, PeakEwmaDiscover};

use crate::inner::{AtOnce, answer_as_ours, ask};
use crate::run::{Expect, Figures, Plan, calls};

pub(crate) const SUBJECTS: &[crate::Subject] =
    &[("balance/ours", ours), ("balance/ours-layer", ours_layer), ("balance/tower", tower)];

const ENDPOINTS: usize = 10;

fn ours(plan: Plan) -> Result<Figures> {
    let balancer = balancer(())?;
    calls(plan, Expect::Answers, || {
        let balancer = Arc::clone(&balancer);
        async move |it| balancer.call(|_| answer_as_ours(it)).await.is_ok()
    })
}

fn ours_layer(plan: Plan) -> Result<Figures> {
    let service = BalanceService::new(balancer(Base::new(AtOnce))?);
    calls(plan, Expect::Answers, || {
        let mut service = service.clone();
        async move |it| ask(&mut service, it).await
    })
}

/// Of ten endpoints that are alike.
fn balancer<T: Clone>(endpoint: T) -> Result<Arc<Balancer<T>>> {
    let balancer = Balancer::try_new(Policy::default())?;
    let members =
        (0..ENDPOINTS).map(|it| Member::new(format!("10.0.0.{it}:8080"), endpoint.clone()));
    balancer.replace(Moment::START, members)?;
    Ok(Arc::new(balancer))
}

/// Of each thread its own, as it cannot be cloned.
fn tower(plan: Plan) -> Result<Figures> {
    calls(plan, Expect::Answers, || {
        let services = ServiceList::new::<u64>([AtOnce; ENDPOINTS]);
        let measured = PeakEwmaDiscover::new::<u64>(
            services,
            Duration::from_millis(30),
            Duration::from_secs(10),
            CompleteOnResponse::default(),
        );
        let mut balance = Balance::new(measured);
        async move |it| ask(&mut balance, it).await
    })
}
