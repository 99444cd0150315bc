//! The OpenAPI 3.1 document, written from the table of routes. `schemas.json` beside it holds the shapes of bodies and
//! answers; the HTTP tests hold every answer they get against them, so that neither can drift.

use bugle_model::{EventKind, Scope};
use bugle_platforms::table;
use serde_json::{Map, Value, json};

use crate::{
    access::{Access, scope_word},
    routes::Route,
};

const SCHEMAS: &str = include_str!("schemas.json");

/// The document for these routes.
pub(crate) fn document(routes: &[Route]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in routes {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method.as_str().to_ascii_lowercase(), operation(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Bugle",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A hub for alert webhooks. Lists are `{\"data\": [...], \"next_cursor\": null}`; every error is \
                            `{\"error\": {\"code\", \"message\", \"details\"}}`; times are RFC 3339 UTC with milliseconds.",
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {"api_key": {"type": "http", "scheme": "bearer", "description": "An API key."}},
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": route.operation,
        "summary": route.summary,
        "tags": [tag(route.path)],
        "parameters": parameters(route),
        "responses": responses(route),
    });
    let Some(fields) = operation.as_object_mut() else { return operation };
    if let Some(schema) = route.body {
        fields.insert("requestBody".into(), json!({"content": json_content(schema)}));
    }
    if let Access::Key(scope) = route.access {
        fields.insert("security".into(), json!([{"api_key": []}]));
        fields.insert("x-scope".into(), json!(scope_word(scope)));
    }
    operation
}

/// The first word behind the version.
fn tag(path: &str) -> &str {
    path.strip_prefix("/api/v1/").and_then(|rest| rest.split('/').next()).unwrap_or("process")
}

fn parameters(route: &Route) -> Vec<Value> {
    let in_path = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = in_path.map(|name| {
        let schema =
            if name == "platform" { json!({"$ref": "#/components/schemas/Platform"}) } else { text() };
        json!({"name": name, "in": "path", "required": true, "schema": schema})
    });
    let in_query = route.query.unwrap_or_default().iter().map(|param| {
        json!({"name": param.name, "in": "query", "required": false, "description": param.doc, "schema": text()})
    });
    let last_event_id = route.is_stream.then(|| {
        json!({"name": "Last-Event-ID", "in": "header", "required": false, "schema": text(),
               "description": "The last `id` that was received: what came after it follows. Begins now without it."})
    });
    in_path.chain(in_query).chain(last_event_id).collect()
}

fn text() -> Value {
    json!({"type": "string"})
}

fn responses(route: &Route) -> Value {
    let (status, schema) = route.answer;
    let mut success = json!({"description": "Done."});
    if let (Some(success), Some(schema)) = (success.as_object_mut(), schema) {
        let media = if route.is_stream { "text/event-stream" } else { "application/json" };
        success.insert("content".into(), content(media, schema));
    }
    let failure =
        json!({"description": "It was refused; the error says why.", "content": json_content("Error")});
    json!({status.to_string(): success, "default": failure})
}

fn json_content(schema: &str) -> Value {
    content("application/json", schema)
}

fn content(media: &str, schema: &str) -> Value {
    json!({media: {"schema": {"$ref": format!("#/components/schemas/{schema}")}}})
}

/// The written schemas, and those that follow from the model's own lists.
fn schemas() -> Map<String, Value> {
    let mut schemas: Map<String, Value> = serde_json::from_str(SCHEMAS).unwrap_or_default();
    let mut list = |name: &str, words: Vec<&str>| {
        schemas.insert(name.to_owned(), json!({"type": "string", "enum": words}));
    };
    list("Platform", table::SOURCES.iter().chain(table::BUILT_IN).map(|source| source.slug()).collect());
    list("Dialect", table::DIALECTS.iter().map(|dialect| dialect.slug()).collect());
    list("EventKind", EventKind::ALL.iter().map(|kind| kind.as_str()).collect());
    list("Scope", [Scope::Read, Scope::Operate, Scope::Admin].map(scope_word).to_vec());
    list("Severity", bugle_model::Severity::ALL.map(bugle_model::Severity::as_str).to_vec());
    list(
        "IncidentStatus",
        bugle_model::IncidentStatus::ALL.map(bugle_model::IncidentStatus::as_str).to_vec(),
    );
    list("ReceiptState", bugle_model::ReceiptState::ALL.map(bugle_model::ReceiptState::as_str).to_vec());
    list("DeliveryState", bugle_model::DeliveryState::ALL.map(bugle_model::DeliveryState::as_str).to_vec());
    schemas.sort_keys();
    schemas
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::routes::table;

    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(name) = fields.get("$ref").and_then(Value::as_str) {
                    found.insert(name.strip_prefix("#/components/schemas/").unwrap().to_owned());
                }
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_schema_exists_and_is_used() {
        let document = document(&table());
        let mut used = BTreeSet::new();
        references(&document, &mut used);
        let written: BTreeSet<_> =
            document["components"]["schemas"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(used, written);
    }

    #[test]
    fn the_document_is_as_it_was_reviewed() {
        let mut document = document(&table());
        // These grow with every platform, which must not need a change here.
        for name in ["Platform", "Dialect"] {
            document["components"]["schemas"][name]["enum"] = json!(["[from the tables]"]);
        }
        insta::assert_json_snapshot!(document);
    }
}
