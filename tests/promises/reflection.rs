//! The standard services stand beside ours: health, and reflection v1 and v1alpha.

use crate::support::{TestServer, Wire, within};
use futures_util::stream;
use prost::Message as _;
use prost_types::FileDescriptorProto;
use std::collections::{BTreeMap, BTreeSet};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

/// Both versions have the same messages under other names.
macro_rules! reflecting {
    ($version:ident) => {
        pub(crate) mod $version {
            use super::*;
            use tonic_reflection::pb::$version::{
                ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
                server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
            };

            async fn ask(wire: &Wire, question: MessageRequest) -> MessageResponse {
                let mut client = ServerReflectionClient::new(wire.channel.clone());
                let request =
                    ServerReflectionRequest { host: String::new(), message_request: Some(question) };
                let asked = client.server_reflection_info(stream::iter([request]));
                let mut answers = within(asked).await.unwrap().into_inner();
                let answer = within(answers.message()).await.unwrap().unwrap();
                answer.message_response.unwrap()
            }

            pub(crate) async fn services(wire: &Wire) -> BTreeSet<String> {
                match ask(wire, MessageRequest::ListServices(String::new())).await {
                    MessageResponse::ListServicesResponse(list) => {
                        list.service.into_iter().map(|service| service.name).collect()
                    }
                    other => panic!("a list was expected, not {other:?}"),
                }
            }

            async fn files(wire: &Wire, question: MessageRequest) -> Vec<FileDescriptorProto> {
                match ask(wire, question).await {
                    MessageResponse::FileDescriptorResponse(files) => files
                        .file_descriptor_proto
                        .iter()
                        .map(|file| FileDescriptorProto::decode(file.as_slice()).unwrap())
                        .collect(),
                    other => panic!("files were expected, not {other:?}"),
                }
            }

            /// The file that a symbol stands in.
            pub(crate) async fn containing(wire: &Wire, symbol: &str) -> FileDescriptorProto {
                files(wire, MessageRequest::FileContainingSymbol(symbol.into())).await.remove(0)
            }

            /// A file and all that it imports, by name.
            pub(crate) async fn with_imports(
                wire: &Wire,
                name: &str,
            ) -> BTreeMap<String, FileDescriptorProto> {
                let (mut found, mut wanted) = (BTreeMap::new(), vec![name.to_owned()]);
                while let Some(name) = wanted.pop() {
                    if !found.contains_key(&name) {
                        let file = files(wire, MessageRequest::FileByFilename(name.clone())).await.remove(0);
                        wanted.extend(file.dependency.iter().cloned());
                        found.insert(name, file);
                    }
                }
                found
            }
        }
    };
}

reflecting!(v1);
reflecting!(v1alpha);

#[tokio::test]
async fn the_server_tells_its_services_in_both_versions_of_reflection() {
    let server = TestServer::start();
    let wire = server.wire().await;
    for services in [v1::services(&wire).await, v1alpha::services(&wire).await] {
        for service in ["eric.v1.DispatcherService", "grpc.health.v1.Health"] {
            assert!(services.contains(service), "{service} in {services:?}");
        }
        assert!(services.iter().any(|service| service.starts_with("grpc.reflection.")), "{services:?}");
    }
}

#[tokio::test]
async fn the_server_tells_what_its_services_and_their_error_details_are() {
    let server = TestServer::start();
    let wire = server.wire().await;
    for (symbol, file) in [
        ("eric.v1.DispatcherService", "eric/v1/dispatcher.proto"),
        ("eric.v1.Message", "eric/v1/message.proto"),
        ("google.rpc.ErrorInfo", "google/rpc/error_details.proto"),
        ("google.rpc.Status", "google/rpc/status.proto"),
        ("google.protobuf.Value", "google/protobuf/struct.proto"),
        ("grpc.health.v1.Health", "health.proto"),
    ] {
        let (new, old) = (v1::containing(&wire, symbol).await, v1alpha::containing(&wire, symbol).await);
        assert!(new.name().ends_with(file), "{symbol} in {}", new.name());
        assert_eq!(new, old);
    }
    let imports = v1alpha::with_imports(&wire, "eric/v1/dispatcher.proto").await;
    assert!(imports.contains_key("google/protobuf/timestamp.proto"));
}

#[tokio::test]
async fn health_says_that_the_server_and_its_service_serve() {
    let server = TestServer::start();
    let wire = server.wire().await;
    let mut health = HealthClient::new(wire.channel.clone());
    for service in ["", "eric.v1.DispatcherService"] {
        let request = HealthCheckRequest { service: service.into() };
        let answer = within(health.check(request)).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service:?}");
    }
    let unknown = within(health.check(HealthCheckRequest { service: "unknown".into() })).await;
    assert_eq!(unknown.unwrap_err().code(), tonic::Code::NotFound);
}

#[tokio::test]
async fn health_says_when_the_server_drains() {
    let server = TestServer::start();
    let wire = server.wire().await;
    let mut health = HealthClient::new(wire.channel.clone());
    let request = HealthCheckRequest { service: "eric.v1.DispatcherService".into() };
    let mut watched = within(health.watch(request)).await.unwrap().into_inner();
    assert_eq!(within(watched.message()).await.unwrap().unwrap().status(), ServingStatus::Serving);
    server.stop();
    assert_eq!(within(watched.message()).await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert_eq!(within(watched.message()).await.unwrap_err().code(), tonic::Code::Unavailable);
}
