//! May this connection stop speaking HTTP?
//!
//! Only for WebSocket (RFC 6455), only on a route that says so, and only when client and service
//! both said so beyond doubt. Behind a 101 the gateway passes bytes on unread, so whoever makes it
//! believe in one that was not meant talks to the service behind its back: every sign is checked,
//! the answer to the client's key included.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use sha1_smol::Sha1;

use crate::answer::AnswerHead;
use crate::head::{Framing, Head, Version};

/// What RFC 6455 §1.3 puts behind the key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const KEY_BYTES: usize = 16;

/// A client's sound wish to go on in WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSocket {
    /// What only a service that understood can answer.
    accept: String,
}

/// Why such a wish is refused. The text is for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    #[error("an upgrade to WebSocket is a GET on HTTP/1.1 without a body")]
    NotAGet,
    #[error("`Sec-WebSocket-Key` is not one key of 16 bytes in base64")]
    Key,
}

impl WebSocket {
    /// The wish in a head; `None` where there is none, or one for another protocol, which HTTP
    /// allows a server to overlook.
    pub fn find(head: &Head<'_>) -> Result<Option<Self>, UpgradeError> {
        let is_named = names_upgrade(&head.nominated);
        if !is_named || !is_websocket(head.only("upgrade")) {
            return Ok(None);
        }
        let is_plain_get = head.method == Method::GET
            && head.version == Version::Http11
            && head.framing == Framing::NoBody
            && !head.expects_continue;
        if !is_plain_get {
            return Err(UpgradeError::NotAGet);
        }
        let key = head.only("sec-websocket-key").ok_or(UpgradeError::Key)?;
        let is_key = matches!(STANDARD.decode(key), Ok(bytes) if bytes.len() == KEY_BYTES);
        if !is_key {
            return Err(UpgradeError::Key);
        }
        let accept = accept(key);
        Ok(Some(Self { accept }))
    }

    /// Whether an answer with 101 is the one to this wish.
    #[must_use]
    pub fn is_granted_by(&self, answer: &AnswerHead<'_>) -> bool {
        answer.status == 101
            && names_upgrade(&answer.nominated)
            && is_websocket(answer.only("upgrade"))
            && answer.only("sec-websocket-accept") == Some(self.accept.as_bytes())
            && answer.says_nothing_of_a_body()
    }
}

fn accept(key: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(GUID);
    STANDARD.encode(hash.digest().bytes())
}

fn names_upgrade(nominated: &[&str]) -> bool {
    let mut names = nominated.iter();
    names.any(|name| name.eq_ignore_ascii_case("upgrade"))
}

fn is_websocket(upgrade: Option<&[u8]>) -> bool {
    upgrade.is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    fn find(head: &str) -> Result<Option<WebSocket>, UpgradeError> {
        let head = format!("{head}\r\n\r\n");
        WebSocket::find(&Head::parse(head.as_bytes(), &Limits::default()).unwrap())
    }

    #[test]
    fn a_wish_is_sound_absent_or_refused() {
        let get = "GET / HTTP/1.1\r\nHost: h\r\n";
        let both = "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket";
        let key = format!("Sec-WebSocket-Key: {KEY}");
        let wish = Some(WebSocket {
            accept: ACCEPT.to_owned(),
        });
        #[rustfmt::skip]
        let cases = [
            (format!("{get}{both}\r\n{key}"),                                    Ok(wish)),
            (format!("{get}Upgrade: websocket\r\n{key}"),                        Ok(None)),
            (format!("{get}Connection: upgrade\r\n{key}"),                       Ok(None)),
            (format!("{get}Connection: upgrade\r\nUpgrade: h2c\r\n{key}"),       Ok(None)),
            (format!("{get}Connection: upgrade\r\nUpgrade: websocket, h2c"),     Ok(None)),
            (format!("{get}{both}\r\nUpgrade: websocket\r\n{key}"),              Ok(None)),
            (format!("{get}{both}"),                                             Err(UpgradeError::Key)),
            (format!("{get}{both}\r\n{key}\r\n{key}"),                           Err(UpgradeError::Key)),
            (format!("{get}{both}\r\nSec-WebSocket-Key: c2hvcnQ="),              Err(UpgradeError::Key)),
            (format!("{get}{both}\r\nSec-WebSocket-Key: {KEY}x"),                Err(UpgradeError::Key)),
            (format!("{get}{both}\r\n{key}\r\nContent-Length: 3"),               Err(UpgradeError::NotAGet)),
            (format!("{get}{both}\r\n{key}\r\nTransfer-Encoding: chunked"),      Err(UpgradeError::NotAGet)),
            (format!("{get}{both}\r\n{key}\r\nExpect: 100-continue"),            Err(UpgradeError::NotAGet)),
            (format!("POST / HTTP/1.1\r\nHost: h\r\n{both}\r\n{key}"),           Err(UpgradeError::NotAGet)),
            (format!("GET / HTTP/1.0\r\nHost: h\r\n{both}\r\n{key}"),            Err(UpgradeError::NotAGet)),
        ];
        for (head, expected) in cases {
            assert_eq!(find(&head), expected, "{head}");
        }
    }

    #[test]
    fn only_the_answer_to_this_very_wish_grants_it() {
        let wish = WebSocket {
            accept: ACCEPT.to_owned(),
        };
        let accept = format!("Sec-WebSocket-Accept: {ACCEPT}");
        #[rustfmt::skip]
        let cases = [
            (format!("101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{accept}"),      true),
            (format!("200 OK\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{accept}"),             false),
            (format!("101 Switching\r\nUpgrade: websocket\r\n{accept}"),                             false),
            (format!("101 Switching\r\nConnection: Upgrade\r\n{accept}"),                            false),
            (format!("101 Switching\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n{accept}"),            false),
            ("101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket".to_owned(),                false),
            ("101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
              Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned(),                        false),
            (format!("101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{accept}\r\n{accept}"), false),
            (format!("101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{accept}\r\nContent-Length: 0"), false),
            (format!("101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{accept}\r\nTransfer-Encoding: chunked"), false),
        ];
        for (answer, expected) in cases {
            let answer = format!("HTTP/1.1 {answer}\r\n\r\n");
            let head = AnswerHead::parse(answer.as_bytes(), &Method::GET).unwrap();
            assert_eq!(wish.is_granted_by(&head), expected, "{answer}");
        }
    }
}
