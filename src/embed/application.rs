//! A listener that answers: what it does with a message depends on its type.

use super::{
    Channel, Delivery, End, Error, Event, Listener, Message, MessageStream, Receipt, Result, workers::words,
};
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture};
use std::{
    collections::HashMap,
    fmt,
    future::ready,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

type Action = Arc<dyn Fn(Message) -> BoxFuture<'static, Vec<Message>> + Send + Sync>;

/// A listener for distributed applications: an action for each type of message, whose replies go to the sender.
///
/// Three actions are there already. A message of type `start` starts the listener, which changes nothing while it
/// listens; `stop` stops it, with what waits behind kept; `remove` removes it with what waits. Whoever may send to it
/// may send these.
///
/// Cheap to clone: every clone is the same listener with the same actions.
///
/// ```
/// # use eric::embed::{ApplicationListener, Dispatcher, Message};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let channel = Dispatcher::in_memory()?.create_channel("talk")?;
/// let alice = ApplicationListener::new(channel.add_listener()?);
/// alice.set_action("hello", |_| vec![Message::new("welcome"), Message::new("stop")])?;
/// let bob = ApplicationListener::new(channel.add_listener()?);
/// bob.set_action("welcome", |_| vec![Message::new("stop")])?;
///
/// bob.dispatch_to(alice.id(), Message::new("hello")).await?;
/// tokio::try_join!(alice.run(), bob.run())?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ApplicationListener {
    listener: Listener,
    actions: Arc<Mutex<HashMap<String, Action>>>,
}

/// What every listener does without being told how.
#[derive(Clone, Copy)]
enum Reserved {
    Start,
    Stop,
    Remove,
}

impl Reserved {
    fn named(name: &str) -> Option<Self> {
        match name {
            "start" => Some(Self::Start),
            "stop" => Some(Self::Stop),
            "remove" => Some(Self::Remove),
            _ => None,
        }
    }
}

/// A message, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Handled {
    /// The message.
    pub delivery: Delivery,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its action has run, and all replies were accepted.
    Replied(Vec<Receipt>),
    /// Its action has run, but a reply could not be sent, and those behind it were not tried.
    Undeliverable {
        /// The replies that were accepted before.
        replied: Vec<Receipt>,
        /// What is the matter with the next one: the sender is gone or unnamed, its backlog is full.
        error: Error,
    },
    /// There is no action for its type: nothing was done.
    UnknownAction,
    /// Its action panicked, with these words where there were any. Nothing was replied.
    Panicked(String),
    /// It was `start`.
    Started,
    /// It was `stop`.
    Stopped,
    /// It was `remove`.
    Removed,
}

impl ApplicationListener {
    /// Gives a registered listener actions: `start`, `stop` and `remove` for now.
    pub fn new(listener: Listener) -> Self {
        Self { listener, actions: Arc::default() }
    }

    /// Its id: messages are dispatched to it.
    pub fn id(&self) -> &str {
        self.listener.id()
    }

    /// The listener below.
    pub fn listener(&self) -> &Listener {
        &self.listener
    }

    /// Says what to do with messages of a type; an earlier action of that name is replaced, also while the listener
    /// runs. What the action returns goes to the sender, signed with this listener's id.
    ///
    /// It runs in the listener's task: what waits or computes for long belongs into
    /// [`set_async_action`](Self::set_async_action).
    ///
    /// # Errors
    /// [`Error::ReservedAction`] for `start`, `stop` and `remove`.
    pub fn set_action(
        &self,
        name: impl Into<String>,
        action: impl Fn(Message) -> Vec<Message> + Send + Sync + 'static,
    ) -> Result<()> {
        self.set(name.into(), Arc::new(move |message| ready(action(message)).boxed()))
    }

    /// As [`set_action`](Self::set_action) for an action that waits. The listener takes its next message when it is
    /// done.
    ///
    /// # Errors
    /// As there.
    pub fn set_async_action<F>(
        &self,
        name: impl Into<String>,
        action: impl Fn(Message) -> F + Send + Sync + 'static,
    ) -> Result<()>
    where
        F: Future<Output = Vec<Message>> + Send + 'static,
    {
        self.set(name.into(), Arc::new(move |message| action(message).boxed()))
    }

    fn set(&self, name: String, action: Action) -> Result<()> {
        if Reserved::named(&name).is_some() {
            return Err(Error::ReservedAction { action: name });
        }
        self.actions().insert(name, action);
        Ok(())
    }

    /// Sends a message to another listener of the channel, signed with this one's id: its replies come here.
    ///
    /// # Errors
    /// As [`Channel::dispatch`].
    pub async fn dispatch_to(&self, receiver: &str, message: Message) -> Result<Receipt> {
        self.channel().dispatch(receiver, message.with_sender_id(self.id())).await
    }

    /// Listens, and acts on what comes, until it is told to `stop` or `remove`, or its stream ends. What goes wrong with
    /// one message is logged and the next is taken: a type without an action (at level `debug`), an action that panics
    /// (`error`), replies that cannot be sent, and gaps (`warn`).
    ///
    /// # Errors
    /// As [`Channel::message_stream`], and as its stream ends.
    pub async fn run(&self) -> Result<End> {
        let mut handling = self.handle()?;
        while let Some(event) = handling.next().await {
            self.log(&event?);
        }
        Ok(handling.ended_by().cloned().unwrap_or(End::Stopped))
    }

    /// As [`run`](Self::run), one message at a time, for a program that wants to see what comes of each.
    ///
    /// # Errors
    /// As [`Channel::message_stream`].
    pub fn handle(&self) -> Result<Handling> {
        Ok(Handling { application: self.clone(), messages: self.listener.message_stream()?, ended: None })
    }

    fn channel(&self) -> &Channel {
        self.listener.channel()
    }

    fn actions(&self) -> MutexGuard<'_, HashMap<String, Action>> {
        self.actions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn act(&self, message: &Message) -> Outcome {
        let action = self.actions().get(message.message_type()).cloned();
        let Some(action) = action else { return Outcome::UnknownAction };
        let asked = message.clone();
        // called inside, so that a closure that panics is caught as a future that does
        let acting = AssertUnwindSafe(async move { action(asked).await }).catch_unwind();
        match acting.await {
            Ok(replies) => self.reply(message.sender_id(), replies).await,
            Err(panic) => Outcome::Panicked(words(&*panic)),
        }
    }

    /// In order, up to the first that cannot be sent: what follows may make no sense without it.
    async fn reply(&self, sender: Option<&str>, replies: Vec<Message>) -> Outcome {
        let mut replied = Vec::with_capacity(replies.len());
        for reply in replies {
            let sent = match sender {
                Some(sender) => self.dispatch_to(sender, reply).await,
                None => Err(Error::NoSender),
            };
            match sent {
                Ok(receipt) => replied.push(receipt),
                Err(error) => return Outcome::Undeliverable { replied, error },
            }
        }
        Outcome::Replied(replied)
    }

    fn log(&self, event: &Event<Handled>) {
        let (listener, handled) = match event {
            Event::Gap(gap) => return tracing::warn!(listener = self.id(), ?gap, "messages are missing"),
            Event::Message(handled) => (self.id(), handled),
        };
        let (id, action) = (handled.delivery.message.id(), handled.delivery.message.message_type());
        match &handled.outcome {
            Outcome::UnknownAction => tracing::debug!(listener, id, action, "no such action"),
            Outcome::Panicked(words) => tracing::error!(listener, id, action, words, "the action panicked"),
            Outcome::Undeliverable { error, .. } => {
                tracing::warn!(listener, id, action, %error, "a reply could not be sent");
            }
            Outcome::Replied(_) | Outcome::Started | Outcome::Stopped | Outcome::Removed => {}
        }
    }
}

impl fmt::Debug for ApplicationListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApplicationListener").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// An [`ApplicationListener`] at work. Dropping it stops the listener.
#[derive(Debug)]
pub struct Handling {
    application: ApplicationListener,
    messages: MessageStream,
    ended: Option<End>,
}

impl Handling {
    /// Acts on the next message. Dropped before it is done it may have taken one without acting on it, or without
    /// sending all replies.
    ///
    /// It ends as every stream [does](super), and with [`Outcome::Stopped`] and [`Outcome::Removed`].
    pub async fn next(&mut self) -> Option<Result<Event<Handled>>> {
        if self.ended.is_some() {
            return None;
        }
        let delivery = match self.messages.next().await? {
            Ok(Event::Message(delivery)) => delivery,
            Ok(Event::Gap(gap)) => return Some(Ok(Event::Gap(gap))),
            Err(error) => return Some(Err(error)),
        };
        let outcome = match Reserved::named(delivery.message.message_type()) {
            Some(reserved) => self.obey(reserved),
            None => Ok(self.application.act(&delivery.message).await),
        };
        Some(outcome.map(|outcome| Event::Message(Handled { delivery, outcome })))
    }

    fn obey(&mut self, reserved: Reserved) -> Result<Outcome> {
        let listener = &self.application.listener;
        match reserved {
            Reserved::Start => listener.start().map(|()| Outcome::Started),
            Reserved::Stop => {
                self.ended = Some(End::Stopped);
                listener.stop().map(|()| Outcome::Stopped)
            }
            Reserved::Remove => {
                self.ended = Some(End::Removed);
                listener.remove().map(|_| Outcome::Removed)
            }
        }
    }

    /// Why it has ended; `None` while it has not.
    pub fn ended_by(&self) -> Option<&End> {
        self.ended.as_ref().or(self.messages.ended_by())
    }
}
