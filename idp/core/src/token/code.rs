//! A code is redeemed (RFC 6749 section 4.1.3, RFC 7636 section 4.6).
//!
//! A code is good for one attempt. Whoever presents it and cannot redeem it has it from somewhere
//! it should not have been, so it is burnt; and when one comes back that was redeemed, either of
//! the two was a thief, and what it began is ended.

use aws_lc_rs::digest::{SHA256, digest};
use idp_token::refresh::{Family, FamilyId, FamilySalt, RefreshToken};
use idp_token::session::SessionId;
use subtle::ConstantTimeEq;

use super::{Caller, IdToken, Issued, Outcome};
use crate::audit::Event;
use crate::client::{Consents, Grant};
use crate::decision::{Decision, Random, Stop};
use crate::handle::code_digest;
use crate::login;
use crate::record::{Cause, Code, CodeState, Login, Record, Refresh, Session};
use crate::refusal::Refusal;
use crate::session;
use crate::store::Transaction;
use crate::view::Need;

/// Past this a login ends its oldest session for each that begins.
pub const SESSIONS_PER_LOGIN_MAX: usize = 32;

impl Caller<'_, '_> {
    pub(super) fn redeem_code(&self, random: &Random) -> Outcome {
        let presented = self
            .parameters
            .find("code")
            .ok_or(Refusal::InvalidRequest)?;
        let digest = code_digest(presented).ok_or(Refusal::InvalidGrant)?;
        let code = self.view.code(digest)?.ok_or(Refusal::InvalidGrant)?;
        match code.state {
            CodeState::Redeemed(session) => return self.replayed(session),
            CodeState::Burnt => return Err(Refusal::InvalidGrant.into()),
            CodeState::Unspent => {}
        }
        if self.now >= code.expires_at {
            return Err(Refusal::InvalidGrant.into());
        }
        if !self.is_bound_to(code) {
            return self.burn(code);
        }
        let login = login::find_live(self.view, self.provider, code.login, self.now)?;
        let login = login.ok_or(Refusal::InvalidGrant)?;
        self.begin(code, login, random)
    }

    /// Whether code, client, redirect URI and verifier belong together.
    fn is_bound_to(&self, code: &Code) -> bool {
        let verifier = self.parameters.find("code_verifier").unwrap_or_default();
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let is_verifier = (43..=128).contains(&verifier.len()) && verifier.bytes().all(is_allowed);
        let hash = digest(&SHA256, verifier.as_bytes());
        let is_proved: bool = hash.as_ref().ct_eq(&code.challenge).into();
        is_verifier
            && is_proved
            && code.client == self.client.id
            && self.parameters.find("redirect_uri") == Some(code.redirect_uri.as_str())
    }

    fn replayed(&self, id: SessionId) -> Outcome {
        let session = self.view.session(id)?;
        let mut transaction = Transaction::of(self.view);
        let how = (Cause::CodeReplayed, self.now);
        session::end(&mut transaction, self.view, id, how)?;
        Ok(Decision {
            answer: Err(Refusal::InvalidGrant),
            transaction,
            audit: Some(self.entry(Event::CodeReplayed, session, None)),
        })
    }

    fn burn(&self, code: &Code) -> Outcome {
        let mut transaction = Transaction::of(self.view);
        let burnt = Code {
            state: CodeState::Burnt,
            ..code.clone()
        };
        transaction.put(self.view, Record::Code(burnt), self.now);
        Ok(Decision {
            answer: Err(Refusal::InvalidGrant),
            transaction,
            audit: Some(self.entry(Event::CodeBurnt, None, None)),
        })
    }

    fn begin(&self, code: &Code, login: &Login, random: &Random) -> Outcome {
        let session = self.session_of(code, login, random)?;
        let (issued, access) = self.mint(&session, code.scopes.clone(), random)?;
        let digest = access.digest;
        let refresh = self.family_of(&session, random);
        let crowded = self.crowded(login)?;

        let mut transaction = Transaction::of(self.view);
        let redeemed = Code {
            state: CodeState::Redeemed(session.id),
            forgotten_at: session.ends_at,
            ..code.clone()
        };
        transaction.put(self.view, Record::Code(redeemed), self.now);
        session::put_new(&mut transaction, self.view, session.clone(), self.now);
        transaction.put(self.view, Record::Access(access), self.now);
        if let Some(oldest) = crowded {
            session::end(
                &mut transaction,
                self.view,
                oldest,
                (Cause::Crowded, self.now),
            )?;
        }
        let kept = login.sessions.iter().filter(|id| crowded != Some(**id));
        let login = Login {
            sessions: kept.copied().chain([session.id]).collect(),
            ..login.clone()
        };
        transaction.put(self.view, Record::Login(login), self.now);
        let issued = Issued {
            refresh_token: refresh.as_ref().map(|refresh| self.first_of(refresh)),
            id_token: id_token(&session, code.nonce.clone()),
            ..issued
        };
        if let Some(refresh) = refresh {
            transaction.put(self.view, Record::Refresh(refresh), self.now);
        }
        Ok(Decision {
            answer: Ok(issued),
            transaction,
            audit: Some(self.entry(Event::TokenIssued, Some(&session), Some(digest))),
        })
    }

    /// What the person allowed may have been withdrawn since the code was issued.
    fn is_allowed(&self, code: &Code, login: &Login) -> Result<bool, Need> {
        if self.client.consents == Consents::Implied {
            return Ok(true);
        }
        let given = self.view.consent(login.user, &self.client.id)?;
        Ok(given.is_some_and(|given| code.scopes.is_within(&given.scopes)))
    }

    fn session_of(&self, code: &Code, login: &Login, random: &Random) -> Result<Session, Stop> {
        if !self.is_allowed(code, login)? {
            return Err(Refusal::InvalidGrant.into());
        }
        let owners = (Some(login.user), &self.client.id, &self.client.tenant);
        let found = session::generations(self.view, owners.0, owners.1, owners.2)?;
        if found != Some(code.generations) {
            return Err(Refusal::InvalidGrant.into());
        }
        let begun = session::begin(self.view, random.id, self.client, self.now)?;
        Ok(Session {
            user: Some(login.user),
            login: Some(login.id),
            scopes: code.scopes.clone(),
            amr: login.amr.clone(),
            auth_time: Some(login.signed_in_at),
            generations: code.generations,
            ..begun
        })
    }

    /// The session that must make room for another.
    fn crowded(&self, login: &Login) -> Result<Option<SessionId>, Stop> {
        let is_full = login.sessions.len() >= SESSIONS_PER_LOGIN_MAX;
        let oldest = login.sessions.first().copied().filter(|_| is_full);
        if let Some(oldest) = oldest {
            self.view.session(oldest)?;
        }
        Ok(oldest)
    }

    fn family_of(&self, session: &Session, random: &Random) -> Option<Refresh> {
        let may_refresh = self.client.grants.contains(&Grant::RefreshToken);
        may_refresh.then(|| Refresh {
            id: FamilyId(random.family),
            salt: FamilySalt::new(random.salt),
            client: self.client.id.clone(),
            session: session.id,
            family: Family::begin(self.now),
            ends_at: session.ends_at,
        })
    }

    fn first_of(&self, refresh: &Refresh) -> idp_token::refresh::SpelledRefresh {
        let first = RefreshToken {
            partition: self.provider.partition,
            family: refresh.id,
            counter: refresh.family.current,
        };
        first.spell(&self.provider.refresh_key, &refresh.salt)
    }
}

fn id_token(session: &Session, nonce: Option<String>) -> Option<IdToken> {
    let user = session.user.filter(|_| session.scopes.has("openid"))?;
    Some(IdToken {
        subject: user.to_string(),
        audience: session.client.clone(),
        session: session.id,
        nonce,
        auth_time: session.auth_time?,
        amr: session.amr.clone(),
        ends_at: session.ends_at,
    })
}
