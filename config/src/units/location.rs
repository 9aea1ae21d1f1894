//! Places to ask over HTTP: `http://127.0.0.1:8443/jwks`.
//!
//! An IP address and a port, as everywhere, and no TLS, which is left to a proxy on this machine.

use super::Address;
use crate::identity;
use crate::reader::Scalar;

const BYTES_MAX: usize = 1_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Location(pub(crate) identity::Location);

impl Scalar for Location {
    const EXPECTED: &'static str = "a URL such as `http://127.0.0.1:8443/jwks`";

    fn parse(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix("http://") else {
            return Err(match text.split_once("://") {
                Some(("https", _)) => {
                    "TLS is not spoken from here: put a proxy in between, and write its `http://`"
                        .into()
                }
                Some(_) => "it starts with `http://`".to_owned(),
                None => "the scheme is missing: write `http://` in front".to_owned(),
            });
        };
        let start = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(start);
        if authority.contains('@') {
            return Err("no user and no password may stand in it".to_owned());
        }
        if text.len() > BYTES_MAX {
            return Err("this is too long".to_owned());
        }
        let address = match authority.rsplit_once(':') {
            Some((_, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                Address::parse(authority)?
            }
            // `[::1]` has colons and no port.
            Some(_) | None => Address::parse(&format!("{authority}:80"))?,
        };
        let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_plain || path.contains('#') || !(path.is_empty() || path.starts_with('/')) {
            return Err("after the port comes a path: visible ASCII without `#`".to_owned());
        }
        Ok(Self(identity::Location {
            address: address.0,
            path: if path.is_empty() { "/" } else { path }.to_owned(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_an_address_and_a_path_over_http() {
        let no_tls = "TLS is not spoken from here: put a proxy in between, and write its `http://`";
        let no_path = "after the port comes a path: visible ASCII without `#`";
        let no_name = "host names are not looked up: write the IP address";
        #[rustfmt::skip]
        let cases = [
            ("http://127.0.0.1:8443/jwks",  Ok(("127.0.0.1:8443", "/jwks"))),
            ("http://127.0.0.1:8443",       Ok(("127.0.0.1:8443", "/"))),
            ("http://127.0.0.1/a/b?c=d",    Ok(("127.0.0.1:80", "/a/b?c=d"))),
            ("http://localhost:80/",        Ok(("127.0.0.1:80", "/"))),
            ("http://[::1]:81/",            Ok(("[::1]:81", "/"))),
            ("http://[::1]/",               Ok(("[::1]:80", "/"))),
            ("https://127.0.0.1/",          Err(no_tls)),
            ("ftp://127.0.0.1/",            Err("it starts with `http://`")),
            ("127.0.0.1/jwks",              Err("the scheme is missing: write `http://` in front")),
            ("http://login.example/jwks",   Err(no_name)),
            ("http://login.example:1/jwks", Err(no_name)),
            ("http://a:b@127.0.0.1/",       Err("no user and no password may stand in it")),
            ("http://127.0.0.1?x",          Err(no_path)),
            ("http://127.0.0.1/#x",         Err(no_path)),
            ("http://127.0.0.1/a b",        Err(no_path)),
            ("http://127.0.0.1:70000/",     Err("the port is a number up to 65535")),
        ];
        for (text, expected) in cases {
            let found = Location::parse(text);
            let expected = expected.map_err(str::to_owned).map(|(address, path)| {
                let address = address.parse().unwrap();
                Location(identity::Location {
                    address,
                    path: path.to_owned(),
                })
            });
            assert_eq!(found, expected, "{text}");
        }
        let long = |len: usize| format!("http://[::1]/{}", "a".repeat(len - 13));
        assert!(Location::parse(&long(BYTES_MAX)).is_ok());
        assert_eq!(
            Location::parse(&long(BYTES_MAX + 1)),
            Err("this is too long".to_owned())
        );
    }
}
