//! Texts as the id of the last event of a stream, whose client comes back with it.

use super::{
    read,
    stage::{Answer, Door, answer, run, said},
};
use crate::{
    hub::{AcknowledgementMode, ChannelSettings, Incarnation, NewListener, Quota, ResumeToken},
    id::{ChannelId, ListenerId},
    log::{Log as _, Position},
    message::Message,
    v1,
};
use axum::{
    body::{Body, BodyDataStream},
    extract::Request,
};
use fastrand::Rng;
use http::{HeaderValue, StatusCode};
use prost::Message as _;
use serde_json::Value;

/// In the order of their births, which are 2 and so on: the server's start comes first.
const CHANNELS: [&str; 4] = ["all", "few", "none", "gone"];
/// They hear `all`, and are born behind the channels.
const LISTENERS: [&str; 2] = ["automatic", "explicit"];
/// Stands for the start that is asked, in what is sound.
const THIS_START: u64 = 0xe51c;
/// Who is asked, by the first byte of an input.
const ASKED: [&[&str]; 7] = [
    &["all"],
    &["all", "few"],
    &["few", "all"],
    &["all", "none", "few"],
    &["all", "gone", "few"],
    &["gone"],
    &["few", "few"],
];

/// The first byte says who is asked, the second how, the rest is the id.
pub(super) fn sound(rng: &mut Rng) -> Vec<u8> {
    let asked = rng.usize(0..ASKED.len() + LISTENERS.len());
    let channels = ASKED.get(asked).map_or(&["all"][..], |channels| channels);
    let token = |channel: &&str| {
        let born = CHANNELS.iter().position(|known| known == channel).map_or(0, |place| place as u64 + 2);
        let other = rng.u8(0..12);
        let token = ResumeToken {
            incarnation: Incarnation::from(if other == 0 { rng.u64(..) } else { THIS_START }),
            birth: Position(if other == 1 { rng.u64(0..8) } else { born }),
            sequence: Position(if other == 2 { rng.u64(..) } else { rng.u64(0..40) }),
            turn: std::num::NonZeroU64::new(if other == 3 { rng.u64(0..3) } else { 0 }),
        };
        token.to_string()
    };
    let tokens: Vec<_> = channels.iter().map(token).collect();
    [&[asked as u8, rng.u8(0..2)], tokens.join("~").as_bytes()].concat()
}

/// Whatever stands in the id: who resumes is told everything behind it once and in order, a gap where that is not there,
/// or a reason why not. Every id that he is told says where he is then, and brings him back there.
pub(super) fn resume(bytes: &[u8]) {
    let [asked, how, id @ ..] = bytes else { return };
    run(async {
        let stage = Stage::set();
        let asked = Asked::of(*asked);
        let id = stage.issued(&String::from_utf8_lossy(id));
        let by_header = how % 2 == 0 && HeaderValue::from_bytes(id.as_bytes()).is_ok();
        let mut stream = match stage.listen(asked, &id, by_header).await {
            Ok(stream) => stream,
            Err(refused) => return stage.assert_refused(asked, &id, by_header, &refused),
        };
        stage.assert_told(asked, &id, &mut stream).await;
        stage.assert_lives(asked, &mut stream).await;
        let last = stream.places.clone();
        drop(stream);
        if !asked.is("explicit") {
            let told = written(&last);
            let mut again = stage.listen(asked, &told, true).await.expect("it was told so");
            assert!(again.events().await.iter().all(|event| event.item.is_none()), "{told}");
            assert_eq!(again.places, last);
        }
    });
}

fn written(tokens: &[ResumeToken]) -> String {
    tokens.iter().map(ToString::to_string).collect::<Vec<_>>().join("~")
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    channels: &'static [&'static str],
    listener: Option<&'static str>,
}

impl Asked {
    fn of(byte: u8) -> Self {
        let place = usize::from(byte) % (ASKED.len() + LISTENERS.len());
        match ASKED.get(place) {
            Some(channels) => Self { channels, listener: None },
            None => Self { channels: &["all"], listener: Some(LISTENERS[place - ASKED.len()]) },
        }
    }

    fn is(self, listener: &str) -> bool {
        self.listener == Some(listener)
    }

    fn target(self) -> String {
        if let Some(listener) = self.listener {
            return format!("/v1/channels/all/listeners/{listener}/events?format=delivery");
        }
        let channels: Vec<_> = self.channels.iter().map(|channel| format!("&channel={channel}")).collect();
        format!("/v1/events?format=delivery{}", channels.concat())
    }
}

/// What became of a part of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Means {
    /// Everything up to there was received.
    Through(u64),
    /// It is of another start, another channel, or below a birth.
    OtherLife,
    Ahead,
    /// It is no token.
    Invalid,
    /// None was given.
    Nothing,
}

/// A message that was sent to a channel, or to its AUTOMATIC listener alone.
#[derive(Clone, Copy, Debug)]
struct Sent {
    channel: &'static str,
    listener: Option<&'static str>,
    position: u64,
}

struct Stage {
    door: Door,
    births: [u64; 4],
    listeners: [u64; 2],
    sent: Vec<Sent>,
    head: u64,
}

impl Stage {
    /// `few` has lost its oldest, `gone` is gone, and nobody has heard anything yet.
    fn set() -> Self {
        let door = Door::open();
        let hub = &door.dispatcher.hub;
        let births = CHANNELS.map(|name| {
            let default = ChannelSettings::default();
            let most = Quota { messages: if name == "few" { 3 } else { 100 }, ..default.max_backlog };
            let settings = ChannelSettings { max_backlog: most, max_replay: most, ..default };
            hub.create_channel(channel(name), settings, false).unwrap().channel.birth.0
        });
        assert_eq!(births, [2, 3, 4, 5]);
        let listeners = LISTENERS.map(|name| {
            let mode = if name == "explicit" {
                AcknowledgementMode::Explicit
            } else {
                AcknowledgementMode::Automatic
            };
            let new = NewListener { mode, ..NewListener::default() };
            hub.register(channel("all"), ListenerId::parse(name).unwrap(), new).unwrap().listener.birth.0
        });
        let mut stage = Self { births, listeners, sent: Vec::new(), head: 0, door };
        for _ in 0..6 {
            stage.send("all", None);
            stage.send("few", None);
            stage.send("all", Some("automatic"));
            stage.send("gone", None);
        }
        stage.door.dispatcher.hub.remove_channel(channel("gone")).unwrap();
        stage.head = stage.door.log.last().0;
        stage
    }

    fn send(&mut self, to: &'static str, listener: Option<&'static str>) {
        let hub = &self.door.dispatcher.hub;
        let raw = v1::Message { r#type: "t".into(), ..v1::Message::default() }.encode_to_vec();
        let message = Message::parse(&raw, 100, 0).unwrap();
        let accepted = match listener {
            None => hub.broadcast(channel(to), message),
            Some(listener) => hub.dispatch(channel(to), ListenerId::parse(listener).unwrap(), message),
        };
        self.sent.push(Sent { channel: to, listener, position: accepted.unwrap().position.0 });
    }

    /// Sound tokens of the start that sound inputs mean are of this one.
    fn issued(&self, id: &str) -> String {
        let issue = |part: &str| match ResumeToken::parse(part) {
            Some(token) if token.incarnation == Incarnation::from(THIS_START) => {
                let incarnation = self.door.dispatcher.hub.incarnation();
                ResumeToken { incarnation, ..token }.to_string()
            }
            Some(_) | None => part.to_owned(),
        };
        id.split('~').map(issue).collect::<Vec<_>>().join("~")
    }

    async fn listen(&self, asked: Asked, id: &str, by_header: bool) -> Result<Stream, Answer> {
        let encoded: String = form_urlencoded::byte_serialize(id.as_bytes()).collect();
        let request = if by_header {
            Request::builder().uri(asked.target()).header("last-event-id", id.as_bytes())
        } else {
            Request::builder().uri(format!("{}&last_event_id={encoded}", asked.target()))
        };
        let response = self.door.ask(request.body(Body::empty()).unwrap()).await;
        if response.headers()["content-type"] != "text/event-stream" {
            return Err(answer(response).await);
        }
        assert_eq!(response.status(), StatusCode::OK);
        let frames = response.into_body().into_data_stream();
        Ok(Stream { frames, channels: asked.channels, places: Vec::new() })
    }

    /// What each part of an id means, where there are as many as channels.
    fn means(&self, asked: Asked, id: &str) -> Vec<Means> {
        if id.is_empty() {
            return vec![Means::Nothing; asked.channels.len()];
        }
        let parts: Vec<_> = id.split('~').collect();
        if parts.len() != asked.channels.len() {
            return vec![Means::Invalid; asked.channels.len()];
        }
        parts
            .into_iter()
            .zip(asked.channels)
            .map(|(part, channel)| self.means_in(asked, channel, part))
            .collect()
    }

    fn means_in(&self, asked: Asked, channel: &str, part: &str) -> Means {
        let Some(token) = ResumeToken::parse(part) else { return Means::Invalid };
        if channel == "gone" {
            return Means::OtherLife;
        }
        let birth = self.birth(channel);
        let here = (self.door.dispatcher.hub.incarnation(), Position(birth));
        if (token.incarnation, token.birth) != here || token.sequence.0 < self.start(asked, channel) {
            return Means::OtherLife;
        }
        if token.sequence.0 > self.head { Means::Ahead } else { Means::Through(token.sequence.0) }
    }

    fn birth(&self, channel: &str) -> u64 {
        self.births[CHANNELS.iter().position(|known| *known == channel).unwrap()]
    }

    /// Nothing below was meant for who asks.
    fn start(&self, asked: Asked, channel: &str) -> u64 {
        let place = asked.listener.and_then(|name| LISTENERS.iter().position(|known| *known == name));
        place.map_or_else(|| self.birth(channel), |place| self.listeners[place])
    }

    fn assert_refused(&self, asked: Asked, id: &str, by_header: bool, refused: &Answer) {
        let means = self.means(asked, id);
        let twice = asked.channels == ["few", "few"];
        let told = format!("{asked:?} {id:?} {means:?}: {refused:?}");
        let deserved = match refused.reason() {
            "INVALID_PARAMETER" => twice || by_header && !id.is_ascii(),
            "RESUME_TOKEN_INVALID" => means.contains(&Means::Invalid),
            "RESUME_TOKEN_AHEAD" => means.contains(&Means::Ahead),
            "CHANNEL_REMOVED" => {
                let reconnects = by_header && !id.is_empty() && asked.channels.len() > 1;
                asked.channels.contains(&"gone") && !reconnects
            }
            _ => false,
        };
        assert!(deserved, "{told}");
        assert_eq!(refused.status, if refused.reason() == "CHANNEL_REMOVED" { 404 } else { 400 }, "{told}");
    }

    async fn assert_told(&self, asked: Asked, id: &str, stream: &mut Stream) {
        let means = self.means(asked, id);
        assert!(!means.contains(&Means::Invalid) && !means.contains(&Means::Ahead), "{asked:?} {id:?}");
        let events = stream.events().await;
        for (channel, means) in asked.channels.iter().zip(means) {
            let of_it = events.iter().filter(|event| event.channel == *channel);
            let items: Vec<_> = of_it.filter_map(|event| event.item).collect();
            if *channel == "gone" {
                let ended = |event: &Event| event.channel == "gone" && event.reason == "CHANNEL_REMOVED";
                assert!(items.is_empty() && events.iter().any(ended), "{events:?}");
                continue;
            }
            let told = format!("{channel} of {asked:?} {id:?} {means:?}: {items:?}");
            self.assert_all_behind(asked, channel, means, &items, &told);
        }
    }

    /// Everything that was sent behind a place was told, or lies in a gap, and nothing that is kept lies in one.
    fn assert_all_behind(&self, asked: Asked, channel: &str, means: Means, items: &[Item], told: &str) {
        let start = self.start(asked, channel);
        let of_receiver = |sent: &&Sent| {
            sent.channel == channel && (sent.listener.is_none() || sent.listener == asked.listener)
        };
        let all: Vec<_> = self.sent.iter().filter(of_receiver).map(|sent| sent.position).collect();
        let kept = &all[if channel == "few" { all.len() - 3 } else { 0 }..];
        let mut at = match means {
            // what it has not acknowledged comes again, wherever its client stands
            _ if asked.is("explicit") => start,
            Means::Nothing if asked.listener.is_none() => self.head,
            Means::Through(sequence) => sequence,
            Means::OtherLife | Means::Nothing | Means::Ahead | Means::Invalid => start,
        };
        let in_other_life = matches!(items.first(), Some(Item::Gap { other_life: true, .. }));
        assert_eq!(in_other_life, means == Means::OtherLife, "{told}");
        let between = |of: &[u64], after: u64, through: u64| {
            of.iter().filter(|position| **position > after && **position <= through).count()
        };
        for (place, item) in items.iter().enumerate() {
            match *item {
                Item::Message(position) => {
                    assert!(kept.contains(&position) && between(&all, at, position) == 1, "{told}");
                    at = position;
                }
                Item::Gap { after, through, other_life } => {
                    assert!(!other_life || place == 0, "{told}");
                    assert!(after <= at || between(&all, at, after) == 0, "{told}");
                    assert_eq!(between(kept, at, through), 0, "{told}");
                    assert!(other_life || between(&all, at, through) > 0, "{told}");
                    at = at.max(through);
                }
            }
        }
        assert_eq!(between(&all, at, u64::MAX), 0, "{told}");
    }

    /// What comes now comes once.
    async fn assert_lives(&self, asked: Asked, stream: &mut Stream) {
        let hub = &self.door.dispatcher.hub;
        for name in asked.channels.iter().filter(|name| **name != "gone") {
            let (_, accepted) = hub.notify_end(channel(name)).unwrap();
            let events = stream.events().await;
            let items: Vec<_> =
                events.iter().filter_map(|event| Some((&*event.channel, event.item?))).collect();
            assert_eq!(items, [(*name, Item::Message(accepted.position.0))]);
        }
    }
}

fn channel(name: &str) -> ChannelId<'_> {
    ChannelId::parse(name).unwrap()
}

struct Stream {
    frames: BodyDataStream,
    channels: &'static [&'static str],
    /// As the last event told them.
    places: Vec<ResumeToken>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Message(u64),
    Gap { after: u64, through: u64, other_life: bool },
}

#[derive(Debug)]
struct Event {
    channel: String,
    reason: String,
    /// Of the channel's own.
    item: Option<Item>,
}

impl Stream {
    /// What is ready. Each id moves the place of the channel that its event is of, and no other.
    async fn events(&mut self) -> Vec<Event> {
        let text = said(&mut self.frames).await;
        text.split_terminator("\n\n").map(|text| self.event(text)).collect()
    }

    fn event(&mut self, text: &str) -> Event {
        let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let data: Value = serde_json::from_str(line("data").expect("it has data")).expect("it is JSON");
        let number = |name: &str| data[name].as_str().and_then(|it| it.parse::<u64>().ok());
        let word = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
        let item = match line("event") {
            Some("_eric_opened" | "_eric_ended") => None,
            Some("_eric_gap") => Some(Item::Gap {
                after: number("afterSequence").expect("a gap begins"),
                through: number("throughSequence").expect("a gap ends"),
                other_life: data["reason"] == "GAP_REASON_OTHER_LIFE",
            }),
            Some(other) => panic!("an event {other}"),
            None => number("sequence").map(Item::Message),
        };
        let event = Event { channel: word("channel"), reason: word("reason"), item };
        if let Some(id) = line("id") {
            let places = read(id, self.channels.len()).expect("an id that is told is one");
            assert_eq!(written(&places), id);
            self.assert_moved(&places, &event);
            self.places = places;
        }
        event
    }

    fn assert_moved(&self, places: &[ResumeToken], event: &Event) {
        let Some(item) = event.item else { return };
        for (place, channel) in self.channels.iter().enumerate() {
            let (before, now) = (self.places[place], places[place]);
            match item {
                Item::Message(through) | Item::Gap { through, .. } if *channel == event.channel => {
                    assert_eq!(now.sequence, Position(through), "{event:?}");
                    assert_eq!((now.incarnation, now.birth), (before.incarnation, before.birth));
                }
                Item::Message(_) | Item::Gap { .. } => assert_eq!(before, now, "{event:?}"),
            }
        }
    }
}
