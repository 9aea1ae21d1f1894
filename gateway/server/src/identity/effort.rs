//! May anybody be troubled with a token that is not remembered?
//!
//! What is no token by its form costs nothing, and what is remembered next to nothing. For everything else it
//! takes a signature or a question to its issuer, and whoever had that done in vain too often is told to wait
//! first. What is remembered is judged before: no flood keeps those out who are known, whoever shares their
//! address. A token that is over is no trial, so it is not counted; it is remembered instead.

use std::net::IpAddr;

use gateway_core::rejection::Rejection;
use gateway_core::verdict::Invalid;
use idp_token::time::BootTime;

use super::Refusals;
use crate::clock;

#[derive(Clone, Copy)]
pub(crate) enum Effort<'a> {
    /// For a client that shows a token.
    Of {
        in_vain: &'a Refusals,
        client: &'a (dyn Fn() -> IpAddr + Sync),
    },
    /// For somebody who was let through before.
    Any,
    /// The same, who has done nothing since: that they are asked about is no use of their session.
    Unused { since: BootTime },
}

impl Effort<'_> {
    /// To be asked before a token is looked into.
    pub(super) fn check(self) -> Result<(), Rejection> {
        match self {
            Self::Of { in_vain, client } => in_vain.check(client(), clock::boot()),
            Self::Any | Self::Unused { .. } => Ok(()),
        }
    }

    /// Since when a session was not used; none if it is being used.
    pub(super) fn unused_since(self) -> Option<BootTime> {
        match self {
            Self::Unused { since } => Some(since),
            Self::Of { .. } | Self::Any => None,
        }
    }

    /// To be told what was found.
    pub(super) fn note(self, invalid: &Invalid) {
        if let Self::Of { in_vain, client } = self
            && invalid.was_a_trial()
        {
            // Who goes on is told so by the next check.
            let _ = in_vain.count(client(), clock::boot());
        }
    }
}
