//! Which filter keys are taken at the moment? `GET /internal/filter-keys`
//!
//! ```json
//! {"v":1,"keys":[{"id":3,"secret":"AQEB…"},{"id":4,"secret":"AgIC…"}]}
//! ```
//!
//! The first one tags new tokens; the other one will, or did. A copy may be relied on for
//! [`COPY_KEPT`] and must then be asked for anew: a key is told twice as long before it tags, and
//! as long as a token with its tag may live after, so that whoever asks that often never meets a
//! good token whose key they do not know. A copy that is older still filters; what it takes for
//! unknown may be good, and is a question to ask (503) and no answer (401).
//!
//! Asking anew because a token names an unknown key is of use after a backup was put back, and
//! never more often than once in a few seconds: anybody can write such a token.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::filter::{FilterKey, FilterKeyId, FilterKeys, SameKeyId};
use crate::json::{MemberError, Members};

use super::{ItemError, MessageError, bytes, items, members};

pub const KEYS_BYTES_MAX: usize = 256;
/// How long a copy may be relied on.
pub const COPY_KEPT: Duration = Duration::from_secs(5 * 60);
const KEY_BYTES_MAX: usize = 80;

/// One or two keys of different ids, as they are told to gateways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldKeys {
    tagging: ToldKey,
    other: Option<ToldKey>,
}

#[derive(Clone, PartialEq, Eq)]
pub struct ToldKey {
    pub id: FilterKeyId,
    pub secret: Zeroizing<[u8; 32]>,
}

impl ToldKeys {
    pub fn new(tagging: ToldKey, other: Option<ToldKey>) -> Result<Self, SameKeyId> {
        if other.as_ref().is_some_and(|other| other.id == tagging.id) {
            return Err(SameKeyId);
        }
        Ok(Self { tagging, other })
    }

    /// Ready to refuse tokens with.
    #[must_use]
    pub fn filter_keys(&self) -> FilterKeys {
        let keys = FilterKeys::new(self.tagging.filter_key());
        match &self.other {
            Some(other) => keys
                .with_other(other.filter_key())
                .expect("invariant: two keys that are told have two ids"),
            None => keys,
        }
    }

    #[must_use]
    pub fn write(&self) -> Zeroizing<String> {
        // Room for all of it: a text that grows leaves copies of the keys behind.
        let mut out = Zeroizing::new(String::with_capacity(KEYS_BYTES_MAX));
        out.push_str(r#"{"v":1,"keys":["#);
        self.tagging.write(&mut out);
        if let Some(other) = &self.other {
            out.push(',');
            other.write(&mut out);
        }
        out.push_str("]}");
        debug_assert!(out.len() <= 32 + 2 * KEY_BYTES_MAX);
        out
    }

    pub fn read(body: &[u8]) -> Result<Self, MessageError> {
        let members = members(body, KEYS_BYTES_MAX, &["v", "keys"])?;
        let list = members.list("keys")?;
        if !(1..=2).contains(&list.len()) {
            return Err(MessageError::Count(list.len()));
        }
        let mut keys = items(list, |_, item| Ok(ToldKey::read(item)?))?.into_iter();
        let tagging = keys.next().ok_or(MessageError::Count(0))?;
        Self::new(tagging, keys.next()).map_err(|SameKeyId| MessageError::Item {
            at: 1,
            source: ItemError::Member(MemberError::Value("id")),
        })
    }
}

impl ToldKey {
    fn filter_key(&self) -> FilterKey {
        FilterKey::new(self.id, &self.secret)
    }

    fn write(&self, out: &mut String) {
        out.push_str(r#"{"id":"#);
        out.push_str(&self.id.get().to_string());
        out.push_str(r#","secret":""#);
        URL_SAFE_NO_PAD.encode_string(self.secret.as_slice(), out);
        out.push_str(r#""}"#);
    }

    fn read(item: &Members) -> Result<Self, MemberError> {
        item.check_names(&["id", "secret"])?;
        let id = u8::try_from(item.whole("id")?).ok();
        Ok(Self {
            id: id
                .and_then(FilterKeyId::new)
                .ok_or(MemberError::Value("id"))?,
            secret: bytes(item, "secret")?,
        })
    }
}

impl fmt::Debug for ToldKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToldKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
