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
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
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

/// Which traces are recorded here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling {
    of_10_000: u32,
}

impl Sampling {
    /// So many of ten thousand.
    #[must_use]
    pub fn share(of_10_000: u32) -> Self {
        Self { of_10_000 }
    }

    fn takes(self, random: u128) -> bool {
        random % 10_000 < u128::from(self.of_10_000)
    }
}

/// Where a request stands in a distributed trace: W3C Trace Context.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    text: [u8; 55],
    /// The span of the client, where it named one.
    parent: Option<[u8; 16]>,
    is_recorded: bool,
}

impl Trace {
    /// The trace a service is told: the one of the client, continued under a span of our own, or a
    /// new one, which nobody asked to have sampled.
    #[must_use]
    pub fn next(client: Option<&[u8]>, random: u128, span: u64) -> Self {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        let parsed = client.and_then(parse_traceparent);
        match &parsed {
            Some(client) => {
                text[3..35].copy_from_slice(client.trace);
                text[53..55].copy_from_slice(client.flags);
            }
            None => text[3..35].copy_from_slice(&hex(random.max(1))),
        }
        text[36..52].copy_from_slice(&hex(u128::from(span.max(1)))[16..]);
        Self {
            text,
            parent: parsed.map(|client| *client.span),
            is_recorded: false,
        }
    }

    /// Decides whether the trace is recorded here, and tells the service. What a client asks for counts
    /// only where it is believed: recording costs us, not it.
    #[must_use]
    pub fn sampled(mut self, sampling: Sampling, random: u128, client_is_believed: bool) -> Self {
        let [.., flags] = &mut self.text;
        let is_asked_for = b"13579bdf".contains(flags);
        self.is_recorded = client_is_believed && is_asked_for || sampling.takes(random);
        if self.is_recorded && !is_asked_for {
            // From an even digit to the odd one behind it: the lowest bit is the one for sampling.
            *flags += 1;
        }
        self
    }

    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.is_recorded
    }

    #[must_use]
    pub fn span_id(&self) -> &str {
        self.as_str().get(36..52).unwrap_or_default()
    }

    /// The span of the client that this one continues.
    #[must_use]
    pub fn parent_span_id(&self) -> Option<&str> {
        self.parent
            .as_ref()
            .and_then(|span| str::from_utf8(span).ok())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    #[must_use]
    pub fn trace_id(&self) -> &str {
        str::from_utf8(self.trace_id_bytes()).unwrap_or_default()
    }

    #[must_use]
    pub fn trace_id_bytes(&self) -> &[u8] {
        self.text.get(3..35).unwrap_or_default()
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a client's `traceparent` says.
struct Parent<'a> {
    trace: &'a [u8; 32],
    span: &'a [u8; 16],
    flags: &'a [u8; 2],
}

/// Reads a `traceparent`. A version after 00 may have more parts behind the flags; they are not ours
/// to pass on.
fn parse_traceparent(value: &[u8]) -> Option<Parent<'_>> {
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
    is_valid.then_some(Parent { trace, span, flags })
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
        let told = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let parent = Trace::next(Some(told), 7, 9);
        assert_eq!(parent.parent_span_id(), Some("b7ad6b7169203331"));
        assert_eq!(parent.span_id(), "0000000000000009");
        assert_eq!(Trace::next(None, 7, 9).parent_span_id(), None);
        assert_eq!(
            Trace::next(None, 0, 0).as_str(),
            "00-00000000000000000000000000000001-0000000000000001-00"
        );
    }

    #[test]
    fn a_trace_is_recorded_by_chance_or_because_somebody_believed_asks() {
        let asks = Some(&b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"[..]);
        let half = Sampling::share(5_000);
        #[rustfmt::skip]
        let cases = [
            (None, half,                    4_999, false, true,  "-01"),
            (None, half,                    5_000, false, false, "-00"),
            (asks, half,                    5_000, false, false, "-01"),
            (asks, half,                    5_000, true,  true,  "-01"),
            (asks, half,                    1,     false, true,  "-01"),
            (asks, Sampling::share(0),      1,     true,  true,  "-01"),
            (None, Sampling::share(10_000), 9_999, false, true,  "-01"),
        ];
        for (client, sampling, random, is_believed, is_recorded, flags) in cases {
            let trace = Trace::next(client, 7, 9).sampled(sampling, random, is_believed);
            assert_eq!(
                trace.is_recorded(),
                is_recorded,
                "{client:?} {random} {is_believed}"
            );
            assert!(trace.as_str().ends_with(flags), "{trace:?}");
        }
    }
}
