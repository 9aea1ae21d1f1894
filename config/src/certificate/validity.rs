//! When is a certificate valid?
//!
//! The one field of X.509 (RFC 5280 section 4.1.2.5) that is looked for by hand: libraries judge it
//! against the time without telling what it says.

use rustls::pki_types::CertificateDer;

use crate::reader::Scalar as _;
use crate::units::Date;

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// The version, in front of the serial number where it is not the first.
const VERSION: u8 = 0xa0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) from_unix_seconds: u64,
    pub(crate) until_unix_seconds: u64,
}

impl Validity {
    /// `None` where the bytes are not those of a certificate.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (certificate, _) = take(SEQUENCE, certificate)?;
        let (content, _) = take(SEQUENCE, certificate)?;
        let content = take(VERSION, content).map_or(content, |(_, rest)| rest);
        let (_serial, content) = take(INTEGER, content)?;
        let (_algorithm, content) = take(SEQUENCE, content)?;
        let (_issuer, content) = take(SEQUENCE, content)?;
        let (validity, _) = take(SEQUENCE, content)?;
        let (from, validity) = take_time(validity)?;
        let (until, _) = take_time(validity)?;
        Some(Self {
            from_unix_seconds: from,
            until_unix_seconds: until,
        })
    }

    /// When both are valid.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            from_unix_seconds: self.from_unix_seconds.max(other.from_unix_seconds),
            until_unix_seconds: self.until_unix_seconds.min(other.until_unix_seconds),
        }
    }
}

/// The content of the first element, if it is of this kind, and what follows it.
fn take(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, rest) = bytes.split_first()?;
    let (length, rest) = take_length(rest)?;
    let (content, rest) = rest.split_at_checked(length)?;
    (*found == tag).then_some((content, rest))
}

fn take_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    if *first < 0x80 {
        return Some((usize::from(*first), rest));
    }
    let count = usize::from(first & 0x7f);
    let (digits, rest) = rest.split_at_checked(count)?;
    if !(1..=4).contains(&count) {
        return None;
    }
    let length = digits
        .iter()
        .fold(0, |length, digit| length << 8 | usize::from(*digit));
    Some((length, rest))
}

/// Seconds from the first moment of 1970; what was before that is taken for it.
fn take_time(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let short = take(UTC_TIME, bytes).map(|(text, rest)| (century(text), text, rest));
    let long = take(GENERALIZED_TIME, bytes).map(|(text, rest)| ("", text, rest));
    let (century, text, rest) = short.or(long)?;
    let text = format!("{century}{}", std::str::from_utf8(text).ok()?);
    Some((unix_seconds(&text)?, rest))
}

/// Years of two digits are those from 1950 to 2049.
fn century(text: &[u8]) -> &'static str {
    match text.first() {
        Some(b'5'..=b'9') => "19",
        _ => "20",
    }
}

/// Reads `20261231235959Z`.
fn unix_seconds(text: &str) -> Option<u64> {
    let digits = text.strip_suffix('Z').filter(|digits| digits.len() == 14)?;
    let number = |from: usize| digits.get(from..from + 2)?.parse::<u64>().ok();
    let (year, month, day) = (digits.get(..4)?, digits.get(4..6)?, digits.get(6..8)?);
    if year < "1970" {
        return Some(0);
    }
    let date = Date::parse(&format!("{year}-{month}-{day}")).ok()?;
    let (hour, minute, second) = (number(8)?, number(10)?, number(12)?);
    Some(date.unix_seconds() + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_x509_writes_it() {
        #[rustfmt::skip]
        let cases: &[(u8, &[u8], Option<u64>)] = &[
            (UTC_TIME,         b"700101000000Z",     Some(0)),
            (UTC_TIME,         b"261231235959Z",     Some(1_798_761_599)),
            (UTC_TIME,         b"491231000000Z",     Some(2_524_521_600)),
            (UTC_TIME,         b"500101000000Z",     Some(0)),
            (GENERALIZED_TIME, b"20500101000000Z",   Some(2_524_608_000)),
            (GENERALIZED_TIME, b"99991231235959Z",   Some(253_402_300_799)),
            (GENERALIZED_TIME, b"20500101000000",    None),
            (GENERALIZED_TIME, b"20501301000000Z",   None),
            (GENERALIZED_TIME, b"2050010100000\xffZ", None),
            (UTC_TIME,         b"2612312359Z",       None),
            (SEQUENCE,         b"261231235959Z",     None),
        ];
        for (tag, text, expected) in cases {
            let length = u8::try_from(text.len()).unwrap();
            let bytes = [&[*tag, length], *text].concat();
            let found = take_time(&bytes).map(|(seconds, _)| seconds);
            assert_eq!(found, *expected, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn a_certificate_says_from_when_until_when() {
        let mut asked = rcgen::CertificateParams::new(["a.example".to_owned()]).unwrap();
        asked.not_before = rcgen::date_time_ymd(2026, 1, 31);
        asked.not_after = rcgen::date_time_ymd(2051, 2, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = asked.self_signed(&key).unwrap();
        let expected = Validity {
            from_unix_seconds: 1_769_817_600,
            until_unix_seconds: 2_558_822_400,
        };
        assert_eq!(Validity::of(certificate.der()), Some(expected));
    }

    #[test]
    fn no_bytes_but_those_of_a_certificate_have_a_validity() {
        let key = rcgen::KeyPair::generate().unwrap();
        let asked = rcgen::CertificateParams::new(["a.example".to_owned()]).unwrap();
        let whole = asked.self_signed(&key).unwrap().der().to_vec();
        for length in 0..whole.len() {
            let cut = CertificateDer::from(whole[..length].to_vec());
            assert_eq!(Validity::of(&cut), None, "{length}");
        }
        for at in 0..whole.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                // Whatever it says, it says it without a panic.
                let _ = Validity::of(&CertificateDer::from(bytes));
            }
        }
    }
}
