//! A request, read: which verb, of what.

use super::{exception::Exception, value::Value};
use crate::{
    error::Error,
    id::{ChannelId, ListenerId},
};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::fmt;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Dispatch,
    Broadcast,
    Create,
    Register,
    Listen,
    Watch,
    RemoveListener,
    RemoveChannel,
}

/// A request, with the ids and the message as they were given.
pub(super) struct Request<'r> {
    pub(super) verb: Verb,
    channel: Value<'r>,
    receiver: Value<'r>,
    /// Only of what sends a message.
    pub(super) kind: Value<'r>,
    pub(super) payload: Option<&'r RawValue>,
}

impl<'r> Request<'r> {
    pub(super) fn parse(bytes: &'r [u8]) -> Result<Self, Exception> {
        let text = str::from_utf8(bytes).map_err(|error| Exception::not_utf8(&error))?;
        let json: &RawValue = serde_json::from_str(text).map_err(|error| Exception::no_json(&error, text))?;
        if !json.get().starts_with('{') {
            return Err(Exception::no_object(&Value::of(Some(json))));
        }
        let keys: Keys<'r> =
            serde_json::from_str(json.get()).map_err(|error| Exception::no_json(&error, json.get()))?;
        let verb = keys.verb().ok_or_else(|| Exception::invalid_format(text))?;
        if matches!(verb, Verb::Dispatch | Verb::Broadcast) && keys.t.is_none() {
            return Err(Exception::invalid_format(text));
        }
        Ok(Self {
            verb,
            channel: Value::of(keys.c),
            receiver: Value::of(keys.r),
            kind: Value::of(keys.t),
            payload: keys.p,
        })
    }

    /// The channel that it names; one that has no such id cannot be there.
    pub(super) fn channel(&self) -> Result<ChannelId<'_>, Exception> {
        Exception::unless_hashable(&self.channel)?;
        let id = self.channel.text().and_then(|text| ChannelId::parse(text).ok());
        id.ok_or_else(|| Exception::no_channel(&self.channel.to_string()))
    }

    /// The listener that it names; one that has no such id cannot be there.
    pub(super) fn listener(&self) -> Result<ListenerId<'_>, Exception> {
        Exception::unless_hashable(&self.receiver)?;
        let id = self.receiver.text().and_then(|text| ListenerId::parse(text).ok());
        id.ok_or_else(|| self.no_listener())
    }

    /// What the hub says to it.
    pub(super) fn refusal(&self, error: &Error) -> Exception {
        Exception::of(error, || self.no_listener())
    }

    /// Each verb of the reference says it in words of its own.
    fn no_listener(&self) -> Exception {
        match self.verb {
            Verb::Listen => Exception::invalid_listener(None),
            Verb::RemoveListener => Exception::invalid_listener(Some(self.receiver.repr())),
            Verb::Dispatch
            | Verb::Broadcast
            | Verb::Create
            | Verb::Register
            | Verb::Watch
            | Verb::RemoveChannel => Exception::no_listener(&self.receiver.to_string()),
        }
    }
}

/// The values of the keys. Of a key that is given twice the last one counts, as in Python.
#[derive(Default)]
struct Keys<'r> {
    v: Option<&'r RawValue>,
    c: Option<&'r RawValue>,
    t: Option<&'r RawValue>,
    p: Option<&'r RawValue>,
    r: Option<&'r RawValue>,
}

impl Keys<'_> {
    fn verb(&self) -> Option<Verb> {
        let Value::Text(verb) = Value::of(self.v) else { return None };
        Some(match verb.as_str() {
            "d" => Verb::Dispatch,
            "b" => Verb::Broadcast,
            "c" => Verb::Create,
            "r" => Verb::Register,
            "l" => Verb::Listen,
            "w" => Verb::Watch,
            "rl" => Verb::RemoveListener,
            "rc" => Verb::RemoveChannel,
            _ => return None,
        })
    }
}

impl<'de> Deserialize<'de> for Keys<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InObject)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Key {
    V,
    C,
    T,
    P,
    R,
    #[serde(other)]
    Other,
}

struct InObject;

impl<'de> Visitor<'de> for InObject {
    type Value = Keys<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Keys<'de>, M::Error> {
        let mut keys = Keys::default();
        while let Some(key) = map.next_key()? {
            let value = match key {
                Key::V => &mut keys.v,
                Key::C => &mut keys.c,
                Key::T => &mut keys.t,
                Key::P => &mut keys.p,
                Key::R => &mut keys.r,
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *value = Some(map.next_value()?);
        }
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(request: &str) -> String {
        Request::parse(request.as_bytes()).err().expect("it is refused").to_string()
    }

    #[test]
    fn keys_may_stand_in_any_order_with_others_between_and_the_last_of_two_counts() {
        let request =
            br#" {"x": [{}], "r": "l", "p": {"a": 1}, "v": "c", "t": "kind", "c": "ch", "\u0076": "d"} "#;
        let request = Request::parse(request).ok().unwrap();
        assert_eq!(request.verb, Verb::Dispatch);
        assert_eq!(request.channel().ok().unwrap().as_str(), "ch");
        assert_eq!(request.listener().ok().unwrap().as_str(), "l");
        assert_eq!(request.kind.text(), Some("kind"));
        assert_eq!(request.payload.map(RawValue::get), Some("{\"a\": 1}"));
    }

    #[test]
    fn what_is_no_object_is_refused_as_python_refuses_to_look_into_it() {
        for (request, told) in [
            ("[1]", "TypeError('list indices must be integers or slices, not str')"),
            ("\"x\"", "TypeError(\"string indices must be integers, not 'str'\")"),
            ("5", "TypeError(\"'int' object is not subscriptable\")"),
            ("-1.5", "TypeError(\"'float' object is not subscriptable\")"),
            ("true", "TypeError(\"'bool' object is not subscriptable\")"),
            ("null", "TypeError(\"'NoneType' object is not subscriptable\")"),
        ] {
            assert_eq!(refused(request), told);
        }
    }

    #[test]
    fn broken_json_is_refused_with_its_place() {
        for request in ["", " ", "{", "nul", "{\"v\":\"c\"}{}", "{\"v\": NaN}"] {
            let told = refused(request);
            assert!(told.starts_with("JSONDecodeError('") && told.contains(": line 1 column "), "{told}");
        }
        assert!(Request::parse(b"\xff").err().unwrap().to_string().starts_with("UnicodeDecodeError("));
    }

    #[test]
    fn what_does_not_say_what_to_do_is_shown_back() {
        for request in [
            "{}",
            "{\"v\": 5}",
            "{\"v\": \"x\", \"t\": \"t\"}",
            "{\"v\": \"d\"}",
            "{\"v\":\"b\",\"c\":\"c\"}",
        ] {
            assert_eq!(
                refused(request),
                format!("InvalidMessageFormat({})", super::super::python::repr(request))
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Err(exception) = Request::parse(&bytes) {
                prop_assert!(exception.to_string().contains('('));
            }
        }

        #[test]
        fn nor_does_what_is_nearly_a_request(text in "[{}\\[\\]\",:\\\\u0dvcrtpl8 \n\u{e4}]{0,40}") {
            if let Err(exception) = Request::parse(text.as_bytes()) {
                prop_assert!(exception.to_string().contains('('));
            }
        }
    }

    #[test]
    fn json_that_nests_without_end_overflows_no_stack() {
        let deep = format!(
            "{{\"v\": \"b\", \"t\": \"t\", \"x\": {0}{1}, \"p\": {0}{1}}}",
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        assert!(Request::parse(deep.as_bytes()).is_ok());
    }
}
