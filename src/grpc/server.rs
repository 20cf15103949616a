//! What the server says of itself.

use super::{Dispatcher, convert, status::Refusal, wire};
use crate::log::Durability;

impl Dispatcher {
    #[expect(clippy::unnecessary_wraps, reason = "a verb like any other")]
    pub(super) fn get_server(&self, _: &wire::GetServerRequest) -> Result<wire::GetServerResponse, Refusal> {
        let hub = self.hub.info();
        let durability = match hub.durability {
            Durability::Memory => wire::Durability::Memory,
            Durability::Disk => wire::Durability::Disk,
        };
        Ok(wire::GetServerResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            incarnation: hub.incarnation.to_string(),
            start_time: Some(convert::time(hub.began_at)),
            durability: durability.into(),
            limits: Some(self.limits_in_force()),
            channels: convert::to_i64(hub.channels),
            listeners: convert::to_i64(hub.listeners),
            streams: convert::to_i64(hub.streams),
            log_bytes: convert::to_i64(hub.log_bytes),
        })
    }

    fn limits_in_force(&self) -> wire::Limits {
        let hub = self.hub.info().limits;
        wire::Limits {
            max_payload_bytes: convert::to_i64(self.limits.max_payload_bytes as u64),
            max_batch_messages: i32::try_from(self.limits.max_batch_messages).unwrap_or(i32::MAX),
            max_batch_bytes: convert::to_i64(self.limits.max_batch_bytes as u64),
            max_channels: convert::to_i64(hub.max_channels),
            max_listeners: convert::to_i64(hub.max_listeners),
            max_streams: convert::to_i64(hub.max_streams),
            max_log_bytes: convert::to_i64(hub.max_log_bytes),
        }
    }
}
