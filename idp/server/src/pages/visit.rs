//! What does a browser come with, and did it come by itself?
//!
//! A client may send its request as a link or as a form (OpenID Connect Core section 3.1.2.1). Both
//! are the same request: the form is turned into the link, so that there is one way in.

use axum::body::Bytes;
use axum::extract::{FromRequest as _, Request};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use idp_core::id::LoginId;
use idp_core::parameters::Parameters;

use super::Pages;
use super::cookies::Browser;
use super::forms::{Purpose, Shown};
use super::page::{Page, leave};
use super::rejection::Rejection;
use crate::clock;
use crate::protocol::is_form;

/// Where a browser is, and who is signed in there.
#[derive(Debug, Clone)]
pub(super) struct Visit {
    /// As it stands in the URL.
    pub(super) query: String,
    pub(super) browser: Option<Browser>,
    pub(super) login: Option<LoginId>,
}

#[derive(Debug)]
pub(super) enum Arrival {
    /// To see what is here.
    Look(Visit),
    /// With a form. What it was for is proven; none if it was not shown here lately.
    Answer(Visit, Option<Purpose>, Parameters),
    /// With the request of a client as a form.
    Restated(String),
}

pub(super) async fn receive(pages: &Pages, request: Request) -> Result<Arrival, Rejection> {
    let headers = request.headers();
    let visit = Visit {
        query: request.uri().query().unwrap_or_default().to_owned(),
        browser: pages.cookies.browser(headers),
        login: pages.cookies.login(headers),
    };
    if request.method() == Method::GET {
        return Ok(Arrival::Look(visit));
    }
    // Not even HEAD: a look may make a code that nobody would ever see.
    if request.method() != Method::POST {
        return Err(Rejection::Method("GET, POST"));
    }
    if !is_form(headers) {
        return Err(Rejection::NotAForm);
    }
    let is_own = is_own(headers, &pages.origin);
    let body = read(request).await?;
    let fields = Parameters::parse(&body).map_err(|_| Rejection::Malformed)?;
    let proof = fields.find("csrf");
    // A password is part of no request, and must not get into an address.
    let is_request = fields.find("password").is_none() && proof.is_none();
    if is_request && visit.query.is_empty() {
        let query = String::from_utf8(body.to_vec()).map_err(|_| Rejection::Malformed)?;
        return Ok(Arrival::Restated(query));
    }
    if !is_own {
        return Err(Rejection::Elsewhere);
    }
    let purpose = proof.zip(visit.browser).and_then(|(proof, browser)| {
        let shown = visit.shown(browser);
        pages.forms.verify(proof, &shown, clock::now())
    });
    Ok(Arrival::Answer(visit, purpose, fields))
}

async fn read(request: Request) -> Result<Bytes, Rejection> {
    Bytes::from_request(request, &())
        .await
        .map_err(|rejection| {
            if rejection.into_response().status() == StatusCode::PAYLOAD_TOO_LARGE {
                Rejection::TooLong
            } else {
                Rejection::Malformed
            }
        })
}

/// Whether a form was sent from a page of ours, as far as the browser says. One that says nothing
/// must still prove it.
fn is_own(headers: &HeaderMap, origin: &str) -> bool {
    let are_all = |name: &str, expected: &str| {
        let mut fields = headers.get_all(name).iter();
        fields.all(|field| field.as_bytes() == expected.as_bytes())
    };
    are_all("sec-fetch-site", "same-origin") && are_all(header::ORIGIN.as_str(), origin)
}

/// Sends a browser to the link that says the same as the form that it sent.
pub(super) fn restate(query: &str) -> Result<Response, Rejection> {
    if !query.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Rejection::Malformed);
    }
    leave(&format!("?{query}")).ok_or(Rejection::Malformed)
}

impl Visit {
    fn shown(&self, browser: Browser) -> Shown<'_> {
        Shown {
            browser,
            login: self.login,
            query: &self.query,
        }
    }
}

impl Pages {
    /// Shows a page whose form can be sent back by this browser alone.
    pub(super) fn show<'a>(
        &self,
        visit: &Visit,
        purpose: Purpose,
        page: impl FnOnce(&str) -> Page<'a>,
    ) -> Result<Response, Rejection> {
        let browser = match visit.browser {
            Some(browser) => browser,
            None => Browser::draw()?,
        };
        let proof = self
            .forms
            .prove(purpose, &visit.shown(browser), clock::now());
        let mut response = page(&proof).respond(StatusCode::OK);
        if visit.browser.is_none() {
            let cookie = self.cookies.set_browser(browser);
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_form_is_ours_unless_the_browser_says_otherwise() {
        #[rustfmt::skip]
        let cases: [(&[(&str, &str)], bool); 10] = [
            (&[],                                                                 true),
            (&[("origin", "https://id.example")],                                 true),
            (&[("origin", "https://id.example"), ("sec-fetch-site", "same-origin")], true),
            (&[("origin", "https://id.example"), ("sec-fetch-site", "same-site")],   false),
            (&[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")], false),
            (&[("origin", "https://id.example.evil.example")],                    false),
            (&[("origin", "null")],                                               false),
            (&[("sec-fetch-site", "cross-site")],                                 false),
            (&[("sec-fetch-site", "none")],                                       false),
            (&[("origin", "https://id.example"), ("origin", "https://evil.example")], false),
        ];
        for (fields, expected) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(*name, HeaderValue::from_static(value));
            }
            assert_eq!(
                is_own(&headers, "https://id.example"),
                expected,
                "{fields:?}"
            );
        }
    }
}
