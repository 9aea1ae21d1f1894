//! What does a decision know so far, and what must be read before it can go on?
//!
//! A rule is a function from a *view* to a decision. Where the view lacks a record that the rule
//! asks for, the rule ends with `Need`; whoever runs it reads those keys into the view and runs it
//! again from its beginning. So a rule is written in one piece, as if everything were at hand, and
//! never waits. What it read, it rests on: a commit fails if any of it has changed.

use std::collections::HashMap;

use idp_token::digest::TokenDigest;
use idp_token::epoch::Seq;
use idp_token::refresh::FamilyId;
use idp_token::session::SessionId;
use idp_token::time::UnixSeconds;

use crate::change::Target;
use crate::client::Client;
use crate::id::{ClientId, LoginId, TenantId, UserId, Username};
use crate::keyring::Keyring;
use crate::record::{
    Access, Code, Consent, Lockout, LockoutId, Login, Realm, Record, Refresh, Session, Tenant, User,
};
use crate::store::{Expectation, Key, Stored};

/// These keys must be read first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Need(pub Vec<Key>);

/// Made anew for every attempt at a decision, and thrown away after it.
#[derive(Debug, Default)]
pub struct View {
    read: HashMap<Key, Option<Stored>>,
}

impl View {
    /// Takes what a store showed for these keys, in their order.
    pub fn add(&mut self, keys: Vec<Key>, stored: Vec<Option<Stored>>) {
        self.read.extend(keys.into_iter().zip(stored));
    }

    /// All at once: one trip to the store rather than one for each.
    pub(crate) fn want(&self, keys: impl IntoIterator<Item = Key>) -> Result<(), Need> {
        let missing: Vec<_> = keys
            .into_iter()
            .filter(|key| !self.read.contains_key(key))
            .collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(Need(missing))
        }
    }

    pub(crate) fn find(&self, key: &Key) -> Result<Option<&Record>, Need> {
        match self.read.get(key) {
            Some(stored) => Ok(stored.as_ref().map(|stored| &stored.record)),
            None => Err(Need(vec![key.clone()])),
        }
    }

    /// What lies under a key as far as it was read; nothing if it was not.
    pub(crate) fn peek(&self, key: &Key) -> Option<&Stored> {
        self.read.get(key)?.as_ref()
    }

    /// All that was read, but for last uses: they only ever keep a session alive, and change all
    /// the time.
    pub(crate) fn expectations(&self) -> Vec<Expectation> {
        self.read
            .iter()
            .filter(|(key, _)| !matches!(key, Key::LastUse(_)))
            .map(|(key, stored)| Expectation {
                key: key.clone(),
                version: stored.as_ref().map(|stored| stored.version),
            })
            .collect()
    }
}

/// One finder for each kind of record that rules ask for.
macro_rules! finders {
    ($($name:ident: $variant:ident -> $type:ty, $($part:ident: $of:ty),+ => $key:expr;)*) => {
        impl View {$(
            pub(crate) fn $name(&self, $($part: $of),+) -> Result<Option<&$type>, Need> {
                let found = self.find(&$key)?;
                Ok(found.and_then(|record| match record {
                    Record::$variant(found) => Some(found),
                    // A key leads to its own kind.
                    _ => None,
                }))
            }
        )*}
    };
}

finders! {
    tenant: Tenant -> Tenant, id: &TenantId => Key::Tenant(id.clone());
    client: Client -> Client, id: &ClientId => Key::Client(id.clone());
    user: User -> User, id: UserId => Key::User(id);
    lockout: Lockout -> Lockout, id: LockoutId => Key::Lockout(id);
    consent: Consent -> Consent, user: UserId, client: &ClientId => Key::Consent(user, client.clone());
    login: Login -> Login, id: LoginId => Key::Login(id);
    code: Code -> Code, digest: TokenDigest => Key::Code(digest);
    session: Session -> Session, id: SessionId => Key::Session(id);
    access: Access -> Access, digest: TokenDigest => Key::Access(digest);
    refresh: Refresh -> Refresh, id: FamilyId => Key::Refresh(id);
}

impl View {
    pub(crate) fn user_named(
        &self,
        tenant: &TenantId,
        name: &Username,
    ) -> Result<Option<UserId>, Need> {
        let found = self.find(&Key::Username(tenant.clone(), name.clone()))?;
        Ok(match found {
            Some(Record::Username(name)) => Some(name.user),
            _ => None,
        })
    }

    /// Nothing was ever ended for everybody where there is no record yet.
    pub(crate) fn realm(&self) -> Result<Realm, Need> {
        let found = self.find(&Key::Realm)?;
        Ok(match found {
            Some(Record::Realm(realm)) => realm.clone(),
            _ => Realm::default(),
        })
    }

    pub(crate) fn keyring(&self) -> Result<Option<&Keyring>, Need> {
        let found = self.find(&Key::Keyring)?;
        Ok(match found {
            Some(Record::Keyring(keyring)) => Some(keyring),
            _ => None,
        })
    }

    pub(crate) fn last_use(&self, session: SessionId) -> Result<Option<UnixSeconds>, Need> {
        let found = self.find(&Key::LastUse(session))?;
        Ok(match found {
            Some(Record::LastUse(last)) => Some(last.at),
            _ => None,
        })
    }

    pub(crate) fn published(&self) -> Result<Seq, Need> {
        let found = self.find(&Key::Relay)?;
        Ok(match found {
            Some(Record::Relay(relay)) => relay.seq,
            _ => Seq::NONE,
        })
    }

    pub(crate) fn epoch(&self, target: Target) -> Result<Seq, Need> {
        let found = self.find(&Key::Epoch(target))?;
        Ok(match found {
            Some(Record::Epoch(epoch)) => epoch.seq,
            _ => Seq::NONE,
        })
    }
}
