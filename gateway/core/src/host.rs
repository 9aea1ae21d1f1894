//! Which host does a request mean, in one spelling?
//!
//! RFC 9110 §7.2 and RFC 3986 §3.2.2, narrowed: a registered name is a DNS name in ASCII, an IP
//! literal is one that `std` parses. User information, percent-encoding and empty hosts are refused,
//! because two readers of such a host may disagree on where it points.

use std::net::{Ipv4Addr, Ipv6Addr};

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    #[error("the host is empty")]
    Empty,
    #[error("the host is longer than 253 characters or has a label longer than 63")]
    TooLong,
    #[error("the host has a character that no host name has")]
    Character,
    #[error("the port is not a number up to 65535")]
    Port,
    #[error("the host is not a valid IP address")]
    Address,
}

/// A host in canonical spelling: lower case, without a trailing dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    name: String,
    port: Option<u16>,
}

impl Host {
    /// Parses the value of a `Host` field or the authority of an absolute target.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let (name, port) = split_port(text)?;
        Ok(Self {
            name: canonical_name(name)?,
            port,
        })
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

fn split_port(text: &str) -> Result<(&str, Option<u16>), HostError> {
    let name_end = match text.strip_prefix('[') {
        Some(literal) => literal.find(']').ok_or(HostError::Address)? + 2,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (name, rest) = text.split_at(name_end);
    if rest.is_empty() {
        return Ok((name, None));
    }
    let digits = rest.strip_prefix(':').ok_or(HostError::Character)?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(HostError::Port);
    }
    digits
        .parse()
        .map(|port| (name, Some(port)))
        .map_err(|_| HostError::Port)
}

fn canonical_name(name: &str) -> Result<String, HostError> {
    if let Some(literal) = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        let address: Ipv6Addr = literal.parse().map_err(|_| HostError::Address)?;
        return Ok(format!("[{address}]"));
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() {
        return Err(HostError::Empty);
    }
    if name.len() > 253 {
        return Err(HostError::TooLong);
    }
    for label in name.split('.') {
        check_label(label)?;
    }
    // `127.1` and `0x7f.0.0.1` are addresses to some resolvers and names to others.
    let is_numeric = name.rsplit('.').next().is_some_and(|last| {
        last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x")
    });
    if is_numeric && name.parse::<Ipv4Addr>().is_err() {
        return Err(HostError::Address);
    }
    Ok(name.to_ascii_lowercase())
}

fn check_label(label: &str) -> Result<(), HostError> {
    if label.is_empty() {
        return Err(HostError::Empty);
    }
    if label.len() > 63 {
        return Err(HostError::TooLong);
    }
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if label.bytes().all(is_allowed) {
        Ok(())
    } else {
        Err(HostError::Character)
    }
}

/// The hosts a route answers for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostPattern {
    /// One host and no other.
    Exact(String),
    /// Every host under a suffix; holds `.example.com` for `*.example.com`.
    Under(String),
    /// Every host.
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostPatternError {
    #[error("a host pattern carries no port")]
    Port,
    #[error("a `*` stands only in front, as in `*.example.com`")]
    Star,
    #[error(transparent)]
    Host(#[from] HostError),
}

impl HostPattern {
    /// Parses `pay.example.com` or `*.example.com`.
    pub fn parse(text: &str) -> Result<Self, HostPatternError> {
        let (suffix, is_under) = match text.strip_prefix("*.") {
            Some(suffix) => (suffix, true),
            None => (text, false),
        };
        if suffix.contains('*') {
            return Err(HostPatternError::Star);
        }
        let host = Host::parse(suffix)?;
        if host.port.is_some() {
            return Err(HostPatternError::Port);
        }
        Ok(if is_under {
            Self::Under(format!(".{}", host.name))
        } else {
            Self::Exact(host.name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_spelling() {
        #[rustfmt::skip]
        let cases = [
            ("Pay.Example.COM",        Ok(("pay.example.com", None))),
            ("pay.example.com.",       Ok(("pay.example.com", None))),
            ("pay.example.com:8443",   Ok(("pay.example.com", Some(8443)))),
            ("127.0.0.1:80",           Ok(("127.0.0.1", Some(80)))),
            ("[::1]:80",               Ok(("[::1]", Some(80)))),
            ("[0:0:0:0:0:0:0:1]",      Ok(("[::1]", None))),
            ("under_score.internal",   Ok(("under_score.internal", None))),
            ("",                       Err(HostError::Empty)),
            (".",                      Err(HostError::Empty)),
            (":80",                    Err(HostError::Empty)),
            ("a..b",                   Err(HostError::Empty)),
            ("a b",                    Err(HostError::Character)),
            ("user@host",              Err(HostError::Character)),
            ("a%2eb",                  Err(HostError::Character)),
            ("a/b",                    Err(HostError::Character)),
            ("bücher.example",         Err(HostError::Character)),
            ("a:",                     Err(HostError::Port)),
            ("a:65536",                Err(HostError::Port)),
            ("a:+80",                  Err(HostError::Port)),
            ("a:80:80",                Err(HostError::Port)),
            ("[::1",                   Err(HostError::Address)),
            ("[::1]x",                 Err(HostError::Character)),
            ("[fe80::1%25eth0]",       Err(HostError::Address)),
            ("127.1",                  Err(HostError::Address)),
            ("2130706433",             Err(HostError::Address)),
            ("127.0.0.0x1",            Err(HostError::Address)),
        ];
        for (text, expected) in cases {
            let parsed = Host::parse(text);
            let found = parsed
                .as_ref()
                .map(|host| (host.name(), host.port()))
                .map_err(|e| *e);
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn a_label_and_a_name_have_a_longest_length() {
        let label = "a".repeat(63);
        assert!(Host::parse(&label).is_ok());
        assert_eq!(Host::parse(&format!("{label}a")), Err(HostError::TooLong));

        let name = [label.as_str(); 4].join(".");
        assert!(Host::parse(&name[..253]).is_ok());
        assert_eq!(Host::parse(&name[..254]), Err(HostError::TooLong));
    }

    #[test]
    fn a_pattern_is_exact_or_starts_with_a_star() {
        #[rustfmt::skip]
        let cases = [
            ("pay.example.com",    Ok(HostPattern::Exact("pay.example.com".into()))),
            ("*.Example.com",      Ok(HostPattern::Under(".example.com".into()))),
            ("pay.*.com",          Err(HostPatternError::Star)),
            ("*",                  Err(HostPatternError::Star)),
            ("*.example.com:80",   Err(HostPatternError::Port)),
            ("",                   Err(HostPatternError::Host(HostError::Empty))),
        ];
        for (text, expected) in cases {
            assert_eq!(HostPattern::parse(text), expected, "{text}");
        }
    }
}
