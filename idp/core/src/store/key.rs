//! Under what does a record lie?
//!
//! A key is spelled as the byte of its kind and its parts, so that the bytes sort as the keys do
//! and records of one kind, or of one owner, lie side by side. Names end in a zero byte, which
//! none of them can hold.

use idp_token::digest::TokenDigest;
use idp_token::epoch::Seq;
use idp_token::refresh::FamilyId;
use idp_token::session::SessionId;

use crate::change::Target;
use crate::id::{ClientId, LoginId, TenantId, UserId, Username};
use crate::record::LockoutId;

/// Most keys fit in.
const USUAL_BYTES: usize = 48;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    Realm,
    Tenant(TenantId),
    Client(ClientId),
    User(UserId),
    Username(TenantId, Username),
    Lockout(LockoutId),
    Consent(UserId, ClientId),
    Login(LoginId),
    Code(TokenDigest),
    Session(SessionId),
    SessionOf(Owner, SessionId),
    LastUse(SessionId),
    Access(TokenDigest),
    Refresh(FamilyId),
    Relay,
    Epoch(Target),
    Published(Seq),
    Keyring,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Owner {
    User(UserId),
    Client(ClientId),
}

/// The first byte of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    Realm = 1,
    Tenant = 2,
    Client = 3,
    User = 4,
    Username = 5,
    Lockout = 6,
    Consent = 7,
    Login = 8,
    Code = 9,
    Session = 10,
    SessionOf = 11,
    LastUse = 12,
    Access = 13,
    Refresh = 14,
    Relay = 15,
    Epoch = 16,
    Published = 17,
    Keyring = 18,
}

impl Kind {
    /// Of which records the store is swept.
    pub const FORGOTTEN: [Self; 10] = [
        Self::Lockout,
        Self::Login,
        Self::Code,
        Self::Session,
        Self::SessionOf,
        Self::LastUse,
        Self::Access,
        Self::Refresh,
        Self::Epoch,
        Self::Published,
    ];
}

impl Key {
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Realm => Kind::Realm,
            Self::Tenant(_) => Kind::Tenant,
            Self::Client(_) => Kind::Client,
            Self::User(_) => Kind::User,
            Self::Username(..) => Kind::Username,
            Self::Lockout(_) => Kind::Lockout,
            Self::Consent(..) => Kind::Consent,
            Self::Login(_) => Kind::Login,
            Self::Code(_) => Kind::Code,
            Self::Session(_) => Kind::Session,
            Self::SessionOf(..) => Kind::SessionOf,
            Self::LastUse(_) => Kind::LastUse,
            Self::Access(_) => Kind::Access,
            Self::Refresh(_) => Kind::Refresh,
            Self::Relay => Kind::Relay,
            Self::Epoch(_) => Kind::Epoch,
            Self::Published(_) => Kind::Published,
            Self::Keyring => Kind::Keyring,
        }
    }

    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(USUAL_BYTES);
        self.encode_to(&mut out);
        out
    }

    /// Behind whatever is there already.
    pub fn encode_to(&self, out: &mut Vec<u8>) {
        out.push(self.kind() as u8);
        match self {
            Self::Realm | Self::Relay | Self::Keyring => {}
            Self::Tenant(id) => name(id.as_str(), out),
            Self::Client(id) => name(id.as_str(), out),
            Self::User(id) => out.extend_from_slice(&id.0),
            Self::Username(tenant, username) => {
                name(tenant.as_str(), out);
                name(username.as_str(), out);
            }
            Self::Lockout(LockoutId::User(id)) => tagged(1, &id.0, out),
            Self::Lockout(LockoutId::Stranger(id)) => tagged(2, &id.to_be_bytes(), out),
            Self::Consent(user, client) => {
                out.extend_from_slice(&user.0);
                name(client.as_str(), out);
            }
            Self::Login(id) => out.extend_from_slice(&id.0),
            Self::Session(id) | Self::LastUse(id) => out.extend_from_slice(&id.0),
            Self::SessionOf(of, session) => {
                owner(of, out);
                out.extend_from_slice(&session.0);
            }
            Self::Code(digest) | Self::Access(digest) => out.extend_from_slice(digest.as_bytes()),
            Self::Refresh(id) => out.extend_from_slice(&id.0),
            Self::Epoch(of) => target(of, out),
            Self::Published(seq) => out.extend_from_slice(&seq.0.to_be_bytes()),
        }
    }
}

fn name(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

fn tagged(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(bytes);
}

fn owner(of: &Owner, out: &mut Vec<u8>) {
    match of {
        Owner::User(id) => tagged(1, &id.0, out),
        Owner::Client(id) => {
            out.push(2);
            name(id.as_str(), out);
        }
    }
}

fn target(of: &Target, out: &mut Vec<u8>) {
    match of {
        Target::Session(id) => tagged(1, &id.0, out),
        Target::Subject(id) => {
            out.push(2);
            name(id, out);
        }
        Target::Client(id) => {
            out.push(3);
            name(id.as_str(), out);
        }
        Target::Tenant(id) => {
            out.push(4);
            name(id.as_str(), out);
        }
        Target::Realm => out.push(5),
    }
}

/// Keys side by side: all that begin with the same bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range(Vec<u8>);

impl Range {
    #[must_use]
    pub fn of(kind: Kind) -> Self {
        Self(vec![kind as u8])
    }

    #[must_use]
    pub fn sessions_of(of: &Owner) -> Self {
        let mut prefix = vec![Kind::SessionOf as u8];
        owner(of, &mut prefix);
        Self(prefix)
    }

    /// The names of the people of a tenant, in their order.
    #[must_use]
    pub fn names_of(tenant: &TenantId) -> Self {
        let mut prefix = vec![Kind::Username as u8];
        name(tenant.as_str(), &mut prefix);
        Self(prefix)
    }

    #[must_use]
    pub fn consents_of(user: UserId) -> Self {
        Self([&[Kind::Consent as u8], user.0.as_slice()].concat())
    }

    #[must_use]
    pub fn prefix(&self) -> &[u8] {
        &self.0
    }

    #[must_use]
    pub fn has(&self, key: &[u8]) -> bool {
        key.starts_with(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(id: &str) -> ClientId {
        ClientId::parse(id).unwrap()
    }

    #[test]
    fn every_key_has_a_spelling_of_its_own() {
        let id = [7; 16];
        let tenant = TenantId::parse("a").unwrap();
        let username = Username::parse("b").unwrap();
        let digest = TokenDigest::from_bytes(id);
        let keys = [
            Key::Realm,
            Key::Tenant(tenant.clone()),
            Key::Client(client("a")),
            Key::User(UserId(id)),
            Key::Username(tenant.clone(), username),
            Key::Username(
                TenantId::parse("ab").unwrap(),
                Username::parse("c").unwrap(),
            ),
            Key::Username(tenant.clone(), Username::parse("bc").unwrap()),
            Key::Lockout(LockoutId::User(UserId(id))),
            Key::Lockout(LockoutId::Stranger(0x0707)),
            Key::Consent(UserId(id), client("a")),
            Key::Login(LoginId(id)),
            Key::Code(digest),
            Key::Session(SessionId(id)),
            Key::SessionOf(Owner::User(UserId(id)), SessionId(id)),
            Key::SessionOf(Owner::Client(client("a")), SessionId(id)),
            Key::LastUse(SessionId(id)),
            Key::Access(digest),
            Key::Refresh(FamilyId(id)),
            Key::Relay,
            Key::Epoch(Target::Session(SessionId(id))),
            Key::Epoch(Target::Subject("a".into())),
            Key::Epoch(Target::Client(client("a"))),
            Key::Epoch(Target::Tenant(tenant)),
            Key::Epoch(Target::Realm),
            Key::Published(Seq(7)),
            Key::Keyring,
        ];
        let mut spelled: Vec<_> = keys.iter().map(Key::encode).collect();
        spelled.sort();
        spelled.dedup();
        assert_eq!(spelled.len(), keys.len());
        for key in &keys {
            assert!(Range::of(key.kind()).has(&key.encode()), "{key:?}");
        }
    }

    #[test]
    fn a_range_of_one_owner_holds_no_other_owners_sessions() {
        let key = |id| Key::SessionOf(Owner::Client(client(id)), SessionId([0; 16])).encode();
        let range = Range::sessions_of(&Owner::Client(client("web")));
        assert!(range.has(&key("web")));
        assert!(!range.has(&key("web2")) && !range.has(&key("we")));
        let of_user = Key::SessionOf(Owner::User(UserId([0; 16])), SessionId([0; 16]));
        assert!(!range.has(&of_user.encode()));
    }

    #[test]
    fn published_changes_sort_by_their_number() {
        let keys = [1, 255, 256, u64::MAX].map(|seq| Key::Published(Seq(seq)).encode());
        assert!(keys.is_sorted());
    }
}
