//! Channels that come, with listeners and what waits for them, and go again, while everybody goes on: what was answered
//! stays so, also over a crash.

use crate::{insist::insist, lives::gone, road::Wire, stage::Stage};
use eric::v1::{
    AcknowledgementMode, CreateChannelRequest, DispatchRequest, GetChannelRequest, GetListenerRequest,
    Message, RegisterRequest, RemoveChannelRequest, RemoveListenerRequest,
};
use std::{collections::BTreeMap, rc::Rc, time::Duration};
use tokio::time::sleep;
use tonic::{Code, Status};

/// The names that a guest's listeners have, again and again.
const NAMES: [&str; 3] = ["one", "two", "three"];

/// One channel, as the answers tell of it.
struct Guest {
    stage: Rc<Stage>,
    wire: Wire,
    rng: fastrand::Rng,
    channel: String,
    birth: i64,
    /// The births of its listeners, and how many messages wait for each.
    listeners: BTreeMap<&'static str, (i64, i64)>,
    sent: u64,
}

pub(crate) async fn of(stage: Rc<Stage>, wire: Wire, number: u64) {
    let (rng, channel) = (stage.rng(92_000 + number), format!("guest-{number}"));
    let (birth, listeners, sent) = (0, BTreeMap::new(), 0);
    let mut guest = Guest { stage, wire, rng, channel, birth, listeners, sent };
    while !guest.stage.calm() {
        if let Err(fault) = guest.visit().await {
            return guest.stage.books.lock().fault(format!("{}: {fault}", guest.channel));
        }
    }
}

impl Guest {
    /// It comes, changes, and goes; now and then it is looked whether all that was answered is so.
    async fn visit(&mut self) -> Result<(), String> {
        self.come().await.map_err(|status| format!("{status:?}"))?;
        for _ in 0..self.rng.u8(1..12) {
            self.wait().await;
            match self.rng.u8(..5) {
                0 => self.register().await,
                1 => self.remove().await,
                _ => self.send().await,
            }
            .map_err(|status| format!("{status:?}"))?;
            self.wait().await;
            self.is_as_answered().await?;
        }
        self.go().await.map_err(|status| format!("{status:?}"))?;
        self.wait().await;
        self.is_gone().await
    }

    async fn wait(&mut self) {
        sleep(Duration::from_millis(self.rng.u64(..120))).await;
    }

    async fn come(&mut self) -> Result<(), Status> {
        let (stage, wire) = (Rc::clone(&self.stage), &mut self.wire);
        let channel = Some(self.channel.clone());
        let created = insist(&stage, async |allow_existing| {
            let channel = channel.clone();
            wire.create_channel(CreateChannelRequest { channel, settings: None, allow_existing }).await
        });
        let created = created.await?.into_inner().channel.unwrap_or_default();
        (self.birth, self.listeners) = (created.birth, BTreeMap::new());
        stage.books.lock().figures.guests += 1;
        Ok(())
    }

    async fn go(&mut self) -> Result<(), Status> {
        let (stage, wire) = (Rc::clone(&self.stage), &mut self.wire);
        let request = RemoveChannelRequest { channel: self.channel.clone() };
        insist(&stage, async |again| gone(wire.remove_channel(request.clone()).await, again)).await
    }

    async fn register(&mut self) -> Result<(), Status> {
        let name = NAMES[self.rng.usize(..NAMES.len())];
        if self.listeners.contains_key(name) {
            return Ok(());
        }
        let mode =
            [AcknowledgementMode::Automatic, AcknowledgementMode::Explicit][usize::from(self.rng.bool())];
        let (stage, wire) = (Rc::clone(&self.stage), &mut self.wire);
        let request = RegisterRequest {
            channel: self.channel.clone(),
            listener: Some(name.to_owned()),
            acknowledgement_mode: mode.into(),
            ..Default::default()
        };
        let registered = insist(&stage, async |allow_existing| {
            wire.register(RegisterRequest { allow_existing, ..request.clone() }).await
        });
        let registered = registered.await?.into_inner().listener.unwrap_or_default();
        self.listeners.insert(name, (registered.birth, 0));
        Ok(())
    }

    async fn remove(&mut self) -> Result<(), Status> {
        let Some(name) = self.any() else { return Ok(()) };
        let (stage, wire) = (Rc::clone(&self.stage), &mut self.wire);
        let request = RemoveListenerRequest { channel: self.channel.clone(), listener: name.to_owned() };
        insist(&stage, async |again| gone(wire.remove_listener(request.clone()).await, again)).await?;
        self.listeners.remove(name);
        Ok(())
    }

    /// Its id makes it one, however often it is sent.
    async fn send(&mut self) -> Result<(), Status> {
        let Some(name) = self.any() else { return Ok(()) };
        self.sent += 1;
        let (stage, wire) = (Rc::clone(&self.stage), &mut self.wire);
        let message = Message { id: format!("m{}", self.sent), r#type: "guest".into(), ..Default::default() };
        let (channel, listener) = (self.channel.clone(), name.to_owned());
        let request = DispatchRequest { channel, listener, message: Some(message) };
        insist(&stage, async |_| wire.dispatch(request.clone()).await).await?;
        if let Some((_, waiting)) = self.listeners.get_mut(name) {
            *waiting += 1;
        }
        Ok(())
    }

    fn any(&mut self) -> Option<&'static str> {
        let names: Vec<_> = self.listeners.keys().copied().collect();
        (!names.is_empty()).then(|| names[self.rng.usize(..names.len())])
    }

    /// The channel and its listeners are there as they were answered, and nobody else.
    async fn is_as_answered(&mut self) -> Result<(), String> {
        let found = self.channel().await?;
        let expected = Some((self.birth, self.listeners.len() as i64));
        if found != expected {
            return Err(format!("the channel is {found:?}, not {expected:?}"));
        }
        for name in NAMES {
            let (found, expected) = (self.listener(name).await?, self.listeners.get(name).copied());
            if found != expected {
                return Err(format!("the listener {name} is {found:?}, not {expected:?}"));
            }
        }
        Ok(())
    }

    async fn is_gone(&mut self) -> Result<(), String> {
        let found = self.channel().await?;
        found.map_or(Ok(()), |found| Err(format!("it was removed, and is {found:?}")))
    }

    /// The birth of the channel, and how many listeners it has.
    async fn channel(&mut self) -> Result<Option<(i64, i64)>, String> {
        let (stage, wire) = (Rc::clone(&self.stage), &mut self.wire);
        let request = GetChannelRequest { channel: self.channel.clone() };
        let found = insist(&stage, async |_| wire.get_channel(request.clone()).await).await;
        let found = there(found)?.and_then(|found| found.channel);
        Ok(found.map(|channel| (channel.birth, channel.listeners)))
    }

    /// The birth of a listener, and how many messages wait for it.
    async fn listener(&mut self, name: &str) -> Result<Option<(i64, i64)>, String> {
        let (stage, wire) = (Rc::clone(&self.stage), &mut self.wire);
        let request = GetListenerRequest { channel: self.channel.clone(), listener: name.to_owned() };
        let found = insist(&stage, async |_| wire.get_listener(request.clone()).await).await;
        let found = there(found)?.and_then(|found| found.listener);
        Ok(found.map(|listener| (listener.birth, listener.backlog_messages)))
    }
}

fn there<T>(found: Result<tonic::Response<T>, Status>) -> Result<Option<T>, String> {
    match found {
        Ok(found) => Ok(Some(found.into_inner())),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(format!("{status:?}")),
    }
}
