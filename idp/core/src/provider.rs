//! What is this identity provider, and which keys does it hold?

use std::time::Duration;

use idp_token::filter::{FilterKeys, SameKeyId};
use idp_token::refresh::RefreshKey;

use crate::client::SecretKey;
use crate::keyring::Keyring;
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

/// What of a provider is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub issuer: String,
    pub logins: LoginLifetimes,
}

impl Provider {
    /// To be made anew whenever the keys change.
    pub fn new(settings: Settings, keyring: &Keyring) -> Result<Self, SameKeyId> {
        Ok(Self {
            issuer: settings.issuer,
            partition: keyring.partition,
            filter_keys: keyring.filter.told()?.filter_keys(),
            refresh_key: RefreshKey::new(*keyring.refresh.expose()),
            secret_key: SecretKey::new(keyring.client_secrets.expose()),
            dummy_password: keyring.dummy_password.clone(),
            logins: settings.logins,
        })
    }
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
