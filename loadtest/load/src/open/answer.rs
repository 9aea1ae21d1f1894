//! Answers of HTTP/1.1, read as cheaply as a generator must.
//!
//! [`crate::http1`] reads strictly and keeps everything, for tests of what a gateway writes. Here the
//! gateway is believed to speak HTTP; what is wanted is where the answer ends, its status, and
//! sometimes a look at its body.

use memchr::{memchr, memmem};

/// No answer that is measured is larger.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
const HEAD_BYTES_MAX: usize = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) keeps_alive: bool,
    /// Where the body begins, and the answer ends, in what was read.
    pub(crate) body_at: usize,
    pub(crate) ends_at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It goes on, nobody knows for how long.
    More,
    /// It goes on, and its end is known.
    Rest(Answer),
    /// It goes on until the connection ends; so far, it ends with what was read.
    UntilEnd(Answer),
    Whole(Answer),
    Malformed,
}

/// Looks at all that was read since the answer began.
pub(crate) fn look(read: &[u8], is_head: bool) -> Progress {
    let mut begins_at = 0;
    let (head, body_at) = loop {
        let rest = read.get(begins_at..).unwrap_or_default();
        let Some(head_len) = memmem::find(rest, b"\r\n\r\n") else {
            return match rest.len() > HEAD_BYTES_MAX {
                true => Progress::Malformed,
                false => Progress::More,
            };
        };
        let Some(head) = rest.get(..head_len).and_then(Head::parse) else {
            return Progress::Malformed;
        };
        begins_at += head_len + 4;
        // What comes before the answer that counts: a hint, or leave to go on.
        if !matches!(head.status, 100 | 102..=199) {
            break (head, begins_at);
        }
    };
    let answer = |ends_at| Answer {
        status: head.status,
        keeps_alive: head.keeps_alive,
        body_at,
        ends_at,
    };
    let whole = |ends_at| Progress::Whole(answer(ends_at));
    if is_head || matches!(head.status, 204 | 304) {
        return whole(body_at);
    }
    match head.framing {
        Framing::Length(length) if length > ANSWER_BYTES_MAX => Progress::Malformed,
        Framing::Length(length) if read.len() >= body_at + length => whole(body_at + length),
        Framing::Length(length) => Progress::Rest(answer(body_at + length)),
        Framing::Chunked => match chunked_end(read, body_at) {
            Ok(Some(end)) => whole(end),
            Ok(None) if read.len() < ANSWER_BYTES_MAX => Progress::More,
            Ok(None) | Err(()) => Progress::Malformed,
        },
        Framing::UntilEnd if read.len() > ANSWER_BYTES_MAX => Progress::Malformed,
        Framing::UntilEnd => Progress::UntilEnd(answer(read.len())),
    }
}

struct Head {
    status: u16,
    keeps_alive: bool,
    framing: Framing,
}

enum Framing {
    Length(usize),
    Chunked,
    UntilEnd,
}

impl Head {
    fn parse(head: &[u8]) -> Option<Self> {
        let rest = head.strip_prefix(b"HTTP/1.1 ")?;
        let status = std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok()?;
        let mut parsed = Self {
            status,
            keeps_alive: true,
            framing: Framing::UntilEnd,
        };
        let mut rest = rest;
        while let Some(end) = memchr(b'\n', rest) {
            rest = rest.get(end + 1..)?;
            let line = rest.split(|byte| *byte == b'\r').next()?;
            parsed.note(line);
        }
        Some(parsed)
    }

    fn note(&mut self, line: &[u8]) {
        // Told apart by their first letters before anything is compared.
        match line.first().map(u8::to_ascii_lowercase) {
            Some(b'c') => {
                if let Some(value) = value(line, b"content-length") {
                    let length = std::str::from_utf8(value).ok();
                    if let Some(length) = length.and_then(|it| it.parse().ok()) {
                        self.framing = Framing::Length(length);
                    }
                } else if let Some(value) = value(line, b"connection") {
                    self.keeps_alive = !value.eq_ignore_ascii_case(b"close");
                }
            }
            Some(b't') if value(line, b"transfer-encoding").is_some_and(is_chunked) => {
                self.framing = Framing::Chunked;
            }
            _ => {}
        }
    }
}

fn is_chunked(coding: &[u8]) -> bool {
    coding.eq_ignore_ascii_case(b"chunked")
}

fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (found, rest) = line.split_at_checked(name.len())?;
    let rest = rest.strip_prefix(b":")?;
    found.eq_ignore_ascii_case(name).then(|| rest.trim_ascii())
}

/// Where the last chunk and what follows it end; `None` if that is not there yet.
fn chunked_end(read: &[u8], mut at: usize) -> Result<Option<usize>, ()> {
    loop {
        let rest = read.get(at..).unwrap_or_default();
        let Some(line_len) = memmem::find(rest, b"\r\n") else {
            return Ok(None);
        };
        let digits = rest.get(..line_len).unwrap_or_default();
        let digits = digits
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default();
        let digits = std::str::from_utf8(digits.trim_ascii()).map_err(|_| ())?;
        let size = usize::from_str_radix(digits, 16).map_err(|_| ())?;
        if size > ANSWER_BYTES_MAX {
            return Err(());
        }
        at += line_len + 2;
        if size == 0 {
            return Ok(trailers_end(read, at));
        }
        at += size + 2;
    }
}

fn trailers_end(read: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let rest = read.get(at..)?;
        let line_len = memmem::find(rest, b"\r\n")?;
        at += line_len + 2;
        if line_len == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The status, whether the connection may carry another, and the body.
    fn whole(read: &str) -> Option<(u16, bool, &str)> {
        match look(read.as_bytes(), false) {
            Progress::Whole(it) => Some((it.status, it.keeps_alive, &read[it.body_at..it.ends_at])),
            Progress::More | Progress::Rest(_) | Progress::UntilEnd(_) | Progress::Malformed => {
                None
            }
        }
    }

    #[test]
    fn an_answer_ends_where_its_head_says() {
        #[rustfmt::skip]
        let cases = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",                    Some((200, true, "ok"))),
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no",                     None),
            ("HTTP/1.1 401 No\r\nconnection: close\r\ncontent-length:0\r\n\r\n",  Some((401, false, ""))),
            ("HTTP/1.1 204 No\r\n\r\n",                                           Some((204, true, ""))),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
                                                                                  Some((200, true, "2\r\nok\r\n0\r\n\r\n"))),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\na: b\r\n\r\n",
                                                                                  Some((200, true, "0\r\na: b\r\n\r\n"))),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", None),
        ];
        for (read, expected) in cases {
            assert_eq!(whole(read), expected, "{read:?}");
        }
    }

    #[test]
    fn every_part_of_an_answer_is_only_a_part() {
        let answers = [
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ];
        for answer in answers {
            for end in 0..answer.len() {
                let progress = look(&answer.as_bytes()[..end], false);
                let goes_on = matches!(progress, Progress::More | Progress::Rest(_));
                assert!(goes_on, "{end}: {progress:?}");
            }
        }
    }

    #[test]
    fn what_is_no_answer_is_malformed() {
        for read in [
            "HTTP/2 200 OK\r\n\r\n",
            "HTTP/1.1 abc\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        ] {
            assert_eq!(
                look(read.as_bytes(), false),
                Progress::Malformed,
                "{read:?}"
            );
        }
    }

    #[test]
    fn what_is_said_before_the_answer_is_not_the_answer() {
        let read = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n\
                    HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        assert_eq!(whole(read), Some((200, true, "ok")));
        assert_eq!(
            look(b"HTTP/1.1 100 Continue\r\n\r\n", false),
            Progress::More
        );
    }

    #[test]
    fn an_answer_is_measured_up_to_its_largest_size() {
        let read = |length: usize| format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
        let most = look(read(ANSWER_BYTES_MAX).as_bytes(), false);
        assert!(matches!(most, Progress::Rest(_)), "{most:?}");
        let more = look(read(ANSWER_BYTES_MAX + 1).as_bytes(), false);
        assert_eq!(more, Progress::Malformed);
        let head = |length: usize| format!("HTTP/1.1 200 OK\r\nx: {}", "a".repeat(length));
        let rest = "HTTP/1.1 200 OK\r\nx: ".len();
        let most = look(head(HEAD_BYTES_MAX - rest).as_bytes(), false);
        assert_eq!(most, Progress::More);
        let more = look(head(HEAD_BYTES_MAX - rest + 1).as_bytes(), false);
        assert_eq!(more, Progress::Malformed);
    }

    #[test]
    fn the_answer_to_a_head_request_has_no_body() {
        let read = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
        assert!(matches!(look(read, true), Progress::Whole(_)));
    }
}
