//! A client acts for itself (RFC 6749 section 4.4). Each of its tokens is a session of its own, so
//! that one can be ended without the others.

use super::{Caller, Outcome};
use crate::audit::Event;
use crate::client::Secrets;
use crate::decision::{Decision, Random};
use crate::record::Record;
use crate::refusal::Refusal;
use crate::session;
use crate::store::Transaction;

impl Caller<'_, '_> {
    pub(super) fn act_for_itself(&self, random: &Random) -> Outcome {
        if self.client.secrets == Secrets::Public {
            return Err(Refusal::UnauthorizedClient.into());
        }
        let scopes = self.narrow(&self.client.scopes)?;
        let mut session = session::begin(self.view, random.id, self.client, self.now)?;
        session.scopes = scopes.clone();
        let (token, access) = self.mint(&session, scopes, random)?;

        let mut transaction = Transaction::of(self.view);
        session::put_new(&mut transaction, self.view, &session, self.now);
        // Of one draw with the id of its session, and of the same second: it is there if that is.
        transaction.overwrite(Record::Access(access.clone()));
        Ok(Decision {
            answer: Ok(self.issued(&token, &access)),
            transaction,
            audit: Some(self.entry(Event::TokenIssued, Some(&session), Some(&access))),
        })
    }
}
