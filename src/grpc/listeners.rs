//! The verbs of listeners.

use super::{Dispatcher, convert, page::Page, status::Refusal, wire};
use crate::hub::ListenerInfo;
use prost_types::FieldMask;

impl Dispatcher {
    pub(super) fn register(
        &self,
        request: &wire::RegisterRequest,
    ) -> Result<wire::RegisterResponse, Refusal> {
        let id = convert::or_new_id(request.listener.clone());
        check_mode(request.acknowledgement_mode)?;
        check_settings(request.settings.as_ref(), None)?;
        let from = convert::start_from(request.start_at, "start_at")?;
        let (channel, listener) = (convert::channel_id(&request.channel)?, convert::listener_id(&id)?);
        let registered = self.hub.register(channel, listener, from, request.allow_existing)?;
        let listener = Some(to_wire(&registered.listener));
        Ok(wire::RegisterResponse { listener, existed: registered.existed })
    }

    pub(super) fn get_listener(
        &self,
        request: &wire::GetListenerRequest,
    ) -> Result<wire::GetListenerResponse, Refusal> {
        let (channel, listener) =
            (convert::channel_id(&request.channel)?, convert::listener_id(&request.listener)?);
        Ok(wire::GetListenerResponse { listener: told(&self.hub.get_listener(channel, listener)?) })
    }

    pub(super) fn list_listeners(
        &self,
        request: &wire::ListListenersRequest,
    ) -> Result<wire::ListListenersResponse, Refusal> {
        let page = Page::parse(request.page_size, &request.page_token)?;
        let channel = convert::channel_id(&request.channel)?;
        let found = self.hub.list_listeners(channel, page.after, page.look_for())?;
        let (listeners, next_page_token) = page.cut(found, |listener| listener.birth);
        let listeners = listeners.iter().map(to_wire).collect();
        Ok(wire::ListListenersResponse { listeners, next_page_token })
    }

    /// This release has no setting of a listener to change, and says so for each that is asked for.
    pub(super) fn update_listener(
        &self,
        request: &wire::UpdateListenerRequest,
    ) -> Result<wire::UpdateListenerResponse, Refusal> {
        let (channel, listener) =
            (convert::channel_id(&request.channel)?, convert::listener_id(&request.listener)?);
        let listener = self.hub.get_listener(channel, listener)?;
        check_settings(request.settings.as_ref(), request.update_mask.as_ref())?;
        Ok(wire::UpdateListenerResponse { listener: told(&listener) })
    }

    pub(super) fn start_listener(
        &self,
        request: &wire::StartListenerRequest,
    ) -> Result<wire::StartListenerResponse, Refusal> {
        let (channel, listener) =
            (convert::channel_id(&request.channel)?, convert::listener_id(&request.listener)?);
        Ok(wire::StartListenerResponse { listener: told(&self.hub.start_listener(channel, listener)?) })
    }

    pub(super) fn stop_listener(
        &self,
        request: &wire::StopListenerRequest,
    ) -> Result<wire::StopListenerResponse, Refusal> {
        let (channel, listener) =
            (convert::channel_id(&request.channel)?, convert::listener_id(&request.listener)?);
        Ok(wire::StopListenerResponse { listener: told(&self.hub.stop_listener(channel, listener)?) })
    }

    pub(super) fn purge_listener(
        &self,
        request: &wire::PurgeListenerRequest,
    ) -> Result<wire::PurgeListenerResponse, Refusal> {
        let (channel, listener) =
            (convert::channel_id(&request.channel)?, convert::listener_id(&request.listener)?);
        let through = request.through_sequence;
        let through = through.map(|through| convert::position(through, "through_sequence")).transpose()?;
        let purged = self.hub.purge_listener(channel, listener, through)?;
        Ok(wire::PurgeListenerResponse {
            purged_messages: convert::to_i64(purged.messages),
            through_sequence: purged.through.to_i64(),
        })
    }

    pub(super) fn remove_listener(
        &self,
        request: &wire::RemoveListenerRequest,
    ) -> Result<wire::RemoveListenerResponse, Refusal> {
        let (channel, listener) =
            (convert::channel_id(&request.channel)?, convert::listener_id(&request.listener)?);
        let discarded = self.hub.remove_listener(channel, listener)?;
        Ok(wire::RemoveListenerResponse { discarded_messages: convert::to_i64(discarded) })
    }
}

fn told(listener: &ListenerInfo) -> Option<wire::Listener> {
    Some(to_wire(listener))
}

fn check_mode(mode: i32) -> Result<(), Refusal> {
    match wire::AcknowledgementMode::try_from(mode) {
        Ok(wire::AcknowledgementMode::Unspecified | wire::AcknowledgementMode::Automatic) => Ok(()),
        Ok(wire::AcknowledgementMode::Explicit) => {
            Err(Refusal::not_implemented("acknowledgement_mode: EXPLICIT"))
        }
        Err(_) => Err(Refusal::setting("acknowledgement_mode", "no such mode")),
    }
}

fn check_settings(given: Option<&wire::ListenerSettings>, mask: Option<&FieldMask>) -> Result<(), Refusal> {
    let unknown = mask
        .into_iter()
        .flat_map(|mask| &mask.paths)
        .find(|path| !matches!(path.as_str(), "idle_timeout" | "ack_deadline"));
    if let Some(path) = unknown {
        return Err(Refusal::setting("update_mask", format!("no setting {path:?}")));
    }
    let asked = |duration: Option<prost_types::Duration>| {
        duration.is_some_and(|given| given != prost_types::Duration::default())
    };
    match given {
        Some(given) if asked(given.idle_timeout) => Err(Refusal::not_implemented("settings.idle_timeout")),
        Some(given) if asked(given.ack_deadline) => Err(Refusal::not_implemented("settings.ack_deadline")),
        Some(_) | None => Ok(()),
    }
}

fn to_wire(info: &ListenerInfo) -> wire::Listener {
    wire::Listener {
        id: info.id.to_string(),
        channel: info.channel.to_string(),
        birth: info.birth.to_i64(),
        create_time: Some(convert::time(info.created_at)),
        acknowledgement_mode: wire::AcknowledgementMode::Automatic.into(),
        settings: Some(wire::ListenerSettings::default()),
        running: info.running,
        connected: info.connected,
        backlog_messages: convert::to_i64(info.backlog.messages),
        backlog_bytes: convert::to_i64(info.backlog.bytes),
        passed_sequence: info.passed.to_i64(),
        lost_messages: convert::to_i64(info.lost),
        // AUTOMATIC has nothing outstanding, no generations and, in this release, no sessions
        unacknowledged_messages: 0,
        unacknowledged_bytes: 0,
        generation: 0,
        session: String::new(),
    }
}
