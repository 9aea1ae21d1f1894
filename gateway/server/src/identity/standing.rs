//! May somebody stay who was let through before, although they do nothing?

use std::sync::Arc;

use gateway_core::admission::Admission;
use gateway_core::verdict::{Decision, Gap, Invalid};
use idp_token::digest::TokenDigest;
use idp_token::session::Over;

use super::Identity;
use super::gate::{Denied, Moment};

impl Identity {
    /// Decides with what is remembered of a reference token, and takes it for no use of its session.
    /// False where somebody has to be asked.
    ///
    /// A value token that has expired is no matter here, since nobody is shown it.
    pub(crate) fn may_stay(&self, admission: &Admission, text: &[u8]) -> Result<bool, Denied> {
        let now = Moment::now();
        let digest = TokenDigest::of(text);
        let found = self.cache.find(&digest, self.following.knowledge.fence());
        let Some(found) = found else { return Ok(false) };
        let entry: &Arc<_> = found.entry();
        let decision = self.judge(Some(entry), admission.tolerance, now);
        match decision {
            Decision::Serve(_) | Decision::Refetch(Gap::Spent) | Decision::Ask(Gap::Spent) => {
                let allowed = admission.require.check(&entry.caller.rights);
                allowed.map_err(|lack| Denied::of(lack, &digest))?;
                Ok(true)
            }
            Decision::Refuse(invalid) => Err(Denied::of(invalid, &digest)),
            // Whoever is active elsewhere opens another connection.
            Decision::Refetch(Gap::Idle) | Decision::Ask(Gap::Idle) => {
                Err(Denied::of(Invalid::Over(Over::Idle), &digest))
            }
            Decision::Refetch(_) | Decision::Ask(_) => Ok(false),
        }
    }
}
