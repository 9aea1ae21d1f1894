//! How is one request known, here and in every service it reaches?

use std::fmt;
use std::str;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A UUID of version 7 (RFC 9562): sortable by the time it was made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId([u8; 36]);

impl RequestId {
    #[must_use]
    pub fn new(unix_millis: u64, random: u128) -> Self {
        let version_and_time = (u128::from(unix_millis) << 80) | (7 << 76);
        let variant = 0b10 << 62;
        let random = random & !(0xffff_ffff_ffff_ffff << 76) & !(0b11 << 62);
        Self(spell(version_and_time | variant | random))
    }

    /// Takes an id that a trusted peer gave, if it is spelled like one of ours.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let bytes: [u8; 36] = value.try_into().ok()?;
        let is_spelled_well = bytes.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => is_lower_hex(*byte),
        });
        is_spelled_well.then_some(Self(bytes))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

fn spell(id: u128) -> [u8; 36] {
    let mut out = [b'-'; 36];
    let digits = hex(id);
    let mut digits = digits.iter();
    for (at, place) in out.iter_mut().enumerate() {
        if !matches!(at, 8 | 13 | 18 | 23) {
            *place = *digits.next().unwrap_or(&b'0');
        }
    }
    out
}

fn hex(value: u128) -> [u8; 32] {
    let mut out = [b'0'; 32];
    for (byte, pair) in value.to_be_bytes().iter().zip(out.chunks_exact_mut(2)) {
        if let [high, low] = pair {
            *high = HEX[usize::from(byte >> 4)];
            *low = HEX[usize::from(byte & 15)];
        }
    }
    out
}

fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a request stands in a distributed trace: W3C Trace Context.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    text: [u8; 55],
}

impl Trace {
    /// The trace a service is told: the one of the client, continued under a span of our own, or a
    /// new one, which nobody asked to have sampled.
    #[must_use]
    pub fn next(client: Option<&[u8]>, random: u128, span: u64) -> Self {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        match client.and_then(parse_traceparent) {
            Some((trace, flags)) => {
                text[3..35].copy_from_slice(trace);
                text[53..55].copy_from_slice(flags);
            }
            None => text[3..35].copy_from_slice(&hex(random.max(1))),
        }
        text[36..52].copy_from_slice(&hex(u128::from(span.max(1)))[16..]);
        Self { text }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.text).unwrap_or_default()
    }

    #[must_use]
    pub fn trace_id(&self) -> &str {
        self.as_str().get(3..35).unwrap_or_default()
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The trace id and the flags of a `traceparent`. A version after 00 may have more parts behind
/// the flags; they are not ours to pass on.
fn parse_traceparent(value: &[u8]) -> Option<(&[u8; 32], &[u8; 2])> {
    let (head, tail) = value.split_at_checked(55)?;
    let [v0, v1, b'-', rest @ ..] = head else {
        return None;
    };
    let (trace, rest) = rest.split_first_chunk::<32>()?;
    let (b'-', rest) = rest.split_first()? else {
        return None;
    };
    let (span, rest) = rest.split_first_chunk::<16>()?;
    let (b'-', flags) = rest.split_first()? else {
        return None;
    };
    let flags: &[u8; 2] = flags.try_into().ok()?;

    let version = [*v0, *v1];
    let is_hex = |bytes: &[u8]| bytes.iter().all(|byte| is_lower_hex(*byte));
    let is_zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == b'0');
    let ends_well = if version == *b"00" {
        tail.is_empty()
    } else {
        tail.first() != Some(&b'0')
    };
    let is_valid = is_hex(&version)
        && version != *b"ff"
        && is_hex(trace)
        && !is_zero(trace)
        && is_hex(span)
        && !is_zero(span)
        && is_hex(flags)
        && ends_well;
    is_valid.then_some((trace, flags))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_carries_its_time_version_and_variant() {
        let id = RequestId::new(0x0191_2345_6789, u128::MAX);
        assert_eq!(id.as_str(), "01912345-6789-7fff-bfff-ffffffffffff");
        let id = RequestId::new(0x0191_2345_6789, 0);
        assert_eq!(id.as_str(), "01912345-6789-7000-8000-000000000000");
    }

    #[test]
    fn later_requests_have_greater_ids() {
        let ids = [
            RequestId::new(1, u128::MAX),
            RequestId::new(2, 0),
            RequestId::new(3, 9),
        ];
        assert!(ids.is_sorted_by_key(|id| id.as_str().to_owned()));
    }

    #[test]
    fn an_id_of_a_peer_is_taken_only_in_our_spelling() {
        #[rustfmt::skip]
        let cases: [(&[u8], bool); 5] = [
            (b"01912345-6789-7fff-bfff-ffffffffffff",   true),
            (b"01912345-6789-7FFF-bfff-ffffffffffff",   false),
            (b"01912345x6789-7fff-bfff-ffffffffffff",   false),
            (b"01912345-6789-7fff-bfff-ffffffffffff0",  false),
            (b"",                                       false),
        ];
        for (text, expected) in cases {
            assert_eq!(
                RequestId::parse(text).is_some(),
                expected,
                "{}",
                text.escape_ascii()
            );
        }
    }

    #[test]
    fn a_trace_is_continued_under_a_new_span_or_begun() {
        let begun = "00-00000000000000000000000000000007-0000000000000009-00";
        #[rustfmt::skip]
        let cases = [
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-0000000000000009-01"),
            ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", "00-0af7651916cd43dd8448eb211c80319c-0000000000000009-01"),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", begun),
            ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", begun),
            ("00-00000000000000000000000000000000-b7ad6b7169203331-01", begun),
            ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", begun),
            ("00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", begun),
            ("", begun),
        ];
        for (client, expected) in cases {
            let trace = Trace::next(Some(client.as_bytes()), 7, 9);
            assert_eq!(trace.as_str(), expected, "{client}");
        }
        assert_eq!(
            Trace::next(None, 0, 0).as_str(),
            "00-00000000000000000000000000000001-0000000000000001-00"
        );
    }
}
