//! `/authorize`: where a client sends people who shall sign in and allow it something.
//!
//! The rule says what is to be done next; here it is shown, and what people answer is brought back
//! to the rule.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use idp_core::authorize::{self, ConsentAnswer, Outcome, Person};
use idp_core::id::LoginId;
use idp_core::parameters::Parameters;

use super::forms::Purpose;
use super::page::{Note, leave};
use super::rejection::Rejection;
use super::sign_in::{self, Typed};
use super::visit::{Arrival, Visit, receive, restate};
use super::{Pages, consent};

/// What is shown beside what the rule says.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Showing<'a> {
    pub(super) note: Option<Note>,
    pub(super) typed: Option<&'a Typed>,
    pub(super) has_just_signed_in: bool,
}

pub(super) async fn authorize(
    State(pages): State<Arc<Pages>>,
    request: Request,
) -> Result<Response, Rejection> {
    match receive(&pages, request).await? {
        Arrival::Restated(query) => restate(&query),
        Arrival::Look(visit) => look(&pages, &visit, None).await,
        Arrival::Answer(visit, purpose, fields) => match purpose {
            Some(Purpose::SignIn) => sign_in::attempt(&pages, visit, &fields).await,
            Some(Purpose::Consent) => answer(&pages, &visit, (&fields, false)).await,
            Some(Purpose::ConsentAfterSignIn) => answer(&pages, &visit, (&fields, true)).await,
            Some(Purpose::SignOut | Purpose::Withdraw) | None => {
                look(&pages, &visit, Some(Note::Stale)).await
            }
        },
    }
}

async fn look(pages: &Pages, visit: &Visit, note: Option<Note>) -> Result<Response, Rejection> {
    let outcome = pages.judge(visit, person(visit.login)).await?;
    let showing = Showing {
        note,
        ..Showing::default()
    };
    pages.tell(visit, outcome, showing)
}

async fn answer(
    pages: &Pages,
    visit: &Visit,
    (fields, has_just_signed_in): (&Parameters, bool),
) -> Result<Response, Rejection> {
    let answer = match fields.find("answer") {
        Some("allow") => ConsentAnswer::Allow,
        Some("deny") => ConsentAnswer::Deny,
        Some("switch") => {
            let outcome = pages.judge(visit, person(None)).await?;
            return pages.tell(visit, outcome, Showing::default());
        }
        Some(_) | None => return Err(Rejection::Malformed),
    };
    let person = Person {
        login: visit.login,
        has_just_signed_in,
        answer: Some(answer),
    };
    let outcome = pages.judge(visit, person).await?;
    pages.tell(visit, outcome, Showing::default())
}

/// Somebody who was asked nothing yet.
pub(super) const fn person(login: Option<LoginId>) -> Person {
    Person {
        login,
        has_just_signed_in: false,
        answer: None,
    }
}

impl Pages {
    pub(super) async fn judge(&self, visit: &Visit, person: Person) -> Result<Outcome, Rejection> {
        let query = visit.query.clone();
        let judged = self.desk.decide(move |case| {
            authorize::authorize(
                case.view,
                case.provider,
                (query.as_bytes(), person),
                case.now,
                case.random,
            )
        });
        Ok(judged.await?)
    }

    pub(super) fn tell(
        &self,
        visit: &Visit,
        outcome: Outcome,
        showing: Showing<'_>,
    ) -> Result<Response, Rejection> {
        match outcome {
            Outcome::Page(refusal) => Err(Rejection::Request(refusal)),
            Outcome::Redirect(redirect) => leave(redirect.as_str()).ok_or(Rejection::Fault),
            Outcome::SignIn(request) => self.show(visit, Purpose::SignIn, |proof| {
                sign_in::page(&request, (&visit.query, proof), showing)
            }),
            Outcome::Consent(request, name) => {
                let purpose = if showing.has_just_signed_in {
                    Purpose::ConsentAfterSignIn
                } else {
                    Purpose::Consent
                };
                self.show(visit, purpose, |proof| {
                    consent::page(&request, &name, (&visit.query, proof), showing.note)
                })
            }
        }
    }
}
