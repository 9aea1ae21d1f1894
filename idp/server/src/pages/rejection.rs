//! Whatever is answered with nothing but a page that says why not.
//!
//! Its texts are fixed: of what was sent nothing is shown again.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use idp_core::refusal::Refusal;

use super::html::Html;
use super::page::Page;
use super::security::FormTarget;
use crate::desk::{Unanswerable, complain};
use crate::passwords::Busy;
use crate::random::NoRandom;

const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

#[derive(Debug, thiserror::Error)]
pub(super) enum Rejection {
    #[error("a request that may be answered to nobody")]
    Request(Refusal),
    #[error("a form that another site sent")]
    Elsewhere,
    #[error("a form that cannot be read")]
    Malformed,
    #[error("not a form")]
    NotAForm,
    #[error("a form longer than any")]
    TooLong,
    #[error("a method that is not taken, of {0}")]
    Method(&'static str),
    #[error("nothing is here")]
    Nothing,
    #[error("too much is asked at once")]
    Busy,
    #[error("a fault of this program")]
    Fault,
    #[error("nobody can tell at the moment")]
    Unanswerable(#[from] Unanswerable),
}

/// What somebody reads, and a word for whoever they ask about it.
struct Told {
    status: StatusCode,
    title: &'static str,
    text: &'static str,
    code: &'static str,
}

impl Rejection {
    #[rustfmt::skip]
    const fn told(&self) -> Told {
        const FROM_CLIENT: &str = "This link does not work";
        const UNREADABLE: &str = "This could not be read";
        const LATER: &str = "Please try again in a moment";
        match self {
            Self::Request(Refusal::InvalidClient) => told(StatusCode::BAD_REQUEST, FROM_CLIENT, "invalid_client",
                "The application that sent you here is not known, or was switched off."),
            Self::Request(refusal) => told(StatusCode::BAD_REQUEST, FROM_CLIENT, refusal.reply().code,
                "The application that sent you here made a mistake in how it asked, or wants you to be sent on to an address that it never registered. So you are sent nowhere."),
            Self::Elsewhere => told(StatusCode::FORBIDDEN, "This did not come from here", "cross_site",
                "Another site tried to send something in your name. Nothing was done."),
            Self::Malformed => told(StatusCode::BAD_REQUEST, UNREADABLE, "malformed_form",
                "What was sent is incomplete or can be read in more than one way. Nothing was done."),
            Self::NotAForm => told(StatusCode::UNSUPPORTED_MEDIA_TYPE, UNREADABLE, "not_a_form",
                "Only forms are taken here. Nothing was done."),
            Self::TooLong => told(StatusCode::PAYLOAD_TOO_LARGE, UNREADABLE, "too_long",
                "What was sent is longer than any form of this site. Nothing was done."),
            Self::Method(_) => told(StatusCode::METHOD_NOT_ALLOWED, UNREADABLE, "method_not_allowed",
                "This page cannot be asked for in that way."),
            Self::Nothing => told(StatusCode::NOT_FOUND, "There is nothing here", "not_found",
                "The address may be mistyped, or the page may be gone. Go back to the application that you came from."),
            Self::Busy => told(StatusCode::SERVICE_UNAVAILABLE, LATER, "busy",
                "Too many people are signing in at once. You have not been signed in; nothing is lost."),
            Self::Unanswerable(_) => told(StatusCode::SERVICE_UNAVAILABLE, LATER, "temporarily_unavailable",
                "Signing in and out is not possible at the moment. Nothing was done."),
            Self::Fault => told(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong here", "server_error",
                "This is not your fault. It has been written down and will be looked at."),
        }
    }
}

const fn told(
    status: StatusCode,
    title: &'static str,
    code: &'static str,
    text: &'static str,
) -> Told {
    Told {
        status,
        title,
        text,
        code,
    }
}

impl From<Busy> for Rejection {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}

impl From<NoRandom> for Rejection {
    fn from(none: NoRandom) -> Self {
        Self::Unanswerable(none.into())
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        if let Self::Unanswerable(why) = &self {
            complain(why);
        }
        let Told {
            status,
            title,
            text,
            code,
        } = self.told();
        let content = Html::default()
            .markup("<h1>")
            .markup(title)
            .markup("</h1>\n<p>")
            .markup(text)
            .markup("</p>\n<p class=\"quiet\">If you ask somebody for help, tell them: <code>")
            .markup(code)
            .markup("</code></p>\n");
        let page = Page {
            title,
            content,
            target: FormTarget::Nowhere,
        };
        let mut response = page.respond(status);
        if let Self::Method(allowed) = self {
            let allowed = HeaderValue::from_static(allowed);
            response.headers_mut().insert(header::ALLOW, allowed);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response
    }
}
