//! What somebody sees who comes here without being sent.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::Pages;
use super::html::Html;
use super::page::Page;
use super::rejection::Rejection;
use super::security::FormTarget;

pub(super) async fn front(State(pages): State<Arc<Pages>>) -> Response {
    let content = Html::default()
        .markup("<h1>This is where people sign in</h1>\n<p>Applications send you to <strong>")
        .text(&pages.origin)
        .markup("</strong> when they need to know who you are. There is nothing to do here ")
        .markup("without one, but to see and take back <a href=\"applications\">what you ")
        .markup("allowed them</a>.</p>\n<p class=\"quiet\">For those who write applications: ")
        .markup("<a href=\".well-known/openid-configuration\">how to use this provider</a></p>\n");
    let page = Page {
        title: "Identity provider",
        content,
        target: FormTarget::Nowhere,
    };
    page.respond(StatusCode::OK)
}

pub(super) async fn wrong_method() -> Rejection {
    Rejection::Method("GET, HEAD")
}

pub(super) async fn nothing_here() -> Rejection {
    Rejection::Nothing
}
