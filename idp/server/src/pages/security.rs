//! What may a page do, and who may keep or frame it? Nothing, and nobody.
//!
//! Chromium holds all redirects that follow a form to the page's `form-action`, not only the first.
//! So the origin of the redirect URI is named there, and a callback that redirects on to yet another
//! origin is stopped by the browser: such a client shows a page of its own first.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The one style of all pages, which stands in each of them.
pub(super) const STYLE: &str = include_str!("style.css");

/// The style is allowed by what it says, and nothing else is.
static STYLE_HASH: LazyLock<String> =
    LazyLock::new(|| STANDARD.encode(digest(&SHA256, STYLE.as_bytes())));

const FIXED: [(&str, &str); 8] = [
    ("cache-control", "no-store"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
    ("pragma", "no-cache"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
];

/// What the form of a page may lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FormTarget<'a> {
    /// There is no form.
    Nowhere,
    /// Back to the page itself.
    Here,
    /// The same, and from there on to an address that a client registered.
    On(&'a str),
}

/// Writes down what a page may do.
pub(super) fn allow(headers: &mut HeaderMap, target: FormTarget<'_>) {
    let form_action = match target {
        FormTarget::Nowhere => "'none'".to_owned(),
        FormTarget::Here => "'self'".to_owned(),
        FormTarget::On(uri) => {
            origin(uri).map_or_else(|| "'self'".to_owned(), |origin| format!("'self' {origin}"))
        }
    };
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; img-src data:; form-action {form_action}; \
         frame-ancestors 'none'; base-uri 'none'",
        *STYLE_HASH
    );
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if target != FormTarget::Nowhere {
        // With `no-referrer` a browser would not say either where a form came from.
        let policy = HeaderValue::from_static("same-origin");
        headers.insert(header::REFERRER_POLICY, policy);
    }
}

/// Adds what a response lacks.
pub(super) fn complete(headers: &mut HeaderMap) {
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        allow(headers, FormTarget::Nowhere);
    }
    for (name, value) in FIXED {
        let value = HeaderValue::from_static(value);
        headers.entry(name).or_insert(value);
    }
}

/// The origin of an address as a policy names it; of an app, whose address has no host, its scheme.
/// None if it could not be named in a policy.
pub(super) fn origin(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once(':')?;
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    if scheme.is_empty() || !scheme.bytes().all(is_scheme) {
        return None;
    }
    let scheme = scheme.to_ascii_lowercase();
    let Some(after) = rest.strip_prefix("//") else {
        return Some(format!("{scheme}:"));
    };
    let authority = after.split(['/', '?', '#']).next().unwrap_or_default();
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    // A policy has no spelling for an IPv6 address.
    if authority.starts_with('[') {
        return Some(format!("{scheme}:"));
    }
    if authority.is_empty() || !authority.bytes().all(is_host) {
        return None;
    }
    let authority = authority.to_ascii_lowercase();
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let authority = authority.strip_suffix(default_port).unwrap_or(&authority);
    Some(format!("{scheme}://{authority}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_named_by_its_origin_and_never_by_a_policy_of_its_own() {
        let cases = [
            ("https://Shop.example/cb?a=b", Some("https://shop.example")),
            ("https://shop.example:443/cb", Some("https://shop.example")),
            (
                "https://shop.example:8443",
                Some("https://shop.example:8443"),
            ),
            ("http://127.0.0.1:8081/cb", Some("http://127.0.0.1:8081")),
            ("http://localhost?x", Some("http://localhost")),
            ("http://[::1]:3000/cb", Some("http:")),
            ("com.example.app:/cb", Some("com.example.app:")),
            ("https://a;script-src *", None),
            ("https://a b/", None),
            ("https://*/", None),
            ("https:///cb", None),
            ("cb", None),
            ("a b:/cb", None),
        ];
        for (uri, expected) in cases {
            assert_eq!(origin(uri).as_deref(), expected, "{uri}");
        }
    }
}
