//! Turns `proto/` into Rust, twice: as clients see it, and as the server keeps it (messages as raw bytes).

use prost::Message as _;
use prost_types::{DescriptorProto, FileDescriptorSet, field_descriptor_proto::Type};
use std::{env, fs, path::PathBuf};

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

    generate(out.join("client"), descriptors.clone(), Side::Client)?;
    generate(out.join("server"), with_raw_messages(descriptors), Side::Server)
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Client,
    Server,
}

fn generate(out: PathBuf, descriptors: FileDescriptorSet, side: Side) -> Outcome {
    fs::create_dir_all(&out)?;
    tonic_prost_build::configure()
        .out_dir(out)
        .build_client(side == Side::Client)
        .build_server(side == Side::Server)
        .extern_path(".google.rpc", "::tonic_types::pb")
        .codec_path(if side == Side::Server {
            "crate::grpc::codec::WireCodec"
        } else {
            "tonic_prost::ProstCodec"
        })
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
