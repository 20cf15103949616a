//! Many listeners on one stream.

mod change;
mod member;

pub use member::{Told, What};

use super::{
    Client, Code, End, Error, Listen, Result,
    line::{Heard, Line},
    subscribe::{Parts, listen_stream},
};
use crate::v1;
use change::{change, comes_with_another_stream};
use futures_util::future::{BoxFuture, join_all};
use member::Member;
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    future::{Future, poll_fn},
    task::{Context, Poll, ready},
    time::Duration,
};

/// The events of many listeners over one stream, from [`Client::listen_many`]. It reconnects and resumes as a
/// [`Subscription`](super::Subscription) does, each listener where it was. Listeners that have something to
/// say take turns. Dropping it closes the stream.
pub struct Bundle {
    client: Client,
    line: Line,
    /// Names the open stream; none while there is none.
    stream: Option<String>,
    members: BTreeMap<Key, Member>,
    next_key: Key,
    /// Who was asked for when the stream was opened, in that order, which is a rising one.
    asked: Vec<Key>,
    /// Who stands behind the numbers of the open stream.
    numbers: HashMap<i32, Key>,
    /// Who has something to say, each once.
    ready: VecDeque<Key>,
}

type Key = u64;

impl Client {
    /// Receives for many listeners over one stream. How it reconnects, and who is told of it, is what the first
    /// of them says.
    ///
    /// ```no_run
    /// use eric::client::{Client, Error, What};
    ///
    /// # async fn run(client: Client) -> Result<(), Error> {
    /// let listeners = ["alice", "bob"].map(|listener| client.listen("prices", listener));
    /// let mut bundle = client.listen_many(listeners).await?;
    /// while let Some(told) = bundle.next().await {
    ///     match told.what {
    ///         What::Event(event) => println!("{}: {event:?}", told.listener),
    ///         What::Ended(end) => println!("{} has ended: {end:?}", told.listener),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Where all are refused, what the first was refused for; INVALID_ARGUMENT of none at all. One that is
    /// refused beside others is an [`End`] of its own.
    pub async fn listen_many(&self, listeners: impl IntoIterator<Item = Listen>) -> Result<Bundle> {
        let mut listeners = listeners.into_iter().peekable();
        let options =
            listeners.peek_mut().map(|first| std::mem::take(&mut first.options)).unwrap_or_default();
        let members: BTreeMap<Key, Member> = (0..).zip(listeners.map(Member::new)).collect();
        let parts = listen_stream(self.clone(), subscriptions(&members)).await?;
        let next_key = members.len() as Key;
        Ok(Bundle {
            // the bundle waits and repeats by itself
            client: self.repeating_for(Duration::ZERO),
            line: Line::new(parts, options),
            stream: None,
            asked: members.keys().copied().collect(),
            members,
            next_key,
            numbers: HashMap::new(),
            ready: VecDeque::new(),
        })
    }
}

impl Bundle {
    /// What comes next, of whichever listener; `None` once all have ended. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Option<Told> {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// Where to resume after all of a listener's events handed out so far.
    pub fn resume_token(&self, channel: &str, listener: &str) -> Option<&str> {
        let member = self.members.values().find(|member| member.is(channel, listener));
        member.map(|member| member.cursor.resume_token())
    }

    /// Waits until what was acknowledged has been said to the server and answered, but no longer than a call
    /// may take ([`Builder::timeout`](super::Builder::timeout)).
    pub fn flush(&self) -> impl Future<Output = ()> + Send + use<> {
        let accounts = self.members.values().filter_map(|member| member.cursor.account().cloned());
        let accounts: Vec<_> = accounts.collect();
        let patience = self.client.policy.timeout;
        async move {
            join_all(accounts.iter().map(|account| account.flushed(patience))).await;
        }
    }

    /// Adds a listener; its options on reconnecting are those of the bundle. One that is there already has its
    /// credit changed, and nothing else.
    ///
    /// # Errors
    /// What it is refused for: NOT_FOUND; INVALID_ARGUMENT; RESOURCE_EXHAUSTED.
    pub async fn add(&mut self, listen: Listen) -> Result<()> {
        let (channel, listener) = (listen.asked.0.channel.clone(), listen.asked.0.listener.clone());
        let there = self.members.iter_mut().find(|(_, member)| member.is(&channel, &listener));
        let key = match there {
            Some((&key, member)) => {
                member.asked.0.credit = listen.asked.0.credit;
                key
            }
            None => {
                self.next_key += 1;
                self.members.insert(self.next_key, Member::new(listen));
                self.next_key
            }
        };
        // without a stream, the next one is opened with it
        let Some(stream) = self.stream.clone() else { return Ok(()) };
        let add = self.members.get(&key).map(Member::subscription).into_iter().collect();
        match self.change(v1::ChangeListenRequest { stream, add, remove: Vec::new() }).await {
            Ok(Some(number)) => {
                self.numbers.insert(number, key);
                Ok(())
            }
            Ok(None) => Err(Error::Contract("an addition without its number")),
            Err(error) if comes_with_another_stream(&error) => {
                self.reopen();
                Ok(())
            }
            Err(error) => {
                if !self.numbers.values().any(|&there| there == key) {
                    self.members.remove(&key);
                }
                Err(error)
            }
        }
    }

    /// Removes a listener; it stays registered. One that is not there is no error.
    ///
    /// # Errors
    /// Where the server cannot be reached: it is removed here all the same.
    pub async fn remove(&mut self, channel: &str, listener: &str) -> Result<()> {
        let there = self.members.iter().find(|(_, member)| member.is(channel, listener));
        let Some(key) = there.map(|(&key, _)| key) else { return Ok(()) };
        match self.leave(key) {
            Some(leaving) => leaving.await,
            None => Ok(()),
        }
    }

    /// Forgets a member; the server is told by what is given back.
    fn leave(&mut self, key: Key) -> Option<impl Future<Output = Result<()>> + Send + use<>> {
        self.members.remove(&key);
        let number = self.numbers.iter().find(|(_, there)| **there == key).map(|(&number, _)| number)?;
        self.numbers.remove(&number);
        let request =
            v1::ChangeListenRequest { stream: self.stream.clone()?, add: Vec::new(), remove: vec![number] };
        let changing = change(self.client.clone(), request);
        Some(async move {
            match changing.await {
                // it ended by itself
                Err(error) if error.code() != Some(Code::NotFound) => Err(error),
                Ok(_) | Err(_) => Ok(()),
            }
        })
    }

    fn change(&self, request: v1::ChangeListenRequest) -> impl Future<Output = Result<Option<i32>>> + use<> {
        change(self.client.clone(), request)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Told>> {
        loop {
            while let Some(key) = self.ready.pop_front() {
                if let Some(told) = self.turn(key) {
                    return Poll::Ready(Some(told));
                }
            }
            if self.members.is_empty() {
                return Poll::Ready(None);
            }
            let (client, members, asked) = (&self.client, &self.members, &mut self.asked);
            let open = || {
                *asked = members.keys().copied().collect();
                opening(client, members)
            };
            match ready!(self.line.poll(cx, open)) {
                Heard::Part(part) => self.take(part),
                Heard::Ended => self.end_all(&End::Stopped),
                Heard::Failed(error) => self.lost(error),
            }
        }
    }

    /// A member's turn: one thing, and then it stands behind the others.
    fn turn(&mut self, key: Key) -> Option<Told> {
        let member = self.members.get_mut(&key)?;
        member.is_ready = false;
        let told = member.next().map(|what| member.tells(what))?;
        match &told.what {
            What::Event(_) => self.make_ready(key),
            What::Ended(_) => {
                if let Some(leaving) = self.leave(key) {
                    tokio::spawn(leaving);
                }
            }
        }
        Some(told)
    }

    fn make_ready(&mut self, key: Key) {
        let Some(member) = self.members.get_mut(&key) else { return };
        if !std::mem::replace(&mut member.is_ready, true) {
            self.ready.push_back(key);
        }
    }

    fn take(&mut self, part: v1::WatchResponse) {
        if let Some(opened) = part.opened {
            self.opened(opened);
        }
        for started in &part.started {
            let key = self.numbers.get(&started.subscription).copied().or_else(|| self.named(started));
            if let Some((key, member)) = key.and_then(|key| Some((key, self.members.get_mut(&key)?))) {
                self.numbers.insert(started.subscription, key);
                member.cursor.started(started);
            }
        }
        for batch in part.batches {
            let key = self.numbers.get(&batch.subscription).copied();
            if let Some((key, member)) = key.and_then(|key| Some((key, self.members.get_mut(&key)?))) {
                member.cursor.accept(batch);
                self.make_ready(key);
            }
        }
        for ended in part.ended {
            if let Some(key) = self.numbers.remove(&ended.subscription) {
                self.end(key, member::end_of(ended));
            }
        }
    }

    /// One that was added by a call whose answer was lost.
    fn named(&self, started: &v1::SubscriptionStarted) -> Option<Key> {
        let named = |member: &Member| member.is(&started.channel, &started.listener);
        self.members.iter().find(|(_, member)| named(member)).map(|(&key, _)| key)
    }

    fn opened(&mut self, opened: v1::StreamOpened) {
        self.numbers = (1..).zip(self.asked.iter().copied()).collect();
        self.members.values_mut().for_each(|member| member.cursor.opened(&opened.incarnation));
        self.stream = Some(opened.stream);
        // who was added while it was being opened is not on it
        if self.members.keys().any(|key| self.asked.binary_search(key).is_err()) {
            self.reopen();
        }
    }

    fn reopen(&mut self) {
        self.stream = None;
        self.numbers.clear();
        self.asked = self.members.keys().copied().collect();
        self.line.reopen(opening(&self.client, &self.members));
    }

    fn lost(&mut self, error: Error) {
        self.stream = None;
        self.numbers.clear();
        if let Err(error) = self.line.retry(error) {
            self.end_all(&End::Failed(error));
        }
    }

    fn end_all(&mut self, end: &End) {
        let keys: Vec<_> = self.members.keys().copied().collect();
        keys.into_iter().for_each(|key| self.end(key, end.clone()));
    }

    fn end(&mut self, key: Key, end: End) {
        if let Some(member) = self.members.get_mut(&key) {
            member.end = Some(end);
            self.make_ready(key);
        }
    }
}

fn subscriptions(members: &BTreeMap<Key, Member>) -> Vec<v1::Subscription> {
    members.values().map(Member::subscription).collect()
}

fn opening(client: &Client, members: &BTreeMap<Key, Member>) -> BoxFuture<'static, Result<Parts>> {
    Box::pin(listen_stream(client.clone(), subscriptions(members)))
}
