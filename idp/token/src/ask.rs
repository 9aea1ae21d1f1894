//! What does a gateway say to the identity provider, and what is it told?
//!
//! JSON with a version: *questions* about tokens (`resolve`), *uses* of sessions (`uses`) and how
//! far the gateway has read the log (`report`), each the body of a `POST`; and the *keys* that it
//! refuses forged tokens with (`keys`), the answer to a `GET`.
//! Each is read as a whole or refused with the place of its first fault; nothing is guessed, and a
//! member that is not known is a fault. Their sizes are bounded on both sides.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::json::{Json, MemberError, Members};
use crate::session::RecordError;

pub mod keys;
pub mod report;
pub mod resolve;
pub mod uses;

const VERSION: u64 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    #[error("longer than any such message")]
    TooLong,
    #[error("not an object whose members are there once")]
    Syntax,
    #[error("of version {0}, which is not known")]
    UnknownVersion(u64),
    #[error(transparent)]
    Member(#[from] MemberError),
    #[error("{0} items, which is not how many there may be")]
    Count(usize),
    #[error("item {at} cannot be read")]
    Item { at: usize, source: ItemError },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    #[error("not an object")]
    Kind,
    #[error(transparent)]
    Member(#[from] MemberError),
    #[error("its record cannot be read")]
    Record(#[source] RecordError),
    #[error("about something that was not asked")]
    Foreign,
}

/// The members of a message that has these and no others.
fn members(body: &[u8], bytes_max: usize, known: &[&str]) -> Result<Members, MessageError> {
    if body.len() > bytes_max {
        return Err(MessageError::TooLong);
    }
    let members = Members::parse(body).ok_or(MessageError::Syntax)?;
    let version = members.whole("v")?;
    if version != VERSION {
        return Err(MessageError::UnknownVersion(version));
    }
    members.check_names(known)?;
    Ok(members)
}

/// Reads every item of a list, or names the first that cannot be read.
fn items<T>(
    list: &[Json],
    read: impl Fn(usize, &Members) -> Result<T, ItemError>,
) -> Result<Vec<T>, MessageError> {
    let read = |(at, item): (usize, &Json)| {
        let members = item.as_object().ok_or(ItemError::Kind);
        let read = members.and_then(|members| read(at, members));
        read.map_err(|source| MessageError::Item { at, source })
    };
    list.iter().enumerate().map(read).collect()
}

/// Exactly so many bytes in their one spelling.
fn bytes<const N: usize>(
    item: &Members,
    name: &'static str,
) -> Result<Zeroizing<[u8; N]>, MemberError> {
    let text = item.text(name)?;
    let fault = MemberError::Value(name);
    let decoded = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).map_err(|_| fault)?);
    let bytes = <[u8; N]>::try_from(decoded.as_slice()).map_err(|_| fault)?;
    Ok(Zeroizing::new(bytes))
}

#[cfg(test)]
mod tests;
