//! All that can make what waits for an EXPLICIT listener missing, whatever then tells of it.

use super::{
    TestServer, Wire,
    explicit::final_rejection,
    message::{numbered, sized},
};
use eric::v1::{ChannelSettings, GapReason, Message, Overflow};
use futures_util::future::BoxFuture;
use std::time::Duration;
use tokio::time::sleep;

/// A reason, and what makes messages of the listener `l` of the channel `c` missing for it; tells how many.
pub(crate) struct Loss {
    pub(crate) reason: GapReason,
    settings: ChannelSettings,
    lose: fn(Wire) -> BoxFuture<'static, i64>,
}

/// A backlog of so many messages, of which the oldest give way.
pub(crate) fn drops_beyond(messages: i64) -> ChannelSettings {
    ChannelSettings {
        dispatch_overflow: Some(Overflow::DropOldest.into()),
        max_backlog_messages: Some(messages),
        max_replay_messages: Some(0),
        ..Default::default()
    }
}

impl Loss {
    /// A server of its own where it has happened, a client of it, and how many are missing.
    pub(crate) async fn happened(&self) -> (TestServer, Wire, i64) {
        let server = TestServer::with(|config| {
            config.max_log_bytes = Some(400_000);
            config.max_payload_bytes = 20_000;
        });
        let wire = server.wire().await;
        wire.create_with("c", self.settings.clone()).await;
        wire.register_explicit("c", "l").await;
        let missing = (self.lose)(wire.clone()).await;
        (server, wire, missing)
    }
}

pub(crate) fn losses() -> [Loss; 5] {
    let settings = ChannelSettings::default;
    [
        Loss {
            reason: GapReason::Overflow,
            settings: drops_beyond(3),
            lose: |wire| Box::pin(overflow(wire)),
        },
        Loss { reason: GapReason::Purged, settings: settings(), lose: |wire| Box::pin(purge(wire)) },
        Loss { reason: GapReason::Rejected, settings: settings(), lose: |wire| Box::pin(reject(wire)) },
        Loss { reason: GapReason::Expired, settings: settings(), lose: |wire| Box::pin(expire(wire)) },
        Loss { reason: GapReason::Trimmed, settings: settings(), lose: |wire| Box::pin(trim(wire)) },
    ]
}

async fn overflow(wire: Wire) -> i64 {
    wire.dispatch_all("c", "l", (0..4).map(numbered)).await;
    1
}

async fn purge(wire: Wire) -> i64 {
    wire.dispatch_all("c", "l", (0..5).map(numbered)).await;
    wire.purge("c", "l", None).await.purged_messages
}

async fn reject(wire: Wire) -> i64 {
    let sequence = wire.dispatch("c", "l", numbered(0)).await.sequence;
    wire.listen("c", "l").await.one().await;
    wire.reject(final_rejection(sequence, "")).await;
    1
}

async fn expire(wire: Wire) -> i64 {
    let ttl = Some(prost_types::Duration { seconds: 0, nanos: 1_000_000 });
    wire.dispatch("c", "l", Message { ttl, ..numbered(0) }).await;
    sleep(Duration::from_millis(20)).await;
    1
}

/// More than the log of this server holds.
async fn trim(wire: Wire) -> i64 {
    for _ in 0..5 {
        wire.broadcast_all("c", (0..10).map(|_| sized(10_000))).await;
    }
    50 - wire.listener("c", "l").await.backlog_messages
}
