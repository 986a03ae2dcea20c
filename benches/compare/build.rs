//! The gRPC service, without a compiler of .proto files.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let method = |name: &str, route: &str| {
        Method::builder()
            .name(name)
            .route_name(route)
            .input_type("crate::contenders::tonic::Payload")
            .output_type("crate::contenders::tonic::Payload")
            .codec_path("tonic_prost::ProstCodec")
    };
    let service = Service::builder()
        .name("Echo")
        .package("compare")
        .method(method("echo", "Echo").build())
        .method(method("source", "Source").server_streaming().build())
        .build();
    Builder::new().compile(&[service]);
}
