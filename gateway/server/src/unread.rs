//! The part of a request body that was not read yet.

use std::io;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use gateway_core::chunked::{ChunkError, Chunked, Part};
use gateway_core::head::Framing;

/// A body gets this long before its rate counts.
const GRACE: Duration = Duration::from_secs(10);
/// The slowest rate that is put up with.
const BYTES_PER_SECOND_MIN: u64 = 500;

/// How fast a body comes: a client that drips it would hold a connection, and perhaps a service, for
/// as long as it likes. Only the time in which the client kept us waiting counts.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    waited: Duration,
    waiting_since: Option<Instant>,
    bytes: u64,
}

impl Pace {
    /// Nothing is there to read.
    pub(crate) fn wait(&mut self, now: Instant) {
        self.waiting_since.get_or_insert(now);
    }

    /// Counts bytes that came; whether the body is too slow by now.
    pub(crate) fn is_too_slow(&mut self, bytes: usize, now: Instant) -> bool {
        if let Some(since) = self.waiting_since.take() {
            self.waited += now.saturating_duration_since(since);
        }
        self.bytes += bytes as u64;
        self.waited > Self::allowance(self.bytes)
    }

    /// How long a body of this size may take.
    pub(crate) fn allowance(bytes: u64) -> Duration {
        GRACE + Duration::from_secs(bytes / BYTES_PER_SECOND_MIN)
    }
}

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

    /// Takes the next bytes of the body that are of one kind off those read ahead.
    pub(crate) fn take(&mut self, ahead: &mut BytesMut) -> Result<(Part, Bytes), ChunkError> {
        let (part, count) = match self {
            Self::Nothing => (Part::Data, 0),
            Self::Bytes(left) => {
                let count = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(ahead.len());
                *left -= count as u64;
                if *left == 0 {
                    *self = Self::Nothing;
                }
                (Part::Data, count)
            }
            Self::Chunks(chunks) => {
                let found = chunks.next_part(ahead)?;
                if chunks.is_done() {
                    *self = Self::Nothing;
                }
                found
            }
        };
        Ok((part, ahead.split_to(count).freeze()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_may_be_as_slow_as_its_rate_allows_and_no_slower() {
        let began = crate::clock::now();
        let after = |seconds: u64| began + Duration::from_secs(seconds);
        #[rustfmt::skip]
        let cases = [
            (0,      10, false),
            (0,      11, true),
            (499,    10, false),
            (499,    11, true),
            (500,    11, false),
            (500,    12, true),
            (50_000, 110, false),
            (50_000, 111, true),
        ];
        for (bytes, seconds, expected) in cases {
            let mut pace = Pace::default();
            pace.wait(began);
            pace.wait(after(1));
            assert_eq!(
                pace.is_too_slow(bytes, after(seconds)),
                expected,
                "{bytes} B in {seconds} s"
            );
            // What the service takes to read on is not the client's fault.
            assert_eq!(pace.is_too_slow(0, after(10_000)), expected);
        }
    }
}
