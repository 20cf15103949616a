//! Receipts as JSON.

use crate::v1::{self, publish_result::Outcome};
use prost::Message as _;
use serde::{Serialize, Serializer};

/// An answer as JSON, where it is a usual one.
pub(in super::super) fn answer(verb: &str, answer: &[u8]) -> Option<Vec<u8>> {
    let receipt = match verb {
        "Broadcast" => v1::BroadcastResponse::decode(answer).ok()?.receipt,
        "Dispatch" => v1::DispatchResponse::decode(answer).ok()?.receipt,
        "PublishBatch" => return results(answer),
        _ => return None,
    };
    serde_json::to_vec(&Answer { receipt: Receipt::of(receipt.as_ref()?) }).ok()
}

fn results(answer: &[u8]) -> Option<Vec<u8>> {
    let v1::PublishBatchResponse { results } = v1::PublishBatchResponse::decode(answer).ok()?;
    let results = results.iter().map(Answer::of).collect::<Option<_>>()?;
    serde_json::to_vec(&Results { results }).ok()
}

#[derive(Serialize)]
struct Results<'a> {
    results: Vec<Answer<'a>>,
}

#[derive(Serialize)]
struct Answer<'a> {
    receipt: Receipt<'a>,
}

/// Numbers of 64 bits are text, as proto3 JSON has them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Receipt<'a> {
    message_id: &'a str,
    sequence: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    receivers: Option<Text>,
    duplicate: bool,
}

struct Text(i64);

impl<'a> Answer<'a> {
    fn of(result: &'a v1::PublishResult) -> Option<Self> {
        match &result.outcome {
            Some(Outcome::Receipt(receipt)) => Some(Self { receipt: Receipt::of(receipt) }),
            Some(Outcome::Error(_)) | None => None,
        }
    }
}

impl<'a> Receipt<'a> {
    fn of(receipt: &'a v1::Receipt) -> Self {
        Self {
            message_id: &receipt.message_id,
            sequence: Text(receipt.sequence),
            receivers: receipt.receivers.map(Text),
            duplicate: receipt.duplicate,
        }
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
