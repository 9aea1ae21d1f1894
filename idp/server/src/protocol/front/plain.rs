//! Is a request so plain that there is one way to read it?
//!
//! Machines send the same few lines all the time. What is more than that, or not there as a whole, is
//! left to the HTTP library, which knows every way: nothing is refused here.

use httparse::{EMPTY_HEADER, Header, Request, Status};
use idp_core::parameters;

use super::super::reply::{is_form_field, wants_token_field};
use super::Call;

const FIELDS_MAX: usize = 16;
const LENGTH_DIGITS_MAX: usize = 6;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plain<'a> {
    pub(super) call: Call,
    pub(super) authorization: Option<&'a [u8]>,
    pub(super) wants_token: bool,
    pub(super) body: &'a [u8],
    /// With its head.
    pub(super) bytes: usize,
}

/// The request that these bytes begin with.
pub(super) fn read(bytes: &[u8]) -> Option<Plain<'_>> {
    let mut fields = [EMPTY_HEADER; FIELDS_MAX];
    let mut request = Request::new(&mut fields);
    let Ok(Status::Complete(head_bytes)) = request.parse(bytes) else {
        return None;
    };
    let is_plain = request.method == Some("POST") && request.version == Some(1);
    let call = Call::of(request.path.filter(|_| is_plain)?)?;
    let said = Said::of(request.headers)?;
    let end = head_bytes.checked_add(said.length?)?;
    Some(Plain {
        call,
        authorization: said.authorization,
        wants_token: said.wants_token,
        body: bytes.get(head_bytes..end).filter(|_| said.is_form)?,
        bytes: end,
    })
}

#[derive(Default)]
struct Said<'a> {
    length: Option<usize>,
    is_form: bool,
    authorization: Option<&'a [u8]>,
    wants_token: bool,
}

impl<'a> Said<'a> {
    fn of(fields: &[Header<'a>]) -> Option<Self> {
        let mut said = Self::default();
        for field in fields {
            said.take(field.name, field.value)?;
        }
        Some(said)
    }

    /// None if there is more to it. What is there twice is for others to judge.
    fn take(&mut self, name: &str, value: &'a [u8]) -> Option<()> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("content-length") {
            let length = parse_length(value)?;
            return self.length.replace(length).is_none().then_some(());
        }
        if is("content-type") {
            let is_first = !std::mem::replace(&mut self.is_form, true);
            return (is_first && is_form_field(value)).then_some(());
        }
        if is("authorization") {
            return self.authorization.replace(value).is_none().then_some(());
        }
        if is("accept") {
            self.wants_token |= wants_token_field(value);
            return Some(());
        }
        if is("connection") {
            return value.eq_ignore_ascii_case(b"keep-alive").then_some(());
        }
        let changes_framing = ["transfer-encoding", "expect", "upgrade", "te", "trailer"];
        (!changes_framing.into_iter().any(is)).then_some(())
    }
}

fn parse_length(value: &[u8]) -> Option<usize> {
    let is_plain =
        (1..=LENGTH_DIGITS_MAX).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    let length = str::from_utf8(value)
        .ok()
        .filter(|_| is_plain)?
        .parse()
        .ok()?;
    (length <= parameters::BYTES_MAX).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

    fn told(head: &str, body: &str) -> Option<(Call, bool, String, usize)> {
        let text = format!("{head}\r\n{body}");
        let plain = read(text.as_bytes())?;
        let body = String::from_utf8(plain.body.to_vec()).unwrap();
        Some((
            plain.call,
            plain.wants_token,
            body,
            text.len() - plain.bytes,
        ))
    }

    #[test]
    fn what_machines_send_is_plain() {
        let head = format!("POST /token HTTP/1.1\r\nHost: a\r\n{FORM}Content-Length: 3\r\n");
        let expected = Some((Call::Token, false, "a=1".to_owned(), 0));
        assert_eq!(told(&head, "a=1"), expected);
        let expected = Some((Call::Token, false, "a=1".to_owned(), 4));
        assert_eq!(told(&head, "a=1POST"), expected, "what follows is left");
        let head = format!(
            "POST /introspect HTTP/1.1\r\n{FORM}content-length: 0\r\nConnection: keep-alive\r\n\
             Accept: application/token-introspection+jwt\r\nX-Other: 1\r\n"
        );
        let expected = Some((Call::Introspect, true, String::new(), 0));
        assert_eq!(told(&head, ""), expected);
    }

    #[test]
    fn whatever_is_more_or_less_than_that_is_not() {
        let whole = format!("POST /token HTTP/1.1\r\n{FORM}Content-Length: 3\r\n");
        assert!(told(&whole, "a=1").is_some());
        let with = |more: &str| format!("{whole}{more}\r\n");
        #[rustfmt::skip]
        let heads = [
            whole.replace("POST", "PUT"),
            whole.replace("/token", "/token?a=1"),
            whole.replace("/token", "/userinfo"),
            whole.replace("HTTP/1.1", "HTTP/1.0"),
            whole.replace("x-www-form-urlencoded", "json"),
            whole.replace(FORM, ""),
            whole.replace("Length: 3", "Length: 4"),
            whole.replace("Length: 3", "Length: +3"),
            whole.replace("Length: 3", "Length: 3, 3"),
            whole.replace("Length: 3", "Length: 0000003"),
            whole.replace("Content-Length: 3\r\n", ""),
            with("Content-Length: 3"),
            with(FORM.trim_end()),
            with("Transfer-Encoding: chunked"),
            with("Expect: 100-continue"),
            with("Connection: close"),
            with("Connection: upgrade"),
            with("Upgrade: h2c"),
            with("TE: trailers"),
            with("Trailer: a"),
            with("Authorization: Basic YTpi\r\nAuthorization: Basic YTpi"),
            with(" folded"),
            with(&"A: b\r\n".repeat(FIELDS_MAX)),
        ];
        for head in heads {
            assert_eq!(told(&head, "a=1"), None, "{head}");
        }
        let (most, more) = (parameters::BYTES_MAX, parameters::BYTES_MAX + 1);
        let of = |length: usize| whole.replace("Length: 3", &format!("Length: {length}"));
        assert!(told(&of(most), &"a".repeat(most)).is_some());
        assert_eq!(told(&of(more), &"a".repeat(more)), None);
    }
}
