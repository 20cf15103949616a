//! The channels are created, and the listeners registered.

use crate::{
    cast::{Cast, DEAD, Habit, Receiver, SCENES, Scene, Who},
    road::{Outcome, Wire, millis},
};
use eric::v1::{
    AcknowledgementMode, Backoff, ChannelSettings, CreateChannelRequest, ListenerSettings, Overflow,
    Redelivery, RegisterRequest, UpdateChannelRequest,
};
use tonic::Status;

/// Tells the births of those that do not stay as they are.
pub(crate) async fn enter(cast: &Cast, wire: &mut Wire) -> Outcome<Vec<(Who, i64)>> {
    for scene in &SCENES {
        let (channel, settings) = (Some(scene.channel.to_owned()), Some(settings(scene)));
        wire.create_channel(CreateChannelRequest { channel, settings, allow_existing: false }).await?;
    }
    let mut births = Vec::new();
    for who in cast.those(|it| !it.listener.is_empty() && it.stays()) {
        let birth = register(wire, &cast.receivers[who], false).await?;
        births.extend(cast.receivers[who].fleeting().then_some((who, birth)));
    }
    for scene in SCENES.iter().filter(|scene| scene.buries) {
        let settings =
            ChannelSettings { dead_letter_listener: Some(DEAD.to_owned()), ..ChannelSettings::default() };
        let (channel, settings) = (scene.channel.to_owned(), Some(settings));
        wire.update_channel(UpdateChannelRequest { channel, settings, update_mask: None }).await?;
    }
    Ok(births)
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

/// Tells the listener's birth. `again`: it may be there already, by a call that was not answered.
pub(crate) async fn register(wire: &mut Wire, receiver: &Receiver, again: bool) -> Result<i64, Status> {
    let mode = match receiver.acknowledges() {
        true => AcknowledgementMode::Explicit,
        false => AcknowledgementMode::Automatic,
    };
    let ack_deadline = (receiver.habit == Habit::Timed).then(|| millis(400));
    let request = RegisterRequest {
        channel: receiver.channel.to_owned(),
        listener: Some(receiver.listener.to_owned()),
        acknowledgement_mode: mode.into(),
        allow_existing: again,
        settings: Some(ListenerSettings { ack_deadline, ..ListenerSettings::default() }),
        ..RegisterRequest::default()
    };
    let answer = wire.register(request).await?.into_inner();
    answer.listener.map(|listener| listener.birth).ok_or_else(|| Status::unknown("no listener"))
}
