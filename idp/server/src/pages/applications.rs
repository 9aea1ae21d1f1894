//! `/applications`: what somebody allowed, and where they take it back.
//!
//! Whoever is not signed in here is shown nothing and cannot sign in here either: whose name it
//! would be is known only from the application that somebody comes from.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use idp_core::id::{ClientId, Username};
use idp_core::login::{Someone, who};
use idp_core::record::Consent;

use super::Pages;
use super::consent::scopes;
use super::forms::Purpose;
use super::html::Html;
use super::page::{Note, Page, form};
use super::rejection::Rejection;
use super::security::FormTarget;
use super::visit::{Arrival, Visit, receive};
use crate::withdrawal::{Withdrawing, consents_of, withdraw};

/// More are shown once some of these are gone.
const SHOWN_MAX: usize = 100;

pub(super) async fn applications(
    State(pages): State<Arc<Pages>>,
    request: Request,
) -> Result<Response, Rejection> {
    match receive(&pages, request).await? {
        Arrival::Restated(_) => Err(Rejection::Malformed),
        Arrival::Look(visit) => show(&pages, &visit, None).await,
        Arrival::Answer(visit, Some(Purpose::Withdraw), fields) => {
            let client = fields.find("client").and_then(ClientId::parse);
            let client = client.ok_or(Rejection::Malformed)?;
            let Some(someone) = pages.who(&visit)? else {
                return Ok(nobody());
            };
            let asked = Withdrawing {
                user: someone.user,
                actor: None,
            };
            withdraw(&pages.desk, &asked, &client).await?;
            show(&pages, &visit, Some(Note::TakenBack)).await
        }
        Arrival::Answer(visit, _, _) => show(&pages, &visit, Some(Note::Stale)).await,
    }
}

impl Pages {
    /// Who is signed in at a browser.
    fn who(&self, visit: &Visit) -> Result<Option<Someone>, Rejection> {
        let Some(login) = visit.login else {
            return Ok(None);
        };
        let found = self
            .desk
            .look(move |case| who(case.view, case.provider, login, case.now));
        Ok(found?)
    }
}

async fn show(pages: &Pages, visit: &Visit, note: Option<Note>) -> Result<Response, Rejection> {
    let Some(someone) = pages.who(visit)? else {
        return Ok(nobody());
    };
    let consents = consents_of(&pages.desk, someone.user, None, SHOWN_MAX).await?;
    pages.show(visit, Purpose::Withdraw, |proof| {
        page(&someone.name, &consents, (&visit.query, proof), note)
    })
}

fn page<'a>(
    name: &Username,
    consents: &[Consent],
    (query, proof): (&str, &str),
    note: Option<Note>,
) -> Page<'a> {
    let head = Html::default()
        .markup("<h1>What you allowed</h1>\n<p>You are signed in as <strong>")
        .text(name.as_str())
        .markup("</strong>.</p>\n")
        .html(&Note::write(note));
    let content = if consents.is_empty() {
        head.markup("<p>No application may act for you that had to ask you first.</p>\n")
    } else {
        consents.iter().fold(head, |page, consent| {
            page.html(&application(consent, (query, proof)))
        })
    };
    Page {
        title: "What you allowed",
        content,
        target: FormTarget::Here,
    }
}

fn application(consent: &Consent, (query, proof): (&str, &str)) -> Html {
    let client = consent.client.as_str();
    Html::default()
        .markup("<h2>")
        .text(client)
        .markup("</h2>\n")
        .html(&scopes(&consent.scopes))
        .html(&form(query, proof))
        .markup("<button class=\"second\" name=\"client\" value=\"")
        .text(client)
        .markup("\">Take it back from ")
        .text(client)
        .markup("</button>\n</form>\n")
}

fn nobody() -> Response {
    let page = Page {
        title: "Not signed in",
        content: Html::default()
            .markup("<h1>You are not signed in here</h1>\n<p>Sign in at one of your applications ")
            .markup("first, then open this page again in the same browser.</p>\n"),
        target: FormTarget::Nowhere,
    };
    page.respond(StatusCode::OK)
}
