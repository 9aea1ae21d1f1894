//! Does a client begin to speak HTTP/2? RFC 9113 §3.4.

use crate::wire::Wire;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What looks like a head to HTTP/1.1.
const LOOKS_LIKE_HEAD: &[u8] = b"PRI * HTTP/2.0\r\n\r\n";
const FRAME_HEAD_BYTES: usize = 9;
const SETTINGS: u8 = 4;
const ACKNOWLEDGED: u8 = 1;

/// Settings of ours, and that the connection ends for an error of protocol.
pub(super) const REFUSAL: [u8; 26] = [
    0, 0, 0, SETTINGS, 0, 0, 0, 0, 0, //
    0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
];

/// Whether what was read of a connection is HTTP/2, and not a head of HTTP/1.1.
pub(crate) fn is_begun(bytes: &[u8]) -> bool {
    bytes.starts_with(LOOKS_LIKE_HEAD)
}

/// Reads the preface and the head of the first frame, which must be settings, without taking them.
/// `false`: this client speaks something else, or left.
pub(super) async fn hear(wire: &mut Wire) -> bool {
    loop {
        let known = wire.ahead.len().min(PREFACE.len());
        if wire.ahead.get(..known) != PREFACE.get(..known) {
            return false;
        }
        let frame = wire.ahead.get(PREFACE.len()..).unwrap_or_default();
        if let Some(head) = frame.get(..FRAME_HEAD_BYTES) {
            return is_settings(head);
        }
        if !wire.read_more().await.unwrap_or(false) {
            return false;
        }
    }
}

fn is_settings(head: &[u8]) -> bool {
    matches!(head, [_, _, _, SETTINGS, flags, 0, 0, 0, 0] if flags & ACKNOWLEDGED == 0)
}
