//! The part of a request body that was not read yet.

use std::io;

use gateway_core::chunked::Chunked;
use gateway_core::head::Framing;

/// What of a body is still to come.
#[derive(Debug)]
pub(crate) enum Unread {
    Nothing,
    Bytes(u64),
    Chunks(Chunked),
}

impl Unread {
    pub(crate) fn new(framing: Framing) -> Self {
        match framing {
            Framing::NoBody => Self::Nothing,
            Framing::Length(length) => Self::Bytes(length),
            Framing::Chunked => Self::Chunks(Chunked::default()),
        }
    }

    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    /// How many of these bytes belong to the body; they count as read.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Nothing => Ok(0),
            Self::Bytes(left) => {
                let count = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                *left -= count as u64;
                if *left == 0 {
                    *self = Self::Nothing;
                }
                Ok(count)
            }
            Self::Chunks(chunks) => {
                let count = chunks
                    .advance(bytes)
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                if chunks.is_done() {
                    *self = Self::Nothing;
                }
                Ok(count)
            }
        }
    }
}
