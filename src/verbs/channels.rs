//! The verbs of channels.

use super::{Dispatcher, convert, page::Page, settings, status::Refusal, wire};
use crate::hub::{ChannelInfo, ChannelSettings};

impl Dispatcher {
    pub(crate) fn create_channel(
        &self,
        request: &wire::CreateChannelRequest,
    ) -> Result<wire::CreateChannelResponse, Refusal> {
        let id = convert::or_new_id(request.channel.clone());
        let given = request.settings.clone().unwrap_or_default();
        let settings = settings::changed(ChannelSettings::default(), &given, None)?;
        let created = self.hub.create_channel(convert::channel_id(&id)?, settings, request.allow_existing)?;
        let channel = Some(to_wire(&created.channel));
        Ok(wire::CreateChannelResponse { channel, existed: created.existed })
    }

    pub(crate) fn get_channel(
        &self,
        request: &wire::GetChannelRequest,
    ) -> Result<wire::GetChannelResponse, Refusal> {
        let channel = self.hub.get_channel(convert::channel_id(&request.channel)?)?;
        Ok(wire::GetChannelResponse { channel: Some(to_wire(&channel)) })
    }

    pub(crate) fn list_channels(
        &self,
        request: &wire::ListChannelsRequest,
    ) -> Result<wire::ListChannelsResponse, Refusal> {
        let page = Page::parse(request.page_size, &request.page_token)?;
        let found = self.hub.list_channels(page.after, page.look_for());
        let (channels, next_page_token) = page.cut(found, |channel| channel.birth);
        Ok(wire::ListChannelsResponse { channels: channels.iter().map(to_wire).collect(), next_page_token })
    }

    pub(crate) fn update_channel(
        &self,
        request: &wire::UpdateChannelRequest,
    ) -> Result<wire::UpdateChannelResponse, Refusal> {
        let given = request.settings.clone().unwrap_or_default();
        let mask = request.update_mask.as_ref();
        let channel = self.hub.update_channel(convert::channel_id(&request.channel)?, |current| {
            settings::changed(current, &given, mask)
        })?;
        Ok(wire::UpdateChannelResponse { channel: Some(to_wire(&channel)) })
    }

    pub(crate) fn remove_channel(
        &self,
        request: &wire::RemoveChannelRequest,
    ) -> Result<wire::RemoveChannelResponse, Refusal> {
        let (listeners, messages) = self.hub.remove_channel(convert::channel_id(&request.channel)?)?;
        Ok(wire::RemoveChannelResponse {
            listeners: convert::to_i64(listeners),
            discarded_messages: convert::to_i64(messages),
        })
    }
}

fn to_wire(info: &ChannelInfo) -> wire::Channel {
    wire::Channel {
        id: info.id.to_string(),
        birth: info.birth.to_i64(),
        create_time: Some(convert::time(info.created_at)),
        settings: Some(settings::to_wire(&info.settings)),
        listeners: convert::to_i64(info.listeners),
        streams: convert::to_i64(info.streams),
        last_sequence: info.last.to_i64(),
        kept_broadcasts: convert::to_i64(info.kept.messages),
        kept_broadcast_bytes: convert::to_i64(info.kept.bytes),
        accepted_messages: convert::to_i64(info.accepted),
    }
}
