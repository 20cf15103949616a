//! ChangeListen: subscriptions of an open stream, added and removed by its id.

use super::{
    Dispatcher, convert, receive,
    status::Refusal,
    wire::{self, change_listen_result::Outcome},
};
use crate::hub::StreamChange;

impl Dispatcher {
    pub(crate) async fn change_listen(
        &self,
        request: wire::ChangeListenRequest,
    ) -> Result<wire::ChangeListenResponse, Refusal> {
        convert::at_most(request.add.len(), "add")?;
        convert::at_most(request.remove.len(), "remove")?;
        let stream = self.hub.change_stream(&request.stream)?;
        // first, so that one may be removed and added anew in one call
        let removed = request.remove.iter().map(|number| self.outcome(remove(&stream, *number)));
        let removed = removed.collect();
        let mut added = Vec::with_capacity(request.add.len());
        for (place, asked) in request.add.iter().enumerate() {
            let number = self.add(&stream, asked).await;
            added.push(self.outcome(number.map_err(|refusal| refusal.within(&format!("add[{place}]")))));
        }
        Ok(wire::ChangeListenResponse { added, removed })
    }

    async fn add(&self, stream: &StreamChange, asked: &wire::Subscription) -> Result<i32, Refusal> {
        let (channel, receiver, options) = receive::listener(asked)?;
        let add = |options| stream.add(channel, receiver, options);
        Ok(convert::to_i32(self.once_registered(options, add).await?))
    }

    fn outcome(&self, changed: Result<i32, Refusal>) -> wire::ChangeListenResult {
        let outcome = match changed {
            Ok(subscription) => Outcome::Subscription(subscription),
            Err(refusal) => Outcome::Error(refusal.into_pb(self.hub.incarnation())),
        };
        wire::ChangeListenResult { outcome: Some(outcome) }
    }
}

fn remove(stream: &StreamChange, number: i32) -> Result<i32, Refusal> {
    // what is no number at all is no number of the stream either
    stream.remove(u32::try_from(number).unwrap_or_default())?;
    Ok(number)
}
