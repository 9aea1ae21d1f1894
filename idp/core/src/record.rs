//! What is stored, and what may anybody who steals it do with it? Nothing.
//!
//! A store keeps records as bytes under keys (`encoding` says how both are spelled) and knows
//! nothing of their meaning. Tokens, codes and cookies lie here as digests, passwords as argon2id
//! and the secrets of clients as keyed hashes.
//!
//! Most of what can be ended is never ended itself: a session names the *generations* that it was
//! begun under, and ending everything of a user, client, tenant or of this provider is one write
//! to the one record that they all depend on.

use std::fmt;
use std::time::Duration;

use idp_token::digest::TokenDigest;
use idp_token::epoch::Seq;
use idp_token::refresh::{Family, FamilyId, FamilySalt};
use idp_token::session::SessionId;
use idp_token::time::UnixSeconds;

use crate::change::{Change, Target};
use crate::client::Client;
use crate::id::{ClientId, Generation, LoginId, TenantId, UserId, Username};
use crate::keyring::Keyring;
use crate::scope::Scopes;
use crate::store::{Key, Kind, Owner};

pub use encoding::{DecodeError, RECORD_BYTES_MAX};

mod encoding;

/// Anything that is stored. Each knows the key that it lies under.
#[derive(Debug, Clone)]
pub enum Record {
    Realm(Realm),
    Tenant(Tenant),
    Client(Client),
    User(User),
    Username(NameOf),
    Lockout(Lockout),
    Consent(Consent),
    Login(Login),
    Code(Code),
    Session(Session),
    SessionOf(SessionOf),
    LastUse(LastUse),
    Access(Access),
    Refresh(Refresh),
    Relay(Relay),
    Epoch(Epoch),
    Published(Published),
    Keyring(Box<Keyring>),
}

/// This identity provider as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Realm {
    pub generation: Generation,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    pub id: TenantId,
    pub is_enabled: bool,
    pub generation: Generation,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub tenant: TenantId,
    pub name: Username,
    pub password: PasswordHash,
    pub roles: Vec<String>,
    pub is_enabled: bool,
    pub generation: Generation,
}

/// argon2id in its text form, parameters and salt included.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(pub String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash([redacted])")
    }
}

/// Whose name this is; there is one per tenant and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameOf {
    pub tenant: TenantId,
    pub name: Username,
    pub user: UserId,
}

/// Passwords that were wrong of late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lockout {
    pub id: LockoutId,
    pub failures: u32,
    pub last_failed_at: UnixSeconds,
    pub locked_until: Option<UnixSeconds>,
}

/// Names that nobody has share a bounded number of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LockoutId {
    User(UserId),
    Stranger(u16),
}

/// What a person allowed a client to do in their name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    pub user: UserId,
    pub client: ClientId,
    pub scopes: Scopes,
    pub given_at: UnixSeconds,
}

/// A person who signed in at a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    pub id: LoginId,
    pub user: UserId,
    pub tenant: TenantId,
    pub signed_in_at: UnixSeconds,
    pub used_at: UnixSeconds,
    pub ends_at: UnixSeconds,
    pub amr: Vec<String>,
    pub generations: Generations,
    pub standing: Standing,
    /// Begun from it, oldest first; ended with it.
    pub sessions: Vec<SessionId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Live,
    Over { at: UnixSeconds, cause: Cause },
}

/// Why a session was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    LoggedOut,
    Revoked,
    CodeReplayed,
    RefreshReused,
    RefreshNeverIssued,
    /// Its login began more sessions than one may have.
    Crowded,
    Administrator,
}

/// What of its owners something was begun under. A machine has no user: nothing ends that part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Generations {
    pub user: Generation,
    pub client: Generation,
    pub tenant: Generation,
    pub realm: Generation,
}

/// An authorization code, good for one attempt. What was spent is kept as long as what it began,
/// so that a replay is noticed for as long as there is something to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    pub digest: TokenDigest,
    pub client: ClientId,
    pub redirect_uri: String,
    /// SHA-256 of the verifier that the client keeps (RFC 7636).
    pub challenge: [u8; 32],
    pub nonce: Option<String>,
    pub scopes: Scopes,
    pub login: LoginId,
    /// What is begun with it must not begin under others.
    pub generations: Generations,
    pub expires_at: UnixSeconds,
    pub state: CodeState,
    /// When nobody needs to know of it any more.
    pub forgotten_at: UnixSeconds,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeState {
    Unspent,
    /// Somebody presented it who could not redeem it.
    Burnt,
    Redeemed(SessionId),
}

/// What tokens stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    /// None if a machine acts for itself.
    pub user: Option<UserId>,
    pub login: Option<LoginId>,
    pub client: ClientId,
    pub tenant: TenantId,
    pub scopes: Scopes,
    pub amr: Vec<String>,
    pub auth_time: Option<UnixSeconds>,
    pub began_at: UnixSeconds,
    pub ends_at: UnixSeconds,
    pub idle: Option<Duration>,
    pub generations: Generations,
    pub standing: Standing,
}

/// So that the sessions of an owner can be listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionOf {
    pub owner: Owner,
    pub session: SessionId,
    pub ends_at: UnixSeconds,
}

/// The latest of all uses that anybody told of. Merged by maximum, so that reports may come in any
/// order and any number of times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastUse {
    pub session: SessionId,
    pub at: UnixSeconds,
    pub ends_at: UnixSeconds,
}

/// A reference token. It is as good as its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    pub digest: TokenDigest,
    pub session: SessionId,
    pub scopes: Scopes,
    pub issued_at: UnixSeconds,
    pub expires_at: UnixSeconds,
}

/// A refresh family: where it stands, and not one token of it.
#[derive(Debug, Clone)]
pub struct Refresh {
    pub id: FamilyId,
    pub salt: FamilySalt,
    pub client: ClientId,
    pub session: SessionId,
    pub family: Family,
    pub ends_at: UnixSeconds,
}

/// How far the relay has published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relay {
    pub seq: Seq,
}

/// The newest published change of a target, from which a projection is rebuilt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch {
    pub target: Target,
    pub seq: Seq,
    pub ends_at: Option<UnixSeconds>,
}

/// One entry of the log that gateways follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    pub seq: Seq,
    pub change: Change,
    pub forgotten_at: UnixSeconds,
}

impl Lockout {
    /// How long wrong passwords are remembered, and how long too many of them lock out.
    pub const SPAN: Duration = Duration::from_secs(30 * 60);

    const fn forgotten_at(&self) -> UnixSeconds {
        match self.locked_until {
            Some(until) => until,
            None => self.last_failed_at.after(Self::SPAN),
        }
    }
}

impl Record {
    #[must_use]
    pub fn key(&self) -> Key {
        match self {
            Self::Realm(_) => Key::Realm,
            Self::Tenant(tenant) => Key::Tenant(tenant.id.clone()),
            Self::Client(client) => Key::Client(client.id.clone()),
            Self::User(user) => Key::User(user.id),
            Self::Username(name) => Key::Username(name.tenant.clone(), name.name.clone()),
            Self::Lockout(lockout) => Key::Lockout(lockout.id),
            Self::Consent(consent) => Key::Consent(consent.user, consent.client.clone()),
            Self::Login(login) => Key::Login(login.id),
            Self::Code(code) => Key::Code(code.digest),
            Self::Session(session) => Key::Session(session.id),
            Self::SessionOf(of) => Key::SessionOf(of.owner.clone(), of.session),
            Self::LastUse(last) => Key::LastUse(last.session),
            Self::Access(access) => Key::Access(access.digest),
            Self::Refresh(refresh) => Key::Refresh(refresh.id),
            Self::Relay(_) => Key::Relay,
            Self::Epoch(epoch) => Key::Epoch(epoch.target.clone()),
            Self::Published(published) => Key::Published(published.seq),
            Self::Keyring(_) => Key::Keyring,
        }
    }

    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Realm(_) => Kind::Realm,
            Self::Tenant(_) => Kind::Tenant,
            Self::Client(_) => Kind::Client,
            Self::User(_) => Kind::User,
            Self::Username(_) => Kind::Username,
            Self::Lockout(_) => Kind::Lockout,
            Self::Consent(_) => Kind::Consent,
            Self::Login(_) => Kind::Login,
            Self::Code(_) => Kind::Code,
            Self::Session(_) => Kind::Session,
            Self::SessionOf(_) => Kind::SessionOf,
            Self::LastUse(_) => Kind::LastUse,
            Self::Access(_) => Kind::Access,
            Self::Refresh(_) => Kind::Refresh,
            Self::Relay(_) => Kind::Relay,
            Self::Epoch(_) => Kind::Epoch,
            Self::Published(_) => Kind::Published,
            Self::Keyring(_) => Kind::Keyring,
        }
    }

    /// From when on nothing asks for it any more; none for what stays until it is removed.
    #[must_use]
    pub const fn forgotten_at(&self) -> Option<UnixSeconds> {
        match self {
            Self::Realm(_)
            | Self::Tenant(_)
            | Self::Client(_)
            | Self::User(_)
            | Self::Username(_)
            | Self::Consent(_)
            | Self::Relay(_)
            | Self::Keyring(_) => None,
            Self::Lockout(lockout) => Some(lockout.forgotten_at()),
            Self::Login(login) => Some(login.ends_at),
            Self::Code(code) => Some(code.forgotten_at),
            Self::Session(session) => Some(session.ends_at),
            Self::SessionOf(of) => Some(of.ends_at),
            Self::LastUse(last) => Some(last.ends_at),
            Self::Access(access) => Some(access.expires_at),
            Self::Refresh(refresh) => Some(refresh.ends_at),
            Self::Epoch(epoch) => epoch.ends_at,
            Self::Published(published) => Some(published.forgotten_at),
        }
    }
}
