//! Who there is: channels of different settings, each with listeners of every kind.

use crate::{Outcome, road::Wire};
use eric::v1::{
    AcknowledgementMode, Backoff, ChannelSettings, CreateChannelRequest, Overflow, Redelivery,
    RegisterRequest, UpdateChannelRequest,
};

/// How a receiver receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Explicit,
    Automatic,
    Watcher,
    /// EXPLICIT, and nobody sends to it.
    DeadLetters,
}

/// A receiver, by its place in [`Cast::receivers`].
pub(crate) type Who = usize;

#[derive(Clone, Debug)]
pub(crate) struct Receiver {
    pub(crate) channel: &'static str,
    pub(crate) listener: &'static str,
    pub(crate) mode: Mode,
    /// It receives only messages of this type.
    pub(crate) only: Option<&'static str>,
    pub(crate) overtaking: bool,
    /// Its channel names a dead letter listener.
    pub(crate) buries: bool,
}

impl Receiver {
    pub(crate) fn acknowledges(&self) -> bool {
        matches!(self.mode, Mode::Explicit | Mode::DeadLetters)
    }
}

#[derive(Debug)]
pub(crate) struct Cast {
    pub(crate) receivers: Vec<Receiver>,
}

/// The types of messages that are sent, by turns.
pub(crate) const TYPES: [&str; 2] = ["even", "odd"];
pub(crate) const DEAD: &str = "dead";
/// The listeners of every channel, in this order. «joint» ones share one stream with those of all channels.
const LISTENERS: [(&str, Mode, Option<&str>); 6] = [
    ("steady", Mode::Explicit, None),
    ("joint", Mode::Explicit, None),
    ("pulled", Mode::Explicit, None),
    ("typed", Mode::Explicit, Some("odd")),
    ("plain", Mode::Automatic, None),
    ("joint-plain", Mode::Automatic, None),
];

pub(crate) struct Setting {
    pub(crate) id: &'static str,
    settings: ChannelSettings,
    buries: bool,
}

pub(crate) fn channels() -> Vec<Setting> {
    let backoff = Backoff { initial: Some(millis(5)), factor: Some(2.0), maximum: Some(millis(50)) };
    let usual = ChannelSettings { max_attempts: Some(4), backoff: Some(backoff), ..Default::default() };
    let of = |overflow: Overflow, messages| ChannelSettings {
        dispatch_overflow: Some(overflow.into()),
        broadcast_overflow: Some(overflow.into()),
        max_backlog_messages: Some(messages),
        ..usual.clone()
    };
    let overtaking = ChannelSettings { redelivery: Some(Redelivery::Overtaking.into()), ..usual.clone() };
    vec![
        Setting { id: "strict", settings: usual.clone(), buries: true },
        Setting { id: "overtaking", settings: overtaking, buries: true },
        Setting { id: "dropping", settings: of(Overflow::DropOldest, 40), buries: false },
        Setting { id: "refusing", settings: of(Overflow::RejectNew, 60), buries: true },
        Setting { id: "unburied", settings: usual, buries: false },
    ]
}

impl Cast {
    pub(crate) fn new() -> Self {
        let receivers = channels().into_iter().flat_map(|channel| {
            let overtaking = channel.settings.redelivery == Some(Redelivery::Overtaking.into());
            let mut all = LISTENERS.to_vec();
            all.push(("", Mode::Watcher, None));
            all.extend(channel.buries.then_some((DEAD, Mode::DeadLetters, None)));
            let receiver = move |(listener, mode, only)| Receiver {
                channel: channel.id,
                listener,
                mode,
                only,
                overtaking,
                buries: channel.buries && mode != Mode::DeadLetters,
            };
            all.into_iter().map(receiver)
        });
        Self { receivers: receivers.collect() }
    }

    /// Those that are so.
    pub(crate) fn those(&self, so: impl Fn(&Receiver) -> bool) -> Vec<Who> {
        (0..self.receivers.len()).filter(|who| so(&self.receivers[*who])).collect()
    }

    pub(crate) fn find(&self, channel: &str, listener: &str) -> Option<Who> {
        self.receivers.iter().position(|it| it.channel == channel && it.listener == listener)
    }

    /// Creates the channels and registers the listeners.
    pub(crate) async fn enter(&self, mut wire: Wire) -> Outcome {
        for Setting { id, settings, .. } in channels() {
            let channel = Some(id.to_owned());
            let request = CreateChannelRequest { channel, settings: Some(settings), allow_existing: false };
            wire.create_channel(request).await?;
        }
        for receiver in self.receivers.iter().filter(|it| it.mode != Mode::Watcher) {
            let mode = match receiver.acknowledges() {
                true => AcknowledgementMode::Explicit,
                false => AcknowledgementMode::Automatic,
            };
            let request = RegisterRequest {
                channel: receiver.channel.to_owned(),
                listener: Some(receiver.listener.to_owned()),
                acknowledgement_mode: mode.into(),
                ..Default::default()
            };
            wire.register(request).await?;
        }
        for channel in channels().into_iter().filter(|channel| channel.buries) {
            let settings =
                ChannelSettings { dead_letter_listener: Some(DEAD.to_owned()), ..Default::default() };
            let channel = channel.id.to_owned();
            let request = UpdateChannelRequest { channel, settings: Some(settings), update_mask: None };
            wire.update_channel(request).await?;
        }
        Ok(())
    }
}

pub(crate) fn millis(millis: u64) -> prost_types::Duration {
    let nanos = i32::try_from(millis % 1000 * 1_000_000).unwrap_or_default();
    prost_types::Duration { seconds: i64::try_from(millis / 1000).unwrap_or(i64::MAX), nanos }
}
