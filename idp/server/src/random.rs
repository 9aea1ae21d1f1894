//! Random bytes from the system, for all that must not be guessed.

use aws_lc_rs::rand;
use idp_core::decision::Random;

/// Without random bytes there is nothing that could safely be given to anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system has no random bytes to give")]
pub struct NoRandom;

pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], NoRandom> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| NoRandom)?;
    Ok(bytes)
}

/// For one decision.
pub(crate) fn draw() -> Result<Random, NoRandom> {
    bytes().map(Random::new)
}
