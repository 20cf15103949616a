//! The contract's messages as JSON Schemas: as the server tells them, and as it takes them.

use super::{comments::Comment, limits};
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

/// Which way a message goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    /// The server tells it: in one way.
    Told,
    /// A request holds it. Proto3 JSON may be written in more than one way, and null is nothing.
    Taken,
    /// A request holds it among others, each answered for itself: what breaks a limit there refuses nothing else.
    Item,
}

/// The schemas that others refer to.
#[derive(Default)]
pub(super) struct Schemas(Map<String, Value>);

impl Schemas {
    pub(super) fn written(mut self) -> Value {
        self.0.insert("Problem".to_owned(), problem());
        Value::Object(self.0)
    }

    /// A message, by reference.
    pub(super) fn of(&mut self, message: &MessageDescriptor, side: Side) -> Value {
        if let Some(known) = well_known(message.full_name()) {
            return known;
        }
        let name = match side {
            Side::Told => message.name().to_owned(),
            Side::Taken => format!("{}Input", message.name()),
            Side::Item => format!("{}Item", message.name()),
        };
        if !self.0.contains_key(&name) {
            // it refers to no message that refers to it
            let schema = self.object(message, side, &[]);
            self.0.insert(name.clone(), schema);
        }
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    /// A request, without what stands in its path.
    pub(super) fn of_body(&mut self, request: &MessageDescriptor, in_path: &[&str]) -> Value {
        self.object(request, Side::Taken, in_path)
    }

    fn object(&mut self, message: &MessageDescriptor, side: Side, without: &[&str]) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in message.fields().filter(|field| !without.contains(&field.name())) {
            let must = match side {
                Side::Told => !field.supports_presence(),
                Side::Taken => limits::required(message.name()).contains(&field.name()),
                Side::Item => false,
            };
            if must {
                required.push(field.json_name().to_owned());
            }
            properties.insert(field.json_name().to_owned(), self.field(&field, side, must));
        }
        let mut object = json!({
            "type": "object",
            "description": Comment::of_message(message).text(),
            "properties": properties,
            "additionalProperties": false,
        });
        if !required.is_empty() {
            object["required"] = json!(required);
        }
        object
    }

    fn field(&mut self, field: &FieldDescriptor, side: Side, must: bool) -> Value {
        let side = if side == Side::Taken && are_items(field) { Side::Item } else { side };
        let mut schema = if let Kind::Message(entry) = field.kind()
            && field.is_map()
        {
            json!({"type": "object", "additionalProperties": self.kind(&entry.map_entry_value_field(), side)})
        } else if field.is_list() {
            json!({"type": "array", "items": self.kind(field, side)})
        } else {
            self.kind(field, side)
        };
        if side == Side::Taken
            && let Some(limits) = limits::of(field.parent_message().name(), field.name())
        {
            schema = limited(schema, limits);
        }
        if side != Side::Told && !must {
            schema = or_null(schema);
        }
        schema["description"] = Comment::of_field(field).text().into();
        schema
    }

    /// One value of a field.
    fn kind(&mut self, field: &FieldDescriptor, side: Side) -> Value {
        let told = side == Side::Told;
        match field.kind() {
            Kind::Bool => json!({"type": "boolean"}),
            Kind::String => json!({"type": "string"}),
            Kind::Bytes => json!({"type": "string", "contentEncoding": "base64"}),
            Kind::Double | Kind::Float if told => json!({"type": "number"}),
            Kind::Double | Kind::Float => either(&json!({"type": "number"}), DOUBLE),
            Kind::Int32 if told => json!({"type": "integer", "format": "int32"}),
            Kind::Int32 => either(&json!({"type": "integer", "format": "int32"}), WHOLE),
            Kind::Int64 if told => json!({"type": "string", "format": "int64", "pattern": WHOLE}),
            Kind::Int64 => either(&json!({"type": "integer"}), WHOLE),
            Kind::Enum(values) => enumeration(&values, side),
            Kind::Message(message) => self.of(&message, side),
            // the contract has none of them
            Kind::Uint32
            | Kind::Uint64
            | Kind::Sint32
            | Kind::Sint64
            | Kind::Fixed32
            | Kind::Fixed64
            | Kind::Sfixed32
            | Kind::Sfixed64 => json!({}),
        }
    }

    /// A parameter of a query, which is text there.
    pub(super) fn of_parameter(&mut self, field: &FieldDescriptor) -> Value {
        let schema = self.kind(field, Side::Told);
        match limits::of(field.parent_message().name(), field.name()) {
            Some(limits) => limited(schema, limits),
            None => schema,
        }
    }
}

const WHOLE: &str = r"^[+-]?[0-9]+$";
const DOUBLE: &str = r"^([+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?([iI][nN][fF]([iI][nN][iI][tT][yY])?|[nN][aA][nN]))$";
const DURATION: &str = r"^-?[0-9]+(\.[0-9]{1,9})?s$";

/// A number, or the same as text.
fn either(number: &Value, pattern: &str) -> Value {
    json!({"anyOf": [number, {"type": "string", "pattern": pattern}]})
}

/// Its values, by their names; a request may also say their numbers.
fn enumeration(values: &EnumDescriptor, side: Side) -> Value {
    let mut known: Vec<Value> = values.values().map(|value| value.name().into()).collect();
    if side != Side::Told {
        known.extend(values.values().map(|value| Value::from(value.number())));
    }
    json!({"enum": known, "description": Comment::of_enum(values).text()})
}

/// Those whose items are answered each for itself.
fn are_items(field: &FieldDescriptor) -> bool {
    matches!(field.name(), "items" | "publications") && field.is_list()
}

/// A schema with further keywords; those of numbers are of the number where it may be text, too.
fn limited(mut schema: Value, limits: Value) -> Value {
    let of_number = limits.get("minimum").is_some();
    let place =
        if of_number && schema.get("anyOf").is_some() { &mut schema["anyOf"][0] } else { &mut schema };
    if let (Some(place), Value::Object(limits)) = (place.as_object_mut(), limits) {
        place.extend(limits);
    }
    schema
}

fn or_null(mut schema: Value) -> Value {
    let Some(object) = schema.as_object_mut() else { return schema };
    if let Some(kind) = object.get_mut("type") {
        *kind = json!([kind.take(), "null"]);
    } else if let Some(values) = object.get_mut("enum").and_then(Value::as_array_mut) {
        values.push(Value::Null);
    } else if let Some(ways) = object.get_mut("anyOf").and_then(Value::as_array_mut) {
        ways.push(json!({"type": "null"}));
    } else if !object.is_empty() {
        return json!({"anyOf": [schema, {"type": "null"}]});
    }
    schema
}

/// The types that proto3 JSON has forms of their own for.
fn well_known(name: &str) -> Option<Value> {
    Some(match name {
        "google.protobuf.Timestamp" => json!({"type": "string", "format": "date-time"}),
        "google.protobuf.Duration" => json!({"type": "string", "pattern": DURATION}),
        "google.protobuf.FieldMask" => json!({"type": "string"}),
        // anything at all, null too
        "google.protobuf.Value" => json!({}),
        "google.protobuf.Any" => json!({
            "type": "object",
            "properties": {"@type": {"type": "string"}},
            "required": ["@type"],
        }),
        _ => return None,
    })
}

/// An `application/problem+json`.
fn problem() -> Value {
    let texts = json!({"type": "object", "additionalProperties": {"type": "string"}});
    json!({
        "type": "object",
        "description": "Why a request was not done, as RFC 9457 has it.",
        "required": ["type", "title", "status", "detail", "reason", "domain"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference", "description": "Always `about:blank`."},
            "title": {"type": "string", "description": "The status in words."},
            "status": {"type": "integer", "description": "The HTTP status."},
            "detail": {"type": "string", "description": "What is so, for people."},
            "reason": {"type": "string", "pattern": "^[A-Z][A-Z0-9_]*$", "description": "What is so, for programs."},
            "domain": {"const": "eric", "description": "Whose reason it is."},
            "metadata": limited(texts, json!({"description": "The ids concerned, and the server's `incarnation`."})),
            "violations": {
                "type": "array",
                "description": "Each field that is at fault.",
                "items": {
                    "type": "object",
                    "required": ["field", "description"],
                    "properties": {"field": {"type": "string"}, "description": {"type": "string"}},
                },
            },
            "retry_after": {"type": "integer", "minimum": 0, "description": "Seconds after which trying again may help."},
        },
    })
}

/// As JSON writes a name of the contract.
pub(super) fn lower_camel(name: &str) -> String {
    let mut characters = name.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_ascii_lowercase().to_string() + characters.as_str())
}
