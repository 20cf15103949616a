//! A listener's backlog, looked through without consuming it, and dead letters sent back.

use super::{Client, Delivery, Pages, Receipt, Result, Service, policy::Repeat, results::each};
use crate::v1::{self, requeue_result::Outcome};

impl Client {
    /// Tells a listener's backlog, oldest first, without consuming it: an operator's look, also at dead
    /// letters. What it tells cannot be [acknowledged](Delivery::acknowledge) here.
    ///
    /// The list's errors: NOT_FOUND.
    pub fn messages(&self, channel: impl Into<String>, listener: impl Into<String>) -> Pages<Delivery> {
        let (client, channel, listener) = (self.clone(), channel.into(), listener.into());
        Pages::new(move |page_token| {
            let (client, channel, listener) = (client.clone(), channel.clone(), listener.clone());
            Box::pin(async move { client.messages_page(channel, listener, page_token).await })
        })
    }

    async fn messages_page(
        &self,
        channel: String,
        listener: String,
        page_token: String,
    ) -> Result<(Vec<Delivery>, String)> {
        let request = v1::ListMessagesRequest { channel, listener, page_size: 0, page_token };
        let verb = |mut service: Service, request| async move { service.list_messages(request).await };
        let page = self.call(Repeat::Safe, request, verb).await?;
        Ok((page.deliveries.into_iter().map(Delivery::from).collect(), page.next_page_token))
    }

    /// Sends dead letters, by their sequences in the dead letter listener, back to the listeners they were
    /// meant for, each under a new id. At most 1,024.
    ///
    /// # Errors
    /// Of the call as a whole: NOT_FOUND. Each letter's own is in its place, and it stays where it is.
    pub async fn requeue(
        &self,
        channel: impl Into<String>,
        listener: impl Into<String>,
        sequences: impl IntoIterator<Item = i64>,
    ) -> Result<Vec<Result<Receipt>>> {
        let sequences: Vec<_> = sequences.into_iter().collect();
        let expected = sequences.len();
        let request = v1::RequeueRequest { channel: channel.into(), listener: listener.into(), sequences };
        let verb = |mut service: Service, request| async move { service.requeue(request).await };
        let answer = self.call(Repeat::Unsafe, request, verb).await?;
        each(answer.results, expected, |result| match result.outcome {
            Some(Outcome::Receipt(receipt)) => Some(Ok(receipt)),
            Some(Outcome::Error(status)) => Some(Err(status.into())),
            None => None,
        })
    }
}
