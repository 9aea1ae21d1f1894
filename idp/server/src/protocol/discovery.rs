//! What anybody may know: the public keys, and how to use this provider (RFC 8414, OpenID Connect
//! Discovery). Both are texts made when keys change, with a tag, so that asking again costs nothing.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::path;
use crate::desk::Desk;
use crate::keys::Document;

pub(super) async fn jwks(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    answer(&desk.ring.load().jwks, &headers)
}

pub(super) async fn discovery(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    answer(&desk.ring.load().description, &headers)
}

fn answer(document: &Document, headers: &HeaderMap) -> Response {
    let fields = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        ),
        (header::CACHE_CONTROL, document.cache_control.clone()),
        (header::ETAG, document.etag.clone()),
        // Anybody's script may read what anybody may read.
        (
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            HeaderValue::from_static("*"),
        ),
    ];
    if is_known(document, headers) {
        return (StatusCode::NOT_MODIFIED, fields).into_response();
    }
    (fields, document.text.clone()).into_response()
}

fn is_known(document: &Document, headers: &HeaderMap) -> bool {
    let mut known = headers.get_all(header::IF_NONE_MATCH).iter();
    known.any(|field| {
        let mut tags = field.as_bytes().split(|byte| *byte == b',');
        tags.any(|tag| {
            let tag = tag.trim_ascii();
            tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == document.etag.as_bytes()
        })
    })
}

#[derive(Serialize)]
struct Description<'a> {
    issuer: &'a str,
    authorization_endpoint: String,
    token_endpoint: String,
    introspection_endpoint: String,
    revocation_endpoint: String,
    userinfo_endpoint: String,
    end_session_endpoint: String,
    jwks_uri: String,
    scopes_supported: [&'static str; 1],
    response_types_supported: [&'static str; 1],
    response_modes_supported: [&'static str; 1],
    grant_types_supported: [&'static str; 3],
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: [&'static str; 1],
    introspection_signing_alg_values_supported: [&'static str; 1],
    token_endpoint_auth_methods_supported: [&'static str; 3],
    introspection_endpoint_auth_methods_supported: [&'static str; 2],
    revocation_endpoint_auth_methods_supported: [&'static str; 3],
    code_challenge_methods_supported: [&'static str; 1],
    prompt_values_supported: [&'static str; 3],
    claims_supported: [&'static str; 10],
    authorization_response_iss_parameter_supported: bool,
    claims_parameter_supported: bool,
    request_parameter_supported: bool,
    request_uri_parameter_supported: bool,
    backchannel_logout_supported: bool,
    backchannel_logout_session_supported: bool,
}

const BASIC: &str = "client_secret_basic";
const POST: &str = "client_secret_post";
const NONE: &str = "none";

/// The description of a provider that signs with this algorithm.
pub(crate) fn describe(issuer: &str, algorithm: &'static str) -> String {
    let base = issuer.strip_suffix('/').unwrap_or(issuer);
    let at = |path: &str| format!("{base}{path}");
    let description = Description {
        issuer,
        authorization_endpoint: at(path::AUTHORIZE),
        token_endpoint: at(path::TOKEN),
        introspection_endpoint: at(path::INTROSPECT),
        revocation_endpoint: at(path::REVOKE),
        userinfo_endpoint: at(path::USERINFO),
        end_session_endpoint: at(path::END_SESSION),
        jwks_uri: at(path::JWKS),
        scopes_supported: ["openid"],
        response_types_supported: ["code"],
        response_modes_supported: ["query"],
        grant_types_supported: ["authorization_code", "refresh_token", "client_credentials"],
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: [algorithm],
        introspection_signing_alg_values_supported: [algorithm],
        token_endpoint_auth_methods_supported: [BASIC, POST, NONE],
        introspection_endpoint_auth_methods_supported: [BASIC, POST],
        revocation_endpoint_auth_methods_supported: [BASIC, POST, NONE],
        code_challenge_methods_supported: ["S256"],
        prompt_values_supported: ["none", "login", "consent"],
        claims_supported: [
            "iss",
            "sub",
            "aud",
            "exp",
            "iat",
            "auth_time",
            "nonce",
            "amr",
            "sid",
            "preferred_username",
        ],
        authorization_response_iss_parameter_supported: true,
        claims_parameter_supported: false,
        request_parameter_supported: false,
        request_uri_parameter_supported: false,
        backchannel_logout_supported: true,
        backchannel_logout_session_supported: true,
    };
    serde_json::to_string(&description).expect("invariant: texts and lists of them are JSON")
}
