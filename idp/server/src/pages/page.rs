//! What all pages have in common.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::html::Html;
use super::security::{self, FormTarget, STYLE};

/// A page, but for what all have in common.
#[derive(Debug)]
pub(super) struct Page<'a> {
    pub(super) title: &'static str,
    pub(super) content: Html,
    pub(super) target: FormTarget<'a>,
}

/// What somebody is told above a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    Stale,
    Incomplete,
    NotSignedIn,
    TakenBack,
}

impl Page<'_> {
    pub(super) fn respond(self, status: StatusCode) -> Response {
        let html = Html::default()
            .markup(concat!(
                "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
                "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
                "<meta name=\"color-scheme\" content=\"light dark\">\n",
                "<meta name=\"robots\" content=\"noindex\">\n",
                "<link rel=\"icon\" href=\"data:,\">\n<title>",
            ))
            .markup(self.title)
            .markup(" · Tollgate</title>\n<style>")
            .markup(STYLE)
            .markup("</style>\n</head>\n<body>\n<main>\n")
            .markup(MARK)
            .html(&self.content)
            .markup("</main>\n</body>\n</html>\n");
        let kind = HeaderValue::from_static("text/html; charset=utf-8");
        let mut response =
            (status, [(header::CONTENT_TYPE, kind)], html.into_string()).into_response();
        security::allow(response.headers_mut(), self.target);
        response
    }
}

/// A barrier, half open. It is for the eye alone: each title names the house.
const MARK: &str = concat!(
    "<p class=\"mark\" aria-hidden=\"true\"><svg viewBox=\"0 0 32 32\" width=\"28\" height=\"28\">",
    "<rect width=\"32\" height=\"32\" rx=\"8\"/>",
    "<path d=\"M9 25V12M5 25h8M9 16l17-8\"/></svg>Tollgate</p>\n",
);

/// The beginning of a form that leads back to the page it stands on.
pub(super) fn form(query: &str, proof: &str) -> Html {
    Html::default()
        .markup("<form method=\"post\" action=\"?")
        .text(query)
        .markup("\">\n<input type=\"hidden\" name=\"csrf\" value=\"")
        .text(proof)
        .markup("\">\n")
}

impl Note {
    pub(super) fn write(note: Option<Self>) -> Html {
        let note_of = |literal: &'static str| {
            Html::default()
                .markup("<p class=\"note\" id=\"note\" role=\"alert\">")
                .markup(literal)
                .markup("</p>\n")
        };
        match note {
            None => Html::default(),
            Some(Self::TakenBack) => Html::default().markup(
                "<p class=\"done\" role=\"status\">It is taken back, and that application is \
                 signed out. It has to ask you again.</p>\n",
            ),
            Some(Self::Stale) => note_of(
                "This page was open for too long, or your browser did not return its cookie. \
                 Nothing was done. Please try again.",
            ),
            Some(Self::Incomplete) => note_of("Enter both your name and your password."),
            Some(Self::NotSignedIn) => note_of(
                "The name or the password is not right, or there were too many attempts. Check \
                 both, or try again in half an hour.",
            ),
        }
    }
}

/// Sends a browser on. What was posted stays here.
pub(super) fn leave(location: &str) -> Option<Response> {
    let mut location = HeaderValue::from_str(location).ok()?;
    // It may hold a code.
    location.set_sensitive(true);
    Some((StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response())
}
