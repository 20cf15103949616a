//! Unary Dispatches, each timed: from just before the call to its answer.

use super::{Load, empty_histogram};
use crate::{
    Outcome,
    client::{Connection, verb},
    messages::Template,
};
use futures_util::future::try_join_all;
use hdrhistogram::Histogram;
use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

/// Callers that dispatch to one listener, each its next as soon as it is answered.
pub(crate) struct Timed {
    /// One for each caller, some of them the same.
    connections: Vec<Connection>,
    template: Template,
    latency: RefCell<Histogram<u64>>,
}

impl Timed {
    /// So many callers, who share out these connections.
    pub(crate) fn dispatch(
        connections: &[Connection],
        callers: usize,
        channel: &str,
        listener: &str,
    ) -> Self {
        let connections = connections.iter().cycle().take(callers).cloned().collect();
        let template = Template::dispatch(channel, listener);
        Self { connections, template, latency: RefCell::new(empty_histogram()) }
    }

    async fn call(&self, connection: &Connection, end: Instant) -> Outcome<u64> {
        let mut calls = 0;
        while Instant::now() < end {
            let began = Instant::now();
            connection.call(verb::DISPATCH, self.template.stamp()).await?;
            self.latency.borrow_mut().saturating_record(began.elapsed().as_nanos() as u64);
            calls += 1;
        }
        Ok(calls)
    }
}

impl Load for Timed {
    async fn run(&mut self, time: Duration) -> Outcome<u64> {
        let (it, end) = (&*self, Instant::now() + time);
        let calls = it.connections.iter().map(|connection| it.call(connection, end));
        Ok(try_join_all(calls).await?.into_iter().sum())
    }

    fn take_latency(&mut self) -> Option<Histogram<u64>> {
        Some(self.latency.replace(empty_histogram()))
    }
}
