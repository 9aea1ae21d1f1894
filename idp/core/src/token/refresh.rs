//! A refresh token is exchanged (RFC 6749 section 6, RFC 9700 section 4.14).
//!
//! What becomes of a token is judged by `Family::redeem`; here is what follows. However many ask at
//! once, one advances the family and the others find that they repeat, and all hold the same
//! successor. An older token, however old, ends the session and the family with it.

use idp_token::refresh::{Family, PresentedRefresh, Redemption, RefreshToken, Standing};

use super::{Caller, Issued, Outcome};
use crate::audit::Event;
use crate::decision::{Decision, Random};
use crate::record::{Cause, Record, Refresh, Session};
use crate::refusal::Refusal;
use crate::session;
use crate::store::Transaction;

impl Caller<'_, '_> {
    pub(super) fn refresh(&self, random: &Random) -> Outcome {
        let text = self.parameters.find("refresh_token");
        let text = text.ok_or(Refusal::InvalidRequest)?;
        let presented =
            PresentedRefresh::parse(text.as_bytes()).map_err(|_| Refusal::InvalidGrant)?;
        let stored = self.view.refresh(presented.family())?;
        let stored = stored.ok_or(Refusal::InvalidGrant)?;
        let token = presented
            .verify(&self.provider.refresh_key, &stored.salt)
            .map_err(|_| Refusal::InvalidGrant)?;
        let session = self.view.session(stored.session)?;
        let session = session.ok_or(Refusal::InvalidGrant)?;
        if stored.client != self.client.id {
            let entry = self.entry(Event::RefreshForeign, Some(session), None);
            return Ok(Decision::only(Err(Refusal::InvalidGrant), Some(entry)));
        }
        match stored.family.redeem(token.counter, self.now) {
            Redemption::Advance(family) => self.hand_out(stored, session, family, random),
            Redemption::Repeat => self.hand_out(stored, session, stored.family, random),
            Redemption::Reuse => self.kill(
                stored,
                session,
                (Cause::RefreshReused, Event::RefreshReused),
            ),
            Redemption::NeverIssued => {
                let leaked = (Cause::RefreshNeverIssued, Event::RefreshNeverIssued);
                self.kill(stored, session, leaked)
            }
            Redemption::Dead => Err(Refusal::InvalidGrant.into()),
        }
    }

    fn hand_out(
        &self,
        stored: &Refresh,
        session: &Session,
        family: Family,
        random: &Random,
    ) -> Outcome {
        let life = session::check(self.view, session, self.now)?;
        life.map_err(|_| Refusal::InvalidGrant)?;
        // What the client lost since is not had back.
        let scopes = self.narrow(&session.scopes.meet(&self.client.scopes))?;
        let (issued, access) = self.mint(session, scopes, random)?;
        let digest = access.digest;
        let newest = RefreshToken {
            partition: self.provider.partition,
            family: stored.id,
            counter: family.current,
        };

        let mut transaction = Transaction::of(self.view);
        transaction.put(self.view, Record::Access(access), self.now);
        transaction.raise(session.id, self.now, session.ends_at);
        if family != stored.family {
            let advanced = Refresh {
                family,
                ..stored.clone()
            };
            transaction.put(self.view, Record::Refresh(advanced), self.now);
        }
        let issued = Issued {
            refresh_token: Some(newest.spell(&self.provider.refresh_key, &stored.salt)),
            ..issued
        };
        Ok(Decision {
            answer: Ok(issued),
            transaction,
            audit: Some(self.entry(Event::TokenRefreshed, Some(session), Some(digest))),
        })
    }

    fn kill(&self, stored: &Refresh, session: &Session, (cause, event): (Cause, Event)) -> Outcome {
        let mut transaction = Transaction::of(self.view);
        let killed = Refresh {
            family: Family {
                standing: Standing::Killed,
                ..stored.family
            },
            ..stored.clone()
        };
        transaction.put(self.view, Record::Refresh(killed), self.now);
        session::end(&mut transaction, self.view, session.id, (cause, self.now))?;
        Ok(Decision {
            answer: Err(Refusal::InvalidGrant),
            transaction,
            audit: Some(self.entry(event, Some(session), None)),
        })
    }
}
