//! How far has a gateway read the log? `POST /internal/receipts`
//!
//! ```json
//! {"v":1,"gateway":"00ff…","lease_ms":1000,"applied":7,"reading":"redis"}
//! ```
//!
//! Whoever revokes may wait until no gateway can serve what was revoked. A report says so early. It
//! is not needed: a lease is renewed by proof from the log alone, so that a gateway which is silent
//! has either read a change or nothing that is fresh, once its lease has passed since that change
//! was in the log. The identity provider need only have heard how long the lease is.
//!
//! It must have heard of the gateway at all, or it waits for nobody: so a gateway trusts what it
//! remembers only as a member ([`crate::membership`]).

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::epoch::Seq;
use crate::json::MemberError;
use crate::session::SessionId;

use super::{MessageError, VERSION, members};

pub const REPORT_BYTES_MAX: usize = 256;
/// Nobody waits for longer than this for a gateway, whatever it says.
pub const LEASE_MAX: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub gateway: GatewayId,
    /// In whole milliseconds.
    pub lease: Duration,
    /// All changes up to this one are in force there.
    pub applied: Seq,
    pub reading: Reading,
}

/// One run of a gateway, drawn at random when it starts: after a restart it remembers nothing, so
/// it is another one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GatewayId(pub [u8; 16]);

/// Where it reads the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    Redis,
    /// From the identity provider, over HTTP.
    Provider,
}

impl fmt::Display for GatewayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for GatewayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Report {
    #[must_use]
    pub fn write(&self) -> String {
        let written = Written {
            v: VERSION,
            gateway: self.gateway.to_string(),
            lease_ms: self.lease.as_millis(),
            applied: self.applied.0,
            reading: match self.reading {
                Reading::Redis => "redis",
                Reading::Provider => "provider",
            },
        };
        serde_json::to_string(&written).expect("invariant: texts and numbers are JSON")
    }

    pub fn read(body: &[u8]) -> Result<Self, MessageError> {
        let known = ["v", "gateway", "lease_ms", "applied", "reading"];
        let members = members(body, REPORT_BYTES_MAX, &known)?;
        let gateway = SessionId::parse(members.text("gateway")?);
        let lease = Duration::from_millis(members.whole("lease_ms")?);
        if lease.is_zero() || lease > LEASE_MAX {
            return Err(MemberError::Value("lease_ms").into());
        }
        Ok(Self {
            // The same 32 digits that sessions are spelled with.
            gateway: GatewayId(gateway.ok_or(MemberError::Value("gateway"))?.0),
            lease,
            applied: Seq(members.whole("applied")?),
            reading: match members.text("reading")? {
                "redis" => Reading::Redis,
                "provider" => Reading::Provider,
                _ => return Err(MemberError::Value("reading").into()),
            },
        })
    }
}

#[derive(Serialize)]
struct Written {
    v: u64,
    gateway: String,
    lease_ms: u128,
    applied: u64,
    reading: &'static str,
}
