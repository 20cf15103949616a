//! Fuzz targets for what strangers send to this door: the ids of events, and requests as JSON. `verbs/fuzz.rs` runs them.

mod bodies;
mod resume;
mod sound;
mod stage;
mod verbs;

use super::places::{self, MAX_CHANNELS, Place, Places};
use crate::{
    hub::{Incarnation, ResumeToken},
    log::Position,
    verbs::fuzz::fuzz,
};
use fastrand::Rng;

/// The places that a text says for so many channels, if it is an event's id of such a stream.
fn read(text: &str, channels: usize) -> Option<Vec<ResumeToken>> {
    places::split(text, channels)?.into_iter().map(ResumeToken::parse).collect()
}

fn written(tokens: &[ResumeToken]) -> String {
    let place = |token: &ResumeToken| Place { channel: "c".into(), token: *token };
    let mut text = Vec::new();
    Places(tokens.iter().map(place).collect()).write(&mut text);
    String::from_utf8(text).expect("an id is text")
}

/// A text is an id of one number of channels at most, and has no other spelling; with a character changed or cut it says
/// other places, or none.
fn event_id(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let channels = 1..=MAX_CHANNELS + 1;
    let split: Vec<_> = channels.filter_map(|count| Some((count, places::split(&text, count)?))).collect();
    assert!(split.len() <= 1, "{split:?}");
    let Some((count, parts)) = split.into_iter().next() else { return };
    assert_eq!((parts.len(), parts.join("~")), (count, text.to_string()));
    assert!(text.len() < (ResumeToken::MAX_BYTES + 1) * count + 1);
    let Some(tokens) = read(&text, count) else { return };
    assert_eq!(written(&tokens), text);
    for at in 0..text.len() {
        assert_ne!(read(&text[..at], count), Some(tokens.clone()), "cut at {at}");
        for other in ["", "0", "f", ".", "~", " "].into_iter().filter(|other| *other != &text[at..=at]) {
            let changed = [&text[..at], other, &text[at + 1..]].concat();
            let taken = read(&changed, count);
            assert!(taken.is_none_or(|taken| taken != tokens && written(&taken) == changed), "{changed}");
        }
    }
}

fn sound_event_id(rng: &mut Rng) -> Vec<u8> {
    let count = *rng.choice([1, 1, 2, 3, MAX_CHANNELS].iter()).unwrap_or(&1);
    let mut part = || rng.u64(..) >> rng.u32(0..64);
    let mut token = || ResumeToken {
        incarnation: Incarnation::from(part()),
        birth: Position(part()),
        sequence: Position(part()),
        turn: std::num::NonZeroU64::new(part() & 1),
    };
    written(&(0..count).map(|_| token()).collect::<Vec<_>>()).into()
}

#[test]
fn no_text_is_taken_for_an_events_id_that_it_is_not() {
    fuzz(400, event_id, sound_event_id);
}

#[test]
fn whoever_resumes_is_told_what_he_missed_or_why_not() {
    fuzz(2_000, resume::resume, resume::sound);
}

#[test]
fn json_that_is_taken_says_what_was_read() {
    fuzz(20_000, bodies::body, bodies::sound);
}

#[test]
fn no_json_breaks_the_server() {
    fuzz(500, verbs::requests, verbs::sound);
}
