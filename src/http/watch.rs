//! Opens streams of Server-Sent Events, by what their URLs ask for.

use super::{
    call,
    events::Data,
    path::Path,
    places::{self, MAX_CHANNELS, Place},
    problem::Problem,
    query,
    stream::{self, EventStream, Gone},
};
use crate::{
    hub::ResumeToken,
    verbs::{
        Dispatcher, convert,
        receive::Opened,
        status::Refusal,
        wire::{Credit, StartAt, Subscription, TakeOver, WatchRequest, WatchSubscription},
    },
};
use axum::{
    extract::{RawPathParams, RawQuery, State},
    response::Response,
};
use http::HeaderMap;
use std::time::Duration;

/// Watches the channels that the query names.
pub(super) async fn channels(
    State(dispatcher): State<Dispatcher>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    respond(&dispatcher, Vec::new(), None, query.as_deref(), &headers).await
}

/// Watches a channel, and those that the query adds.
pub(super) async fn channel(
    State(dispatcher): State<Dispatcher>,
    path: Path,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let [channel, _] = ids(&path);
    respond(&dispatcher, vec![channel], None, query.as_deref(), &headers).await
}

/// Listens for a listener.
pub(super) async fn listener(
    State(dispatcher): State<Dispatcher>,
    path: Path,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let [channel, listener] = ids(&path);
    respond(&dispatcher, vec![channel], Some(listener), query.as_deref(), &headers).await
}

fn ids(path: &RawPathParams) -> [String; 2] {
    ["channel", "listener"].map(|name| {
        let found = path.iter().find(|(known, _)| *known == name);
        found.map(|(_, id)| id.to_owned()).unwrap_or_default()
    })
}

async fn respond(
    dispatcher: &Dispatcher,
    channels: Vec<String>,
    listener: Option<String>,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Response {
    let asked = match Asked::parse(channels, listener, query, headers) {
        Ok(asked) => asked,
        Err(problem) => return problem.into_response(),
    };
    match asked.open(dispatcher).await {
        Ok(stream) => stream.into_response(),
        Err(refusal) => asked.refused(dispatcher, refusal, headers),
    }
}

/// What a URL asks for.
struct Asked {
    channels: Vec<String>,
    listener: Option<String>,
    start_at: StartAt,
    types: Vec<String>,
    /// Empty: none.
    tokens: Vec<String>,
    /// An EventSource that lost its connection says so by its header.
    reconnects: bool,
    session: String,
    take_over: TakeOver,
    credit: Option<Credit>,
    data: Data,
}

impl Asked {
    fn parse(
        channels: Vec<String>,
        listener: Option<String>,
        query: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<Self, Problem> {
        let mut asked = Self {
            channels,
            listener,
            start_at: StartAt::Unspecified,
            types: Vec::new(),
            tokens: Vec::new(),
            reconnects: false,
            session: String::new(),
            take_over: TakeOver::Unspecified,
            credit: None,
            data: Data::Payload,
        };
        let mut given = Given::default();
        for (name, value) in query::parameters(query)? {
            asked.take(&name, value, &mut given)?;
        }
        asked.check_channels()?;
        asked.take_once(given)?;
        if let Some(token) = header(headers)? {
            asked.reconnects = true;
            asked.tokens = tokens(&token, asked.channels.len())?;
        }
        Ok(asked)
    }

    fn take(&mut self, name: &str, value: String, given: &mut Given) -> Result<(), Problem> {
        let place = match (name, &self.listener) {
            ("channel", None) => {
                self.channels.push(value);
                return Ok(());
            }
            ("types", _) => {
                self.types.extend(value.split(',').map(str::to_owned));
                return Ok(());
            }
            ("last_event_id", _) => &mut given.last_event_id,
            ("format", _) => &mut given.format,
            ("start_at", None) => &mut given.start_at,
            ("session", Some(_)) => &mut given.session,
            ("take_over", Some(_)) => &mut given.take_over,
            ("max_unacknowledged", Some(_)) => &mut given.max_unacknowledged,
            _ => return Err(query::unknown(name)),
        };
        query::once(name, value, place)
    }

    fn check_channels(&self) -> Result<(), Problem> {
        if !(1..=MAX_CHANNELS).contains(&self.channels.len()) {
            return Err(Problem::parameter(format!("channel: from 1 to {MAX_CHANNELS} on a stream")));
        }
        let twice =
            (1..self.channels.len()).any(|place| self.channels[..place].contains(&self.channels[place]));
        if twice { Err(Problem::parameter("channel: one is named twice")) } else { Ok(()) }
    }

    fn take_once(&mut self, given: Given) -> Result<(), Problem> {
        self.start_at =
            word(given.start_at, "start_at", &[("new", StartAt::New), ("oldest", StartAt::Oldest)])?
                .unwrap_or_default();
        let ways = [("always", TakeOver::Always), ("never", TakeOver::Never)];
        self.take_over = word(given.take_over, "take_over", &ways)?.unwrap_or_default();
        let formats = [("payload", Data::Payload), ("delivery", Data::Delivery)];
        self.data = word(given.format, "format", &formats)?.unwrap_or(Data::Payload);
        self.session = given.session.unwrap_or_default();
        self.credit = given.max_unacknowledged.map(|text| credit(&text)).transpose()?;
        if let Some(token) = given.last_event_id.filter(|token| !token.is_empty()) {
            self.tokens = tokens(&token, self.channels.len())?;
        }
        Ok(())
    }

    async fn open(&self, dispatcher: &Dispatcher) -> Result<EventStream, Refusal> {
        let retry = self.retry(dispatcher)?;
        let Opened { bundle, refused, .. } = match &self.listener {
            Some(listener) => self.listen(dispatcher, listener).await?,
            None => self.watch(dispatcher).await?,
        };
        let gone = refused.into_iter().rev().map(|(number, refusal)| self.gone(dispatcher, number, refusal));
        let gone = gone.collect::<Result<_, _>>()?;
        Ok(EventStream::new(dispatcher.clone(), bundle, gone, self.data, retry))
    }

    /// The longest time of its channels.
    fn retry(&self, dispatcher: &Dispatcher) -> Result<Duration, Refusal> {
        let mut retry = Duration::ZERO;
        for channel in &self.channels {
            match dispatcher.hub.get_channel(convert::channel_id(channel)?).map_err(Refusal::from) {
                Ok(channel) => retry = retry.max(channel.settings.sse_retry),
                Err(refusal) if self.goes_on_without(&refusal) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(retry)
    }

    /// What a page asks for is all there, or it is told why not. An EventSource that comes back has what is still there: it
    /// would give up all of it.
    fn goes_on_without(&self, refusal: &Refusal) -> bool {
        self.reconnects && ["CHANNEL_REMOVED", "CHANNEL_NOT_FOUND"].contains(&refusal.reason)
    }

    fn gone(&self, dispatcher: &Dispatcher, number: u32, refusal: Refusal) -> Result<Gone, Refusal> {
        let place = stream::index(number).filter(|_| self.goes_on_without(&refusal));
        let place = place.and_then(|place| {
            let token = ResumeToken::parse(&self.token(place))?;
            Some(Place { channel: self.channels.get(place)?.as_str().into(), token })
        });
        match place {
            Some(place) => Ok(Gone { number, place, why: call::refused(dispatcher, refusal).alone() }),
            None => Err(refusal),
        }
    }

    fn token(&self, place: usize) -> String {
        self.tokens.get(place).cloned().unwrap_or_default()
    }

    async fn listen(&self, dispatcher: &Dispatcher, listener: &str) -> Result<Opened, Refusal> {
        let subscription = Subscription {
            channel: self.channels[0].clone(),
            listener: listener.to_owned(),
            resume_token: self.token(0),
            credit: self.credit,
            types: self.types.clone(),
            session: self.session.clone(),
            take_over: self.take_over.into(),
        };
        dispatcher.listen_alone(subscription, self.reconnects).await
    }

    async fn watch(&self, dispatcher: &Dispatcher) -> Result<Opened, Refusal> {
        let of = |(place, channel): (usize, &String)| WatchSubscription {
            channel: channel.clone(),
            resume_token: self.token(place),
            start_at: self.start_at.into(),
            types: self.types.clone(),
        };
        let subscriptions = self.channels.iter().enumerate().map(of).collect();
        dispatcher.watch(WatchRequest { subscriptions, ..WatchRequest::default() }).await
    }

    /// An EventSource gives up at every answer but a stream, and by 204 it is told to.
    fn refused(&self, dispatcher: &Dispatcher, mut refusal: Refusal, headers: &HeaderMap) -> Response {
        // the stream that has it may be its own, which is dead and not known to be: a session would tell
        refusal.retry |= self.reconnects && self.session.is_empty() && refusal.reason == "IN_USE";
        let final_for_it = ["LISTENER_TAKEN_OVER", "LISTENER_STOPPED"].contains(&refusal.reason);
        if self.reconnects && final_for_it {
            return stream::no_more();
        }
        let again = refusal.retry && stream::is_asked_for(headers);
        let problem = call::refused(dispatcher, refusal).alone();
        if again { stream::once_more(&problem) } else { problem.into_response() }
    }
}

/// Parameters that are given once.
#[derive(Default)]
struct Given {
    last_event_id: Option<String>,
    format: Option<String>,
    start_at: Option<String>,
    session: Option<String>,
    take_over: Option<String>,
    max_unacknowledged: Option<String>,
}

fn header(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let text = value.to_str().map_err(|_| Problem::parameter("Last-Event-ID: no resume token"))?;
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

fn tokens(text: &str, channels: usize) -> Result<Vec<String>, Problem> {
    let tokens = places::split(text, channels).ok_or_else(|| Problem::token(channels))?;
    Ok(tokens.into_iter().map(str::to_owned).collect())
}

fn word<T: Copy>(given: Option<String>, name: &str, words: &[(&str, T)]) -> Result<Option<T>, Problem> {
    let Some(given) = given else { return Ok(None) };
    let known = words.iter().find(|(word, _)| *word == given);
    known.map(|(_, value)| Some(*value)).ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        Problem::parameter(format!("{name}: {}", words.join(" or ")))
    })
}

fn credit(text: &str) -> Result<Credit, Problem> {
    let messages = text.parse().map_err(|_| Problem::parameter("max_unacknowledged: a whole number"))?;
    Ok(Credit { max_unacknowledged_messages: messages, max_unacknowledged_bytes: 0 })
}
