//! JSON values as protobuf's `Value`, and back.

use prost_types::{ListValue, Struct, Value, value::Kind};
use serde_json::{Number, Value as Json};

pub(super) fn to_wire(value: Json) -> Value {
    let kind = match value {
        Json::Null => Kind::NullValue(0),
        Json::Bool(value) => Kind::BoolValue(value),
        // every number that serde_json holds has a nearest double
        Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => Kind::StringValue(text),
        Json::Array(items) => Kind::ListValue(ListValue { values: items.into_iter().map(to_wire).collect() }),
        Json::Object(fields) => Kind::StructValue(Struct {
            fields: fields.into_iter().map(|(name, value)| (name, to_wire(value))).collect(),
        }),
    };
    Value { kind: Some(kind) }
}

pub(super) fn from_wire(value: &Value) -> Json {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::BoolValue(value)) => Json::Bool(*value),
        Some(Kind::NumberValue(number)) => from_double(*number),
        Some(Kind::StringValue(text)) => Json::String(text.clone()),
        Some(Kind::ListValue(list)) => list.values.iter().map(from_wire).collect(),
        Some(Kind::StructValue(fields)) => {
            fields.fields.iter().map(|(name, value)| (name.clone(), from_wire(value))).collect()
        }
    }
}

/// A whole number reads as an integer, as protobuf's own JSON writes it; JSON has no word for NaN.
fn from_double(number: f64) -> Json {
    const EXACT: f64 = (1_i64 << 53) as f64;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        return Json::from(number as i64);
    }
    Number::from_f64(number).map_or(Json::Null, Json::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_goes_in_comes_out() {
        for value in [
            json!(null),
            json!(true),
            json!(1.5),
            json!(-7),
            json!("a"),
            json!([1, [2]]),
            json!({"a": {"b": []}}),
        ] {
            assert_eq!(from_wire(&to_wire(value.clone())), value);
        }
    }

    #[test]
    fn an_absent_kind_and_no_number_are_null() {
        assert_eq!(from_wire(&Value { kind: None }), Json::Null);
        assert_eq!(from_wire(&Value { kind: Some(Kind::NumberValue(f64::NAN)) }), Json::Null);
    }
}
