//! Which browser is this, and who is signed in there?
//!
//! Two cookies: the login, and a number that means nothing but that a form was shown to this very
//! browser. No script can read them, and no other site can make a browser send them with a form.
//! Where the issuer has https they are bound to this host by their names.

use std::fmt;

use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use idp_core::handle::Handle;
use idp_core::id::LoginId;

use crate::random::{self, NoRandom};

/// A browser, for as long as it is open. Nobody else may learn its number, so it is not shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Browser(pub(super) [u8; 16]);

impl fmt::Debug for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Browser([redacted])")
    }
}

impl Browser {
    pub(super) fn draw() -> Result<Self, NoRandom> {
        random::bytes().map(Self)
    }

    fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }
}

#[derive(Debug)]
pub(super) struct Cookies {
    is_secure: bool,
}

impl Cookies {
    pub(super) fn of(issuer: &str) -> Self {
        Self {
            is_secure: issuer.starts_with("https://"),
        }
    }

    const fn login_name(&self) -> &'static str {
        if self.is_secure {
            "__Host-tollgate-login"
        } else {
            "tollgate-login"
        }
    }

    const fn browser_name(&self) -> &'static str {
        if self.is_secure {
            "__Host-tollgate-browser"
        } else {
            "tollgate-browser"
        }
    }

    pub(super) fn login(&self, headers: &HeaderMap) -> Option<LoginId> {
        find(headers, self.login_name()).and_then(LoginId::of_cookie)
    }

    pub(super) fn browser(&self, headers: &HeaderMap) -> Option<Browser> {
        find(headers, self.browser_name()).and_then(Browser::parse)
    }

    /// Kept until the browser is closed; the login may be over long before.
    pub(super) fn set_login(&self, cookie: &Handle) -> HeaderValue {
        self.write(self.login_name(), cookie.as_str(), "")
    }

    pub(super) fn clear_login(&self) -> HeaderValue {
        self.write(self.login_name(), "", "; Max-Age=0")
    }

    pub(super) fn set_browser(&self, browser: Browser) -> HeaderValue {
        let text = URL_SAFE_NO_PAD.encode(browser.0);
        self.write(self.browser_name(), &text, "")
    }

    /// Lax, since clients lead here from their own sites: with `Strict` nobody would ever be found
    /// signed in, and each page would get a browser number of its own.
    fn write(&self, name: &str, value: &str, end: &str) -> HeaderValue {
        let secure = if self.is_secure { "; Secure" } else { "" };
        let line = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{end}");
        let mut line =
            HeaderValue::try_from(line).expect("invariant: names and base64url are a field value");
        line.set_sensitive(true);
        line
    }
}

/// The one cookie of a name. Of two, one may have been planted by whoever has a host beside this
/// one, so neither is taken.
fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let fields = headers.get_all(header::COOKIE).iter();
    let texts = fields.filter_map(|field| field.to_str().ok());
    let pairs = texts.flat_map(|text| text.split(';'));
    let mut found = pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(known, _)| *known == name)
        .map(|(_, value)| value);
    let one = found.next();
    one.filter(|_| found.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[&'static str]) -> HeaderMap {
        let fields = fields.iter();
        fields
            .map(|field| (header::COOKIE, HeaderValue::from_static(field)))
            .collect()
    }

    #[test]
    fn a_cookie_counts_only_if_there_is_one_of_its_name() {
        let cases: [(&[&str], Option<&str>); 7] = [
            (&["a=1"], Some("1")),
            (&["b=2; a=1;c=3"], Some("1")),
            (&["b=2", "a=1"], Some("1")),
            (&["a=1; a=2"], None),
            (&["a=1", "a=2"], None),
            (&["xa=1; A=1"], None),
            (&[], None),
        ];
        for (fields, expected) in cases {
            assert_eq!(find(&headers(fields), "a"), expected, "{fields:?}");
        }
    }

    #[test]
    fn cookies_are_bound_to_the_host_where_there_is_https() {
        let browser = Browser([1; 16]);
        let secure = Cookies::of("https://id.example").set_browser(browser);
        assert_eq!(
            secure.to_str().unwrap(),
            "__Host-tollgate-browser=AQEBAQEBAQEBAQEBAQEBAQ; Path=/; HttpOnly; SameSite=Lax; Secure"
        );
        let plain = Cookies::of("http://127.0.0.1:8081").clear_login();
        assert_eq!(
            plain.to_str().unwrap(),
            "tollgate-login=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"
        );
    }
}
