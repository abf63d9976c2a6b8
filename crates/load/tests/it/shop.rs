//! A shop that speaks gRPC, by another implementation: each kind of call once.
//!
//! The tests of the protocol and those of the whole load use the same one.

use std::pin::Pin;

use tokio_stream::{Stream, StreamExt as _};
use tonic::codegen::{Body, BoxFuture, Service, StdError, http};
use tonic::server::{
    ClientStreamingService, Grpc, ServerStreamingService, StreamingService, UnaryService,
};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

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
pub(super) struct Shop;

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
