//! May this client have a code, and what must its person be asked first?
//!
//! RFC 6749 section 4.1 as RFC 9700 narrows it: only `response_type=code`, only with PKCE and S256,
//! only to a redirect URI that is registered byte for byte. Before client and redirect URI are known
//! to be good nothing is ever sent back, so that a browser is never led where nobody vouches for.
//! All that is sent back names its issuer (RFC 9207).
//!
//! The rule keeps nothing between its pages: each page sends the same request again and it is judged
//! anew.

use std::fmt;
use std::time::Duration;

use idp_token::digest::{Tid, TokenDigest};
use idp_token::time::UnixSeconds;

use crate::audit::{About, Entry, Event};
use crate::client::Consents;
use crate::decision::{Decided, Decision, Random, Stop};
use crate::handle::Handle;
use crate::id::{LoginId, Username};
use crate::login;
use crate::parameters::escape;
use crate::provider::Provider;
use crate::record::{Code, CodeState, Consent, Login, Record};
use crate::refusal::Refusal;
use crate::session;
use crate::store::Transaction;
use crate::view::{Need, View};

pub use request::Request;

mod request;

/// Long enough for a redirect and a call.
pub const CODE_LIFETIME: Duration = Duration::from_secs(60);

/// Where a request stands with its person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person {
    /// From the cookie.
    pub login: Option<LoginId>,
    /// Whether they signed in for this very request, a moment ago.
    pub has_just_signed_in: bool,
    pub answer: Option<ConsentAnswer>,
}

/// What they pressed. The server has made sure that it was pressed on our page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsentAnswer {
    Allow,
    Deny,
}

#[derive(Debug)]
pub enum Outcome {
    /// Told on a page of our own, and sent nowhere.
    Page(Refusal),
    /// Somebody of the client's tenant must sign in.
    SignIn(Box<Request>),
    /// Ask this person whether the client may do all this.
    Consent(Box<Request>, Username),
    /// A `Location`, with a code or an error.
    Redirect(Redirect),
}

/// Holds a code, so it is not shown.
pub struct Redirect(String);

impl Redirect {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.0.find('?').unwrap_or(self.0.len());
        let shown = self.0.get(..end).unwrap_or_default();
        write!(f, "Redirect({shown}?[redacted])")
    }
}

/// Judges a request as its client sent it in the query.
pub fn authorize(
    view: &View,
    provider: &Provider,
    (query, person): (&[u8], Person),
    now: UnixSeconds,
    random: &Random,
) -> Decided<Outcome> {
    let request = match request::read(view, query) {
        Ok(request) => request,
        Err(request::Fault::Need(need)) => return Err(need),
        Err(request::Fault::Page(refusal)) => {
            return Ok(Decision::only(Outcome::Page(refusal), None));
        }
        Err(request::Fault::Return(back, refusal)) => {
            return Ok(Decision::only(refuse(provider, &back, refusal), None));
        }
    };
    match admit(view, provider, (&request, person), now) {
        Ok(Admission::Admitted(login)) => {
            issue(view, provider, (&request, login, person), now, random)
        }
        Ok(Admission::Ask(outcome)) => Ok(Decision::only(outcome, None)),
        Err(Stop::Need(need)) => Err(need),
        Err(Stop::Refused(refusal)) => {
            let outcome = refuse(provider, &request.back, refusal);
            Ok(Decision::only(outcome, None))
        }
    }
}

enum Admission<'v> {
    Admitted(&'v Login),
    Ask(Outcome),
}

fn admit<'v>(
    view: &'v View,
    provider: &Provider,
    (request, person): (&Request, Person),
    now: UnixSeconds,
) -> Result<Admission<'v>, Stop> {
    let login = match person.login {
        Some(id) => login::find_live(view, provider, id, now)?,
        None => None,
    };
    let is_recent = |login: &&Login| {
        let is_too_old = request
            .max_age
            .is_some_and(|max| now.since(login.signed_in_at) > max);
        person.has_just_signed_in || !(request.prompt.login || is_too_old)
    };
    // People are of the tenant of the client, or there is nothing here for them.
    let is_of_tenant = |login: &&Login| login.tenant == request.tenant;
    let Some(login) = login.filter(is_of_tenant).filter(is_recent) else {
        return if request.prompt.none {
            Err(Refusal::LoginRequired.into())
        } else {
            Ok(Admission::Ask(Outcome::SignIn(Box::new(request.clone()))))
        };
    };
    if has_consent(view, request, login)? {
        return Ok(Admission::Admitted(login));
    }
    match person.answer {
        Some(ConsentAnswer::Allow) => Ok(Admission::Admitted(login)),
        Some(ConsentAnswer::Deny) => Err(Refusal::AccessDenied.into()),
        None if request.prompt.none => Err(Refusal::ConsentRequired.into()),
        None => {
            let user = view.user(login.user)?;
            let request = Box::new(request.clone());
            Ok(Admission::Ask(match user {
                Some(user) => Outcome::Consent(request, user.name.clone()),
                None => Outcome::SignIn(request),
            }))
        }
    }
}

fn has_consent(view: &View, request: &Request, login: &Login) -> Result<bool, Need> {
    if request.consents == Consents::Implied {
        return Ok(true);
    }
    let given = view.consent(login.user, &request.client)?;
    let is_enough = given.is_some_and(|given| request.scopes.is_within(&given.scopes));
    Ok(is_enough && !request.prompt.consent)
}

fn issue(
    view: &View,
    provider: &Provider,
    (request, login, person): (&Request, &Login, Person),
    now: UnixSeconds,
    random: &Random,
) -> Decided<Outcome> {
    let owners = (Some(login.user), &request.client, &request.tenant);
    let Some(generations) = session::generations(view, owners.0, owners.1, owners.2)? else {
        let outcome = refuse(provider, &request.back, Refusal::ServerError);
        return Ok(Decision::only(outcome, None));
    };
    let handle = Handle::code(&random.secret);
    let digest = TokenDigest::of(handle.as_str().as_bytes());
    let expires_at = now.after(CODE_LIFETIME);
    let code = Code {
        digest,
        client: request.client.clone(),
        redirect_uri: request.back.redirect_uri.clone(),
        challenge: request.challenge,
        nonce: request.nonce.clone(),
        scopes: request.scopes.clone(),
        login: login.id,
        generations,
        expires_at,
        state: CodeState::Unspent,
        forgotten_at: expires_at,
    };
    let mut transaction = Transaction::of(view);
    let used = Login {
        used_at: login.used_at.max(now),
        ..login.clone()
    };
    transaction.put(view, Record::Login(used), now);
    transaction.put(view, Record::Code(code), now);
    let is_asked = request.consents == Consents::Asked;
    let is_new = is_asked && person.answer == Some(ConsentAnswer::Allow);
    if is_new {
        transaction.put(view, consent(view, request, login, now)?, now);
    }
    let parts = [("code", handle.as_str())];
    let outcome = Outcome::Redirect(redirect(provider, &request.back, &parts));
    let event = if is_new {
        Event::ConsentGiven
    } else {
        Event::CodeIssued
    };
    let about = About {
        user: Some(login.user),
        client: Some(request.client.clone()),
        token: Some(Tid::of(&digest)),
        ..About::default()
    };
    Ok(Decision {
        answer: outcome,
        transaction,
        audit: Some(Entry {
            at: now,
            event,
            about,
        }),
    })
}

/// What was allowed before stays allowed.
fn consent(
    view: &View,
    request: &Request,
    login: &Login,
    now: UnixSeconds,
) -> Result<Record, Need> {
    let known = view.consent(login.user, &request.client)?;
    let scopes = known.map_or_else(
        || request.scopes.clone(),
        |known| known.scopes.join(&request.scopes),
    );
    Ok(Record::Consent(Consent {
        user: login.user,
        client: request.client.clone(),
        scopes,
        given_at: now,
    }))
}

/// Where an answer goes, and what it must bring along. Made only of what was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Back {
    redirect_uri: String,
    state: Option<String>,
}

fn refuse(provider: &Provider, back: &Back, refusal: Refusal) -> Outcome {
    let reply = refusal.reply();
    let parts = [("error", reply.code), ("error_description", reply.text)];
    Outcome::Redirect(redirect(provider, back, &parts))
}

fn redirect(provider: &Provider, back: &Back, parts: &[(&str, &str)]) -> Redirect {
    let mut location = back.redirect_uri.clone();
    let state = back.state.as_deref().map(|state| ("state", state));
    let issuer = ("iss", provider.issuer.as_str());
    let mut mark = if location.contains('?') { '&' } else { '?' };
    for (name, value) in parts.iter().copied().chain(state).chain([issuer]) {
        location.push(mark);
        location.push_str(name);
        location.push('=');
        escape(value, &mut location);
        mark = '&';
    }
    Redirect(location)
}
