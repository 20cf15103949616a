//! Two listeners talk: each answers the other until one has heard enough.

use eric::embed::{ApplicationListener, Channel, Dispatcher, Error, Message};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dispatcher = Dispatcher::in_memory()?;
    let channel = dispatcher.create_channel("conversation")?;
    let (alice, bob) = (talker(&channel, "alice")?, talker(&channel, "bob")?);

    bob.dispatch_to(alice.id(), said("hello", "Hello")).await?;
    tokio::try_join!(alice.run(), bob.run())?;

    println!("-- both have stopped");
    Ok(())
}

/// A listener that answers a `hello` with a louder one, and says goodbye when it is loud enough.
fn talker(channel: &Channel, name: &'static str) -> Result<ApplicationListener, Error> {
    let listener = ApplicationListener::new(channel.register_listener(name)?);
    listener.set_action("hello", move |message| {
        let words = hear(name, &message);
        if words.ends_with("!!!") { goodbye() } else { vec![said("hello", &format!("{words}!"))] }
    })?;
    listener.set_action("bye", move |message| {
        hear(name, &message);
        // the other one may stop now: nothing more will come from here
        vec![Message::new("stop")]
    })?;
    Ok(listener)
}

/// The last words, and the order that ends the other side once it has answered them.
fn goodbye() -> Vec<Message> {
    vec![said("bye", "Goodbye"), Message::new("stop")]
}

fn said(kind: &str, words: &str) -> Message {
    Message::new(kind).with_json(words).expect("text can be written as JSON")
}

fn hear(name: &str, message: &Message) -> String {
    let words = message.json().unwrap_or_else(|_| "(something unreadable)".to_owned());
    println!("{:>5} to {name}: {words}", message.sender_id().unwrap_or("?"));
    words
}
