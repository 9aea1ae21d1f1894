//! A client that writes any frames it likes and tells in short lines what comes back.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RESET: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const ACK: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

pub(super) struct Raw {
    stream: TcpStream,
    ahead: Vec<u8>,
}

#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Fields as literals, neither indexed nor compressed.
pub(super) fn literal(fields: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            push_length(text.len(), &mut block);
            block.extend(*text);
        }
    }
    block
}

fn push_length(length: usize, block: &mut Vec<u8>) {
    if length < 127 {
        return block.push(u8::try_from(length).unwrap());
    }
    block.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    block.push(u8::try_from(rest).unwrap());
}

/// A `GET` of `/` for the host `h`, as a header block.
pub(super) fn get() -> Vec<u8> {
    literal(&[
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":path", b"/"),
        (b":authority", b"h"),
    ])
}

/// A `GET` that is whole.
pub(super) fn get_frame(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &get())
}

/// Frames of a header block that may be larger than one.
pub(super) fn header_frames(flags: u8, stream: u32, block: &[u8]) -> Vec<u8> {
    let mut pieces = block.chunks(16_384).peekable();
    let mut bytes = Vec::new();
    let mut kind = HEADERS;
    while let Some(piece) = pieces.next() {
        let last = if pieces.peek().is_none() {
            END_HEADERS
        } else {
            0
        };
        let begins = if kind == HEADERS { flags } else { 0 };
        bytes.extend(frame(kind, begins | last, stream, piece));
        kind = CONTINUATION;
    }
    bytes
}

impl Raw {
    /// Connects without a word.
    pub(super) async fn silent(address: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(address).await.unwrap(),
            ahead: Vec::new(),
        }
    }

    /// Connects and exchanges settings, of which ours are these.
    pub(super) async fn connect_with(address: SocketAddr, settings: &[u8]) -> Self {
        let mut raw = Self::silent(address).await;
        raw.say(PREFACE).await;
        raw.say(&frame(SETTINGS, 0, 0, settings)).await;
        raw.say(&frame(SETTINGS, ACK, 0, &[])).await;
        raw
    }

    pub(super) async fn connect(address: SocketAddr) -> Self {
        Self::connect_with(address, &[]).await
    }

    /// Sends bytes; whether the gateway still took them.
    pub(super) async fn say(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// The next frame; `None` at the end of the connection.
    pub(super) async fn hear(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.take_frame() {
                return Some(frame);
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.ahead)).await;
            let count = read.expect("no frame and no end in time").unwrap_or(0);
            if count == 0 {
                return None;
            }
        }
    }

    /// The next frame of this kind, those before it left out.
    pub(super) async fn hear_kind(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.hear().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// Reads to the end: the code of the last `GOAWAY`, if there was one.
    pub(super) async fn goodbye(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some(frame) = self.hear().await {
            if frame.kind == GOAWAY {
                code = Some(frame.code());
            }
        }
        code
    }

    /// What becomes of a stream as one line: `200`, `400 bad_host`, `reset 1`, `goaway 11`.
    pub(super) async fn verdict(&mut self, stream: u32) -> String {
        let (mut line, mut body) = (String::new(), Vec::new());
        while let Some(frame) = self.hear().await {
            match frame.kind {
                GOAWAY => return format!("{line} goaway {}", frame.code()).trim().to_owned(),
                RESET if frame.stream == stream => {
                    return format!("{line} reset {}", frame.code()).trim().to_owned();
                }
                HEADERS if frame.stream == stream => line = frame.status(),
                DATA if frame.stream == stream => body.extend(&frame.payload),
                _ => continue,
            }
            if frame.stream == stream && frame.flags & END_STREAM != 0 {
                let problem: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
                let code = problem["code"].as_str().unwrap_or_default();
                return format!("{line} {code}").trim().to_owned();
            }
        }
        format!("{line} closed").trim().to_owned()
    }

    fn take_frame(&mut self) -> Option<Frame> {
        let head = self.ahead.get(..9)?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let (kind, flags) = (head[3], head[4]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let payload = self.ahead.get(9..9 + length)?.to_vec();
        self.ahead.drain(..9 + length);
        Some(Frame {
            kind,
            flags,
            stream,
            payload,
        })
    }
}

impl Frame {
    /// Of a `RST_STREAM` or a `GOAWAY`.
    pub(super) fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }

    /// The status of an answer, whose field comes first: from the static table, or as a literal.
    fn status(&self) -> String {
        const KNOWN: [&str; 7] = ["200", "204", "206", "304", "400", "404", "500"];
        let first = usize::from(self.payload[0]);
        if let Some(known) = first.checked_sub(0x88).and_then(|at| KNOWN.get(at)) {
            return (*known).to_owned();
        }
        assert_eq!(first & 0x4f, 0x48, "{:?}", self.payload);
        let length = usize::from(self.payload[1]);
        match length.checked_sub(0x80) {
            Some(length) => unpack_digits(&self.payload[2..2 + length]),
            None => String::from_utf8(self.payload[2..2 + length].to_vec()).unwrap(),
        }
    }
}

/// Digits in the code of RFC 7541 appendix B: five bits for 0, 1 and 2, six for the others.
fn unpack_digits(bytes: &[u8]) -> String {
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let (mut digits, mut rest) = (String::new(), bits.as_str());
    while rest.len() >= 5 {
        let five = u32::from_str_radix(&rest[..5], 2).unwrap();
        if five < 3 {
            digits.push_str(&five.to_string());
            rest = &rest[5..];
        } else if let Some(six) = rest.get(..6).filter(|six| *six < "100000") {
            let six = u32::from_str_radix(six, 2).unwrap();
            digits.push_str(&(six - 0b01_1001 + 3).to_string());
            rest = &rest[6..];
        } else {
            break;
        }
    }
    digits
}
