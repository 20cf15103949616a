//! Pulls of one session are one stream: each goes on after the last, unless it says that the answer to that was lost.

use super::super::{AcknowledgementMode, Client, Code, Error};
use crate::v1;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

/// So many listeners are remembered, or more where so many answers were lost. One that is forgotten has an attempt counted
/// where an answer is lost.
const MAX_SERIES: usize = 10_000;

/// Where the pulls of a client stand, by channel, listener and session. Only of listeners that acknowledge explicitly:
/// others would be moved back by a token.
#[derive(Debug, Default)]
pub(in crate::client) struct AllSeries(Mutex<HashMap<Key, Series>>);

type Key = [String; 3];

#[derive(Debug, Default)]
struct Series {
    /// The token of the last answer; empty: there was none yet.
    last: String,
    /// The token that tells of an answer that was lost, until what was lost has been asked for.
    lost: Option<String>,
}

impl AllSeries {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Series>> {
        self.0.lock().expect("nobody panics while holding it")
    }

    fn change(&self, key: &Key, change: impl FnOnce(&mut Series)) {
        let mut all = self.lock();
        if all.len() >= MAX_SERIES && !all.contains_key(key) {
            all.retain(|_, series| series.lost.is_some());
        }
        change(all.entry(key.clone()).or_default());
    }
}

/// One pull of a series. Where it is dropped without an answer, that was lost.
pub(super) struct Turn {
    client: Client,
    key: Key,
    /// The token that tells of it where its answer is lost: that of an answer before; empty: none is known.
    before: String,
    /// What it says of an answer that was lost.
    says: Option<String>,
    over: bool,
}

impl Turn {
    /// Has a request say what was lost, if anything was: by the token of the last answer before that, or, where there was
    /// none, by coming without a session. `None`: the program says by itself where to begin.
    pub(super) fn begin(client: &Client, request: &mut v1::PullRequest) -> Option<Self> {
        if request.session.is_empty() || !request.resume_token.is_empty() {
            return None;
        }
        let key = [&request.channel, &request.listener, &request.session].map(String::clone);
        let (before, says) = match client.series.lock().get(&key) {
            Some(series) => (series.last.clone(), series.lost.clone()),
            None => Default::default(),
        };
        match says.as_deref() {
            None => {}
            Some("") => request.session.clear(),
            Some(token) => token.clone_into(&mut request.resume_token),
        }
        Some(Self { client: client.clone(), key, before, says, over: false })
    }

    pub(super) fn answered(mut self, answer: &v1::PullResponse) {
        self.over = true;
        let mode = answer.started.as_ref().map(v1::SubscriptionStarted::acknowledgement_mode);
        if mode != Some(AcknowledgementMode::Explicit) {
            self.forget();
            return;
        }
        let last = answer.batch.as_ref().map(|batch| batch.resume_token.clone()).unwrap_or_default();
        self.client.series.change(&self.key, |series| {
            series.last = last;
            // unless another was lost meanwhile
            if series.lost == self.says {
                series.lost = None;
            }
        });
    }

    /// Where the server says why, it has delivered nothing.
    pub(super) fn failed(mut self, error: &Error) {
        self.over = error.reason().is_some() || !error.outcome_unknown();
        if matches!(error.code(), Some(Code::NotFound | Code::FailedPrecondition)) {
            self.forget();
        }
    }

    fn forget(&self) {
        self.client.series.lock().remove(&self.key);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.over {
            let before = std::mem::take(&mut self.before);
            // of several that were lost the first tells it
            self.client.series.change(&self.key, |series| _ = series.lost.get_or_insert(before));
        }
    }
}
