//! Channels and listeners, made before anything is counted.

use crate::{
    Outcome,
    client::{Connection, verb},
    load::call_all,
    messages::frame,
};
use eric::v1::{AcknowledgementMode, ChannelSettings, CreateChannelRequest, Overflow, RegisterRequest};
use std::{cell::Cell, net::SocketAddr};

/// As a channel is when nobody says anything.
pub(crate) fn defaults() -> ChannelSettings {
    ChannelSettings::default()
}

/// A channel that takes dispatches although nobody listens: the oldest make room.
pub(crate) fn dropping() -> ChannelSettings {
    ChannelSettings { dispatch_overflow: Some(Overflow::DropOldest.into()), ..defaults() }
}

/// The same, and no id is remembered.
pub(crate) fn forgetting() -> ChannelSettings {
    ChannelSettings { idempotency_window: Some(prost_types::Duration::default()), ..dropping() }
}

/// A channel whose listeners' backlogs never fill.
pub(crate) fn bottomless() -> ChannelSettings {
    ChannelSettings {
        max_backlog_messages: Some(100_000_000),
        max_backlog_bytes: Some(1 << 50),
        ..defaults()
    }
}

/// The same, and no id is remembered.
pub(crate) fn bottomless_and_forgetting() -> ChannelSettings {
    ChannelSettings { idempotency_window: Some(prost_types::Duration::default()), ..bottomless() }
}

/// A channel that never gives a message up.
pub(crate) fn patient() -> ChannelSettings {
    ChannelSettings { max_attempts: Some(1_000_000), ..defaults() }
}

/// Creates a channel.
pub(crate) async fn channel(connection: &Connection, id: &str, settings: ChannelSettings) -> Outcome {
    let channel = Some(id.to_owned());
    let request = CreateChannelRequest { channel, settings: Some(settings), allow_existing: false };
    connection.call(verb::CREATE_CHANNEL, frame(&request)).await?;
    Ok(())
}

/// Registers a listener.
pub(crate) async fn register(connection: &Connection, channel: &str, listener: &str) -> Outcome {
    connection.call(verb::REGISTER, frame(&registration(channel, listener))).await?;
    Ok(())
}

/// Registers a listener that acknowledges.
pub(crate) async fn register_explicit(connection: &Connection, channel: &str, listener: &str) -> Outcome {
    let registration = explicit(registration(channel, listener));
    connection.call(verb::REGISTER, frame(&registration)).await?;
    Ok(())
}

fn explicit(registration: RegisterRequest) -> RegisterRequest {
    RegisterRequest { acknowledgement_mode: AcknowledgementMode::Explicit.into(), ..registration }
}

/// The id of one of many listeners.
pub(crate) fn listener_of_many(number: u64) -> String {
    format!("listener-{number:07}")
}

/// Registers so many listeners by unary calls, many at once on a few connections.
pub(crate) async fn register_many(address: SocketAddr, channel: &str, count: u64) -> Outcome {
    register_each(address, count, |number| registration(channel, &listener_of_many(number))).await
}

/// The same, of listeners that acknowledge.
pub(crate) async fn register_many_explicit(address: SocketAddr, channel: &str, count: u64) -> Outcome {
    register_each(address, count, |number| explicit(registration(channel, &listener_of_many(number)))).await
}

async fn register_each(
    address: SocketAddr,
    count: u64,
    registration: impl Fn(u64) -> RegisterRequest,
) -> Outcome {
    let connections = Connection::open_many(address, 4).await?;
    let next = Cell::new(0);
    let one = || {
        let number = next.replace(next.get() + 1);
        (number < count).then(|| frame(&registration(number)))
    };
    call_all(&connections, 128, verb::REGISTER, one).await?;
    Ok(())
}

fn registration(channel: &str, listener: &str) -> RegisterRequest {
    RegisterRequest { channel: channel.to_owned(), listener: Some(listener.to_owned()), ..Default::default() }
}
