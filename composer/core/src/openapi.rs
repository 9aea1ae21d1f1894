//! What is composed, as OpenAPI 3.1: for clients that are generated.
//!
//! What a service sends is passed on as it is, so of a value nothing is said but where it stands.

use serde_json::{Map, Value, json};

use crate::answer::{ERRORS, TRUNCATED};
use crate::json::Name;
use crate::plan::{Endpoint, List, Member, Plan, Segment, Shape};

/// All composed endpoints in one description.
pub fn openapi(plan: &Plan) -> Value {
    let paths: Map<String, Value> = plan
        .endpoints
        .iter()
        .map(|endpoint| (path(endpoint), json!({ "get": operation(endpoint) })))
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Composed answers", "version": "1" },
        "paths": paths,
        "components": { "schemas": { "Errors": errors(), "Problem": problem() } },
    })
}

fn path(endpoint: &Endpoint) -> String {
    let mut params = endpoint.params.iter();
    let segments = endpoint.path.iter().map(|segment| match segment {
        Segment::Literal(text) => format!("/{text}"),
        Segment::Param => format!("/{{{}}}", params.next().map_or("", |name| name)),
    });
    segments.collect()
}

fn operation(endpoint: &Endpoint) -> Value {
    let text = json!({ "type": "string" });
    let in_path = endpoint
        .params
        .iter()
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": text }));
    let in_query = endpoint.queries.iter().map(|query| {
        let (name, required) = (&query.name, query.is_required);
        json!({ "name": name, "in": "query", "required": required, "schema": text })
    });
    json!({
        "operationId": endpoint.name,
        "parameters": in_path.chain(in_query).collect::<Vec<_>>(),
        "responses": responses(endpoint),
    })
}

fn responses(endpoint: &Endpoint) -> Value {
    let mut schema = object(&endpoint.answer, endpoint);
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        let errors = json!({ "$ref": "#/components/schemas/Errors" });
        properties.insert(ERRORS.to_owned(), errors);
    }
    let field =
        |description: &str| json!({ "description": description, "schema": { "type": "string" } });
    let problem = |description: &str| {
        let schema = json!({ "$ref": "#/components/schemas/Problem" });
        let content = json!({ "application/problem+json": { "schema": schema } });
        json!({ "description": description, "content": content })
    };
    let mut responses = json!({
        "200": {
            "description": "The answer; with `_errors` where a part is missing or old.",
            "headers": {
                "ETag": field("Of the bytes that were sent."),
                "Cache-Status": field("Where each part comes from (RFC 9211)."),
                "Composition-Status": field("`complete` or `partial`, and the calls it took."),
            },
            "content": { "application/json": { "schema": schema } },
        },
        "304": { "description": "What the client has is still so." },
        "400": problem("A parameter is missing or cannot be read."),
        "502": problem("A part that is required could not be had."),
        "503": problem("A part that is required is left alone for now."),
        "504": problem("A part that is required took too long."),
    });
    if endpoint.lists.iter().any(|list| !list.is_cut)
        && let Some(responses) = responses.as_object_mut()
    {
        responses.insert(
            "422".to_owned(),
            problem("There are more rows than may be."),
        );
    }
    responses
}

fn object(members: &[Member], endpoint: &Endpoint) -> Value {
    let mut properties = Map::new();
    for Member { name, shape, .. } in members {
        let schema = match shape {
            Shape::Value(_) => json!({}),
            Shape::Object(members) => object(members, endpoint),
            Shape::List(list) => endpoint.list(*list).map_or_else(|| json!({}), rows),
        };
        properties.insert(name.as_str().to_owned(), schema);
        if let Shape::List(list) = shape
            && endpoint.list(*list).is_some_and(|list| list.is_cut)
        {
            properties.insert(TRUNCATED.to_owned(), json!({ "const": true }));
        }
    }
    let required: Vec<_> = members.iter().map(|member| member.name.as_str()).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

fn rows(list: &List) -> Value {
    let columns = list.columns.iter();
    let names: Map<String, Value> = columns
        .map(|column| (column.name.as_str().to_owned(), json!({})))
        .collect();
    let joined = list.columns.iter().filter(|column| !column.is_kept);
    let required: Vec<_> = joined.map(|column| Name::as_str(&column.name)).collect();
    let row = json!({ "type": ["object", "null"], "properties": names, "required": required });
    json!({ "type": ["array", "null"], "maxItems": list.rows_max, "items": row })
}

fn errors() -> Value {
    json!({
        "type": "array",
        "description": "What is missing or old: one entry for each source and cause.",
        "items": {
            "type": "object",
            "required": ["source", "cause", "stale"],
            "properties": {
                "source": { "type": "string", "description": "A step or a lookup." },
                "in": { "type": "string", "description": "The list whose rows are meant." },
                "rows": { "type": "string", "description": "Counted from 0, as in `3,7-9`." },
                "cause": { "type": "string" },
                "stale": { "type": "boolean", "description": "Whether there is an old value." },
            },
        },
    })
}

fn problem() -> Value {
    json!({
        "type": "object",
        "properties": { "status": { "type": "integer" }, "code": { "type": "string" } },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_description_has_what_a_client_needs_to_know() {
        let plan = sample::plan(&sample::history());
        let described = openapi(&plan);
        let get = &described["paths"]["/members/{memberId}/transfer-history"]["get"];
        let parameters = get["parameters"].as_array().unwrap();
        let named: Vec<_> = parameters
            .iter()
            .map(|it| {
                (
                    it["name"].as_str().unwrap(),
                    it["in"].as_str().unwrap(),
                    &it["required"],
                )
            })
            .collect();
        assert_eq!(
            named,
            [
                ("memberId", "path", &json!(true)),
                ("cursor", "query", &json!(false))
            ]
        );
        let schema = &get["responses"]["200"]["content"]["application/json"]["schema"];
        assert_eq!(
            schema["required"],
            json!(["cursor", "balance", "transfers"])
        );
        let rows = &schema["properties"]["transfers"];
        assert_eq!(rows["maxItems"], 500);
        assert_eq!(
            rows["items"]["required"],
            json!(["receiverName", "bankName"])
        );
        assert_eq!(rows["items"]["properties"].as_object().unwrap().len(), 4);
        assert!(schema["properties"]["_errors"]["$ref"].is_string());
        assert!(get["responses"]["422"].is_object());
    }
}
