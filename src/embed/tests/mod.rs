//! What a program that embeds a dispatcher relies on.

mod application;
mod streams;
mod workers;

use super::{Channel, Dispatcher, Event, Message, Result};
use std::{future::Future, time::Duration};
use tokio::time::timeout;

fn channel() -> Channel {
    Dispatcher::in_memory().unwrap().create_channel("c").unwrap()
}

fn numbered(number: u32) -> Message {
    Message::new("n").with_json(&number).unwrap()
}

async fn send(channel: &Channel, listener: &str, numbers: std::ops::Range<u32>) {
    for number in numbers {
        channel.dispatch(listener, numbered(number)).await.unwrap();
    }
}

/// A test that would wait for ever fails instead.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), what).await.expect("it comes to an end")
}

fn message<T>(event: Option<Result<Event<T>>>) -> T {
    event.expect("there is more").expect("no error").message().expect("no gap")
}
