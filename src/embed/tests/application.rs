//! Listeners that answer.

use super::{super::*, channel, message, soon};
use crate::error;

fn application(channel: &Channel) -> ApplicationListener {
    ApplicationListener::new(channel.add_listener().unwrap())
}

async fn outcome(handling: &mut Handling) -> Outcome {
    message(soon(handling.next()).await).outcome
}

#[tokio::test(start_paused = true)]
async fn replies_go_to_the_sender_signed() {
    let channel = channel();
    let [alice, bob, other] = [0, 1, 2].map(|_| application(&channel));
    let ack = |hello: Message| {
        let text: String = hello.json().unwrap();
        vec![Message::new("hello_ack").with_json(&format!("{text}!")).unwrap()]
    };
    alice.set_action("hello", ack).unwrap();
    bob.dispatch_to(alice.id(), Message::new("hello").with_json("hi").unwrap()).await.unwrap();
    let mut handling = alice.handle().unwrap();
    assert!(matches!(outcome(&mut handling).await, Outcome::Replied(receipts) if receipts.len() == 1));

    let reply = bob.listener().deliver_next().unwrap().delivery.unwrap().message;
    assert_eq!((reply.message_type(), reply.sender_id()), ("hello_ack", Some(alice.id())));
    assert_eq!(reply.json::<String>().unwrap(), "hi!");
    assert_eq!(other.listener().deliver_next().unwrap(), Delivered::default());
}

#[tokio::test(start_paused = true)]
async fn two_listeners_talk_until_both_are_told_to_stop() {
    let channel = channel();
    let [alice, bob] = [0, 1].map(|_| application(&channel));
    let both = || vec![Message::new("bye"), Message::new("stop")];
    alice.set_async_action("hello", move |_| async move { both() }).unwrap();
    bob.set_action("bye", |_| vec![Message::new("stop")]).unwrap();
    bob.dispatch_to(alice.id(), Message::new("hello")).await.unwrap();
    let (alice, bob) = soon(async { tokio::join!(alice.run(), bob.run()) }).await;
    assert_eq!((alice, bob), (Ok(End::Stopped), Ok(End::Stopped)));
}

#[tokio::test(start_paused = true)]
async fn start_stop_and_remove_do_what_they_say() {
    let channel = channel();
    let [listener, sender] = [0, 1].map(|_| application(&channel));
    for order in ["start", "stop", "remove"] {
        sender.dispatch_to(listener.id(), Message::new(order)).await.unwrap();
    }
    let mut handling = listener.handle().unwrap();
    assert_eq!(outcome(&mut handling).await, Outcome::Started);
    assert!(listener.listener().running().unwrap());
    assert_eq!(outcome(&mut handling).await, Outcome::Stopped);
    assert!(soon(handling.next()).await.is_none());
    assert_eq!(handling.ended_by(), Some(&End::Stopped));
    drop(handling);
    let stopped = listener.listener().info().unwrap();
    assert_eq!((stopped.running, stopped.backlog.messages), (false, 1), "what comes behind a stop waits");

    assert_eq!(soon(listener.run()).await, Ok(End::Removed));
    let gone = listener.listener().info();
    assert!(matches!(gone, Err(Error::Refused(error::Error::ListenerRemoved { .. }))));
}

#[tokio::test]
async fn a_reserved_action_cannot_be_set() {
    let listener = application(&channel());
    for name in ["start", "stop", "remove"] {
        let refused = listener.set_action(name, |_| Vec::new());
        assert_eq!(refused, Err(Error::ReservedAction { action: name.to_owned() }));
    }
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_with_one_message_is_said_and_the_next_is_taken() {
    let channel = channel();
    let [listener, sender, gone] = [0, 1, 2].map(|_| application(&channel));
    listener.set_action("echo", |message| vec![message]).unwrap();
    listener.set_action("panic", |_| panic!("no such thing")).unwrap();
    sender.dispatch_to(listener.id(), Message::new("unheard of")).await.unwrap();
    sender.dispatch_to(listener.id(), Message::new("panic")).await.unwrap();
    channel.dispatch(listener.id(), Message::new("echo")).await.unwrap();
    gone.dispatch_to(listener.id(), Message::new("echo")).await.unwrap();
    sender.dispatch_to(listener.id(), Message::new("echo")).await.unwrap();
    gone.listener().remove().unwrap();

    let mut handling = listener.handle().unwrap();
    assert_eq!(outcome(&mut handling).await, Outcome::UnknownAction);
    assert_eq!(outcome(&mut handling).await, Outcome::Panicked("no such thing".into()));
    let unsigned = Outcome::Undeliverable { replied: Vec::new(), error: Error::NoSender };
    assert_eq!(outcome(&mut handling).await, unsigned);
    assert!(matches!(
        outcome(&mut handling).await,
        Outcome::Undeliverable { error: Error::Refused(error::Error::ListenerRemoved { .. }), .. }
    ));
    assert!(matches!(outcome(&mut handling).await, Outcome::Replied(_)));
}
