//! A server of another implementation, in a thread of its own.

use tokio::sync::oneshot;
use tonic::transport::Server;

use self::shop::Shop;
use super::*;

#[path = "../../../../tests/it/shop.rs"]
mod shop;

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
