//! Proto3 JSON, by the contract's own descriptors.
//!
//! Source: <https://protobuf.dev/programming-guides/json/>.

use crate::verbs::DESCRIPTORS;
use bytes::Bytes;
use prost::Message;
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor, ReflectMessage as _,
    SerializeOptions, ServiceDescriptor, Value,
};
use serde::{
    Deserializer, Serialize,
    de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{
    ser::{Formatter, Serializer},
    value::RawValue,
};
use std::{
    borrow::Cow,
    collections::HashSet,
    fmt,
    io::{self, Write},
    sync::LazyLock,
};

static CONTRACT: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(DESCRIPTORS).expect("the descriptors that were built in are sound")
});

/// What is so is said, also where it is the default.
const TOLD: SerializeOptions = SerializeOptions::new().skip_default_fields(false);
const TAKEN: DeserializeOptions = DeserializeOptions::new().deny_unknown_fields(true);

/// The contract's message of this name.
pub(super) fn message(name: &str) -> MessageDescriptor {
    CONTRACT.get_message_by_name(name).expect("the contract has it")
}

/// The contract's service of this name.
pub(super) fn service(name: &str) -> ServiceDescriptor {
    CONTRACT.get_service_by_name(name).expect("the contract has it")
}

/// Reads a message of JSON text; an error is told in the parser's words.
pub(super) fn read(descriptor: MessageDescriptor, text: &[u8]) -> Result<DynamicMessage, String> {
    let mut parser = serde_json::Deserializer::from_slice(text);
    let read = DynamicMessage::deserialize_with_options(descriptor, &mut parser, &TAKEN);
    let read = read.map_err(|error| error.to_string())?;
    parser.end().map_err(|error| error.to_string())?;
    Ok(read)
}

/// A message of the contract as JSON.
pub(super) fn of(name: &str, message: &impl Message) -> Vec<u8> {
    of_bytes(name, message.encode_to_vec().into())
}

/// The same as a part of other JSON.
pub(super) fn raw(name: &str, message: &impl Message) -> Box<RawValue> {
    let text = String::from_utf8(of(name, message)).unwrap_or_default();
    RawValue::from_string(text).unwrap_or_default()
}

/// The same of its bytes, which the server has encoded, or looked through.
pub(super) fn of_bytes(name: &str, bytes: Bytes) -> Vec<u8> {
    let mut message =
        DynamicMessage::decode(message(name), bytes).unwrap_or_else(|_| DynamicMessage::new(message(name)));
    told(&message).unwrap_or_else(|| {
        without_what_is_no_number(&mut message);
        told(&message).unwrap_or_else(|| b"{}".to_vec())
    })
}

/// Nothing where a value has no JSON.
fn told(message: &DynamicMessage) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    message.serialize_with_options(&mut Serializer::with_formatter(&mut text, Plain), &TOLD).ok()?;
    Some(text)
}

/// JSON has no word for NaN and the infinities, which a `google.protobuf.Value` may hold: null stands for them.
fn without_what_is_no_number(message: &mut DynamicMessage) {
    if message.descriptor().full_name() == "google.protobuf.Value"
        && message
            .get_field_by_name("number_value")
            .is_some_and(|it| it.as_f64().is_some_and(|it| !it.is_finite()))
    {
        message.set_field_by_name("null_value", Value::EnumNumber(0));
    }
    for (_, value) in message.fields_mut() {
        match value {
            Value::Message(inner) => without_what_is_no_number(inner),
            Value::List(list) => {
                list.iter_mut().filter_map(Value::as_message_mut).for_each(without_what_is_no_number)
            }
            Value::Map(map) => {
                map.values_mut().filter_map(Value::as_message_mut).for_each(without_what_is_no_number)
            }
            Value::Bool(_)
            | Value::I32(_)
            | Value::I64(_)
            | Value::U32(_)
            | Value::U64(_)
            | Value::F32(_)
            | Value::F64(_)
            | Value::String(_)
            | Value::Bytes(_)
            | Value::EnumNumber(_) => {}
        }
    }
}

/// An object with the members of another before its own.
pub(super) fn with(members: &impl Serialize, object: &[u8]) -> Vec<u8> {
    let mut text = serde_json::to_vec(members).unwrap_or_default();
    if object.len() > 2 {
        text.pop();
        text.push(b',');
        text.extend_from_slice(&object[1..]);
    }
    text
}

/// Writes a double that is a whole number as one, as protobuf's own JSON does.
struct Plain;

impl Formatter for Plain {
    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        const EXACT: f64 = (1_i64 << 53) as f64;
        if value.fract() == 0.0 && value.abs() <= EXACT {
            return write!(writer, "{}", value as i64);
        }
        serde_json::ser::CompactFormatter.write_f64(writer, value)
    }
}

/// Whether no object of the text has a member twice, and the outermost none of those that stand elsewhere. Parsers differ in
/// which of two they take.
pub(super) fn distinct(text: &[u8], elsewhere: &[&str]) -> Result<(), String> {
    let mut parser = serde_json::Deserializer::from_slice(text);
    Distinct { elsewhere }.deserialize(&mut parser).map_err(|error| error.to_string())
}

#[derive(Clone, Copy)]
struct Distinct<'a> {
    elsewhere: &'a [&'a str],
}

impl Distinct<'_> {
    const INNER: Self = Self { elsewhere: &[] };
}

impl<'de> DeserializeSeed<'de> for Distinct<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Distinct<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            if self.elsewhere.contains(&&*name) {
                return Err(A::Error::custom(format!("{name} stands in the path")));
            }
            if names.contains(&name) {
                return Err(A::Error::custom("an object has a member twice"));
            }
            names.insert(name);
            map.next_value_seed(Self::INNER)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Self::INNER)?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
