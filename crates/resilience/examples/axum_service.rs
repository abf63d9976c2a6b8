//! An axum service that bears a crowd: so many requests at once, so many a second, and none for ever.
//!
//! `cargo run -p evenkeel-resilience --example axum_service`

use std::{convert::Infallible, error::Error, sync::Arc, time::Duration};

use axum::http::StatusCode;
use axum::{Router, error_handling::HandleErrorLayer, response::IntoResponse, routing::get};
use evenkeel_resilience::layer::{BulkheadLayer, LimitLayer};
use evenkeel_resilience::{Bulkhead, Deadlines, Limiter, Pipeline, bulkhead, deadline, limit};
use tower::ServiceBuilder;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let limits = deadline::Limits::uniform(Duration::from_secs(2));
    let guard = Pipeline::new()
        .deadlines(Arc::new(Deadlines::try_new(limits)?))
        .limit(LimitLayer::new(Arc::new(Limiter::try_new(limit::Policy::per_second(1_000))?)))
        .bulkhead(BulkheadLayer::new(Arc::new(Bulkhead::try_new(bulkhead::Policy::default())?)));
    let guard = ServiceBuilder::new().layer(HandleErrorLayer::new(refused)).layer(guard);
    let app = Router::new().route("/", get(|| async { "a red kettle\n" })).layer(guard);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    Ok(axum::serve(listener, app).await?)
}

async fn refused(error: evenkeel_resilience::Error<Infallible>) -> impl IntoResponse {
    let wait = error.retry_after().map(|it| [("retry-after", it.as_secs_f64().ceil().to_string())]);
    (StatusCode::from_u16(error.status()).unwrap_or_default(), wait, error.to_string())
}
