//! What does a decision know so far, and what must be read before it can go on?
//!
//! A rule is a function from a *view* to a decision. Where the view lacks a record that the rule
//! asks for, the rule ends with `Need`; whoever runs it reads those keys into the view and runs it
//! again from its beginning. So a rule is written in one piece, as if everything were at hand, and
//! never waits. What it read, it rests on: a commit fails if any of it has changed.
//!
//! Whoever has a snapshot at hand lends it to the view as a *shelf*. Then what a rule asks for is
//! there as soon as it asks, and it is run once; what it comes to is the same. The shelf is closed
//! when a transaction is made, which rests on what was read by then.

use std::cell::{Cell, OnceCell};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

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

/// Records of one moment that can be had at once.
pub trait Shelf: fmt::Debug + Send + Sync {
    /// What lies under a key, which may be nothing; none if that cannot be told here and now.
    fn find(&self, key: &Key) -> Option<Found>;
}

pub type Found = Option<Arc<Stored>>;

/// Most rules read fewer records than this, and comparing these keys is cheaper than hashing one.
const NEAR: usize = 16;

/// Made anew for every attempt at a decision, and thrown away after it.
#[derive(Debug, Default)]
pub struct View {
    /// The first that were read, in the order in which they were.
    near: [OnceCell<(Key, Found)>; NEAR],
    far: HashMap<Key, Found>,
    shelf: Option<Arc<dyn Shelf>>,
    /// Whether a transaction rests on what was read so far. It would not rest on what is read later:
    /// that is needed, and the rule begins anew with it.
    is_closed: Cell<bool>,
}

impl View {
    /// With a shelf to take from.
    #[must_use]
    pub fn beside(shelf: Arc<dyn Shelf>) -> Self {
        Self {
            shelf: Some(shelf),
            ..Self::default()
        }
    }

    /// Takes what a store showed for these keys, in their order.
    pub fn add(&mut self, keys: Vec<Key>, stored: Vec<Option<impl Into<Arc<Stored>>>>) {
        self.is_closed.set(false);
        for (key, stored) in keys.into_iter().zip(stored) {
            let stored = stored.map(Into::into);
            match self.near.iter().find(|place| place.get().is_none()) {
                Some(place) => {
                    place.get_or_init(|| (key, stored));
                }
                None => {
                    self.far.insert(key, stored);
                }
            }
        }
    }

    /// What was read under a key, or can be at once. What has no place any more is needed.
    fn look(&self, key: &Key) -> Option<&Found> {
        for place in &self.near {
            match place.get() {
                Some((known, found)) if known == key => return Some(found),
                Some(_) => {}
                None if self.is_closed.get() => return None,
                None => {
                    let found = self.shelf.as_ref()?.find(key)?;
                    return Some(&place.get_or_init(|| (key.clone(), found)).1);
                }
            }
        }
        self.far.get(key)
    }

    fn known(&self) -> impl Iterator<Item = (&Key, &Found)> {
        let near = self.near.iter().filter_map(OnceCell::get);
        near.map(|(key, found)| (key, found)).chain(&self.far)
    }

    /// All at once: one trip to the store rather than one for each.
    pub(crate) fn want(&self, keys: impl IntoIterator<Item = Key>) -> Result<(), Need> {
        let missing: Vec<_> = keys
            .into_iter()
            .filter(|key| self.look(key).is_none())
            .collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(Need(missing))
        }
    }

    pub(crate) fn find(&self, key: &Key) -> Result<Option<&Record>, Need> {
        match self.look(key) {
            Some(stored) => Ok(stored.as_ref().map(|stored| &stored.record)),
            None => Err(Need(vec![key.clone()])),
        }
    }

    /// What lies under a key as far as it was read; nothing if it was not.
    pub(crate) fn peek(&self, key: &Key) -> Option<&Stored> {
        let mut known = self.known();
        known.find(|(known, _)| *known == key)?.1.as_deref()
    }

    /// All that was read, but for last uses: they only ever keep a session alive, and change all
    /// the time.
    pub(crate) fn expectations(&self) -> Vec<Expectation> {
        self.is_closed.set(true);
        self.known()
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
