//! A payload that came as protobuf's `Value`, read as JSON.

use prost_types::{Value, value::Kind};
use serde_json::{Number, Value as Json};

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
    use prost_types::{ListValue, Struct};
    use serde_json::json;

    fn value(kind: Kind) -> Value {
        Value { kind: Some(kind) }
    }

    #[test]
    fn every_kind_reads_as_json() {
        let numbers = [1.5, -7.0, 1e300].map(|number| value(Kind::NumberValue(number)));
        let list = value(Kind::ListValue(ListValue { values: numbers.into() }));
        let text = value(Kind::StringValue("a".into()));
        let fields =
            [("l".to_owned(), list), ("t".to_owned(), text), ("b".to_owned(), value(Kind::BoolValue(true)))];
        let all = value(Kind::StructValue(Struct { fields: fields.into_iter().collect() }));
        assert_eq!(from_wire(&all), json!({"l": [1.5, -7, 1e300], "t": "a", "b": true}));
    }

    #[test]
    fn an_absent_kind_and_no_number_are_null() {
        assert_eq!(from_wire(&Value { kind: None }), Json::Null);
        assert_eq!(from_wire(&value(Kind::NumberValue(f64::NAN))), Json::Null);
        assert_eq!(from_wire(&value(Kind::NullValue(0))), Json::Null);
    }
}
