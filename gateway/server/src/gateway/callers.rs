//! The caller of a request, where its route wants one.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use composer_engine::Asker;
use gateway_core::admission::{Admission, Issuer as Choice};
use gateway_core::caller::Caller;
use gateway_core::credential::Credential;
use gateway_core::forward::Identity as Told;
use gateway_core::head::Head;
use gateway_core::rejection::Rejection;
use gateway_core::verdict::Unknown;
use idp_token::digest::Tid;
use idp_token::time::BootTime;

use super::Gateway;
use crate::clock;
use crate::composed;
use crate::identity::{Denied, Effort, Granted, Identity, Issuer, Vouched};
use crate::metrics::Layer;

/// What is remembered of how a caller was found out, for the log and for clients that are told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identified {
    /// A word of a few.
    pub(crate) how: &'static str,
    pub(crate) tid: Option<Tid>,
    /// Zero where it was remembered: that takes no longer than to read the clock for it.
    pub(crate) took: Duration,
}

/// A caller who was found out, and on whose word.
#[derive(Debug)]
pub(super) enum Known<'a> {
    Own(Granted<'a>),
    /// Another issuer vouches.
    Other(Vouched<'a>),
}

impl Known<'_> {
    pub(super) fn caller(&self) -> &Caller {
        match self {
            Self::Own(granted) => &granted.caller,
            Self::Other(vouched) => &vouched.caller,
        }
    }

    /// What the service is told.
    pub(super) fn told(&self) -> Told<'_> {
        let (value_token, issuer) = match self {
            Self::Own(granted) => (granted.value_token(), None),
            Self::Other(vouched) => {
                let forwarded = vouched.forwarded.map(str::as_bytes);
                (forwarded, Some(vouched.issuer()))
            }
        };
        Told {
            caller: self.caller(),
            value_token,
            issuer,
        }
    }

    /// Whether nobody had to be waited for.
    fn was_remembered(&self) -> bool {
        match self {
            Self::Own(granted) => granted.layer == Layer::Cache,
            Self::Other(_) => false,
        }
    }

    fn how(&self) -> &'static str {
        match self {
            Self::Own(granted) => granted.layer.as_str(),
            Self::Other(vouched) => vouched.how,
        }
    }
}

impl Gateway {
    /// Who asks for something composed. Of another issuer there is no log.
    pub(super) fn asker(&self, known: Option<&Known<'_>>) -> Asker {
        let era = match (known, &self.identity) {
            (Some(Known::Own(granted)), Some(identity)) => Some(identity.era(granted)),
            (Some(Known::Own(_) | Known::Other(_)) | None, _) => None,
        };
        composed::asker(known.map(Known::told).as_ref(), era)
    }

    /// Finds out who asks, and whether they may. Who is refused too often is told something else;
    /// good tokens have no part in that.
    pub(super) async fn identify<'h>(
        &self,
        (admission, issuer): (&Admission, Option<&Arc<Issuer>>),
        head: &Head<'h>,
        client: impl Fn() -> IpAddr + Sync,
    ) -> (Result<Known<'h>, Rejection>, Identified) {
        let began = clock::boot();
        let effort = Effort::Of {
            in_vain: &self.refused_in_vain,
            client: &client,
        };
        let found = match shown(head) {
            Ok(credential) => {
                let guard = (admission, issuer);
                find_caller(self.identity.as_ref(), guard, (credential, began), effort).await
            }
            Err(denied) => Err(denied),
        };
        let mut tid = found.as_ref().ok().map(|known| known.caller().tid);
        let checked = found.and_then(|known| {
            let allowed = admission.require.check(&known.caller().rights);
            match allowed {
                Ok(()) => Ok(known),
                Err(lack) => Err(Denied::from(Rejection::from(lack))),
            }
        });
        let result = checked.map_err(|denied| {
            tid = tid.or(denied.tid);
            self.limit(denied.rejection, &client)
        });
        let how = match &result {
            Ok(known) => known.how(),
            Err(rejection) => word(rejection),
        };
        let took = match &result {
            Ok(known) if known.was_remembered() => Duration::ZERO,
            Ok(_) | Err(_) => clock::boot().0.saturating_sub(began.0),
        };
        let identified = Identified { how, tid, took };
        (result, identified)
    }

    fn limit(&self, rejection: Rejection, client: &impl Fn() -> IpAddr) -> Rejection {
        if rejection.reply().status != 401 {
            return rejection;
        }
        let counted = self.refusals.count(client(), clock::boot());
        counted.err().unwrap_or(rejection)
    }
}

fn shown<'h>(head: &Head<'h>) -> Result<Credential<'h>, Denied> {
    let credential = Credential::find(head).map_err(Rejection::from)?;
    Ok(credential.ok_or(Rejection::CredentialMissing)?)
}

/// Finds out who holds a credential, which was shown then.
pub(super) async fn find_caller<'h>(
    identity: Option<&Arc<Identity>>,
    (admission, issuer): (&Admission, Option<&Arc<Issuer>>),
    (credential, began): (Credential<'h>, BootTime),
    effort: Effort<'_>,
) -> Result<Known<'h>, Denied> {
    let identity = match (&admission.issuer, issuer) {
        (Choice::Foreign(_), Some(issuer)) => {
            return issuer.vouch(credential, effort).await.map(Known::Other);
        }
        (Choice::Own, _) => identity,
        (Choice::Foreign(_), None) => None,
    };
    // A file without an identity provider has no such route.
    let identity = identity.ok_or(Rejection::from(Unknown::Unreachable))?;
    let granted = identity
        .identify(admission, (credential, began), effort)
        .await?;
    identity.metrics.count_caller(granted.layer);
    Ok(Known::Own(granted))
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
