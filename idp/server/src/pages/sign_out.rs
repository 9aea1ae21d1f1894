//! `/end-session`: where people sign out, of this provider and of all that they began here (OpenID
//! Connect RP-Initiated Logout).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use idp_core::parameters::Parameters;
use idp_core::refusal::Refusal;
use idp_core::sign_out::{Outcome, SignOut, sign_out};

use super::Pages;
use super::forms::Purpose;
use super::hint;
use super::html::Html;
use super::page::{Note, Page, form, leave};
use super::rejection::Rejection;
use super::security::FormTarget;
use super::visit::{Arrival, Visit, receive, restate};
use crate::farewell;

pub(super) async fn end_session(
    State(pages): State<Arc<Pages>>,
    request: Request,
) -> Result<Response, Rejection> {
    match receive(&pages, request).await? {
        Arrival::Restated(query) => restate(&query),
        Arrival::Look(visit) => end(&pages, &visit, false, None).await,
        Arrival::Answer(visit, Some(Purpose::SignOut), fields) => match fields.find("answer") {
            Some("allow") => end(&pages, &visit, true, None).await,
            Some("deny") => Ok(still_signed_in()),
            Some(_) | None => Err(Rejection::Malformed),
        },
        Arrival::Answer(visit, _, _) => end(&pages, &visit, false, Some(Note::Stale)).await,
    }
}

async fn end(
    pages: &Pages,
    visit: &Visit,
    is_confirmed: bool,
    note: Option<Note>,
) -> Result<Response, Rejection> {
    let asked = SignOut {
        login: visit.login,
        is_confirmed,
        ..pages.read(&visit.query)?
    };
    let decided = pages
        .desk
        .decide(move |case| sign_out(case.view, &asked, case.now));
    match decided.await? {
        Outcome::Ask { location } => {
            let target = location.as_deref().map_or(FormTarget::Here, FormTarget::On);
            pages.show(visit, Purpose::SignOut, |proof| {
                question((&visit.query, proof), note, target)
            })
        }
        Outcome::SignedOut { location, notices } => {
            farewell::tell(&pages.desk, notices);
            let mut response = match location {
                Some(location) => leave(&location).ok_or(Rejection::Fault)?,
                None => signed_out(),
            };
            let cookie = pages.cookies.clear_login();
            response.headers_mut().append(header::SET_COOKIE, cookie);
            Ok(response)
        }
    }
}

impl Pages {
    /// What a client asks for. A hint that is not good is no hint: then the person is asked.
    fn read(&self, query: &str) -> Result<SignOut, Rejection> {
        let malformed = Rejection::Request(Refusal::InvalidRequest);
        let Ok(parameters) = Parameters::parse(query.as_bytes()) else {
            return Err(malformed);
        };
        let token = parameters.find("id_token_hint");
        let hint = token.and_then(|token| hint::read(&self.desk.ring.load(), token));
        let named = parameters.find("client_id").zip(hint.as_ref());
        if named.is_some_and(|(named, hint)| named != hint.client.as_str()) {
            return Err(malformed);
        }
        let owned = |name| parameters.find(name).map(str::to_owned);
        Ok(SignOut {
            login: None,
            hint,
            is_confirmed: false,
            redirect_uri: owned("post_logout_redirect_uri"),
            state: owned("state"),
        })
    }
}

fn question<'a>(
    (query, proof): (&str, &str),
    note: Option<Note>,
    target: FormTarget<'a>,
) -> Page<'a> {
    let content = Html::default()
        .markup("<h1>Sign out?</h1>\n<p>This signs you out here, and of every application ")
        .markup("that you used with this sign-in.</p>\n")
        .html(&Note::write(note))
        .html(&form(query, proof))
        .markup("<button name=\"answer\" value=\"allow\">Sign out</button>\n")
        .markup("<button name=\"answer\" value=\"deny\" class=\"second\">Stay signed in</button>\n")
        .markup("</form>\n");
    Page {
        title: "Sign out",
        content,
        target,
    }
}

fn signed_out() -> Response {
    let page = Page {
        title: "Signed out",
        content: Html::default()
            .markup("<h1>You are signed out</h1>\n<p>Whoever uses this browser next has to sign ")
            .markup("in. You can close this page.</p>\n"),
        target: FormTarget::Nowhere,
    };
    page.respond(StatusCode::OK)
}

fn still_signed_in() -> Response {
    let page = Page {
        title: "Still signed in",
        content: Html::default()
            .markup("<h1>You are still signed in</h1>\n<p>Nothing was ended. You can go back ")
            .markup("to where you were, or close this page.</p>\n"),
        target: FormTarget::Nowhere,
    };
    page.respond(StatusCode::OK)
}
