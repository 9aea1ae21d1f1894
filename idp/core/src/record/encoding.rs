//! How a record is spelled as bytes.
//!
//! `version | kind | fields in the order below`. Numbers are big-endian, texts and lists have their
//! length in front. A version that is not known, a byte too many or too few and a value that its
//! type does not allow are errors: a record that is misread could let somebody in.
//!
//! The fields of a type stand in one list from which both directions are made, so that they cannot
//! disagree. To change one, raise the version and keep reading the old one.

use std::collections::BTreeSet;
use std::time::Duration;

use idp_token::digest::TokenDigest;
use idp_token::epoch::Seq;
use idp_token::filter::FilterKeyId;
use idp_token::refresh::{Family, FamilyId, FamilySalt, Standing as FamilyStanding};
use idp_token::session::SessionId;
use idp_token::time::UnixSeconds;
use idp_token::value::Algorithm;
use zeroize::Zeroizing;

use super::{
    Access, Cause, Code, CodeState, Consent, Epoch, Generations, LastUse, Lockout, LockoutId,
    Login, NameOf, PasswordHash, Published, Realm, Record, Refresh, Relay, Session, SessionOf,
    Standing, Tenant, User,
};
use crate::change::{Change, Kind, Target};
use crate::client::{Client, Consents, Grant, Introspects, Lifetimes, SecretDigest, Secrets};
use crate::id::{ClientId, Generation, LoginId, TenantId, UserId, Username};
use crate::keyring::{
    FilterRing, FilterSecret, FilterStage, Held, KeySecret, Keyring, OtherFilter, PrivateKey,
    Retired, SigningKeys,
};
use crate::scope::Scopes;
use crate::store::Owner;

/// What an adapter must be able to keep. Every list and text that goes into a record has a cap of
/// its own; together they stay below.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;

const VERSION: u8 = 1;
/// Most records fit in.
const USUAL_BYTES: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("the record is of version {0}, which is not known")]
    Version(u8),
    #[error("the record ends too early")]
    Short,
    #[error("there is more than the record")]
    Long,
    #[error("a field of the record has a value that it must not have")]
    Value,
}

impl Record {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_to(&mut out);
        out
    }

    /// Behind whatever is there already.
    pub fn encode_to(&self, out: &mut Vec<u8>) {
        out.reserve(USUAL_BYTES);
        out.push(VERSION);
        self.write(out);
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (version, rest) = bytes.split_first().ok_or(DecodeError::Short)?;
        if *version != VERSION {
            return Err(DecodeError::Version(*version));
        }
        let mut from = Reader(rest);
        let record = Self::read(&mut from)?;
        if from.0.is_empty() {
            Ok(record)
        } else {
            Err(DecodeError::Long)
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(DecodeError::Short)?;
        self.0 = rest;
        Ok(taken)
    }
}

trait Field: Sized {
    fn write(&self, out: &mut Vec<u8>);
    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

/// The fields of a struct, in their order.
macro_rules! fields {
    ($($type:ident { $($field:ident),* $(,)? })*) => {$(
        impl Field for $type {
            fn write(&self, out: &mut Vec<u8>) {
                let Self { $($field),* } = self;
                $($field.write(out);)*
            }

            fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                $(let $field = Field::read(from)?;)*
                Ok(Self { $($field),* })
            }
        }
    )*};
}

/// The variants of an enum, each with the byte that stands for it.
macro_rules! variants {
    ($($type:ident { $($tag:literal = $variant:ident $(($part:ident))?),* $(,)? })*) => {$(
        impl Field for $type {
            fn write(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant $(($part))? => {
                        out.push($tag);
                        $($part.write(out);)?
                    })*
                }
            }

            fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                match u8::read(from)? {
                    $($tag => {
                        $(let $part = Field::read(from)?;)?
                        Ok(Self::$variant $(($part))?)
                    })*
                    _ => Err(DecodeError::Value),
                }
            }
        }
    )*};
}

variants! {
    Record {
        1 = Realm(record), 2 = Tenant(record), 3 = Client(record), 4 = User(record),
        5 = Username(record), 6 = Lockout(record), 7 = Consent(record), 8 = Login(record),
        9 = Code(record), 10 = Session(record), 11 = SessionOf(record), 12 = LastUse(record),
        13 = Access(record), 14 = Refresh(record), 15 = Relay(record), 16 = Epoch(record),
        17 = Published(record), 18 = Keyring(record),
    }
    LockoutId { 1 = User(id), 2 = Stranger(id) }
    Cause {
        1 = LoggedOut, 2 = Revoked, 3 = CodeReplayed, 4 = RefreshReused, 5 = RefreshNeverIssued,
        6 = Crowded, 7 = Administrator,
    }
    CodeState { 1 = Unspent, 2 = Burnt, 3 = Redeemed(session) }
    FamilyStanding { 1 = Live, 2 = Killed }
    Owner { 1 = User(id), 2 = Client(id) }
    Target { 1 = Session(id), 2 = Subject(id), 3 = Client(id), 4 = Tenant(id), 5 = Realm }
    Kind { 1 = Ended, 2 = Changed }
    Grant { 1 = AuthorizationCode, 2 = RefreshToken, 3 = ClientCredentials }
    Secrets { 1 = Public, 2 = Confidential(digests) }
    Consents { 1 = Asked, 2 = Implied }
    Introspects { 1 = Own, 2 = Tenant }
    Algorithm { 1 = Es256, 2 = EdDsa, 3 = Rs256 }
}

fields! {
    Realm { generation }
    Tenant { id, is_enabled, generation }
    Client {
        id, tenant, secrets, redirect_uris, logout_uris, backchannel_logout_uri, grants, scopes, roles,
        audience, consents, introspects, lifetimes, is_enabled, generation,
    }
    Lifetimes { access, idle, absolute }
    User { id, tenant, name, password, roles, is_enabled, generation }
    NameOf { tenant, name, user }
    Lockout { id, failures, last_failed_at, locked_until }
    Consent { user, client, scopes, given_at }
    Login {
        id, user, tenant, signed_in_at, used_at, ends_at, amr, generations, standing, sessions,
    }
    Generations { user, client, tenant, realm }
    Code {
        digest, client, redirect_uri, challenge, nonce, scopes, login, generations, expires_at, state,
        forgotten_at,
    }
    Session {
        id, user, login, client, tenant, scopes, amr, auth_time, began_at, ends_at, idle,
        generations, standing,
    }
    SessionOf { owner, session, ends_at }
    LastUse { session, at, ends_at }
    Access { digest, session, scopes, issued_at, expires_at }
    Refresh { id, salt, client, session, family, ends_at }
    Family { current, advanced_at, standing }
    Relay { seq }
    Epoch { target, seq, ends_at }
    Published { seq, change, forgotten_at }
    Change { target, kind, at, until }
    Keyring { signing, filter, refresh, client_secrets, dummy_password, partition }
    SigningKeys { active, next, retired }
    Held { key, since }
    Retired { key, until }
    FilterRing { tagging, other }
    FilterSecret { id, secret }
    OtherFilter { key, stage }
}

/// Types that are written as another one.
macro_rules! written_as {
    ($($type:ty: $other:ty, $to:expr, $from:expr;)*) => {$(
        impl Field for $type {
            fn write(&self, out: &mut Vec<u8>) {
                let to: fn(&Self) -> $other = $to;
                to(self).write(out);
            }

            fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                let (to, read): (fn(&Self) -> $other, fn($other) -> Option<Self>) = ($to, $from);
                let written: $other = Field::read(from)?;
                let value = read(written.clone());
                // There is no second spelling, such as a name in upper case.
                value.filter(|value| to(value) == written).ok_or(DecodeError::Value)
            }
        }
    )*};
}

written_as! {
    UnixSeconds: u64, |time| time.0, |number| Some(Self(number));
    Seq: u64, |seq| seq.0, |number| Some(Self(number));
    Generation: u64, |generation| generation.0, |number| Some(Self(number));
    Duration: u64, |span| span.as_secs(), |seconds| Some(Self::from_secs(seconds));
    UserId: [u8; 16], |id| id.0, |bytes| Some(Self(bytes));
    LoginId: [u8; 16], |id| id.0, |bytes| Some(Self(bytes));
    SessionId: [u8; 16], |id| id.0, |bytes| Some(Self(bytes));
    FamilyId: [u8; 16], |id| id.0, |bytes| Some(Self(bytes));
    FamilySalt: [u8; 16], |salt| *salt.as_bytes(), |bytes| Some(Self::new(bytes));
    TokenDigest: [u8; 16], |digest| *digest.as_bytes(), |bytes| Some(Self::from_bytes(bytes));
    SecretDigest: [u8; 32], |digest| *digest.as_bytes(), |bytes| Some(Self::from_bytes(bytes));
    FilterKeyId: u8, |id| id.get(), |number| Self::new(number);
    KeySecret: [u8; 32], |secret| *secret.expose(), |bytes| Some(Self::new(bytes));
    PasswordHash: String, |hash| hash.0.clone(), |text| Some(Self(text));
}

/// Names, which are written as they are.
macro_rules! names {
    ($($type:ty),*) => {$(
        impl Field for $type {
            fn write(&self, out: &mut Vec<u8>) {
                write_text(self.as_str(), out);
            }

            fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                let text = read_text(from)?;
                // There is no second spelling, such as a name in upper case.
                let name = Self::parse(text).filter(|name| name.as_str() == text);
                name.ok_or(DecodeError::Value)
            }
        }
    )*};
}

names!(ClientId, TenantId, Username, Scopes);

impl Field for Standing {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Live => out.push(1),
            Self::Over { at, cause } => {
                out.push(2);
                at.write(out);
                cause.write(out);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match u8::read(from)? {
            1 => Ok(Self::Live),
            2 => Ok(Self::Over {
                at: Field::read(from)?,
                cause: Field::read(from)?,
            }),
            _ => Err(DecodeError::Value),
        }
    }
}

impl Field for PrivateKey {
    fn write(&self, out: &mut Vec<u8>) {
        self.algorithm().write(out);
        write_count(self.der().len(), out);
        out.extend_from_slice(self.der());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let algorithm = Field::read(from)?;
        let count = read_count(from)?;
        let der = Zeroizing::new(from.take(count)?.to_vec());
        Ok(Self::stored(algorithm, der))
    }
}

impl Field for FilterStage {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Coming { since } => {
                out.push(1);
                since.write(out);
            }
            Self::Retired { until } => {
                out.push(2);
                until.write(out);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match u8::read(from)? {
            1 => Ok(Self::Coming {
                since: Field::read(from)?,
            }),
            2 => Ok(Self::Retired {
                until: Field::read(from)?,
            }),
            _ => Err(DecodeError::Value),
        }
    }
}

impl<T: Field> Field for Box<T> {
    fn write(&self, out: &mut Vec<u8>) {
        T::write(self, out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        T::read(from).map(Self::new)
    }
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Field for $type {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }

            fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Field::read(from).map(Self::from_be_bytes)
            }
        }
    )*};
}

numbers!(u8, u16, u32, u64);

impl<const N: usize> Field for [u8; N] {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.take(N)?.try_into().map_err(|_| DecodeError::Short)
    }
}

impl Field for bool {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match u8::read(from)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Value),
        }
    }
}

impl Field for String {
    fn write(&self, out: &mut Vec<u8>) {
        write_text(self, out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        read_text(from).map(str::to_owned)
    }
}

impl<T: Field> Field for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        self.is_some().write(out);
        if let Some(value) = self {
            value.write(out);
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let is_some = bool::read(from)?;
        is_some.then(|| T::read(from)).transpose()
    }
}

impl<T: Field> Field for Vec<T> {
    fn write(&self, out: &mut Vec<u8>) {
        write_count(self.len(), out);
        for item in self {
            item.write(out);
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        // Grows as items are found: a count that lies allocates nothing.
        let count = read_count(from)?;
        (0..count).map(|_| T::read(from)).collect()
    }
}

impl<T: Field + Ord> Field for BTreeSet<T> {
    fn write(&self, out: &mut Vec<u8>) {
        write_count(self.len(), out);
        for item in self {
            item.write(out);
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let items = Vec::<T>::read(from)?;
        if items.is_sorted_by(|a, b| a < b) {
            Ok(items.into_iter().collect())
        } else {
            Err(DecodeError::Value)
        }
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    write_count(text.len(), out);
    out.extend_from_slice(text.as_bytes());
}

fn read_text<'a>(from: &mut Reader<'a>) -> Result<&'a str, DecodeError> {
    let count = read_count(from)?;
    str::from_utf8(from.take(count)?).map_err(|_| DecodeError::Value)
}

fn write_count(count: usize, out: &mut Vec<u8>) {
    let count = u32::try_from(count).expect("invariant: what goes into a record is capped");
    count.write(out);
}

fn read_count(from: &mut Reader<'_>) -> Result<usize, DecodeError> {
    let count = u32::read(from)?;
    usize::try_from(count).map_err(|_| DecodeError::Value)
}

#[cfg(test)]
mod tests;
