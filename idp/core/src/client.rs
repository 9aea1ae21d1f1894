//! Which applications may ask for tokens, for which, and how long do these live?

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use aws_lc_rs::hmac;
use subtle::ConstantTimeEq;

use crate::id::{ClientId, Generation, TenantId};
use crate::scope::Scopes;

pub use authentication::Presented;
pub(crate) use authentication::authenticate;
pub(crate) use registration::are_roles;
pub use registration::{
    AUDIENCE_BYTES_MAX, AUDIENCE_MAX, ClientProblem, ROLE_BYTES_MAX, ROLES_MAX, URI_BYTES_MAX,
    URIS_MAX, is_redirect_uri,
};

mod authentication;
mod registration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    pub id: ClientId,
    pub tenant: TenantId,
    pub secrets: Secrets,
    /// Where codes may be sent, compared byte for byte.
    pub redirect_uris: Vec<String>,
    /// Where a browser may be sent after signing out, likewise.
    pub logout_uris: Vec<String>,
    /// Where it is told that a session of it is over.
    pub backchannel_logout_uri: Option<String>,
    pub grants: BTreeSet<Grant>,
    /// All that it may ever ask for.
    pub scopes: Scopes,
    /// Its own, for when it acts for itself. In the name of a person theirs count.
    pub roles: Vec<String>,
    /// The services that its tokens are meant for.
    pub audience: Vec<String>,
    pub consents: Consents,
    pub introspects: Introspects,
    pub lifetimes: Lifetimes,
    pub is_enabled: bool,
    pub generation: Generation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grant {
    AuthorizationCode,
    RefreshToken,
    ClientCredentials,
}

/// Whether a client can keep a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secrets {
    Public,
    /// Any of these is taken, so that one can be replaced without a pause.
    Confidential(Vec<SecretDigest>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consents {
    /// People are asked what the client may do in their name.
    Asked,
    /// The client is the operator's own.
    Implied,
}

/// Whose tokens a client may ask about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Introspects {
    Own,
    Tenant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    pub access: Duration,
    /// Over after so long without use; none if it never idles out.
    pub idle: Option<Duration>,
    /// Over after so long, used or not.
    pub absolute: Duration,
}

impl Lifetimes {
    /// Tokens that live longer would keep a filter key alive as long.
    pub const ACCESS_MAX: Duration = Duration::from_secs(24 * 60 * 60);

    /// For people who move money.
    pub const PAYMENT: Self = Self {
        access: Duration::from_secs(10 * 60),
        idle: Some(Duration::from_secs(15 * 60)),
        absolute: Duration::from_secs(12 * 60 * 60),
    };
    /// For machines, which can ask for a new token at any time.
    pub const MACHINE: Self = Self {
        access: Duration::from_secs(60 * 60),
        idle: None,
        absolute: Duration::from_secs(60 * 60),
    };
}

/// A keyed hash of a client's secret. Secrets are drawn here and have 256 bit, so a fast hash will
/// do; without the key a stolen store cannot even be searched for a secret that leaked elsewhere.
#[derive(Clone)]
pub struct SecretDigest([u8; 32]);

impl SecretDigest {
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for SecretDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretDigest {}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest([redacted])")
    }
}

/// The key of these hashes, which never leaves the identity provider.
pub struct SecretKey(hmac::Key);

impl SecretKey {
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    #[must_use]
    pub fn digest(&self, secret: &[u8]) -> SecretDigest {
        let tag = hmac::sign(&self.0, secret);
        let bytes = tag.as_ref().try_into();
        SecretDigest(bytes.expect("invariant: HMAC-SHA-256 has 32 bytes"))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey([redacted])")
    }
}
