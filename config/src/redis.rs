//! Where Redis answers, and with which password.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Where gateways find copies of what they may need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redis {
    pub at: RedisAddress,
    pub database: u32,
    pub username: Option<String>,
    pub password: Option<RedisPassword>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisAddress {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

#[derive(Clone, PartialEq, Eq)]
pub struct RedisPassword(String);

impl RedisPassword {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RedisPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisPassword([redacted])")
    }
}
