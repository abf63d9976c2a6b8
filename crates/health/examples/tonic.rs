//! A tonic server with the health protocol of gRPC, and an end that no watcher holds up.

use evenkeel_health::{Drain, DrainPolicy, GrpcHealth, Health, Policy, check};
use tonic::transport::Server;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let health = Health::builder()
        .check("index", Policy::default(), check::Tcp::at("127.0.0.1:9200"))
        .start()?;
    let grpc = GrpcHealth::new(health.clone())
        .service("shop.v1.Cart") // as ready as the whole
        .service_while("shop.v1.Search", ["index"])?; // while this check is up
    let routes = axum::Router::new().route_service(GrpcHealth::ROUTE, grpc);
    let drain = Drain::try_new(DrainPolicy::default())?;
    let _serving = drain.hold(); // until the last byte is written
    let end = tokio::spawn(drain.clone().on_sigterm(health)?);
    let server = Server::builder().add_routes(routes.into()); // and `.add_service(…)` for your own
    tokio::select! {
        served = server.serve_with_shutdown("127.0.0.1:50051".parse()?, drain.closing()) => Ok(served?),
        _ = end => Ok(()), // the time is over: what is still under way is cut off
    }
}
