//! Places to ask over HTTP: `https://login.example.com/jwks`.
//!
//! Unlike everywhere else a host may have a name, since a certificate vouches for names. It is looked up
//! off the path of requests.

use std::net::IpAddr;

use rustls::pki_types::ServerName;

use crate::reader::Scalar;

const BYTES_MAX: usize = 1_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) is_secured: bool,
    pub(crate) host: ServerName<'static>,
    pub(crate) port: u16,
    /// Begins with `/`; a query may follow.
    pub(crate) path: String,
}

impl Location {
    /// The address, where the host is one.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        if let ServerName::IpAddress(address) = self.host {
            Some(address.into())
        } else {
            None
        }
    }
}

impl Scalar for Location {
    const EXPECTED: &'static str = "a URL such as `https://login.example.com/jwks`";

    fn parse(text: &str) -> Result<Self, String> {
        let (is_secured, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            Some(_) => return Err("it starts with `https://`".to_owned()),
            None => return Err("the scheme is missing: write `https://` in front".to_owned()),
        };
        if text.len() > BYTES_MAX {
            return Err("this is too long".to_owned());
        }
        let start = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(start);
        if authority.contains('@') {
            return Err("no user and no password may stand in it".to_owned());
        }
        let (host, port) = split(authority)?;
        let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_plain || path.contains('#') || !(path.is_empty() || path.starts_with('/')) {
            return Err("after the host comes a path: visible ASCII without `#`".to_owned());
        }
        Ok(Self {
            is_secured,
            host: parse_host(host, is_secured)?,
            port: port.unwrap_or(if is_secured { 443 } else { 80 }),
            path: if path.is_empty() { "/" } else { path }.to_owned(),
        })
    }
}

/// The host, and the port if there is one. `[::1]` has colons and no port.
fn split(authority: &str) -> Result<(&str, Option<u16>), String> {
    let Some((host, port)) = authority.rsplit_once(':') else {
        return Ok((authority, None));
    };
    if authority.ends_with(']') {
        return Ok((authority, None));
    }
    let is_spelled_well = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse() {
        Ok(port @ 1..) if is_spelled_well => Ok((host, Some(port))),
        Ok(_) | Err(_) => Err("the port is a number from 1 to 65535".to_owned()),
    }
}

fn parse_host(host: &str, is_secured: bool) -> Result<ServerName<'static>, String> {
    let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let is_address = bare.is_some() == host.contains(':');
    let name = ServerName::try_from(bare.unwrap_or(host)).ok();
    match name.filter(|_| is_address) {
        // As everywhere; a certificate would be for the name.
        Some(_) if host == "localhost" && !is_secured => Ok(IpAddr::from([127, 0, 0, 1]).into()),
        Some(name) => Ok(name.to_owned()),
        None => Err("this is neither the name of a host nor an address".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_host_and_a_path() {
        let no_path = "after the host comes a path: visible ASCII without `#`";
        let no_host = "this is neither the name of a host nor an address";
        let no_port = "the port is a number from 1 to 65535";
        #[rustfmt::skip]
        let cases = [
            ("https://login.example/jwks",   Ok((true,  "login.example", 443, "/jwks"))),
            ("https://login.example:8443",   Ok((true,  "login.example", 8443, "/"))),
            ("https://10.0.0.7/",            Ok((true,  "10.0.0.7", 443, "/"))),
            ("http://127.0.0.1:8443/jwks",   Ok((false, "127.0.0.1", 8443, "/jwks"))),
            ("http://127.0.0.1/a/b?c=d",     Ok((false, "127.0.0.1", 80, "/a/b?c=d"))),
            ("http://localhost:80/",         Ok((false, "127.0.0.1", 80, "/"))),
            ("https://localhost/",           Ok((true,  "localhost", 443, "/"))),
            ("http://[::1]:81/",             Ok((false, "::1", 81, "/"))),
            ("http://[::1]/",                Ok((false, "::1", 80, "/"))),
            ("ftp://127.0.0.1/",             Err("it starts with `https://`")),
            ("HTTPS://127.0.0.1/",           Err("it starts with `https://`")),
            ("127.0.0.1/jwks",               Err("the scheme is missing: write `https://` in front")),
            ("https://a b.example/",         Err(no_host)),
            ("https://*.example/",           Err(no_host)),
            ("https:///jwks",                Err(no_host)),
            ("http://::1/",                  Err(no_host)),
            ("http://[login.example]/",      Err(no_host)),
            ("http://a:b@127.0.0.1/",        Err("no user and no password may stand in it")),
            ("http://127.0.0.1?x",           Err(no_path)),
            ("http://127.0.0.1/#x",          Err(no_path)),
            ("http://127.0.0.1/a b",         Err(no_path)),
            ("http://127.0.0.1:70000/",      Err(no_port)),
            ("http://127.0.0.1:0/",          Err(no_port)),
            ("http://127.0.0.1:/",           Err(no_port)),
            ("http://127.0.0.1:+80/",        Err(no_port)),
        ];
        for (text, expected) in cases {
            let found = Location::parse(text);
            let expected = expected
                .map_err(str::to_owned)
                .map(|(is_secured, host, port, path)| Location {
                    is_secured,
                    host: ServerName::try_from(host).unwrap(),
                    port,
                    path: path.to_owned(),
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
