//! What is a service told of whoever asks?
//!
//! On a route that wants a caller nothing by which a client showed who it is goes on: the service
//! reads a token that was made for it, or that was proved, and fields that only the gateway writes.
//! Elsewhere a client's `Authorization` is between it and the service. A token of ours goes on nowhere,
//! in no field: it is a credential for the gateway, and a service that saw it could act as the client.

use std::borrow::Cow;
use std::fmt;

use super::Hop;
use crate::caller::Caller;
use crate::fields::{holds_token, is_authorization};
use crate::head::Field;
use crate::route::Route;

/// Who asks, and the proof of it that a service can read.
#[derive(Clone, Copy)]
pub struct Identity<'a> {
    pub caller: &'a Caller,
    /// None where the issuer has nothing of the kind.
    pub value_token: Option<&'a [u8]>,
    /// Who vouches, if that is not the identity provider of this gateway: the same subject is somebody
    /// else there.
    pub issuer: Option<&'a str>,
}

/// Not the token: it is a secret.
impl fmt::Debug for Identity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("caller", &self.caller)
            .finish_non_exhaustive()
    }
}

/// Whether a field of a client stays here, which would otherwise go on.
pub(super) fn is_kept_back(route: &Route, field: &Field<'_>) -> bool {
    (route.admission.is_some() && is_authorization(field.name)) || holds_token(field.value)
}

/// Tells each field in turn, its value in parts.
pub(super) fn tell(route: &Route, hop: &Hop<'_>, mut field: impl FnMut(&'static str, [&[u8]; 2])) {
    let (Some(admission), Some(identity)) = (&route.admission, hop.identity) else {
        return;
    };
    if let Some(token) = identity.value_token {
        field("authorization", [b"Bearer ", token]);
    }
    if !admission.identity_headers {
        return;
    }
    let Caller {
        session,
        subject,
        rights,
        ..
    } = identity.caller;
    field("tollgate-subject", [spelled(subject).as_bytes(), b""]);
    let others = [
        ("tollgate-client", rights.client()),
        ("tollgate-scope", rights.scope()),
        ("tollgate-issuer", identity.issuer.unwrap_or_default()),
    ];
    for (name, text) in others {
        if !text.is_empty() {
            field(name, [spelled(text).as_bytes(), b""]);
        }
    }
    if let Some(session) = session {
        field("tollgate-session", [session.to_string().as_bytes(), b""]);
    }
}

/// Visible ASCII and spaces within stand for themselves, every other byte and `%` for `%` and two digits.
/// Other issuers name subjects as they like, and no name may end a line or be taken for another.
fn spelled(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'%';
    let is_edge = |at: usize| at == 0 || at + 1 == text.len();
    let stands = |at: usize, byte: u8| is_plain(byte) || (byte == b' ' && !is_edge(at));
    if text.bytes().enumerate().all(|(at, byte)| stands(at, byte)) {
        return Cow::Borrowed(text);
    }
    let spell = |(at, byte)| match stands(at, byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    Cow::Owned(text.bytes().enumerate().map(spell).collect())
}

#[cfg(test)]
mod tests;
