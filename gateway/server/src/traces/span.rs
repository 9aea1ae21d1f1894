//! One recorded request, in the words of OTLP.

use gateway_core::ids::Trace;
use serde_json::{Value as Json, json};

/// `SPAN_KIND_SERVER`.
const KIND: u32 = 2;
/// `STATUS_CODE_ERROR`.
const ERROR: u32 = 2;

#[derive(Debug)]
pub(crate) struct Span {
    pub(crate) trace: Trace,
    /// The name of the route, or of what stood in for one.
    pub(crate) name: String,
    pub(crate) began_unix_micros: u64,
    pub(crate) ended_unix_micros: u64,
    /// Whether the gateway or a service failed; a client's mistake is no failure.
    pub(crate) has_failed: bool,
    pub(crate) attributes: Vec<(&'static str, Value)>,
}

#[derive(Debug)]
pub(crate) enum Value {
    Text(String),
    Number(u64),
}

impl Span {
    fn to_json(&self) -> Json {
        let mut span = json!({
            "traceId": self.trace.trace_id(),
            "spanId": self.trace.span_id(),
            "name": self.name,
            "kind": KIND,
            "startTimeUnixNano": nanos(self.began_unix_micros),
            "endTimeUnixNano": nanos(self.ended_unix_micros),
            "attributes": self.attributes.iter().map(attribute).collect::<Vec<_>>(),
        });
        if let Some(parent) = self.trace.parent_span_id() {
            span["parentSpanId"] = parent.into();
        }
        if self.has_failed {
            span["status"] = json!({ "code": ERROR });
        }
        span
    }
}

/// 64-bit numbers are texts in the JSON of Protocol Buffers.
fn nanos(micros: u64) -> String {
    format!("{micros}000")
}

fn attribute((key, value): &(&'static str, Value)) -> Json {
    let value = match value {
        Value::Text(text) => json!({ "stringValue": text }),
        Value::Number(number) => json!({ "intValue": number.to_string() }),
    };
    json!({ "key": key, "value": value })
}

/// The body of one export.
pub(super) fn export_request(spans: &[Span]) -> Vec<u8> {
    let service = attribute(&("service.name", Value::Text("tollgate".to_owned())));
    let version = attribute(&(
        "service.version",
        Value::Text(env!("CARGO_PKG_VERSION").to_owned()),
    ));
    let request = json!({ "resourceSpans": [{
        "resource": { "attributes": [service, version] },
        "scopeSpans": [{
            "scope": { "name": "tollgate.gateway" },
            "spans": spans.iter().map(|span| span.to_json()).collect::<Vec<_>>(),
        }],
    }]});
    request.to_string().into_bytes()
}
