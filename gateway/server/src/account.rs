//! What is remembered of a request once it is over: one access line and a few counters.

use std::time::Duration;

use gateway_core::rejection::{Rejection, Reply};

use crate::clock;
use crate::exchange::{Exchange, Outcome, Request};
use crate::gateway::Gateway;

use line::{Line, key};

mod line;
mod span;

/// The status of a request whose client left before an answer began; it is never sent.
const CLIENT_LEFT: u16 = 499;

impl Gateway {
    /// Accounts for an exchange that was carried. `reply` is the answer of our own, where the
    /// service gave none.
    pub(crate) fn account(&self, exchange: &Exchange, outcome: &Outcome, reply: Option<&Reply>) {
        let took = clock::now().saturating_duration_since(exchange.request.began);
        let status = reply.map(|reply| reply.status).or(outcome.status);
        // How long a WebSocket lasts says nothing of how fast it was answered.
        let answered = outcome.first_byte.filter(|_| status == Some(101));
        exchange
            .route
            .metrics
            .count(status, answered.unwrap_or(took));
        let upstream = &exchange.upstream;
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
            upstream.metrics.count_rejection(code);
            self.metrics.count_rejection(code);
        }
        if exchange.request.trace.is_recorded() {
            self.traces
                .note(|| span::of(exchange, outcome, status.unwrap_or(CLIENT_LEFT), took));
        }
        self.access_log.line(|out| {
            let mut line = Line::begin(out);
            write_request(&mut line, &exchange.request);
            write_exchange(&mut line, exchange, outcome);
            line.number(key!("status"), u64::from(status.unwrap_or(CLIENT_LEFT)));
            write_rejection(&mut line, outcome.rejection.as_ref());
            line.number(key!("total_us"), micros(took));
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
        if request.trace.is_recorded() {
            self.traces
                .note(|| span::of_refused(request, rejection, took));
        }
        self.access_log.line(|out| {
            let mut line = Line::begin(out);
            write_request(&mut line, request);
            line.number(key!("status"), u64::from(status));
            line.number(key!("bytes_out"), body_bytes);
            write_rejection(&mut line, Some(rejection));
            line.number(key!("total_us"), micros(took));
        });
    }
}

fn write_request(line: &mut Line<'_>, request: &Request) {
    clock::with_rfc3339(clock::unix_micros(), |time| {
        line.word(key!("time"), time.as_bytes());
    });
    line.word(key!("request_id"), request.id.as_bytes());
    line.word(key!("trace_id"), request.trace.trace_id_bytes());
    line.word(key!("peer"), request.peer.text.as_bytes());
    line.word(key!("protocol"), request.peer.protocol.as_str().as_bytes());
    if let Some(asked) = &request.asked {
        line.text(key!("method"), asked.method.as_str());
        line.text(key!("host"), asked.host.name());
        line.text(key!("path"), &asked.path);
    }
    if let Some(identified) = &request.identified {
        line.word(key!("auth"), identified.how.as_bytes());
        if let Some(tid) = identified.tid {
            line.word(key!("tid"), &tid.digits());
        }
        line.number(key!("auth_us"), micros(identified.took));
    }
}

fn write_exchange(line: &mut Line<'_>, exchange: &Exchange, outcome: &Outcome) {
    line.text(key!("route"), &exchange.route().name);
    line.text(key!("service"), &exchange.upstream.service.policy().name);
    if let Some(endpoint) = &outcome.endpoint {
        line.text(key!("endpoint"), endpoint.text());
    }
    line.number(key!("attempts"), u64::from(outcome.attempts));
    line.number(key!("bytes_in"), outcome.body_bytes_in);
    line.number(key!("bytes_out"), outcome.body_bytes_out);
    let is_cut = outcome.status.is_some() && !outcome.is_complete;
    for (key, is_so) in [
        (key!("connection_reused"), outcome.connection_was_reused),
        (key!("client_left"), outcome.client_left),
        (key!("answer_cut"), is_cut),
    ] {
        if is_so {
            line.flag(key);
        }
    }
    for (key, took) in [
        (key!("connect_us"), outcome.connect),
        (key!("first_byte_us"), outcome.first_byte),
    ] {
        if let Some(took) = took {
            line.number(key, micros(took));
        }
    }
}

/// The code the client was told and, for us, why.
fn write_rejection(line: &mut Line<'_>, rejection: Option<&Rejection>) {
    if let Some(rejection) = rejection {
        line.text(key!("code"), rejection.reply().code);
        line.text(key!("reason"), &rejection.to_string());
    }
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}
