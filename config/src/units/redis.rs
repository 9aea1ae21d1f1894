//! Where Redis answers: `redis://[user:password@]address[:port][/database]`, or `unix:///path`.
//!
//! What is said of a text never quotes what may be its password.

use std::path::PathBuf;

use super::Address;
use crate::reader::Scalar;
use crate::redis::{Redis, RedisAddress, RedisPassword};

const PORT: u16 = 6379;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedisUrl(pub(crate) Redis);

impl Scalar for RedisUrl {
    const EXPECTED: &'static str = "a URL such as `redis://127.0.0.1:6379`";

    fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix://") {
            return of_socket(path).map(Self);
        }
        if text.starts_with("rediss://") {
            return Err(
                "TLS is not spoken to Redis: use `redis://` on a network of its own".into(),
            );
        }
        let Some(rest) = text.strip_prefix("redis://") else {
            return Err("it starts with `redis://` or `unix:///`".to_owned());
        };
        let (user, rest) = match rest.rsplit_once('@') {
            Some((user, rest)) => (user, rest),
            None => ("", rest),
        };
        let (address, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (username, password) = credentials(user)?;
        Ok(Self(Redis {
            at: RedisAddress::Tcp(tcp(address)?.0),
            database: match database {
                "" => 0,
                digits => digits
                    .parse()
                    .map_err(|_| "a database is a number".to_owned())?,
            },
            username,
            password,
        }))
    }
}

fn of_socket(path: &str) -> Result<Redis, String> {
    if !path.starts_with('/') || path.ends_with('/') || path.contains(['?', '#', '\0']) {
        return Err("after `unix://` comes the whole path of a socket".to_owned());
    }
    Ok(Redis {
        at: RedisAddress::Unix(PathBuf::from(path)),
        database: 0,
        username: None,
        password: None,
    })
}

/// The port may be left out.
fn tcp(text: &str) -> Result<Address, String> {
    let has_port = text
        .rsplit_once(':')
        .is_some_and(|(host, _)| !host.contains(':') || host.ends_with(']'));
    match has_port {
        true => Address::parse(text),
        false => Address::parse(&format!("{text}:{PORT}")),
    }
}

type Credentials = (Option<String>, Option<RedisPassword>);

fn credentials(user: &str) -> Result<Credentials, String> {
    if user.is_empty() {
        return Ok((None, None));
    }
    let Some((name, password)) = user.split_once(':') else {
        return Err("a user has a password: `redis://user:password@...`".to_owned());
    };
    let name = unescape(name)?;
    let password = RedisPassword::new(unescape(password)?);
    Ok(((!name.is_empty()).then_some(name), Some(password)))
}

/// `%40` as `@`.
fn unescape(text: &str) -> Result<String, String> {
    let refuse = || "`%` is followed by two hexadecimal digits".to_owned();
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((plain, escaped)) = rest.split_once('%') {
        let (digits, after) = escaped.split_at_checked(2).ok_or_else(refuse)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(refuse());
        }
        bytes.extend_from_slice(plain.as_bytes());
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| refuse())?);
        rest = after;
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).map_err(|_| refuse())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(at: &str, database: u32, user: Option<&str>, password: Option<&str>) -> Redis {
        Redis {
            at: RedisAddress::Tcp(at.parse().unwrap()),
            database,
            username: user.map(str::to_owned),
            password: password.map(RedisPassword::new),
        }
    }

    #[test]
    fn a_url_says_where_redis_answers_and_who_asks() {
        #[rustfmt::skip]
        let cases = [
            ("redis://127.0.0.1:6380",           tcp("127.0.0.1:6380", 0, None, None)),
            ("redis://127.0.0.1",                tcp("127.0.0.1:6379", 0, None, None)),
            ("redis://localhost/2",              tcp("127.0.0.1:6379", 2, None, None)),
            ("redis://[::1]:1/",                 tcp("[::1]:1", 0, None, None)),
            ("redis://[::1]",                    tcp("[::1]:6379", 0, None, None)),
            ("redis://:pw@10.0.0.1:1",           tcp("10.0.0.1:1", 0, None, Some("pw"))),
            ("redis://idp:p%40w:@/@10.0.0.1:1",  tcp("10.0.0.1:1", 0, Some("idp"), Some("p@w:@/"))),
        ];
        for (text, expected) in cases {
            assert_eq!(RedisUrl::parse(text), Ok(RedisUrl(expected)), "{text}");
        }
        let RedisUrl(redis) = RedisUrl::parse("unix:///run/redis.sock").unwrap();
        assert_eq!(redis.at, RedisAddress::Unix("/run/redis.sock".into()));
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_its_password() {
        let texts = [
            "hunter2",
            "rediss://:hunter2@127.0.0.1",
            "redis://hunter2@127.0.0.1",
            "redis://:hunter2%4@127.0.0.1",
            "redis://:hunter2%@127.0.0.1",
            "redis://:hunter2%zz@127.0.0.1",
            "redis://:hunter2%ff@127.0.0.1",
            "redis://:hunter2@redis.example",
            "redis://:hunter2@127.0.0.1:x",
            "redis://:hunter2@127.0.0.1/x",
            "redis://:hunter2@",
            "unix://hunter2",
            "unix:///run/",
        ];
        for text in texts {
            let note = RedisUrl::parse(text).unwrap_err();
            assert!(
                !note.is_empty() && !note.contains("hunter2"),
                "{text}: {note}"
            );
        }
    }
}
