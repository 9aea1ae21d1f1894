//! The page that asks for a name and a password, and what becomes of them.
//!
//! Whoever is not let in is told one thing, whether the name is unknown, the password wrong or the
//! account locked; and it takes as long, since a password is compared with some hash in any case.

use axum::http::header;
use axum::response::Response;
use idp_core::authorize::{Outcome, Person, Request};
use idp_core::id::Username;
use idp_core::login::{self, Claimant};
use idp_core::parameters::Parameters;
use zeroize::Zeroizing;

use super::Pages;
use super::authorize::{Showing, person};
use super::html::Html;
use super::page::{Note, Page, form};
use super::rejection::Rejection;
use super::security::FormTarget;
use super::visit::Visit;
use crate::passwords::Password;

/// What somebody typed as their name, to be shown to them again.
#[derive(Debug, Clone)]
pub(super) struct Typed(String);

pub(super) fn page<'a>(
    request: &'a Request,
    (query, proof): (&str, &str),
    showing: Showing<'_>,
) -> Page<'a> {
    let hinted = Parameters::parse(query.as_bytes()).ok();
    let hinted = hinted.as_ref().and_then(|hinted| hinted.find("login_hint"));
    let name = showing.typed.map(|typed| typed.0.as_str()).or(hinted);
    let content = Html::default()
        .markup("<h1>Sign in</h1>\n<p>to go on to <strong>")
        .text(request.client.as_str())
        .markup("</strong></p>\n")
        .html(&Note::write(showing.note))
        .html(&form(query, proof))
        .html(&fields(name, showing.note))
        .markup("<button type=\"submit\">Sign in</button>\n</form>\n<p class=\"quiet\">")
        .markup("Your password stays here. <strong>")
        .text(request.client.as_str())
        .markup("</strong> never gets to see it.</p>\n");
    Page {
        title: "Sign in",
        content,
        target: FormTarget::On(request.redirect_uri()),
    }
}

/// The field that is still to be filled in has the focus.
fn fields(name: Option<&str>, note: Option<Note>) -> Html {
    let wrong = match note {
        Some(Note::NotSignedIn | Note::Incomplete) => {
            " aria-invalid=\"true\" aria-describedby=\"note\""
        }
        Some(Note::Stale | Note::TakenBack) | None => "",
    };
    let (first, second) = match name {
        None => (" autofocus", ""),
        Some(_) => ("", " autofocus"),
    };
    Html::default()
        .markup("<label for=\"username\">Name</label>\n<input id=\"username\" name=\"username\" ")
        .markup("type=\"text\" autocomplete=\"username\" autocapitalize=\"none\" ")
        .markup("spellcheck=\"false\" maxlength=\"128\" required")
        .markup(wrong)
        .markup(first)
        .markup(" value=\"")
        .text(name.unwrap_or_default())
        .markup("\">\n<label for=\"password\">Password</label>\n<input id=\"password\" ")
        .markup("name=\"password\" type=\"password\" autocomplete=\"current-password\" required")
        .markup(wrong)
        .markup(second)
        .markup(">\n")
}

/// Somebody sent a name and a password from our page.
pub(super) async fn attempt(
    pages: &Pages,
    mut visit: Visit,
    fields: &Parameters,
) -> Result<Response, Rejection> {
    // Whoever was signed in here until now is not who asks.
    let outcome = pages.judge(&visit, person(None)).await?;
    let Outcome::SignIn(request) = outcome else {
        return pages.tell(&visit, outcome, Showing::default());
    };
    // Keyboards of phones add a space behind what they complete.
    let name = fields.find("username").unwrap_or_default().trim();
    let typed = Typed(name.to_owned());
    let again = |note| Showing {
        note: Some(note),
        typed: Some(&typed),
        has_just_signed_in: false,
    };
    let Some(password) = fields.find("password").filter(|_| !name.is_empty()) else {
        let outcome = Outcome::SignIn(request);
        return pages.tell(&visit, outcome, again(Note::Incomplete));
    };
    let claimant = Claimant {
        tenant: request.tenant.clone(),
        name: Username::parse(name),
    };
    let signed_in = match Password::parse(Zeroizing::new(password.to_owned())) {
        Some(password) => pages.try_password(&claimant, password).await?,
        None => None,
    };
    let Some(signed_in) = signed_in else {
        let outcome = Outcome::SignIn(request);
        return pages.tell(&visit, outcome, again(Note::NotSignedIn));
    };

    visit.login = Some(signed_in.login);
    let person = Person {
        has_just_signed_in: true,
        ..person(visit.login)
    };
    let outcome = pages.judge(&visit, person).await?;
    let showing = Showing {
        has_just_signed_in: true,
        ..Showing::default()
    };
    let mut response = pages.tell(&visit, outcome, showing)?;
    let cookie = pages.cookies.set_login(&signed_in.cookie);
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

impl Pages {
    async fn try_password(
        &self,
        claimant: &Claimant,
        password: Password,
    ) -> Result<Option<login::SignedIn>, Rejection> {
        let asked = self
            .desk
            .look(|case| login::ask(case.view, case.provider, claimant));
        let challenge = asked?;
        let verified = self.desk.passwords.verify(challenge.hash.clone(), password);
        let verdict = verified.await?;
        let decided = self.desk.decide(move |case| {
            login::sign_in(
                case.view,
                case.provider,
                (&challenge, verdict),
                case.now,
                case.random,
            )
        });
        Ok(decided.await?.ok())
    }
}
