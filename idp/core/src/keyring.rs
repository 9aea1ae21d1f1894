//! Which keys does this identity provider hold, and when does one take over from another?
//!
//! All of them lie in one record, which the store must seal. They are made once, where there are
//! none, and never come from a file.
//!
//! - **A signing key is published before it signs, and after.** While one signs, the next one is in
//!   the published set already, for longer than anybody keeps a copy of it; and one that signed
//!   stays in it until the last token that it signed is over. So nobody meets a signature whose key
//!   they cannot know.
//! - **A filter key is taken before it tags, and after**, for as long as a token with its tag may
//!   live. Gateways know two of them at most, so the next rotation waits for the end of the last.
//! - **The other two never change**: the key of refresh tokens and that of the hashes of clients'
//!   secrets. Whoever has one of them has the store and its key too.
//!
//! When a key has leaked, overlap is what the thief needs. So that rotation drops every signing key
//! at once, the next one too, which lay beside it. It ends no session: the change is announced
//! ([`crate::change`]), gateways ask again, and get value tokens of the new key.
//!
//! Whoever keeps keys in memory takes them from the record as soon as a rotation is committed, and
//! before its change is published. A record that was signed with a dropped key in between is refused by
//! services, never believed.

use std::time::Duration;

use idp_token::ask::keys::{ToldKey, ToldKeys};
use idp_token::filter::{FilterKeyId, SameKeyId};
use idp_token::time::UnixSeconds;
use idp_token::value::{LIFETIME_MAX, SigningKey, SigningKeyError, key_set};
use zeroize::Zeroizing;

use crate::client::Lifetimes;
use crate::record::PasswordHash;
use crate::view::{Need, View};

pub use rotation::{
    FilterRotation, Material, Rotation, RotationError, begin, rotate_filter, rotate_signing, tidy,
};
pub use secret::{KeySecret, PrivateKey};

mod rotation;
mod secret;

/// How long a copy of the published keys may be relied on: by services, and by gateways likewise
/// for filter keys.
pub const COPY_KEPT: Duration = idp_token::ask::keys::COPY_KEPT;

/// How long a key is known before it is used. Twice as long as needed: copies are renewed late.
pub const KNOWN_BEFORE: Duration = Duration::from_secs(10 * 60);

/// How long a key that signed is published. What it signed last lives as long as value tokens may,
/// and is looked at by clocks that are behind.
pub const SIGNED_KEPT: Duration = LIFETIME_MAX.saturating_add(COPY_KEPT);

/// How long a key that tagged is taken: as long as a token may live, and a margin likewise.
pub const TAGGED_KEPT: Duration = Lifetimes::ACCESS_MAX.saturating_add(COPY_KEPT);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyring {
    pub signing: SigningKeys,
    pub filter: FilterRing,
    /// Of refresh tokens.
    pub refresh: KeySecret,
    /// Of the hashes of clients' secrets.
    pub client_secrets: KeySecret,
    /// Of a password that nobody has.
    pub dummy_password: PasswordHash,
    /// What tokens of this provider say they are of.
    pub partition: u16,
}

/// The keys of everything that is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKeys {
    /// It signs since then.
    pub active: Held,
    /// It is published since then.
    pub next: Held,
    /// They are published until then; oldest first.
    pub retired: Vec<Retired>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub key: PrivateKey,
    pub since: UnixSeconds,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retired {
    pub key: PrivateKey,
    pub until: UnixSeconds,
}

/// The keys of the tags of reference tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterRing {
    pub tagging: FilterSecret,
    pub other: Option<OtherFilter>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterSecret {
    pub id: FilterKeyId,
    pub secret: KeySecret,
}

/// Taken as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherFilter {
    pub key: FilterSecret,
    pub stage: FilterStage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterStage {
    /// It will tag.
    Coming { since: UnixSeconds },
    /// It did.
    Retired { until: UnixSeconds },
}

/// The signing keys, ready for use.
#[derive(Debug)]
pub struct Signing {
    pub key: SigningKey,
    /// What is published.
    pub key_set: String,
}

/// The keys that there are.
pub fn find(view: &View) -> Result<Option<Keyring>, Need> {
    Ok(view.keyring()?.cloned())
}

impl SigningKeys {
    /// Reads the keys, so that signing need not do it.
    pub fn read(&self) -> Result<Signing, SigningKeyError> {
        let key = self.active.key.read()?;
        let next = self.next.key.read()?;
        let retired = self.retired.iter().map(|retired| retired.key.read());
        let retired: Vec<_> = retired.collect::<Result<_, _>>()?;
        let all = [&key, &next].into_iter().chain(&retired);
        Ok(Signing {
            key_set: key_set(all),
            key,
        })
    }

    /// When the next one is to take over, if that is to happen so often.
    #[must_use]
    pub fn due_at(&self, every: Duration) -> UnixSeconds {
        self.active.since.after(every).max(self.ready_at())
    }

    /// When the next one may take over.
    #[must_use]
    pub const fn ready_at(&self) -> UnixSeconds {
        self.next.since.after(KNOWN_BEFORE)
    }

    /// What somebody may still have to verify with.
    pub(crate) fn published(&self, at: UnixSeconds) -> impl Iterator<Item = &PrivateKey> {
        let retired = self.retired.iter().filter(move |it| at < it.until);
        let retired = retired.map(|it| &it.key);
        [&self.active.key, &self.next.key]
            .into_iter()
            .chain(retired)
    }
}

impl FilterRing {
    /// As gateways are told them.
    pub fn told(&self) -> Result<ToldKeys, SameKeyId> {
        let other = self.other.as_ref().map(|other| other.key.told());
        ToldKeys::new(self.tagging.told(), other)
    }

    /// When a key that was announced is to tag.
    #[must_use]
    pub fn due_at(&self) -> Option<UnixSeconds> {
        match self.other.as_ref()?.stage {
            FilterStage::Coming { since } => Some(since.after(KNOWN_BEFORE)),
            FilterStage::Retired { .. } => None,
        }
    }
}

impl FilterSecret {
    fn told(&self) -> ToldKey {
        ToldKey {
            id: self.id,
            secret: Zeroizing::new(*self.secret.expose()),
        }
    }
}
