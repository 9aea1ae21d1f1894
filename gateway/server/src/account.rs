//! What is remembered of a request once it is over: one access line and a few counters.

use std::io::Write as _;
use std::time::Duration;

use gateway_core::rejection::{Rejection, Reply};

use crate::clock;
use crate::exchange::{Exchange, Outcome, Request};
use crate::gateway::Gateway;

/// The status of a request whose client left before an answer began; it is never sent.
const CLIENT_LEFT: u16 = 499;

impl Gateway {
    /// Accounts for an exchange that was carried. `reply` is the answer of our own, where the
    /// service gave none.
    pub(crate) fn account(&self, exchange: &Exchange, outcome: &Outcome, reply: Option<&Reply>) {
        let took = clock::now().saturating_duration_since(exchange.request.began);
        let status = reply.map(|reply| reply.status).or(outcome.status);
        exchange.route.metrics.count(status, took);
        let upstream = &exchange.route.upstream;
        if let Some(first_byte) = outcome.first_byte {
            upstream
                .metrics
                .first_byte_seconds
                .observe(first_byte.as_secs_f64());
        }
        if outcome.attempts > 1 {
            upstream
                .metrics
                .retries
                .inc_by(u64::from(outcome.attempts - 1));
        }
        if let Some(rejection) = &outcome.rejection {
            let code = rejection.reply().code;
            if is_fault_of_the_service(rejection) {
                upstream.metrics.count_failure(code);
            }
            self.metrics.count_rejection(code);
        }
        self.access_log.line(|line| {
            write_request(line, &exchange.request);
            append(
                line,
                format_args!(",\"route\":{}", exchange.route.name_json),
            );
            write_outcome(line, outcome, status.unwrap_or(CLIENT_LEFT), exchange);
            write_rejection(line, outcome.rejection.as_ref());
            append(line, format_args!(",\"total_us\":{}}}", took.as_micros()));
        });
    }

    /// Accounts for a request that was refused before any service was asked.
    pub(crate) fn account_refused(
        &self,
        request: &Request,
        rejection: &Rejection,
        body_bytes: u64,
    ) {
        let took = clock::now().saturating_duration_since(request.began);
        let Reply { status, code, .. } = rejection.reply();
        self.metrics.count_rejection(code);
        self.access_log.line(|line| {
            write_request(line, request);
            append(
                line,
                format_args!(",\"status\":{status},\"bytes_out\":{body_bytes}"),
            );
            write_rejection(line, Some(rejection));
            append(line, format_args!(",\"total_us\":{}}}", took.as_micros()));
        });
    }
}

fn is_fault_of_the_service(rejection: &Rejection) -> bool {
    matches!(
        rejection,
        Rejection::UpstreamBroken | Rejection::UpstreamTimeout | Rejection::UpstreamUnreachable
    )
}

fn write_request(line: &mut Vec<u8>, request: &Request) {
    append(
        line,
        format_args!(
            "{{\"time\":\"{}\",\"request_id\":\"{}\",\"trace_id\":\"{}\",\"peer\":\"{}\"",
            clock::rfc3339(clock::unix_micros()),
            request.id,
            request.trace.trace_id(),
            request.peer,
        ),
    );
    // Methods, canonical paths and hosts have no character that JSON would have to escape.
    if let Some(asked) = &request.asked {
        append(
            line,
            format_args!(
                ",\"method\":\"{}\",\"host\":\"{}\",\"path\":\"{}\"",
                asked.method, asked.host, asked.path
            ),
        );
    }
}

fn write_outcome(line: &mut Vec<u8>, outcome: &Outcome, status: u16, exchange: &Exchange) {
    append(
        line,
        format_args!(
            ",\"status\":{status},\"bytes_in\":{},\"bytes_out\":{},\"service\":\"{}\",\"attempts\":{}",
            outcome.body_bytes_in,
            outcome.body_bytes_out,
            exchange.route().service,
            outcome.attempts,
        ),
    );
    if let Some(endpoint) = outcome.endpoint {
        append(line, format_args!(",\"endpoint\":\"{endpoint}\""));
    }
    let is_cut = outcome.status.is_some() && !outcome.is_complete;
    for (name, is_so) in [
        ("connection_reused", outcome.connection_was_reused),
        ("client_left", outcome.client_left),
        ("answer_cut", is_cut),
    ] {
        if is_so {
            append(line, format_args!(",\"{name}\":true"));
        }
    }
    write_timing(line, "connect_us", outcome.connect);
    write_timing(line, "first_byte_us", outcome.first_byte);
}

fn write_timing(line: &mut Vec<u8>, name: &str, took: Option<Duration>) {
    if let Some(took) = took {
        append(line, format_args!(",\"{name}\":{}", took.as_micros()));
    }
}

/// The code the client was told and, for us, why. The reasons are sentences of our own tables.
fn write_rejection(line: &mut Vec<u8>, rejection: Option<&Rejection>) {
    if let Some(rejection) = rejection {
        append(
            line,
            format_args!(
                ",\"code\":\"{}\",\"reason\":\"{rejection}\"",
                rejection.reply().code
            ),
        );
    }
}

fn append(line: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a vector cannot fail.
    let _ = line.write_fmt(text);
}
