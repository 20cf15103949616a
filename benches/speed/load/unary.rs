//! Unary calls, from one caller or many at once.

use super::Load;
use crate::{
    Outcome,
    client::{Connection, verb},
    messages::Template,
};
use bytes::Bytes;
use futures_util::future::try_join_all;
use std::time::{Duration, Instant};

/// Callers that dispatch, each its next as soon as it is answered.
pub(crate) struct Unary {
    connections: Vec<Connection>,
    callers: usize,
    verb: &'static str,
    template: Template,
}

impl Unary {
    pub(crate) fn new(
        connections: Vec<Connection>,
        callers: usize,
        verb: &'static str,
        template: Template,
    ) -> Self {
        Self { connections, callers, verb, template }
    }

    /// So many callers, who share out these connections.
    pub(crate) fn dispatch(
        connections: Vec<Connection>,
        callers: usize,
        channel: &str,
        listener: &str,
    ) -> Self {
        Self::new(connections, callers, verb::DISPATCH, Template::dispatch(channel, listener))
    }
}

impl Load for Unary {
    async fn run(&mut self, time: Duration) -> Outcome<u64> {
        let end = Instant::now() + time;
        let frame = || (Instant::now() < end).then(|| self.template.stamp());
        call_all(&self.connections, self.callers, self.verb, frame).await
    }
}

/// Calls with frame after frame, so many at once, until there is none: how often it called.
pub(crate) async fn call_all(
    connections: &[Connection],
    callers: usize,
    verb: &str,
    frame: impl Fn() -> Option<Bytes>,
) -> Outcome<u64> {
    let frame = &frame;
    let caller = |connection: &Connection| {
        let connection = connection.clone();
        async move {
            let mut calls = 0;
            while let Some(frame) = frame() {
                connection.call(verb, frame).await?;
                calls += 1;
            }
            Outcome::Ok(calls)
        }
    };
    let calls = try_join_all(connections.iter().cycle().take(callers).map(caller)).await?;
    Ok(calls.into_iter().sum())
}
