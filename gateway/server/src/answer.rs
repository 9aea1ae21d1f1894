//! The gateway's own answers as bytes.

use gateway_core::challenge;
use gateway_core::rejection::{Rejection, Reply};
use http::StatusCode;

use crate::exchange::Request;

/// What the head of an answer of our own seldom exceeds.
const HEAD_BYTES_USUAL: usize = 384;

/// An answer of our own, ready to be sent.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) bytes: Vec<u8>,
    pub(crate) body_bytes: u64,
    pub(crate) reply: Reply,
}

impl Answer {
    /// `closes` is what the connection needs beyond what the rejection itself demands.
    pub(crate) fn new(rejection: &Rejection, request: &Request, closes: bool) -> Self {
        let reply = Reply {
            closes: rejection.reply().closes || closes,
            ..rejection.reply()
        };
        if request.is_grpc {
            return Self::in_grpc(rejection, request, reply);
        }
        let body = reply.problem(&request.id);
        let mut head = head(&reply, request, body.len());
        if let [first, others @ ..] = rejection.allowed() {
            let list = others.iter().fold(first.to_string(), |list, method| {
                format!("{list}, {method}")
            });
            head.push_str(&format!("allow: {list}\r\n"));
        }
        if let Some(challenge) = challenge::find(rejection) {
            for part in ["www-authenticate: ", &challenge, "\r\n"] {
                head.push_str(part);
            }
        }
        head.push_str("\r\n");
        let is_sent = !request.is_head_method;
        let mut bytes = head.into_bytes();
        if is_sent {
            bytes.extend_from_slice(body.as_bytes());
        }
        Self {
            bytes,
            body_bytes: if is_sent { body.len() as u64 } else { 0 },
            reply,
        }
    }

    /// A client of gRPC reads a status where others read a problem, and only behind a 200.
    fn in_grpc(rejection: &Rejection, request: &Request, reply: Reply) -> Self {
        let connection = if reply.closes { "close" } else { "keep-alive" };
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: {}\r\n\
             grpc-message: {}\r\ncontent-length: 0\r\ncache-control: no-store\r\n\
             x-request-id: {}\r\nconnection: {connection}\r\n\r\n",
            rejection.grpc_status(),
            reply.title,
            request.id,
        );
        Self {
            bytes: head.into_bytes(),
            body_bytes: 0,
            reply,
        }
    }
}

fn head(reply: &Reply, request: &Request, body_bytes: usize) -> String {
    let status = StatusCode::from_u16(reply.status).ok();
    let reason = status
        .and_then(|status| status.canonical_reason())
        .unwrap_or_default();
    let connection = if reply.closes { "close" } else { "keep-alive" };
    // Room for what is added, and for the body: a flood of refusals is a flood of these.
    let mut head = String::with_capacity(HEAD_BYTES_USUAL + body_bytes);
    for part in [
        "HTTP/1.1 ",
        &reply.status.to_string(),
        " ",
        reason,
        "\r\ncontent-type: application/problem+json\r\ncontent-length: ",
        &body_bytes.to_string(),
        "\r\ncache-control: no-store\r\nx-request-id: ",
        request.id.as_str(),
        "\r\nconnection: ",
        connection,
        "\r\n",
    ] {
        head.push_str(part);
    }
    if let Some(seconds) = reply.retry_after_seconds {
        head.push_str(&format!("retry-after: {seconds}\r\n"));
    }
    head
}
