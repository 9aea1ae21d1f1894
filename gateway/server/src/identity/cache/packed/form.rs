//! What is left of a value token without what it says of one session?
//!
//! The tokens of one client differ in few places: the session, the person, three times and an id. The
//! rest is kept once, with holes, and a token is put together again when it is shown to a service.
//! Whether that gives the same token is tried before anything relies on it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use idp_token::digest::ValueTokenId;

pub(super) const SIGNATURE_BYTES: usize = 64;

/// A value token with holes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Form {
    /// As it is encoded.
    header: Box<str>,
    /// The claims without what fills the holes.
    claims: Box<str>,
    /// Where they are, from the front.
    holes: Box<[(u16, Hole)]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Hole {
    Session,
    Subject,
    AuthTime,
    IssuedAt,
    ExpiresAt,
    Id,
}

/// What fills the holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Filling {
    pub(super) session: [u8; 16],
    pub(super) subject: [u8; 16],
    pub(super) auth_time: u32,
    pub(super) issued_at: u32,
    pub(super) expires_at: u32,
    pub(super) id: ValueTokenId,
    pub(super) signature: [u8; SIGNATURE_BYTES],
}

/// What no two tokens have in common.
const OF_EACH: [Hole; 4] = [Hole::Session, Hole::IssuedAt, Hole::ExpiresAt, Hole::Id];

/// The members with a hole, whether each is a text, and which it is.
const MEMBERS: [(&str, bool, Hole); 6] = [
    ("\"sub\":\"", true, Hole::Subject),
    ("\"sid\":\"", true, Hole::Session),
    ("\"auth_time\":", false, Hole::AuthTime),
    ("\"iat\":", false, Hole::IssuedAt),
    ("\"exp\":", false, Hole::ExpiresAt),
    ("\"jti\":\"", true, Hole::Id),
];

impl Form {
    /// Takes a token apart. What is no id of ours and no whole number stays where it is.
    pub(super) fn take_apart(token: &str) -> Option<(Self, Filling)> {
        let mut parts = token.split('.');
        let (header, payload, signature) = (parts.next()?, parts.next()?, parts.next()?);
        let mut filling = Filling {
            session: [0; 16],
            subject: [0; 16],
            auth_time: 0,
            issued_at: 0,
            expires_at: 0,
            id: ValueTokenId([0; 16]),
            signature: [0; SIGNATURE_BYTES],
        };
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        filling.signature = signature.try_into().ok()?;
        let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;

        let mut found: Vec<_> = MEMBERS
            .iter()
            .filter_map(|member| find(&payload, member))
            .collect();
        found.sort_unstable_by_key(|(start, ..)| *start);
        let mut claims = String::with_capacity(payload.len());
        let mut holes = Vec::with_capacity(found.len());
        let mut done = 0;
        for (start, value, hole) in found {
            claims.push_str(payload.get(done..start)?);
            if filling.take(hole, value) {
                holes.push((u16::try_from(claims.len()).ok()?, hole));
            } else {
                claims.push_str(value);
            }
            done = start + value.len();
        }
        claims.push_str(payload.get(done..)?);
        // What is different in every token must be in a hole, or nothing is in common.
        let has = |hole: &Hole| holes.iter().any(|(_, known)| known == hole);
        if !OF_EACH.iter().all(has) {
            return None;
        }
        let form = Self {
            header: header.into(),
            claims: claims.into(),
            holes: holes.into(),
        };
        Some((form, filling))
    }

    /// Puts the token together.
    pub(super) fn fill(&self, filling: &Filling) -> String {
        let mut payload = Vec::with_capacity(self.claims.len() + 160);
        let mut done = 0;
        for (at, hole) in &self.holes {
            let at = usize::from(*at);
            payload.extend_from_slice(self.claims.as_bytes().get(done..at).unwrap_or_default());
            done = at;
            match hole {
                Hole::Session => push_hex(filling.session, &mut payload),
                Hole::Subject => push_hex(filling.subject, &mut payload),
                Hole::Id => filling.id.spell(&mut payload),
                Hole::AuthTime => push_number(filling.auth_time, &mut payload),
                Hole::IssuedAt => push_number(filling.issued_at, &mut payload),
                Hole::ExpiresAt => push_number(filling.expires_at, &mut payload),
            }
        }
        payload.extend_from_slice(self.claims.as_bytes().get(done..).unwrap_or_default());
        let encoded = self.header.len() + (payload.len() + SIGNATURE_BYTES) * 4 / 3 + 8;
        let mut token = String::with_capacity(encoded);
        token.push_str(&self.header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(&payload, &mut token);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(filling.signature, &mut token);
        token
    }

    pub(super) fn bytes(&self) -> usize {
        self.header.len() + self.claims.len() + size_of_val(&*self.holes)
    }
}

impl Filling {
    /// Whether the value is one that a hole can be filled with.
    fn take(&mut self, hole: Hole, value: &str) -> bool {
        let taken = match hole {
            Hole::Session => read_hex(value).map(|id| self.session = id),
            Hole::Subject => read_hex(value).map(|id| self.subject = id),
            Hole::Id => ValueTokenId::parse(value).map(|id| self.id = id),
            Hole::AuthTime => value.parse().ok().map(|time| self.auth_time = time),
            Hole::IssuedAt => value.parse().ok().map(|time| self.issued_at = time),
            Hole::ExpiresAt => value.parse().ok().map(|time| self.expires_at = time),
        };
        taken.is_some()
    }
}

/// Where the value of a member begins, and what it is. A quote within a text is written with a `\`
/// before it, so that no text can look like the name of a member.
fn find<'p>(
    payload: &'p str,
    (name, is_text, hole): &(&str, bool, Hole),
) -> Option<(usize, &'p str, Hole)> {
    let start = payload.find(name)? + name.len();
    let rest = payload.get(start..)?;
    let end = match is_text {
        true => rest.find('"')?,
        false => rest.find([',', '}'])?,
    };
    Some((start, rest.get(..end)?, *hole))
}

/// The one spelling of 16 bytes.
fn read_hex(text: &str) -> Option<[u8; 16]> {
    idp_token::session::SessionId::parse(text).map(|id| id.0)
}

fn push_hex(bytes: [u8; 16], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |four: u8| DIGITS[usize::from(four & 15)];
    let mut text = [0; 32];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        if let [high, low] = pair {
            (*high, *low) = (digit(byte >> 4), digit(byte));
        }
    }
    out.extend_from_slice(&text);
}

fn push_number(mut number: u32, out: &mut Vec<u8>) {
    let mut digits = [0; 10];
    let mut start = digits.len();
    for place in digits.iter_mut().rev() {
        *place = b'0' + u8::try_from(number % 10).unwrap_or(0);
        start -= 1;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(start..).unwrap_or_default());
}
