//! What does a rule give?

use crate::audit::Entry;
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
        use zeroize::Zeroize;

        self.salt.zeroize();
        self.secret.zeroize();
    }
}

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Random([redacted])")
    }
}
