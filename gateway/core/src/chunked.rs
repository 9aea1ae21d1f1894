//! Where does a chunked body end?
//!
//! RFC 9112 §7.1, read strictly: sizes are hex digits alone, lines end in CRLF, extensions are short
//! and visible, trailers are bounded. Most bodies are only looked at and go on as they came; one that
//! leaves the chunks behind is taken apart by [`Chunked::next_part`].

/// A chunk line, its extensions included, is at most this long.
const LINE_BYTES_MAX: u16 = 256;
/// A chunk size has at most this many hex digits: more than any body has bytes, and fewer than those
/// at which readers disagree about leading zeros or overflow.
const SIZE_DIGITS_MAX: u16 = 15;
/// All trailer fields together are at most this long: the details of a gRPC status fit in.
pub const TRAILER_BYTES_MAX: u16 = 16 * 1024;

/// How far a chunked body has come.
#[derive(Debug, Clone, Default)]
pub struct Chunked {
    state: State,
    /// Data bytes that the current chunk still owes.
    owed: u64,
    data_bytes: u64,
    /// Bytes of the current line, or of the trailer section.
    line_bytes: u16,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    SizeStart,
    Size,
    Extension,
    SizeEnd,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
    Done,
}

/// What a run of bytes of a chunked body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Sizes, extensions and line ends.
    Framing,
    Data,
    /// Trailer lines, the empty one that ends them included.
    Trailer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    #[error("a chunk size is not a hex number of at most 15 digits")]
    Size,
    #[error("a chunk line or the trailers are longer than allowed")]
    TooLong,
    #[error("a line in the chunked body does not end in CRLF")]
    LineEnd,
    #[error("a chunk extension or trailer has a control byte")]
    Control,
}

impl State {
    fn part(self) -> Part {
        match self {
            Self::SizeStart
            | Self::Size
            | Self::Extension
            | Self::SizeEnd
            | Self::DataCr
            | Self::DataLf => Part::Framing,
            Self::Data => Part::Data,
            Self::TrailerStart | Self::Trailer | Self::TrailerLf | Self::EndLf | Self::Done => {
                Part::Trailer
            }
        }
    }
}

impl Chunked {
    /// Looks at the next bytes and tells how many of them belong to this body.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<usize, ChunkError> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if self.state == State::Done {
                break;
            }
            if self.state == State::Data {
                at += self.skip_data(bytes.len() - at);
                continue;
            }
            self.step(byte)?;
            at += 1;
        }
        Ok(at)
    }

    /// Looks at the next bytes as far as they are of one kind, and tells which and how many.
    pub fn next_part(&mut self, bytes: &[u8]) -> Result<(Part, usize), ChunkError> {
        let part = self.state.part();
        if part == Part::Data {
            return Ok((part, self.skip_data(bytes.len())));
        }
        let mut count = 0;
        while let Some(&byte) = bytes.get(count)
            && self.state.part() == part
            && !self.is_done()
        {
            self.step(byte)?;
            count += 1;
        }
        Ok((part, count))
    }

    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Bytes of data so far, without their framing.
    #[must_use]
    pub fn data_bytes(&self) -> u64 {
        self.data_bytes
    }

    fn skip_data(&mut self, available: usize) -> usize {
        let here = usize::try_from(self.owed)
            .unwrap_or(usize::MAX)
            .min(available);
        self.owed -= here as u64;
        self.data_bytes += here as u64;
        if self.owed == 0 {
            self.state = State::DataCr;
        }
        here
    }

    fn step(&mut self, byte: u8) -> Result<(), ChunkError> {
        self.state = match (self.state, byte) {
            (State::SizeStart | State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                self.add_digit(byte)?;
                State::Size
            }
            (State::Size, b';') => State::Extension,
            (State::Size | State::Extension, b'\r') => State::SizeEnd,
            (State::SizeStart | State::Size, _) => return Err(ChunkError::Size),
            (State::Extension, _) => self.text(byte, LINE_BYTES_MAX)?,
            (State::SizeEnd, b'\n') => self.after_size(),
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::SizeStart,
            (State::TrailerStart, b'\r') => State::EndLf,
            (State::Trailer, b'\r') => State::TrailerLf,
            (State::TrailerStart | State::Trailer, _) => self.text(byte, TRAILER_BYTES_MAX)?,
            (State::TrailerLf, b'\n') => State::TrailerStart,
            (State::EndLf, b'\n') => State::Done,
            (
                State::SizeEnd
                | State::DataCr
                | State::DataLf
                | State::TrailerLf
                | State::EndLf
                | State::Data
                | State::Done,
                _,
            ) => return Err(ChunkError::LineEnd),
        };
        Ok(())
    }

    fn add_digit(&mut self, byte: u8) -> Result<(), ChunkError> {
        let digit = char::from(byte).to_digit(16).ok_or(ChunkError::Size)?;
        if self.line_bytes == SIZE_DIGITS_MAX {
            return Err(ChunkError::Size);
        }
        self.owed = (self.owed << 4) | u64::from(digit);
        self.count(LINE_BYTES_MAX)
    }

    /// A byte of an extension or a trailer: the state stays what kind of text it is.
    fn text(&mut self, byte: u8, bytes_max: u16) -> Result<State, ChunkError> {
        let is_visible = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        if byte == b'\n' {
            return Err(ChunkError::LineEnd);
        }
        if !is_visible {
            return Err(ChunkError::Control);
        }
        self.count(bytes_max)?;
        Ok(if self.state == State::Extension {
            State::Extension
        } else {
            State::Trailer
        })
    }

    fn count(&mut self, bytes_max: u16) -> Result<(), ChunkError> {
        self.line_bytes += 1;
        if self.line_bytes > bytes_max {
            Err(ChunkError::TooLong)
        } else {
            Ok(())
        }
    }

    fn after_size(&mut self) -> State {
        self.line_bytes = 0;
        if self.owed == 0 {
            State::TrailerStart
        } else {
            State::Data
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// How many bytes belong to the body, and whether it is complete.
    type Scan = Result<(usize, bool), ChunkError>;

    fn scan(bytes: &[u8]) -> Scan {
        let mut body = Chunked::default();
        let used = body.advance(bytes)?;
        Ok((used, body.is_done()))
    }

    #[test]
    fn a_chunked_body_ends_where_it_says_and_nowhere_else() {
        #[rustfmt::skip]
        let cases: [(&str, Scan); 18] = [
            ("0\r\n\r\n",                              Ok((5, true))),
            ("5\r\nhello\r\n0\r\n\r\nGET /",           Ok((15, true))),
            ("5\r\nhel",                               Ok((6, false))),
            ("a;x=y\r\n0123456789\r\n0\r\n\r\n",       Ok((24, true))),
            ("0\r\nDigest: abc\r\n\r\n",               Ok((18, true))),
            ("00000\r\n\r\n",                          Ok((9, true))),
            ("",                                       Ok((0, false))),
            ("\r\n",                                   Err(ChunkError::Size)),
            ("+5\r\nhello\r\n",                        Err(ChunkError::Size)),
            ("0x5\r\nhello\r\n",                       Err(ChunkError::Size)),
            ("5 \r\nhello\r\n",                        Err(ChunkError::Size)),
            ("000000000000000\r\n\r\n",                Ok((19, true))),
            ("0000000000000000\r\n\r\n",               Err(ChunkError::Size)),
            ("5\nhello\r\n",                           Err(ChunkError::Size)),
            ("5\r\nhelloo\r\n",                        Err(ChunkError::LineEnd)),
            ("5;a\nb\r\nhello",                        Err(ChunkError::LineEnd)),
            ("5;\u{1}\r\nhello",                       Err(ChunkError::Control)),
            ("0\r\nX: y\n\r\n",                        Err(ChunkError::LineEnd)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(scan(bytes.as_bytes()), expected, "{bytes:?}");
        }
    }

    #[test]
    fn chunk_lines_and_trailers_have_a_longest_length() {
        let line = |extension: usize| format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(extension));
        assert!(scan(line(255).as_bytes()).is_ok());
        assert_eq!(scan(line(256).as_bytes()), Err(ChunkError::TooLong));

        let trailer = |text: usize| format!("0\r\n{}\r\n\r\n", "t".repeat(text));
        assert!(scan(trailer(16 * 1024).as_bytes()).is_ok());
        assert_eq!(
            scan(trailer(16 * 1024 + 1).as_bytes()),
            Err(ChunkError::TooLong)
        );
    }

    /// Takes a body apart, given to the decoder in two pieces.
    fn parts(bytes: &[u8], cut: usize) -> Result<(Vec<u8>, Vec<u8>, usize), ChunkError> {
        let (mut data, mut trailers, mut used) = (Vec::new(), Vec::new(), 0);
        let mut body = Chunked::default();
        let (left, right) = bytes.split_at(cut.min(bytes.len()));
        for mut piece in [left, right] {
            while !piece.is_empty() && !body.is_done() {
                let (part, count) = body.next_part(piece)?;
                match part {
                    Part::Framing => {}
                    Part::Data => data.extend_from_slice(&piece[..count]),
                    Part::Trailer => trailers.extend_from_slice(&piece[..count]),
                }
                piece = &piece[count..];
                used += count;
            }
        }
        Ok((data, trailers, used))
    }

    #[test]
    fn a_body_is_taken_apart_however_it_is_sliced() {
        let body = b"5;x=y\r\nhello\r\n2\r\n, \r\n5\r\nworld\r\n0\r\nA: b\r\nC: d\r\n\r\nGET";
        for cut in 0..=body.len() {
            let (data, trailers, used) = parts(body, cut).unwrap();
            assert_eq!(data, b"hello, world", "cut at {cut}");
            assert_eq!(trailers, b"A: b\r\nC: d\r\n\r\n", "cut at {cut}");
            assert_eq!(used, body.len() - "GET".len(), "cut at {cut}");
        }
    }

    proptest! {
        #[test]
        fn taking_apart_ends_where_looking_does(
            bytes in "([0-3]\r\n[ab]{0,3}(\r\n)?){0,4}0\r\n(X: y\r\n)?(\r\n)?x{0,3}",
            cut in 0_usize..40,
        ) {
            let bytes = bytes.as_bytes();
            let apart = parts(bytes, cut).map(|(data, _, used)| (data.len() as u64, used));
            let mut whole = Chunked::default();
            let looked = whole.advance(bytes).map(|used| (whole.data_bytes(), used));
            prop_assert_eq!(apart, looked);
        }

        #[test]
        fn slicing_never_changes_where_a_body_ends(
            bytes in "([0-3]\r\n[ab]{0,3}(\r\n)?){0,4}0\r\n(\r\n)?x{0,3}",
            cut in 0_usize..40,
        ) {
            let bytes = bytes.as_bytes();
            let (left, right) = bytes.split_at(cut.min(bytes.len()));
            let mut sliced = Chunked::default();
            let used = sliced
                .advance(left)
                .and_then(|a| sliced.advance(right).map(|b| a + b));
            prop_assert_eq!(scan(bytes), used.map(|used| (used, sliced.is_done())));
        }
    }
}
