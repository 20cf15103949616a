//! Turns `proto/` into Rust, twice: as clients see it, and as the server keeps it (messages as raw bytes), whose service
//! the gRPC door has for itself.

use prost::Message as _;
use prost_types::{DescriptorProto, FileDescriptorSet, field_descriptor_proto::Type};
use std::{env, fs, path::PathBuf};
use tonic_prost_build::Builder;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

const ROOTS: [&str; 3] = [
    "eric/v1/dispatcher.proto",
    "google/rpc/status.proto",
    // no file of ours imports it, but reflection must know what error details are
    "google/rpc/error_details.proto",
];

fn main() -> Outcome {
    for folder in ["proto", "third_party"] {
        println!("cargo:rerun-if-changed={folder}");
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let descriptors = protox::compile(ROOTS, ["proto", "third_party"])?;
    fs::write(out.join("eric.v1.binpb"), descriptors.encode_to_vec())?;

    let kept = with_raw_messages(descriptors.clone());
    generate(tonic_prost_build::configure().build_server(false), out.join("client"), descriptors)?;
    generate(
        tonic_prost_build::configure().build_client(false).build_server(false),
        out.join("server"),
        kept.clone(),
    )?;
    generate(service(), out.join("service"), kept)
}

/// The service alone, over the messages that the server keeps.
fn service() -> Builder {
    tonic_prost_build::configure()
        .build_client(false)
        .extern_path(".eric.v1", "crate::verbs::wire")
        .codec_path("crate::grpc::codec::WireCodec")
}

fn generate(builder: Builder, out: PathBuf, descriptors: FileDescriptorSet) -> Outcome {
    fs::create_dir_all(&out)?;
    builder
        .out_dir(out)
        .extern_path(".google.rpc", "::tonic_types::pb")
        .bytes(".eric.v1")
        .compile_fds(descriptors)?;
    Ok(())
}

/// The contract as the server serves it.
///
/// Declares every field that holds a `Message` or a `Delivery` as `bytes`, which is the same on the wire:
/// the server keeps what it received and never decodes it to encode it again.
fn with_raw_messages(mut descriptors: FileDescriptorSet) -> FileDescriptorSet {
    for file in descriptors.file.iter_mut().filter(|file| file.package() == "eric.v1") {
        file.message_type.iter_mut().for_each(make_raw);
        for service in &mut file.service {
            // their streams hand out frames that are ready, and need no encoder: the door serves them itself
            service.method.retain(|method| !matches!(method.name(), "Listen" | "Watch"));
        }
    }
    descriptors
}

fn make_raw(message: &mut DescriptorProto) {
    for field in &mut message.field {
        if matches!(field.type_name(), ".eric.v1.Message" | ".eric.v1.Delivery") {
            field.set_type(Type::Bytes);
            field.type_name = None;
            // a message that is absent is not an empty one
            field.proto3_optional =
                Some(field.label() == prost_types::field_descriptor_proto::Label::Optional);
        }
    }
}
