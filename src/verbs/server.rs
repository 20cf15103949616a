//! What the server says of itself.

use super::{Dispatcher, convert, status::Refusal, wire};
use crate::log::{Durability, Figures, LogState};

impl Dispatcher {
    #[expect(clippy::unnecessary_wraps, reason = "a verb like any other")]
    pub(crate) fn get_server(&self, _: &wire::GetServerRequest) -> Result<wire::GetServerResponse, Refusal> {
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
            log: hub.log.map(log),
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

fn log(figures: Figures) -> wire::Log {
    wire::Log {
        file_bytes: convert::to_i64(figures.file_bytes),
        free_bytes: convert::to_i64(figures.free_bytes),
        wal_bytes: convert::to_i64(figures.wal_bytes),
        oldest_accept_time: figures.oldest.map(convert::time),
        sync_interval: Some(convert::wire_duration(figures.sync_interval)),
        commits: convert::to_i64(figures.commits),
        records: convert::to_i64(figures.records),
        commits_per_second: figures.commits_per_second,
        mean_batch: figures.records as f64 / figures.commits.max(1) as f64,
        commit_time_p50: Some(convert::wire_duration(figures.commit_p50)),
        commit_time_p99: Some(convert::wire_duration(figures.commit_p99)),
        commit_time_max: Some(convert::wire_duration(figures.commit_max)),
        state: state(figures.state).into(),
    }
}

fn state(state: LogState) -> wire::LogState {
    match state {
        LogState::Writing => wire::LogState::Writing,
        LogState::Stalled => wire::LogState::Stalled,
        LogState::Failed => wire::LogState::Failed,
    }
}
