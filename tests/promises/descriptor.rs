//! The contract that was agreed is the contract that is served: file by file, field by field.

use crate::{reflection, support::TestServer};
use prost::Message as _;
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use std::collections::BTreeMap;

const GOLDEN: &[u8] = include_bytes!("../../proto/eric.v1.golden.binpb");

fn golden() -> BTreeMap<String, FileDescriptorProto> {
    let files = FileDescriptorSet::decode(GOLDEN).expect("the golden descriptor is a set of files").file;
    files.into_iter().map(|file| (file.name().to_owned(), file)).collect()
}

/// Comments and positions are no part of the contract, nor are names that are derived from others.
fn bare(mut file: FileDescriptorProto) -> FileDescriptorProto {
    fn strip(message: &mut prost_types::DescriptorProto) {
        message.field.iter_mut().chain(&mut message.extension).for_each(|field| field.json_name = None);
        message.nested_type.iter_mut().for_each(strip);
    }
    file.source_code_info = None;
    file.message_type.iter_mut().for_each(strip);
    file
}

#[tokio::test]
async fn each_file_of_the_golden_descriptor_is_the_one_that_the_server_reflects() {
    let server = TestServer::start();
    let wire = server.wire().await;
    let served = reflection::v1::with_imports(&wire, "eric/v1/dispatcher.proto").await;
    let golden = golden();
    let ours = |files: &BTreeMap<String, FileDescriptorProto>| -> Vec<String> {
        files.keys().filter(|name| name.starts_with("eric/")).cloned().collect()
    };
    assert_eq!(ours(&golden), ours(&served));
    for (name, file) in golden {
        assert_eq!(bare(file), bare(served[&name].clone()), "{name}");
    }
}

#[test]
fn the_golden_descriptor_holds_every_verb() {
    let golden = golden();
    let service = &golden["eric/v1/dispatcher.proto"].service[0];
    assert_eq!(service.name(), "DispatcherService");
    let verbs: Vec<_> = service.method.iter().map(|method| method.name()).collect();
    for verb in
        ["CreateChannel", "Dispatch", "Broadcast", "Publish", "Listen", "Watch", "Pull", "Acknowledge"]
    {
        assert!(verbs.contains(&verb), "{verb} in {verbs:?}");
    }
}
