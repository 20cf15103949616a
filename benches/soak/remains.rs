//! What is left in the log once nobody may ask for anything any more: nothing.

use crate::{
    cast::SCENES,
    road::{Outcome, Wire},
    stage::Stage,
};
use eric::v1::{
    ChannelSettings, GetServerRequest, ListListenersRequest, PurgeListenerRequest, UpdateChannelRequest,
};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What is let go is gone in this time, on a slow machine too.
const PATIENCE: Duration = Duration::from_secs(10);

/// Has everything let go, and looks whether the log has more. The channels stay: with them whatever they have would go.
pub(crate) async fn look(stage: &Stage, wire: &mut Wire) -> Outcome {
    for scene in &SCENES {
        empty(scene.channel, wire).await?;
    }
    let begun = Instant::now();
    loop {
        let bytes = wire.get_server(GetServerRequest {}).await?.into_inner().log_bytes;
        if bytes == 0 {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            stage.books.lock().fault(format!("the log has {bytes} bytes that nobody may ask for"));
            return Ok(());
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// No window holds anything, and nothing waits.
async fn empty(channel: &str, wire: &mut Wire) -> Outcome {
    let channel = channel.to_owned();
    let settings = ChannelSettings { max_replay_messages: Some(0), ..ChannelSettings::default() };
    let request =
        UpdateChannelRequest { channel: channel.clone(), settings: Some(settings), update_mask: None };
    wire.update_channel(request).await?;
    let request = ListListenersRequest {
        channel: channel.clone(),
        page_size: 1_000,
        ..ListListenersRequest::default()
    };
    for listener in wire.list_listeners(request).await?.into_inner().listeners {
        let (channel, listener) = (channel.clone(), listener.id);
        wire.purge_listener(PurgeListenerRequest { channel, listener, through_sequence: None }).await?;
    }
    Ok(())
}
