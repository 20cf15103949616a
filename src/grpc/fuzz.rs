//! Fuzz targets for what strangers send: tokens, ids, messages, and the bytes of every request. `verbs/fuzz.rs` runs them.

mod requests;
mod verbs;

use crate::{
    hub::{Incarnation, ResumeToken},
    id,
    log::Position,
    message::{MAX_ATTRIBUTES, Message},
    v1,
    verbs::{fuzz::fuzz, page},
};
use fastrand::Rng;
use prost::Message as _;

/// A text that is a token has no other spelling, and with a character changed or cut it is not that token.
fn resume_token(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Some(token) = ResumeToken::parse(&text) else { return };
    assert_eq!(token.to_string(), text);
    assert!(text.len() <= ResumeToken::MAX_BYTES);
    for at in 0..text.len() {
        assert_ne!(ResumeToken::parse(&text[..at]), Some(token), "cut at {at}");
        for other in ["", "0", "f", "F", ".", " ", "+"].into_iter().filter(|other| *other != &text[at..=at]) {
            let changed = [&text[..at], other, &text[at + 1..]].concat();
            let taken = ResumeToken::parse(&changed);
            assert!(taken.is_none_or(|taken| taken != token && taken.to_string() == changed), "{changed}");
        }
    }
}

fn page_token(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(page) = page::Page::parse(1, &text) {
        assert!(text.is_empty() || page::token(page.after) == text);
    }
}

fn id(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if id::check(&text).is_ok() {
        assert!((1..=id::MAX_ID_BYTES).contains(&text.len()) && text.is_ascii() && !text.contains('/'));
    }
}

/// What is taken as a message decodes at every receiver, and says there what the server has read.
fn message(bytes: &[u8]) {
    const MAX_PAYLOAD_BYTES: usize = 4096;
    let Ok(taken) = Message::parse(bytes, MAX_PAYLOAD_BYTES, 0) else { return };
    for message in [taken.with_another_id(1), taken] {
        let decoded = v1::Message::decode(message.bytes()).expect("what is taken decodes");
        assert_eq!((&*decoded.id, &*decoded.r#type), (message.id(), message.kind()));
        assert!(id::check(&decoded.id).is_ok() && !decoded.r#type.is_empty());
        assert!(decoded.attributes.len() <= MAX_ATTRIBUTES);
        let millis =
            |ttl: prost_types::Duration| ttl.seconds * 1000 + i64::from(ttl.nanos + 999_999) / 1_000_000;
        let ttl = message.ttl().map(|ttl| i64::try_from(ttl.as_millis()).expect("10,000 years at most"));
        assert_eq!(decoded.ttl.map(millis), ttl);
    }
}

fn sound_resume_token(rng: &mut Rng) -> Vec<u8> {
    let mut part = || rng.u64(..) >> rng.u32(0..64);
    let (incarnation, birth, sequence) = (Incarnation::from(part()), Position(part()), Position(part()));
    let turn = std::num::NonZeroU64::new(part());
    ResumeToken { incarnation, birth, sequence, turn }.to_string().into()
}

#[test]
fn no_text_is_taken_for_a_resume_token_that_it_is_not() {
    fuzz(20_000, resume_token, sound_resume_token);
}

#[test]
fn no_text_is_taken_for_a_page_token_that_it_is_not() {
    fuzz(20_000, page_token, |rng| page::token(Position(rng.u64(..) >> rng.u32(0..64))).into());
}

#[test]
fn no_text_is_taken_for_an_id_that_it_is_not() {
    fuzz(20_000, id, |rng| requests::name(rng).into());
}

#[test]
fn every_message_that_is_taken_says_to_receivers_what_the_server_read() {
    fuzz(20_000, message, |rng| requests::message(rng).encode_to_vec());
}

#[test]
fn no_requests_break_the_server() {
    fuzz(4_000, verbs::requests, verbs::sound);
}
