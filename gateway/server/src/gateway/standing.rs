//! Is the caller still let through, on a connection that goes on when its request is over?
//!
//! A WebSocket may last for hours; the token it was opened with may be taken back in its first minute.
//! So the caller is asked for again and again, with the same rules as at the beginning.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gateway_core::admission::{Admission, Issuer as Choice};
use gateway_core::credential::Credential;
use gateway_core::head::Head;
use gateway_core::rejection::Rejection;
use gateway_core::verdict::Unknown;
use idp_token::time::BootTime;
use zeroize::Zeroizing;

use super::Gateway;
use super::callers::find_caller;
use crate::clock;
use crate::identity::{Denied, Effort, Identity};
use crate::snapshot::RouteState;

/// A caller is asked for this often; so much later than elsewhere an end is in force here.
const PERIOD: Duration = Duration::from_secs(1);

/// What it takes to ask for a caller again.
pub(crate) struct Standing {
    route: Arc<RouteState>,
    identity: Option<Arc<Identity>>,
    credential: Kept,
    /// When the caller was let through.
    since: BootTime,
}

/// A credential that outlives the head it came in.
enum Kept {
    Reference(Zeroizing<Vec<u8>>),
    Value(Zeroizing<String>),
    Other(Zeroizing<String>),
}

impl Standing {
    /// Of a caller who was let through a moment ago.
    pub(super) fn new(gateway: &Gateway, route: &Arc<RouteState>, head: &Head<'_>) -> Option<Self> {
        route.route.admission.as_ref()?;
        let credential = Credential::find(head).ok()??;
        Some(Self {
            route: Arc::clone(route),
            identity: gateway.identity.clone(),
            credential: Kept::of(credential),
            since: clock::boot(),
        })
    }

    /// Whether the caller is let through still, when the connection is about to become another: the service may
    /// have taken its time.
    pub(crate) async fn check(&self) -> Result<(), Rejection> {
        let allowed = self.check_unused(self.since).await;
        allowed.map_err(|denied| denied.rejection)
    }

    /// Waits until the caller is let through no more, and tells why. `was_used` is raised by whoever sees the
    /// client send something: a connection on which it is silent keeps no session alive.
    pub(crate) async fn lost(&self, was_used: &AtomicBool) -> Rejection {
        let mut since = self.since;
        loop {
            tokio::time::sleep(PERIOD).await;
            let checked = match was_used.swap(false, Ordering::Relaxed) {
                true => {
                    since = clock::boot();
                    self.find_out(Effort::Any).await
                }
                false => self.check_unused(since).await,
            };
            if let Err(denied) = checked {
                return denied.rejection;
            }
        }
    }

    async fn check_unused(&self, since: BootTime) -> Result<(), Denied> {
        match self.may_stay()? {
            true => Ok(()),
            false => self.find_out(Effort::Unused { since }).await,
        }
    }

    async fn find_out(&self, effort: Effort<'_>) -> Result<(), Denied> {
        let admission = self.admission()?;
        let guard = (admission, self.route.issuer.as_ref());
        let shown = (self.credential.get(), clock::boot());
        let known = find_caller(self.identity.as_ref(), guard, shown, effort).await?;
        let allowed = admission.require.check(&known.caller().rights);
        allowed.map_err(|lack| Rejection::from(lack).into())
    }

    /// Whether what is remembered of a session of our own will do, without counting as a use of it.
    fn may_stay(&self) -> Result<bool, Denied> {
        let admission = self.admission()?;
        match (&admission.issuer, &self.identity, self.credential.get()) {
            (Choice::Own, Some(identity), Credential::Reference(text)) => {
                identity.may_stay(admission, text)
            }
            _ => Ok(false),
        }
    }

    /// There is one: of a route that asks for nobody there is no standing.
    fn admission(&self) -> Result<&Admission, Rejection> {
        let admission = self.route.route.admission.as_ref();
        admission.ok_or(Rejection::from(Unknown::Unreachable))
    }
}

impl Kept {
    fn of(credential: Credential<'_>) -> Self {
        match credential {
            Credential::Reference(bytes) => Self::Reference(Zeroizing::new(bytes.to_vec())),
            Credential::Value(text) => Self::Value(Zeroizing::new(text.to_owned())),
            Credential::Other(text) => Self::Other(Zeroizing::new(text.to_owned())),
        }
    }

    fn get(&self) -> Credential<'_> {
        match self {
            Self::Reference(bytes) => Credential::Reference(bytes),
            Self::Value(text) => Credential::Value(text),
            Self::Other(text) => Credential::Other(text),
        }
    }
}

/// Not the credential.
impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standing").finish_non_exhaustive()
    }
}
