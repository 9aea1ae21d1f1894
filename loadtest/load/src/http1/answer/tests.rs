use super::*;

const BODY_BYTES_MAX: usize = 64;

/// Feeds the bytes in pieces of every size, which must make no difference.
fn decode(wire: &str, answers_head: bool) -> Result<Option<Answer>, Malformed> {
    let whole = decode_in_pieces(wire, answers_head, wire.len().max(1));
    for size in 1..wire.len() {
        assert_eq!(
            decode_in_pieces(wire, answers_head, size),
            whole,
            "{wire:?} by {size}"
        );
    }
    whole
}

fn decode_in_pieces(
    wire: &str,
    answers_head: bool,
    size: usize,
) -> Result<Option<Answer>, Malformed> {
    let mut decoder = Decoder::new(answers_head, BODY_BYTES_MAX);
    let mut answer = None;
    for piece in wire.as_bytes().chunks(size) {
        if answer.is_some() {
            return Err(Malformed::Surplus);
        }
        decoder.feed(piece);
        answer = decoder.advance()?;
    }
    if answer.is_some() && decoder.has_surplus() {
        return Err(Malformed::Surplus);
    }
    Ok(answer)
}

fn body(wire: &str) -> (u16, String, bool) {
    let answer = decode(wire, false).unwrap().expect("whole");
    (
        answer.status,
        String::from_utf8(answer.body).unwrap(),
        answer.keeps_alive,
    )
}

#[test]
fn whole_answers_are_read() {
    let cases = [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            (200, "hi", true),
        ),
        ("HTTP/1.1 200 \r\ncontent-length:0\r\n\r\n", (200, "", true)),
        ("HTTP/1.1 204 No Content\r\n\r\n", (204, "", true)),
        (
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
            (304, "", true),
        ),
        (
            "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            (200, "hi", false),
        ),
        (
            "HTTP/1.1 503 Busy\r\nConnection: foo, Close\r\nContent-Length: 1\r\n\r\nx",
            (503, "x", false),
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
            (200, "x", true),
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n0A\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n",
            (200, "hi0123456789", true),
        ),
    ];
    for (wire, (status, text, keeps_alive)) in cases {
        assert_eq!(
            body(wire),
            (status, text.to_owned(), keeps_alive),
            "{wire:?}"
        );
    }
}

#[test]
fn an_answer_to_head_has_no_body() {
    let wire = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n";
    assert_eq!(decode(wire, true).unwrap().expect("whole").body, b"");
    let wire = "HTTP/1.1 200 OK\r\n\r\n";
    assert!(decode(wire, true).unwrap().expect("whole").keeps_alive);
}

#[test]
fn headers_are_found_in_any_case() {
    let wire = "HTTP/1.1 200 OK\r\nX-Id:  a b\t\r\nx-id: c\r\nContent-Length: 0\r\n\r\n";
    let answer = decode(wire, false).unwrap().expect("whole");
    assert_eq!(answer.header("x-ID"), Some("a b"));
    assert_eq!(answer.header("other"), None);
}

#[test]
fn unfinished_answers_are_not_answers() {
    let cases = [
        "",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ];
    for wire in cases {
        assert_eq!(decode(wire, false), Ok(None), "{wire:?}");
        let mut decoder = Decoder::new(false, BODY_BYTES_MAX);
        decoder.feed(wire.as_bytes());
        assert_eq!(decoder.advance(), Ok(None), "{wire:?}");
        assert_eq!(decoder.end(), None, "{wire:?}");
    }
}

#[test]
fn a_body_without_framing_lasts_until_the_connection_ends() {
    let mut decoder = Decoder::new(false, BODY_BYTES_MAX);
    for piece in ["HTTP/1.1 200 OK\r\n\r\nab", "c"] {
        decoder.feed(piece.as_bytes());
        assert_eq!(decoder.advance(), Ok(None));
    }
    let answer = decoder.end().expect("whole");
    assert_eq!(
        (answer.body.as_slice(), answer.keeps_alive),
        (b"abc".as_slice(), false)
    );
}

#[test]
fn answers_that_come_at_once_are_taken_one_by_one() {
    let mut decoder = Decoder::new(false, BODY_BYTES_MAX);
    decoder.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
    decoder.feed(b"HTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\nbHTTP");
    for (status, has_surplus) in [(200, true), (404, true)] {
        let answer = decoder.advance().unwrap().expect("whole");
        assert_eq!(
            (answer.status, decoder.has_surplus()),
            (status, has_surplus)
        );
    }
    assert_eq!(decoder.advance(), Ok(None));
}

#[test]
fn what_is_not_http_is_refused() {
    let long = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n{}",
        "x".repeat(65)
    );
    let cases = [
        "HTTP/1.1 200 OK\nContent-Length: 0\n\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 200\r\n\r\n",
        "HTTP/1.1 +20 OK\r\n\r\n",
        "HTTP/1.1 999 Odd\r\n\r\n",
        "HTTP/1.1 101 Switching\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\nhi\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhixx0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi!",
        long.as_str(),
    ];
    for wire in cases {
        assert!(decode(wire, false).is_err(), "{wire:?}");
    }
}
