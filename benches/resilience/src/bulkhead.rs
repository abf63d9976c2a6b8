//! Bulkheads with a free place.

use std::sync::Arc;

use anyhow::Result;
use evenkeel_resilience::bulkhead::{Bulkhead, Policy};
use evenkeel_resilience::layer::{BaseLayer, BulkheadLayer};
use tower::Layer as _;
use tower::limit::GlobalConcurrencyLimitLayer;

use crate::inner::{AtOnce, answer_as_ours, ask};
use crate::run::{Expect, Figures, Plan, calls};

pub(crate) const SUBJECTS: &[crate::Subject] = &[
    ("bulkhead/ours", ours),
    ("bulkhead/ours-layer", ours_layer),
    ("bulkhead/tower", tower),
    ("bulkhead/tower-resilience", tower_resilience),
];

/// Places, more than there are threads.
const PLACES: u32 = 25;

fn ours(plan: Plan) -> Result<Figures> {
    let bulkhead = Arc::new(Bulkhead::try_new(Policy { limit: PLACES, ..Policy::default() })?);
    calls(plan, Expect::Answers, || {
        let bulkhead = Arc::clone(&bulkhead);
        async move |it| bulkhead.call(|| answer_as_ours(it)).await.is_ok()
    })
}

fn ours_layer(plan: Plan) -> Result<Figures> {
    let bulkhead = Arc::new(Bulkhead::try_new(Policy { limit: PLACES, ..Policy::default() })?);
    let service = BulkheadLayer::new(bulkhead).layer(BaseLayer.layer(AtOnce));
    calls(plan, Expect::Answers, || {
        let mut service = service.clone();
        async move |it| ask(&mut service, it).await
    })
}

fn tower(plan: Plan) -> Result<Figures> {
    let service = GlobalConcurrencyLimitLayer::new(PLACES as usize).layer(AtOnce);
    calls(plan, Expect::Answers, || {
        let mut service = service.clone();
        async move |it| ask(&mut service, it).await
    })
}

fn tower_resilience(plan: Plan) -> Result<Figures> {
    let layer = tower_resilience::bulkhead::BulkheadLayer::builder()
        .max_concurrent_calls(PLACES as usize)
        .max_wait_duration(std::time::Duration::from_millis(100))
        .build()?;
    let service = layer.layer(AtOnce);
    calls(plan, Expect::Answers, || {
        let mut service = service.clone();
        async move |it| ask(&mut service, it).await
    })
}
