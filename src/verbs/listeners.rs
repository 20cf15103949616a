//! The verbs of listeners.

use super::{Dispatcher, convert, page::Page, settings, status::Refusal, wire};
use crate::hub::{ListenerInfo, ListenerSettings, NewListener};

impl Dispatcher {
    pub(crate) fn register(
        &self,
        request: &wire::RegisterRequest,
    ) -> Result<wire::RegisterResponse, Refusal> {
        let id = convert::or_new_id(request.listener.clone());
        let given = request.settings.unwrap_or_default();
        let new = NewListener {
            from: convert::start_from(request.start_at, "start_at")?,
            mode: settings::mode(request.acknowledgement_mode)?,
            settings: settings::changed_of_listener(ListenerSettings::default(), &given, None)?,
            allow_existing: request.allow_existing,
        };
        let (channel, listener) = (convert::channel_id(&request.channel)?, convert::listener_id(&id)?);
        let registered = self.hub.register(channel, listener, new)?;
        let listener = Some(to_wire(&registered.listener));
        Ok(wire::RegisterResponse { listener, existed: registered.existed })
    }

    pub(crate) fn get_listener(
        &self,
        request: &wire::GetListenerRequest,
    ) -> Result<wire::GetListenerResponse, Refusal> {
        let (channel, listener) =
            (convert::channel_id(&request.channel)?, convert::listener_id(&request.listener)?);
        Ok(wire::GetListenerResponse { listener: told(&self.hub.get_listener(channel, listener)?) })
    }

    pub(crate) fn list_listeners(
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

    pub(crate) fn update_listener(
        &self,
        request: &wire::UpdateListenerRequest,
    ) -> Result<wire::UpdateListenerResponse, Refusal> {
        let (channel, listener) =
            (convert::channel_id(&request.channel)?, convert::listener_id(&request.listener)?);
        let (given, mask) = (request.settings.unwrap_or_default(), request.update_mask.as_ref());
        let listener = self.hub.update_listener(channel, listener, |current| {
            settings::changed_of_listener(current, &given, mask)
        })?;
        Ok(wire::UpdateListenerResponse { listener: told(&listener) })
    }

    pub(crate) fn start_listener(
        &self,
        request: &wire::StartListenerRequest,
    ) -> Result<wire::StartListenerResponse, Refusal> {
        let (channel, listener) =
            (convert::channel_id(&request.channel)?, convert::listener_id(&request.listener)?);
        Ok(wire::StartListenerResponse { listener: told(&self.hub.start_listener(channel, listener)?) })
    }

    pub(crate) fn stop_listener(
        &self,
        request: &wire::StopListenerRequest,
    ) -> Result<wire::StopListenerResponse, Refusal> {
        let (channel, listener) =
            (convert::channel_id(&request.channel)?, convert::listener_id(&request.listener)?);
        Ok(wire::StopListenerResponse { listener: told(&self.hub.stop_listener(channel, listener)?) })
    }

    pub(crate) fn purge_listener(
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

    pub(crate) fn remove_listener(
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

fn to_wire(info: &ListenerInfo) -> wire::Listener {
    wire::Listener {
        id: info.id.to_string(),
        channel: info.channel.to_string(),
        birth: info.birth.to_i64(),
        create_time: Some(convert::time(info.created_at)),
        acknowledgement_mode: settings::mode_to_wire(info.mode),
        settings: Some(settings::listener_to_wire(&info.settings)),
        running: info.running,
        connected: info.connected,
        backlog_messages: convert::to_i64(info.backlog.messages),
        backlog_bytes: convert::to_i64(info.backlog.bytes),
        passed_sequence: info.passed.to_i64(),
        lost_messages: convert::to_i64(info.lost),
        unacknowledged_messages: convert::to_i64(info.unacknowledged.messages),
        unacknowledged_bytes: convert::to_i64(info.unacknowledged.bytes),
        generation: convert::to_i64(info.generation),
        session: info.session.as_deref().unwrap_or_default().to_owned(),
    }
}
