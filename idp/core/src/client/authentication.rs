//! Is this the client that it says it is? (RFC 6749 section 2.3)

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{Client, SecretKey, Secrets};
use crate::decision::Stop;
use crate::id::ClientId;
use crate::parameters::{Parameters, unescape};
use crate::refusal::Refusal;
use crate::store::Key;
use crate::view::View;

/// Who somebody says they are, and with what they mean to prove it.
pub struct Presented {
    id: ClientId,
    secret: Option<Zeroizing<String>>,
}

impl Presented {
    /// From the `Authorization` field and the body of a request: one of the two, never both.
    pub fn read(authorization: Option<&[u8]>, parameters: &Parameters) -> Result<Self, Refusal> {
        let named = parameters.find("client_id");
        let secret = parameters.find("client_secret");
        let Some(field) = authorization else {
            let id = named
                .and_then(ClientId::parse)
                .ok_or(Refusal::InvalidClient)?;
            let secret = secret.map(|secret| Zeroizing::new(secret.to_owned()));
            return Ok(Self { id, secret });
        };
        let presented = Self::of_basic(field).ok_or(Refusal::InvalidClient)?;
        let is_other = named.is_some_and(|named| named != presented.id.as_str());
        if secret.is_some() || is_other {
            return Err(Refusal::InvalidRequest);
        }
        Ok(presented)
    }

    /// Both halves are form-encoded before they are joined, which most clients forget; for ids and
    /// for secrets of ours it makes no difference.
    fn of_basic(field: &[u8]) -> Option<Self> {
        let (scheme, text) = field.split_at_checked(6)?;
        if !scheme.eq_ignore_ascii_case(b"basic ") {
            return None;
        }
        let joined = Zeroizing::new(STANDARD.decode(text).ok()?);
        let mut halves = joined.splitn(2, |byte| *byte == b':');
        let id = unescape(halves.next()?).ok()?;
        let secret = Zeroizing::new(unescape(halves.next()?).ok()?);
        Some(Self {
            id: ClientId::parse(&id)?,
            secret: Some(secret),
        })
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The client that proved itself. One that does not exist gets the answer, and costs the work, of
/// one whose secret was wrong.
pub(crate) fn authenticate<'v>(
    view: &'v View,
    key: &SecretKey,
    presented: &Presented,
) -> Result<&'v Client, Stop> {
    view.want([Key::Client(presented.id.clone()), Key::Realm])?;
    let client = view.client(&presented.id)?;
    let tenant = match client {
        Some(client) => view.tenant(&client.tenant)?,
        None => None,
    };
    // All is at hand now: this is computed once.
    let secret = presented.secret.as_ref();
    let digest = key.digest(secret.map_or(&[], |secret| secret.as_bytes()));
    let client = client.ok_or(Refusal::InvalidClient)?;
    let is_proved = match (&client.secrets, secret) {
        (Secrets::Public, None) => true,
        (Secrets::Confidential(known), Some(_)) => known.contains(&digest),
        (Secrets::Public, Some(_)) | (Secrets::Confidential(_), None) => false,
    };
    let is_enabled = client.is_enabled && tenant.is_some_and(|tenant| tenant.is_enabled);
    if is_proved && is_enabled {
        Ok(client)
    } else {
        Err(Refusal::InvalidClient.into())
    }
}
