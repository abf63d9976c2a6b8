//! The health protocol of gRPC, asked by the client of tonic over a real connection.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_health::{Drain, DrainPolicy, GrpcHealth, Health, Policy};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Channel;
use tonic::{Code, Streaming};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_prost::ProstCodec;

/// What the client of tonic does not know yet.
#[derive(Clone, PartialEq, prost::Message)]
struct HealthListResponse {
    #[prost(btree_map = "string, message", tag = "1")]
    statuses: BTreeMap<String, HealthCheckResponse>,
}

/// A service whose database works and whose index does not, and which has a step to go.
fn health() -> Health {
    Health::builder()
        .check("database", Policy::critical(), async || true)
        .check("index", Policy::default(), async || false)
        .step("migrations")
        .start()
        .unwrap()
}

/// A connection to a server of tonic, which ends once the drain accepts nothing more.
async fn channel(grpc: GrpcHealth, drain: &Drain) -> (Channel, Served) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let drain = drain.clone();
    let routes = axum::Router::new().route_service(GrpcHealth::ROUTE, grpc);
    let served = tokio::spawn(async move {
        tonic::transport::Server::builder()
            .add_routes(routes.into())
            .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async move {
                drain.closing().await;
            })
            .await
    });
    let channel = Channel::from_shared(format!("http://{address}")).unwrap();
    (channel.connect().await.unwrap(), served)
}

async fn client(grpc: GrpcHealth, drain: &Drain) -> (HealthClient<Channel>, Served) {
    let (channel, served) = channel(grpc, drain).await;
    (HealthClient::new(channel), served)
}

type Served = tokio::task::JoinHandle<Result<(), tonic::transport::Error>>;

fn named(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

async fn check(client: &mut HealthClient<Channel>, service: &str) -> Result<ServingStatus, Code> {
    let answered = client.check(named(service)).await;
    answered.map(|it| it.into_inner().status()).map_err(|it| it.code())
}

async fn next(stream: &mut Streaming<HealthCheckResponse>) -> Result<ServingStatus, Code> {
    stream.next().await.unwrap().map(|it| it.status()).map_err(|it| it.code())
}

/// A drain that is over in moments, with time for the order of things to be seen.
fn drain() -> Drain {
    let delay = Duration::from_millis(50);
    Drain::try_new(DrainPolicy { delay, ..DrainPolicy::default() }).unwrap()
}

#[tokio::test]
async fn each_name_says_what_its_checks_say() {
    let health = health();
    let grpc = GrpcHealth::new(health.clone())
        .service("shop.v1.Cart")
        .service_while("shop.v1.Search", ["index"])
        .unwrap()
        .service_while("shop.v1.Stock", ["database"])
        .unwrap();
    let (channel, _served) = channel(grpc, &drain()).await;
    let mut client = HealthClient::new(channel.clone());
    assert_eq!(check(&mut client, "live").await, Ok(ServingStatus::Serving));
    for name in ["", "ready", "startup", "shop.v1.Cart", "shop.v1.Stock"] {
        assert_eq!(check(&mut client, name).await, Ok(ServingStatus::NotServing), "{name}");
    }
    health.done("migrations").unwrap();
    health.ready().await;
    for name in ["", "live", "ready", "startup", "shop.v1.Cart", "shop.v1.Stock"] {
        assert_eq!(check(&mut client, name).await, Ok(ServingStatus::Serving), "{name}");
    }
    while check(&mut client, "shop.v1.Search").await == Ok(ServingStatus::Unknown) {}
    assert_eq!(check(&mut client, "shop.v1.Search").await, Ok(ServingStatus::NotServing));
    assert_eq!(check(&mut client, "shop.v1.Nothing").await, Err(Code::NotFound));
    let path = http::uri::PathAndQuery::from_static("/grpc.health.v1.Health/List");
    let mut raw = tonic::client::Grpc::new(channel);
    raw.ready().await.unwrap();
    let codec = ProstCodec::<(), HealthListResponse>::default();
    let answered = raw.unary(tonic::Request::new(()), path, codec).await.unwrap();
    let listed = answered.into_inner().statuses;
    assert_eq!(listed.len(), 7);
    assert_eq!(listed["shop.v1.Search"].status(), ServingStatus::NotServing);
    assert_eq!(listed["shop.v1.Cart"].status(), ServingStatus::Serving);
}

#[tokio::test]
async fn who_watches_is_told_of_each_change_and_lets_the_server_end() {
    let (health, drain) = (health(), drain());
    let (mut client, served) = client(GrpcHealth::new(health.clone()), &drain).await;
    let mut whole = client.watch(named("")).await.unwrap().into_inner();
    let mut live = client.watch(named("live")).await.unwrap().into_inner();
    let mut nobody = client.watch(named("shop.v1.Nothing")).await.unwrap().into_inner();
    assert_eq!(next(&mut nobody).await, Ok(ServingStatus::ServiceUnknown));
    assert_eq!(next(&mut live).await, Ok(ServingStatus::Serving));
    assert_eq!(next(&mut whole).await, Ok(ServingStatus::NotServing));
    health.done("migrations").unwrap();
    assert_eq!(next(&mut whole).await, Ok(ServingStatus::Serving));
    let drained = drain.run(&health);
    let told = async {
        assert_eq!(next(&mut whole).await, Ok(ServingStatus::NotServing));
        for stream in [&mut whole, &mut live, &mut nobody] {
            assert_eq!(next(stream).await, Err(Code::Unavailable));
        }
    };
    tokio::join!(drained, told);
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_end_is_for_good_and_live_stays_until_then() {
    let health = health();
    let grpc = GrpcHealth::new(health.clone()).service_while("stock", ["database"]).unwrap();
    let (mut client, _served) = client(grpc, &drain()).await;
    health.drain();
    health.done("migrations").unwrap();
    for name in ["", "ready", "stock"] {
        assert_eq!(check(&mut client, name).await, Ok(ServingStatus::NotServing), "{name}");
    }
    assert_eq!(check(&mut client, "live").await, Ok(ServingStatus::Serving));
}

#[tokio::test]
async fn only_so_many_watch_and_a_place_is_free_again() {
    let grpc = GrpcHealth::new(health()).watchers_max(1);
    let (mut client, _served) = client(grpc, &drain()).await;
    let mut first = client.watch(named("")).await.unwrap().into_inner();
    assert!(next(&mut first).await.is_ok());
    let refused = client.watch(named("")).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(check(&mut client, "").await.is_ok());
    drop(first);
    while client.watch(named("")).await.is_err() {}
}

#[test]
fn a_service_needs_checks_that_there_are() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _inside = runtime.enter();
    let error = GrpcHealth::new(health()).service_while("a", ["databse"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no check `databse`: name one that the builder of `Health` was given"
    );
}
