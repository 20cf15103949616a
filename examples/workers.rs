//! A producer and a pool of consumers: three workers share a queue, and results come as they are done.

use eric::embed::{Channel, Delivery, Dispatcher, Event, Message};
use futures_util::TryStreamExt as _;
use std::{num::NonZeroUsize, time::Duration};
use tokio::time::sleep;

const WORKERS: NonZeroUsize = NonZeroUsize::new(3).expect("three is not zero");
const PARCELS: u64 = 9;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dispatcher = Dispatcher::in_memory()?;
    let channel = dispatcher.create_channel("parcels")?;
    let pool = channel.register_listener("pool")?;

    let producer = tokio::spawn(produce(channel.clone()));
    let mut processing = channel.process_queue(pool.id(), WORKERS, pack)?;
    while let Some(event) = processing.try_next().await? {
        match event {
            Event::Message(packed) => println!("packed   {}", packed.result?),
            Event::Gap(gap) => println!("missing  {:?} parcels", gap.count),
        }
    }
    producer.await??;
    println!("-- nothing more to pack");
    Ok(())
}

/// Sends the parcels, and then says that there are no more: that ends the processing.
async fn produce(channel: Channel) -> Result<(), eric::embed::Error> {
    for number in 1..=PARCELS {
        println!("ordered  parcel {number}");
        let parcel = Message::new("parcel").with_json(&number).expect("a number can be written as JSON");
        channel.dispatch("pool", parcel).await?;
        sleep(Duration::from_millis(5)).await;
    }
    channel.notify_end_of("pool").await?;
    Ok(())
}

/// What one worker does: some parcels take longer than others.
async fn pack(delivery: Delivery) -> String {
    let Ok(number) = delivery.message.json::<u64>() else { return "something that is no parcel".to_owned() };
    let millis = 10 + number * 37 % 50;
    sleep(Duration::from_millis(millis)).await;
    format!("parcel {number} in {millis} ms")
}
