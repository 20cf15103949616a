//! A backlog that one stream drains, and acknowledges batch by batch.

use super::{Load, Publish};
use crate::{Outcome, client::Connection, messages::Template, setup};
use eric::v1::{
    AcknowledgeRequest, Acknowledgement, Credit, ListenRequest, Subscription,
    acknowledge_result::Outcome as Told, dispatcher_service_client::DispatcherServiceClient,
    publication::Receiver,
};
use std::{net::SocketAddr, time::Duration};
use tokio::task::JoinSet;
use tonic::transport::Channel;

const CHANNEL: &str = "drained";
const BATCH: usize = 100;
/// The most that a stream may have outstanding: the client acknowledges behind what it reads.
const CREDIT: Credit = Credit { max_unacknowledged_messages: 65_536, max_unacknowledged_bytes: 1 << 30 };

/// Fills a listener's backlog, which is not counted, and drains it; an EXPLICIT one acknowledges each batch.
pub(crate) struct Acknowledged {
    client: DispatcherServiceClient<Channel>,
    fill: Publish,
    listener: &'static str,
    explicit: bool,
    backlog: u64,
}

impl Acknowledged {
    /// In a channel of its own.
    pub(crate) async fn new(address: SocketAddr, backlog: u64, explicit: bool) -> Outcome<Self> {
        let connection = Connection::open(address).await?;
        let listener = "north";
        setup::channel(&connection, CHANNEL, setup::bottomless()).await?;
        if explicit {
            setup::register_explicit(&connection, CHANNEL, listener).await?;
        } else {
            setup::register(&connection, CHANNEL, listener).await?;
        }
        let batch = Template::batch(CHANNEL, &Receiver::Listener(listener.to_owned()), BATCH);
        let endpoint = Channel::from_shared(format!("http://{address}"))?;
        let endpoint = endpoint.initial_stream_window_size(1 << 20).initial_connection_window_size(8 << 20);
        let client = DispatcherServiceClient::new(endpoint.connect().await?);
        Ok(Self { client, fill: Publish::new(connection, batch, 1), listener, explicit, backlog })
    }

    fn request(&self) -> ListenRequest {
        let subscription = Subscription {
            channel: CHANNEL.to_owned(),
            listener: self.listener.to_owned(),
            credit: self.explicit.then_some(CREDIT),
            ..Subscription::default()
        };
        ListenRequest { subscriptions: vec![subscription], ..ListenRequest::default() }
    }

    fn acknowledgement(&self, through: i64) -> AcknowledgeRequest {
        let item = Acknowledgement {
            channel: CHANNEL.to_owned(),
            listener: self.listener.to_owned(),
            through_sequence: Some(through),
            ..Acknowledgement::default()
        };
        AcknowledgeRequest { items: vec![item] }
    }
}

async fn acknowledge(mut client: DispatcherServiceClient<Channel>, request: AcknowledgeRequest) -> Outcome {
    let answer = client.acknowledge(request).await?.into_inner();
    match answer.results.first().and_then(|result| result.outcome.as_ref()) {
        Some(Told::Acknowledged(_)) => Ok(()),
        other => Err(format!("an acknowledgement was answered with {other:?}").into()),
    }
}

impl Load for Acknowledged {
    async fn prepare(&mut self) -> Outcome {
        let backlog = self.backlog;
        self.fill.send_while(|sent| sent < backlog).await?;
        Ok(())
    }

    async fn run(&mut self, _: Duration) -> Outcome<u64> {
        let mut stream = self.client.listen(self.request()).await?.into_inner();
        let (mut deliveries, mut underway) = (0, JoinSet::new());
        while deliveries < self.backlog {
            let response = stream.message().await?.ok_or("the server ended the stream")?;
            for batch in &response.batches {
                deliveries += batch.deliveries.len() as u64;
                if let Some(last) = batch.deliveries.last().filter(|_| self.explicit) {
                    underway.spawn(acknowledge(self.client.clone(), self.acknowledgement(last.sequence)));
                }
            }
        }
        while let Some(told) = underway.join_next().await {
            told??;
        }
        match deliveries {
            all if all == self.backlog => Ok(all),
            other => Err(format!("{other} deliveries of {}", self.backlog).into()),
        }
    }
}
