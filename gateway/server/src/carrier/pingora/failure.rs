//! What pingora calls an error, in our terms.

use std::io;

use gateway_core::rejection::Rejection;
use pingora_error::{Error, ErrorSource, ErrorType};

use crate::carrier::envelope::Overdue;

/// `None` when there is nobody left to tell.
pub(super) fn judge(error: &Error) -> Option<Rejection> {
    match error.esource() {
        ErrorSource::Upstream => Some(judge_upstream(error.etype())),
        ErrorSource::Downstream => judge_downstream(error),
        ErrorSource::Internal | ErrorSource::Unset => Some(Rejection::Internal),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "pingora's list of errors is open"
)]
fn judge_upstream(error: &ErrorType) -> Rejection {
    match error {
        ErrorType::ConnectTimedout
        | ErrorType::ConnectRefused
        | ErrorType::ConnectNoRoute
        | ErrorType::ConnectError
        | ErrorType::BindError
        | ErrorType::SocketError => Rejection::UpstreamUnreachable,
        ErrorType::ReadTimedout | ErrorType::WriteTimedout => Rejection::UpstreamTimeout,
        _ => Rejection::UpstreamBroken,
    }
}

fn judge_downstream(error: &Error) -> Option<Rejection> {
    let io = error.root_cause().downcast_ref::<io::Error>();
    let inner = io.and_then(io::Error::get_ref);
    let is_overdue = inner.is_some_and(|inner| inner.is::<Overdue>());
    let is_late = matches!(error.etype(), ErrorType::ReadTimedout);
    match io.map(io::Error::kind) {
        _ if is_overdue => Some(Rejection::UpstreamTimeout),
        Some(io::ErrorKind::InvalidData) => Some(Rejection::BodyMalformed),
        Some(io::ErrorKind::TimedOut) => Some(Rejection::BodyTimeout),
        _ if is_late => Some(Rejection::BodyTimeout),
        _ => None,
    }
}

/// Whether a connection broke, as one does that the service closed while it was idle. An answer that
/// was late or wrong says nothing about the connection.
pub(super) fn has_broken(error: &ErrorType) -> bool {
    matches!(
        error,
        ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError
    )
}
