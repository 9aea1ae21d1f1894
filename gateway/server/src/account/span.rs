//! The span of a request, in the words of OpenTelemetry's conventions where there are any.

use std::time::Duration;

use gateway_core::rejection::Rejection;

use super::micros;
use crate::clock;
use crate::exchange::{Exchange, Outcome, Request};
use crate::traces::{Span, Value};

pub(super) fn of(exchange: &Exchange, outcome: &Outcome, status: u16, took: Duration) -> Span {
    let service = &exchange.upstream.service.policy().name;
    let mut attributes = common(&exchange.request);
    attributes.extend([
        ("http.response.status_code", Value::Number(status.into())),
        ("tollgate.service", Value::Text(service.to_string())),
        ("tollgate.attempts", Value::Number(outcome.attempts.into())),
    ]);
    if let Some(endpoint) = &outcome.endpoint {
        attributes.push(("tollgate.endpoint", Value::Text(endpoint.text().to_owned())));
    }
    let timings = [
        ("tollgate.connect_us", outcome.connect),
        ("tollgate.first_byte_us", outcome.first_byte),
    ];
    for (key, took) in timings {
        attributes.extend(took.map(|took| (key, Value::Number(micros(took)))));
    }
    attributes.extend(outcome.rejection.as_ref().map(code));
    let is_cut = outcome.status.is_some() && !outcome.is_complete && !outcome.client_left;
    Span {
        attributes,
        has_failed: status >= 500 || is_cut,
        ..begin(&exchange.request, exchange.route().name.to_string(), took)
    }
}

pub(super) fn of_refused(request: &Request, rejection: &Rejection, took: Duration) -> Span {
    let status = rejection.reply().status;
    let mut attributes = common(request);
    attributes.push(("http.response.status_code", Value::Number(status.into())));
    attributes.push(code(rejection));
    Span {
        attributes,
        has_failed: status >= 500,
        ..begin(request, "refused".to_owned(), took)
    }
}

fn begin(request: &Request, name: String, took: Duration) -> Span {
    let ended_unix_micros = clock::unix_micros();
    Span {
        trace: request.trace,
        name,
        began_unix_micros: ended_unix_micros.saturating_sub(micros(took)),
        ended_unix_micros,
        has_failed: false,
        attributes: Vec::new(),
    }
}

fn common(request: &Request) -> Vec<(&'static str, Value)> {
    let mut attributes = vec![
        ("client.address", Value::Text(request.peer.ip.to_string())),
        (
            "tollgate.request_id",
            Value::Text(request.id.as_str().to_owned()),
        ),
        ("url.scheme", Value::Text(request.peer.scheme.to_owned())),
    ];
    if let Some(asked) = &request.asked {
        attributes.extend([
            ("http.request.method", Value::Text(asked.method.to_string())),
            ("server.address", Value::Text(asked.host.name().to_owned())),
            ("url.path", Value::Text(asked.path.clone())),
        ]);
    }
    attributes
}

fn code(rejection: &Rejection) -> (&'static str, Value) {
    ("error.type", Value::Text(rejection.reply().code.to_owned()))
}
