//! What does a rule give?

use std::fmt;

use idp_token::time::UnixSeconds;
use zeroize::Zeroize;

use crate::audit::{About, Entry, Event};
use crate::refusal::Refusal;
use crate::store::Transaction;
use crate::view::Need;

/// To be committed, then told: in this order, so that nothing is ever taken back.
#[derive(Debug)]
#[must_use]
pub struct Decision<A> {
    pub answer: A,
    /// May be empty; then there is nothing to wait for.
    pub transaction: Transaction,
    /// To be logged once it is committed.
    pub audit: Option<Entry>,
}

pub type Decided<A> = Result<Decision<A>, Need>;

impl<A> Decision<A> {
    /// Changes nothing.
    pub(crate) fn only(answer: A, audit: Option<Entry>) -> Self {
        Self {
            answer,
            transaction: Transaction::default(),
            audit,
        }
    }
}

/// Why a rule goes no further: for now, or with nothing to write.
#[derive(Debug)]
pub(crate) enum Stop {
    Need(Need),
    Refused(Refusal),
}

impl From<Need> for Stop {
    fn from(need: Need) -> Self {
        Self::Need(need)
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Stop {
    /// A refusal as a decision.
    pub(crate) fn settle<A>(self, now: UnixSeconds) -> Decided<Result<A, Refusal>> {
        match self {
            Self::Need(need) => Err(need),
            Self::Refused(refusal) => {
                let about = About::default();
                Ok(Decision::only(
                    Err(refusal),
                    Some(Entry {
                        at: now,
                        event: Event::Refused(refusal),
                        about,
                    }),
                ))
            }
        }
    }
}

/// What a rule may draw on. It comes from a cryptographic generator, is used for one decision, and
/// is drawn anew when that is decided again.
pub struct Random {
    pub(crate) id: [u8; 16],
    pub(crate) family: [u8; 16],
    pub(crate) salt: [u8; 16],
    pub(crate) secret: [u8; 16],
}

impl Random {
    pub const BYTES: usize = 64;

    #[must_use]
    pub fn new(bytes: [u8; Self::BYTES]) -> Self {
        let mut parts = bytes.chunks_exact(16).map(|part| {
            let part = part.try_into();
            part.expect("invariant: chunks are of 16 bytes")
        });
        let mut next = || parts.next().expect("invariant: 64 bytes are four times 16");
        Self {
            id: next(),
            family: next(),
            salt: next(),
            secret: next(),
        }
    }
}

impl Drop for Random {
    fn drop(&mut self) {
        self.salt.zeroize();
        self.secret.zeroize();
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random([redacted])")
    }
}
