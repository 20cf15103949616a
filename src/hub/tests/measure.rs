//! What a run of messages takes: not judged, but printed.
//! `cargo test --release --lib hub::tests::measure -- --ignored --nocapture --test-threads 1`

use super::*;
use crate::hub::{Publication, settings::Overflow};
use std::time::Instant;

const RUNS: usize = 40_000;

fn publications(first: usize) -> Vec<Publication<'static>> {
    let of = |number: usize| {
        let raw = v1::Message {
            id: format!("0193f8a0-{number:016x}"),
            r#type: "d".into(),
            payload: Some(v1::message::Payload::Binary(vec![0; 200].into())),
            ..Default::default()
        };
        let message = Message::parse(&raw.encode_to_vec(), 1 << 20, 0).unwrap();
        Publication { listener: Some(listener_id("l")), message }
    };
    (first..first + 64).map(of).collect()
}

#[test]
#[ignore = "a measurement"]
fn a_message_whose_id_is_remembered_beside_one_whose_id_is_not() {
    let limits = Limits { max_idempotency_bytes: 64 << 20, ..UNLIMITED };
    let of = |window| {
        let settings = ChannelSettings {
            idempotency_window: window,
            max_backlog: messages(10_000),
            dispatch_overflow: Overflow::DropOldest,
            ..ChannelSettings::default()
        };
        let stage = Stage::over(Arc::new(Memory::default()), limits, 0, settings);
        stage.listener("l");
        stage
    };
    let stages = [of(Duration::ZERO), of(Duration::from_secs(120))];
    let mut took = [Vec::new(), Vec::new()];
    for round in 0..20 {
        for (stage, took) in stages.iter().zip(&mut took) {
            let mut spent = Duration::ZERO;
            for run in 0..RUNS / 20 {
                let run = publications(64 * (round * RUNS / 20 + run));
                let began = Instant::now();
                let results = stage.hub.publish(channel_id("room"), run, false);
                spent += began.elapsed();
                assert!(results.iter().all(|result| result.as_ref().is_ok_and(|it| !it.duplicate)));
            }
            took.push(spent.as_nanos() as f64 / (64 * RUNS / 20) as f64);
        }
    }
    for (name, took) in ["forgotten", "remembered"].iter().zip(&took) {
        println!("{name}: {:.0?}", took);
    }
}
