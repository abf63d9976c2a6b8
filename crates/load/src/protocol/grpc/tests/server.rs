//! A server of another implementation, in a thread of its own.

use std::pin::Pin;

use tokio::sync::oneshot;
use tokio_stream::{Stream, StreamExt};
use tonic::codegen::{Body, BoxFuture, Service, StdError, http};
use tonic::server::{
    ClientStreamingService, Grpc, ServerStreamingService, StreamingService, UnaryService,
};
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use super::*;

/// The description, in two files.
pub(super) const PROTO: [(&str, &str); 2] = [
    ("item.proto", "syntax = \"proto3\"; package shop.v1; message Item { string text = 1; int32 count = 2; }"),
    (
        "shop.proto",
        "syntax = \"proto3\"; package shop.v1; import \"item.proto\"; import \"google/protobuf/empty.proto\";
        service Shop {
          rpc One(Item) returns (Item); rpc Many(Item) returns (stream Item);
          rpc Sum(stream Item) returns (Item); rpc Echo(stream Item) returns (stream Item);
          rpc Nothing(google.protobuf.Empty) returns (google.protobuf.Empty);
        }",
    ),
];

#[derive(Clone, PartialEq, prost::Message)]
struct Item {
    #[prost(string, tag = "1")]
    text: String,
    #[prost(int32, tag = "2")]
    count: i32,
}

type Items = Pin<Box<dyn Stream<Item = Result<Item, Status>> + Send>>;

/// One method each.
struct One;
struct Many;
struct Sum;
struct Echo;

impl UnaryService<Item> for One {
    type Response = Item;
    type Future = BoxFuture<Response<Item>, Status>;

    fn call(&mut self, request: Request<Item>) -> Self::Future {
        let id = request.metadata().get("x-id").cloned();
        let item = request.into_inner();
        Box::pin(async move {
            if item.text == "fail" {
                return Err(Status::new(Code::from_i32(item.count), "as asked"));
            }
            let mut response = Response::new(item);
            if let Some(id) = id {
                response.metadata_mut().insert("x-id", id);
            }
            Ok(response)
        })
    }
}

impl ServerStreamingService<Item> for Many {
    type Response = Item;
    type ResponseStream = Items;
    type Future = BoxFuture<Response<Items>, Status>;

    fn call(&mut self, request: Request<Item>) -> Self::Future {
        let item = request.into_inner();
        let items = (0..item.count).map(move |count| Ok(Item { count, ..item.clone() }));
        Box::pin(async move { Ok(Response::new(Box::pin(tokio_stream::iter(items)) as Items)) })
    }
}

impl ClientStreamingService<Item> for Sum {
    type Response = Item;
    type Future = BoxFuture<Response<Item>, Status>;

    fn call(&mut self, request: Request<Streaming<Item>>) -> Self::Future {
        Box::pin(async move {
            let (mut items, mut sum) = (request.into_inner(), Item::default());
            while let Some(item) = items.message().await? {
                sum.count += item.count;
            }
            Ok(Response::new(sum))
        })
    }
}

impl StreamingService<Item> for Echo {
    type Response = Item;
    type ResponseStream = Items;
    type Future = BoxFuture<Response<Items>, Status>;

    fn call(&mut self, request: Request<Streaming<Item>>) -> Self::Future {
        let items = request.into_inner().map(|it| it);
        Box::pin(async move { Ok(Response::new(Box::pin(items) as Items)) })
    }
}

/// The service, as generated code would have it.
#[derive(Clone)]
struct Shop;

impl tonic::server::NamedService for Shop {
    const NAME: &'static str = "shop.v1.Shop";
}

impl<B> Service<http::Request<B>> for Shop
where
    B: Body + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<tonic::body::Body>;
    type Error = std::convert::Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = Grpc::new(ProstCodec::<Item, Item>::default());
            Ok(match request.uri().path() {
                "/shop.v1.Shop/One" => grpc.unary(One, request).await,
                "/shop.v1.Shop/Many" => grpc.server_streaming(Many, request).await,
                "/shop.v1.Shop/Sum" => grpc.client_streaming(Sum, request).await,
                "/shop.v1.Shop/Echo" => grpc.streaming(Echo, request).await,
                _ => Status::unimplemented("").into_http(),
            })
        })
    }
}

#[derive(Copy, Clone, PartialEq, Eq)]
pub(super) enum Reflection {
    None,
    V1,
    V1alpha,
}

/// A server that runs until it is dropped.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

pub(super) fn start() -> Running {
    start_with(Reflection::None)
}

pub(super) fn start_with(reflection: Reflection) -> Running {
    let (stop, stopped) = oneshot::channel::<()>();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            let mut set = prost_reflect::prost_types::FileDescriptorSet::default();
            set.file.extend(descriptors().files().filter(|it| !it.name().starts_with("google/")));
            let set = set.encode_to_vec();
            let builder = || {
                tonic_reflection::server::Builder::configure()
                    .register_encoded_file_descriptor_set(&set)
            };
            let v1 = (reflection == Reflection::V1).then(|| builder().build_v1().unwrap());
            let v1alpha =
                (reflection == Reflection::V1alpha).then(|| builder().build_v1alpha().unwrap());
            let server = Server::builder().add_service(Shop).add_optional_service(v1);
            let server = server.add_optional_service(v1alpha);
            let stopped = async { drop(stopped.await) };
            server
                .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stopped)
                .await
                .unwrap();
        });
    });
    Running { address: told.recv().unwrap(), _stop: stop }
}
