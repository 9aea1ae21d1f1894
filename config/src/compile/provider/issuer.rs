//! What do clients know the identity provider by? (RFC 8414 section 2, RFC 9207)
//!
//! The text is compared byte for byte by everybody who is told it, so it has one spelling: no `/` at
//! its end, nothing in upper case that a browser would write in lower case, no port that goes
//! without saying.

use std::net::{IpAddr, SocketAddr};

use crate::bounds;
use crate::document::NodeId;
use crate::reader::{Field, Located, Reading};
use crate::units::{Flag, Text};
use crate::written::Provider;

pub(in crate::compile) const EXPECTED: &str = "expected a URL such as `https://login.example.com`";

pub(super) fn compile(
    provider: &Provider,
    listen: SocketAddr,
    node: NodeId,
    reading: Reading<'_>,
) -> String {
    match &provider.issuer {
        Field::Absent => by_default(provider, listen, node, reading),
        Field::Broken => String::new(),
        Field::Given(issuer) => {
            check(issuer, &provider.unencrypted, reading);
            issuer.value.0.clone()
        }
    }
}

/// The address of `listen`, where that is one that clients can be told.
fn by_default(
    provider: &Provider,
    listen: SocketAddr,
    node: NodeId,
    reading: Reading<'_>,
) -> String {
    let note = if listen.port() == 0 {
        "port 0 is another one at each start"
    } else if !listen.ip().to_canonical().is_loopback() {
        "clients elsewhere need `issuer: https://...`, the name that they find this address by"
    } else {
        return format!("http://{listen}");
    };
    let blamed = provider.listen.given().map_or(node, |listen| listen.node);
    let finding = reading.find(blamed, "with this `listen` the key `issuer` is missing");
    reading.report.add(finding.note(note));
    String::new()
}

fn check(issuer: &Located<Text>, unencrypted: &Field<Flag>, reading: Reading<'_>) {
    let Located {
        value: Text(text),
        node,
    } = issuer;
    let host = match split(text) {
        Ok(("https", _)) => return,
        Ok((_, host)) => host,
        Err(note) => {
            let note = reading.note_on(*node, note);
            reading.report.add(reading.find(*node, EXPECTED).note(note));
            return;
        }
    };
    let may_be_read = match unencrypted {
        Field::Absent => false,
        Field::Broken => true,
        Field::Given(flag) => flag.value.0,
    };
    if !is_this_machine(host) && !may_be_read {
        let message = "passwords and tokens could be read on their way to this issuer";
        let note = "use https, or allow it with `unencrypted: true`";
        reading.report.add(reading.find(*node, message).note(note));
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = |address: IpAddr| address.to_canonical().is_loopback();
    host == "localhost" || address.parse().is_ok_and(is_loopback)
}

/// The scheme and the host of an issuer, or why it is none.
pub(in crate::compile) fn split(text: &str) -> Result<(&str, &str), String> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}*".contains(&byte);
    if text.len() > bounds::ISSUER_BYTES_MAX {
        return Err("this is too long".to_owned());
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err("the scheme is missing: write `https://` in front".to_owned());
    };
    if !matches!(scheme, "https" | "http") {
        return Err("the scheme is `https`".to_owned());
    }
    if !text.bytes().all(is_plain) {
        return Err("ASCII only, without spaces, quotes or wildcards".to_owned());
    }
    if text.contains(['?', '#']) {
        return Err("an issuer has no query and no fragment".to_owned());
    }
    let authority = rest.split('/').next().unwrap_or_default();
    let host = check_authority(scheme, authority)?;
    match text.strip_suffix('/') {
        Some(bare) => Err(format!("leave out the `/` at the end: `{bare}`")),
        None => Ok((scheme, host)),
    }
}

fn check_authority<'a>(scheme: &str, authority: &'a str) -> Result<&'a str, String> {
    if authority.contains('@') {
        return Err("an issuer has no user and no password".to_owned());
    }
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if is_port(port) => (host, Some(port)),
        Some(_) | None => (authority, None),
    };
    if host.is_empty() {
        return Err("the host is missing".to_owned());
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let is_address = host.starts_with('[') && host.ends_with(']');
    if !is_address && !host.bytes().all(is_name) {
        return Err("this is not the name of a host".to_owned());
    }
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        let lower = host.to_ascii_lowercase();
        return Err(format!("browsers write the host in lower case: `{lower}`"));
    }
    let Some(port) = port else { return Ok(host) };
    let standard = if scheme == "https" { 443 } else { 80 };
    match port.parse::<u16>() {
        Ok(port) if port == standard => Err(format!("port {port} goes without saying")),
        Ok(1..) if !port.starts_with('0') => Ok(host),
        Ok(_) | Err(_) => Err("the port is a number from 1 to 65535".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_has_one_spelling() {
        #[rustfmt::skip]
        let cases = [
            ("https://login.example.com",          Ok(("https", "login.example.com"))),
            ("https://login.example.com:8443/a/b", Ok(("https", "login.example.com"))),
            ("http://127.0.0.1:8081",              Ok(("http", "127.0.0.1"))),
            ("http://[::1]:8081",                  Ok(("http", "[::1]"))),
            ("http://[::1]",                       Ok(("http", "[::1]"))),
            ("login.example.com",                  Err("the scheme is missing: write `https://` in front")),
            ("ftp://login.example.com",            Err("the scheme is `https`")),
            ("HTTPS://login.example.com",          Err("the scheme is `https`")),
            ("https://",                           Err("the host is missing")),
            ("https://:80",                        Err("the host is missing")),
            ("https://a.example/",                 Err("leave out the `/` at the end: `https://a.example`")),
            ("https://a.example?b",                Err("an issuer has no query and no fragment")),
            ("https://a.example#b",                Err("an issuer has no query and no fragment")),
            ("https://u:p@a.example",              Err("an issuer has no user and no password")),
            ("https://a b.example",                Err("ASCII only, without spaces, quotes or wildcards")),
            ("https://*.example",                  Err("ASCII only, without spaces, quotes or wildcards")),
            ("https://a,b.example",                Err("this is not the name of a host")),
            ("https://A.example",                  Err("browsers write the host in lower case: `a.example`")),
            ("https://a.example:443",              Err("port 443 goes without saying")),
            ("http://a.example:80",                Err("port 80 goes without saying")),
            ("https://a.example:0",                Err("the port is a number from 1 to 65535")),
            ("https://a.example:70000",            Err("the port is a number from 1 to 65535")),
            ("https://a.example:",                 Err("the port is a number from 1 to 65535")),
        ];
        for (text, expected) in cases {
            assert_eq!(split(text), expected.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn this_machine_has_few_names() {
        let cases = [
            ("localhost", true),
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("[::1]", true),
            ("10.0.0.1", false),
            ("localhost.example", false),
            ("127.0.0.1.example", false),
        ];
        for (host, expected) in cases {
            assert_eq!(is_this_machine(host), expected, "{host}");
        }
    }
}
