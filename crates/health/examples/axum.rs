//! An axum service with its health, and an end without a dropped request.

use std::net::SocketAddr;

use axum::{Router, extract::ConnectInfo, routing::get};
use evenkeel_health::{Drain, DrainLayer, DrainPolicy, Health, HealthService, Policy, check};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let health = Health::builder()
        .check("database", Policy::critical(), check::Tcp::at("127.0.0.1:5432"))
        .check("disk", Policy::default(), check::Disk::of("/"))
        .start()?;
    let drain = Drain::try_new(DrainPolicy::default())?;
    let probes = HealthService::new(health.clone())
        .at("")
        .peer_by(|it| Some(it.get::<ConnectInfo<SocketAddr>>()?.0.ip()));
    let app = Router::new()
        .route("/", get(|| async { "hello" }))
        .layer(DrainLayer::new(&drain))
        .nest_service("/health", probes)
        .into_make_service_with_connect_info::<SocketAddr>();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    let _serving = drain.hold(); // until the last byte is written, and not only handed to the server
    let end = tokio::spawn(drain.clone().on_sigterm(health)?);
    tokio::select! {
        served = axum::serve(listener, app).with_graceful_shutdown(drain.closing()) => Ok(served?),
        _ = end => Ok(()), // the time is over: what is still under way is cut off
    }
}
