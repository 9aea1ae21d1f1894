//! A client acts for itself (RFC 6749 section 4.4). Each of its tokens is a session of its own, so
//! that one can be ended without the others: the session is all that is kept of the token, and is over
//! with it.

use super::{Caller, Outcome};
use crate::audit::Event;
use crate::client::Secrets;
use crate::decision::{Decision, Random};
use crate::refusal::Refusal;
use crate::session;
use crate::store::Transaction;

impl Caller<'_, '_> {
    pub(super) fn act_for_itself(&self, random: &Random) -> Outcome {
        if self.client.secrets == Secrets::Public {
            return Err(Refusal::UnauthorizedClient.into());
        }
        let scopes = self.narrow(&self.client.scopes)?;
        let mut begun = session::begin(self.view, random.id, self.client, self.now)?;
        begun.scopes = scopes;
        let (issued, session, digest) = self.mint_alone(begun, random)?;

        let entry = self.entry(Event::TokenIssued, Some(&session), Some(digest));
        let mut transaction = Transaction::of(self.view);
        session::put_alone(&mut transaction, session);
        Ok(Decision {
            answer: Ok(issued),
            transaction,
            audit: Some(entry),
        })
    }
}
