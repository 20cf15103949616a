//! Values and attributes, each member of an object once.

use prost_types::{ListValue, NullValue, Struct, Value, value::Kind};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

const TWICE: &str = "an object has a member twice";

/// Names and their values.
pub(super) struct Attributes(pub(super) HashMap<String, String>);

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OfAttributes).map(Self)
    }
}

struct OfAttributes;

impl<'de> Visitor<'de> for OfAttributes {
    type Value = HashMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut attributes = HashMap::new();
        while let Some((name, value)) = map.next_entry()? {
            if attributes.insert(name, value).is_some() {
                return Err(A::Error::custom(TWICE));
            }
        }
        Ok(attributes)
    }
}

/// Any JSON.
pub(super) struct Any(pub(super) Value);

impl Any {
    fn of(kind: Kind) -> Self {
        Self(Value { kind: Some(kind) })
    }
}

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OfAny)
    }
}

struct OfAny;

impl<'de> Visitor<'de> for OfAny {
    type Value = Any;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Any, E> {
        Ok(Any::of(Kind::NullValue(NullValue::NullValue.into())))
    }

    fn visit_bool<E>(self, is: bool) -> Result<Any, E> {
        Ok(Any::of(Kind::BoolValue(is)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Any, E> {
        Ok(Any::of(Kind::NumberValue(number as f64)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Any, E> {
        Ok(Any::of(Kind::NumberValue(number as f64)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Any, E> {
        Ok(Any::of(Kind::NumberValue(number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Any, E> {
        Ok(Any::of(Kind::StringValue(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Any, A::Error> {
        let mut values = Vec::new();
        while let Some(Any(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(Any::of(Kind::ListValue(ListValue { values })))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Any, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some((name, Any(value))) = map.next_entry()? {
            if fields.insert(name, value).is_some() {
                return Err(A::Error::custom(TWICE));
            }
        }
        Ok(Any::of(Kind::StructValue(Struct { fields })))
    }
}
