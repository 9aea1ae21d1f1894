//! The caller of a request, where its route wants one.

use std::net::IpAddr;
use std::time::Duration;

use gateway_core::admission::{Admission, Issuer};
use gateway_core::credential::Credential;
use gateway_core::head::Head;
use gateway_core::rejection::Rejection;
use gateway_core::verdict::Unknown;
use idp_token::digest::Tid;

use super::Gateway;
use crate::clock;
use crate::identity::{Denied, Granted};

/// What is remembered of how a caller was found out, for the log and for clients that are told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identified {
    /// A word of a few.
    pub(crate) how: &'static str,
    pub(crate) tid: Option<Tid>,
    pub(crate) took: Duration,
}

impl Gateway {
    /// Finds out who asks, and whether they may. Who is refused too often is told something else;
    /// good tokens have no part in that.
    pub(super) async fn identify<'h>(
        &self,
        admission: &Admission,
        head: &Head<'h>,
        peer: IpAddr,
    ) -> (Result<Granted<'h>, Rejection>, Identified) {
        let began = clock::boot();
        let found = self.find_caller(admission, head).await;
        let mut tid = found.as_ref().ok().map(|granted| granted.caller.tid);
        let checked = found.and_then(|granted| {
            let allowed = admission.require.check(&granted.caller.rights);
            match allowed {
                Ok(()) => Ok(granted),
                Err(lack) => Err(Denied::from(Rejection::from(lack))),
            }
        });
        let result = checked.map_err(|denied| {
            tid = tid.or(denied.tid);
            self.limit(denied.rejection, peer)
        });
        let how = match &result {
            Ok(granted) => granted.layer.as_str(),
            Err(rejection) => word(rejection),
        };
        let took = clock::boot().0.saturating_sub(began.0);
        let identified = Identified { how, tid, took };
        (result, identified)
    }

    async fn find_caller<'h>(
        &self,
        admission: &Admission,
        head: &Head<'h>,
    ) -> Result<Granted<'h>, Denied> {
        let credential = Credential::find(head).map_err(Rejection::from)?;
        let credential = credential.ok_or(Rejection::CredentialMissing)?;
        let identity = match &admission.issuer {
            Issuer::Own => self.identity.as_ref(),
            Issuer::Foreign(_) => None,
        };
        // A file without an identity provider has no such route.
        let identity = identity.ok_or(Rejection::from(Unknown::Unreachable))?;
        let granted = identity.identify(admission, credential).await?;
        identity.metrics.count_caller(granted.layer);
        Ok(granted)
    }

    fn limit(&self, rejection: Rejection, peer: IpAddr) -> Rejection {
        if rejection.reply().status != 401 {
            return rejection;
        }
        match self.refusals.count(peer, clock::boot()) {
            Ok(()) => rejection,
            Err(until) => Rejection::TooManyRefusals {
                retry_after_seconds: u32::try_from(until.as_secs()).unwrap_or(u32::MAX).max(1),
            },
        }
    }
}

/// What became of a caller who was not let through, as logs have it; `code` says it exactly.
fn word(rejection: &Rejection) -> &'static str {
    match rejection.reply().status {
        401 => "refused",
        403 => "forbidden",
        429 => "limited",
        400 => "malformed",
        _ => "unknown",
    }
}
