//! The channels are created, and the listeners registered.

use crate::{
    cast::{Cast, DEAD, Habit, Receiver, SCENES, Scene},
    road::{Outcome, Wire, millis},
};
use eric::v1::{
    AcknowledgementMode, Backoff, ChannelSettings, CreateChannelRequest, ListenerSettings, Overflow,
    Redelivery, RegisterRequest, UpdateChannelRequest,
};
use tonic::Status;

pub(crate) async fn enter(cast: &Cast, wire: &mut Wire) -> Outcome {
    for scene in &SCENES {
        let (channel, settings) = (Some(scene.channel.to_owned()), Some(settings(scene)));
        wire.create_channel(CreateChannelRequest { channel, settings, allow_existing: false }).await?;
    }
    for receiver in cast.receivers.iter().filter(|it| !it.listener.is_empty() && it.stays()) {
        register(wire, receiver).await?;
    }
    for scene in SCENES.iter().filter(|scene| scene.buries) {
        let settings =
            ChannelSettings { dead_letter_listener: Some(DEAD.to_owned()), ..ChannelSettings::default() };
        let (channel, settings) = (scene.channel.to_owned(), Some(settings));
        wire.update_channel(UpdateChannelRequest { channel, settings, update_mask: None }).await?;
    }
    Ok(())
}

fn settings(scene: &Scene) -> ChannelSettings {
    let backoff = Backoff { initial: Some(millis(5)), factor: Some(2.0), maximum: Some(millis(50)) };
    let overflow = if scene.drops.is_some() { Overflow::DropOldest } else { Overflow::RejectNew };
    let limit = scene.drops.or(scene.refuses);
    ChannelSettings {
        max_attempts: Some(4),
        backoff: Some(backoff),
        redelivery: scene.overtaking.then_some(Redelivery::Overtaking.into()),
        dispatch_overflow: limit.map(|_| overflow.into()),
        broadcast_overflow: limit.map(|_| overflow.into()),
        max_backlog_messages: limit,
        ..ChannelSettings::default()
    }
}

/// Tells the listener's birth.
pub(crate) async fn register(wire: &mut Wire, receiver: &Receiver) -> Result<i64, Status> {
    let mode = match receiver.acknowledges() {
        true => AcknowledgementMode::Explicit,
        false => AcknowledgementMode::Automatic,
    };
    let ack_deadline = (receiver.habit == Habit::Timed).then(|| millis(400));
    let request = RegisterRequest {
        channel: receiver.channel.to_owned(),
        listener: Some(receiver.listener.to_owned()),
        acknowledgement_mode: mode.into(),
        settings: Some(ListenerSettings { ack_deadline, ..ListenerSettings::default() }),
        ..RegisterRequest::default()
    };
    let answer = wire.register(request).await?.into_inner();
    answer.listener.map(|listener| listener.birth).ok_or_else(|| Status::unknown("no listener"))
}
