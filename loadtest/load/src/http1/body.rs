//! A body as it arrives, in any framing.

use super::{Ahead, Malformed, field};

#[derive(Debug)]
pub(super) struct Body {
    bytes: Vec<u8>,
    bytes_max: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Length { left: usize },
    UntilClose,
    ChunkSize,
    Chunk { left: usize },
    ChunkEnd,
    Trailers,
    Whole,
}

impl Body {
    pub(super) fn none() -> Self {
        Self::new(State::Whole, 0)
    }

    pub(super) fn of_length(length: usize, bytes_max: usize) -> Self {
        Self::new(State::Length { left: length }, bytes_max)
    }

    pub(super) fn chunked(bytes_max: usize) -> Self {
        Self::new(State::ChunkSize, bytes_max)
    }

    pub(super) fn until_close(bytes_max: usize) -> Self {
        Self::new(State::UntilClose, bytes_max)
    }

    fn new(state: State, bytes_max: usize) -> Self {
        Self {
            bytes: Vec::new(),
            bytes_max,
            state,
        }
    }

    pub(super) fn lasts_until_close(&self) -> bool {
        self.state == State::UntilClose
    }

    /// What has arrived so far; the framing is not part of it.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Takes what belongs to the body; whether it is whole.
    pub(super) fn advance(&mut self, ahead: &mut Ahead) -> Result<bool, Malformed> {
        while self.state != State::Whole {
            if !self.step(ahead)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Goes on as far as the next state; false when more bytes are needed.
    fn step(&mut self, ahead: &mut Ahead) -> Result<bool, Malformed> {
        match self.state {
            State::Length { left } => {
                let left = self.take(left, ahead)?;
                self.state = if left == 0 {
                    State::Whole
                } else {
                    State::Length { left }
                };
                Ok(left == 0)
            }
            State::UntilClose => {
                self.take(usize::MAX, ahead)?;
                Ok(false)
            }
            State::Chunk { left } => {
                let left = self.take(left, ahead)?;
                self.state = if left == 0 {
                    State::ChunkEnd
                } else {
                    State::Chunk { left }
                };
                Ok(left == 0)
            }
            State::ChunkEnd => {
                if ahead.bytes.len() < 2 {
                    return Ok(false);
                }
                if ahead.take(2) != b"\r\n" {
                    return Err(Malformed::ChunkEnd);
                }
                self.state = State::ChunkSize;
                Ok(true)
            }
            State::ChunkSize | State::Trailers => {
                let Some(line) = ahead.take_line()? else {
                    return Ok(false);
                };
                self.read_line(&line)?;
                Ok(true)
            }
            State::Whole => Ok(false),
        }
    }

    fn read_line(&mut self, line: &str) -> Result<(), Malformed> {
        if self.state == State::ChunkSize {
            self.state = match chunk_size(line)? {
                0 => State::Trailers,
                left => State::Chunk { left },
            };
        } else if line.is_empty() {
            self.state = State::Whole;
        } else {
            field(line)?;
        }
        Ok(())
    }

    /// Moves up to `left` bytes to the body; how many are still missing.
    fn take(&mut self, left: usize, ahead: &mut Ahead) -> Result<usize, Malformed> {
        let here = left.min(ahead.bytes.len());
        if here > self.bytes_max - self.bytes.len() {
            return Err(Malformed::BodyTooLong);
        }
        self.bytes.extend_from_slice(&ahead.take(here));
        Ok(left - here)
    }
}

fn chunk_size(line: &str) -> Result<usize, Malformed> {
    let digits = line.split(';').next().unwrap_or_default();
    let refused = || Malformed::ChunkSize(line.to_owned());
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(refused());
    }
    usize::from_str_radix(digits, 16).map_err(|_| refused())
}
