//! What is this identity provider, and which keys does it hold?

use std::time::Duration;

use idp_token::filter::FilterKeys;
use idp_token::refresh::RefreshKey;

use crate::client::SecretKey;
use crate::record::PasswordHash;

#[derive(Debug)]
pub struct Provider {
    /// The `iss` of all that it says (RFC 9207), as it is configured.
    pub issuer: String,
    pub partition: u16,
    pub filter_keys: FilterKeys,
    pub refresh_key: RefreshKey,
    pub secret_key: SecretKey,
    /// Of a password that nobody has, made with the parameters that all are made with.
    pub dummy_password: PasswordHash,
    pub logins: LoginLifetimes,
}

/// For how long somebody stays signed in at a browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginLifetimes {
    pub idle: Duration,
    pub absolute: Duration,
}

impl LoginLifetimes {
    pub const PAYMENT: Self = Self {
        idle: Duration::from_secs(15 * 60),
        absolute: Duration::from_secs(12 * 60 * 60),
    };
}
