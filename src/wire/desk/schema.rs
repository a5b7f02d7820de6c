//! The protocol as JSON Schema (draft 2020-12), made from the types themselves: the description cannot drift from the code.

use crate::wire::desk::client::ClientMessage;
use crate::wire::desk::server::ServerFrame;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

/// One document with two entries, `#/$defs/ClientMessage` and `#/$defs/ServerFrame`.
pub fn document() -> Value {
    let mut generator = SchemaGenerator::new(SchemaSettings::draft2020_12());
    let client = generator.subschema_for::<ClientMessage>();
    // What clients send is closed; what they receive stays open, so that an older client survives a newer engine.
    let closed: Vec<String> = generator.definitions().keys().cloned().collect();
    let server = generator.subschema_for::<ServerFrame>();
    let mut definitions = generator.take_definitions(true);
    for (name, definition) in &mut definitions {
        if !closed.contains(name) {
            open(definition);
        }
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tandem agent protocol, version 1",
        "description": "Messages between an agent's client and the engine. Each websocket text message holds one of these.",
        "oneOf": [client, server],
        "$defs": definitions,
    })
}

fn open(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.remove("additionalProperties");
            fields.values_mut().for_each(open);
        }
        Value::Array(items) => items.iter_mut().for_each(open),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECKED_IN: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/docs/agent-protocol.schema.json"
    );

    #[test]
    fn the_schema_in_docs_is_the_one_of_the_types() {
        let now = serde_json::to_string_pretty(&document()).expect("serialises") + "\n";
        if std::env::var_os("TANDEM_UPDATE_SCHEMA").is_some() {
            std::fs::write(CHECKED_IN, &now).expect("docs are writable");
        }
        let then = std::fs::read_to_string(CHECKED_IN).unwrap_or_default();
        assert!(
            now == then,
            "docs/agent-protocol.schema.json is not what the types say: run with TANDEM_UPDATE_SCHEMA=1"
        );
    }

    #[test]
    fn clients_are_held_to_their_fields_and_engines_are_not() {
        let document = document();
        let definitions = &document["$defs"];
        assert_eq!(definitions["Promise"]["additionalProperties"], json!(false));
        assert_eq!(
            definitions["LoanFacts"]["additionalProperties"],
            Value::Null
        );
        assert!(definitions["LoanFacts"]["properties"]["days_past_due"].is_object());
    }
}
