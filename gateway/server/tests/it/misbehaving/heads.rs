//! Heads that are not HTTP, or could be read two ways.

use super::case::{Case, broken, late, run, run_also_slowly, sound};
use super::service::{closes, says};

/// A whole answer with this status line.
fn status(line: &str) -> Vec<u8> {
    [line.as_bytes(), b"\r\nContent-Length: 4\r\n\r\ngood"].concat()
}

/// A whole answer with these field lines in front of its length.
fn fields(lines: impl AsRef<[u8]>) -> Vec<u8> {
    let start: &[u8] = b"HTTP/1.1 200 OK\r\n";
    [start, lines.as_ref(), b"\r\nContent-Length: 4\r\n\r\ngood"].concat()
}

#[rustfmt::skip]
fn status_lines() -> Vec<Case> {
    vec![
        sound(says(status("HTTP/1.1 200 OK")),           "200 good"),
        sound(says(status("HTTP/1.1 200 ")),             "200 good"),
        sound(says(status("HTTP/1.1 200 not \u{e9}")),   "200 good"),
        sound(says(status("HTTP/1.1 599 x")),            "599 good"),
        sound(says(status("HTTP/1.1 418 x")),            "418 good"),
        broken(says("garbage\r\n\r\n")),
        // Empty lines in front of an answer are skipped by pingora, which waits for more.
        broken(says("\r\n\r\n")).to("GET"),
        late(says("\r\n\r\n")).to("POST"),
        broken(says("\0\0\0\0\r\n\r\n")),
        broken(says("SSH-2.0-OpenSSH_9.2\r\n\r\n")),
        broken(says("GET / HTTP/1.1\r\n\r\n")),
        broken(says(b"\x15\x03\x01\x00\x02\x02\x46\r\n\r\n")),
        broken(says(status("HTTP/2 200 OK"))),
        broken(says(status("HTTP/2.0 200 OK"))),
        broken(says(status("HTTP/0.9 200 OK"))),
        broken(says(status("HTTP/1.2 200 OK"))),
        broken(says(status("http/1.1 200 OK"))),
        broken(says(status("ICY 200 OK"))),
        broken(says(status(" HTTP/1.1 200 OK"))),
        broken(says(status("HTTP/1.1  200 OK"))),
        broken(says(status("HTTP/1.1\t200 OK"))),
        broken(says(status("HTTP/1.1 99 x"))),
        broken(says(status("HTTP/1.1 20 OK"))),
        broken(says(status("HTTP/1.1 1000 x"))),
        broken(says(status("HTTP/1.1 2000 x"))),
        broken(says(status("HTTP/1.1 099 x"))),
        broken(says(status("HTTP/1.1 000 x"))),
        broken(says(status("HTTP/1.1 600 x"))),
        broken(says(status("HTTP/1.1 abc x"))),
        broken(says(status("HTTP/1.1 +20 x"))),
        broken(says(status("HTTP/1.1 2e2 x"))),
        broken(says(status("HTTP/1.1 OK"))),
        broken(says(status("HTTP/1.1"))),
        broken(says(status("HTTP/1.1 200 O\0K"))),
        broken(says(status("HTTP/1.1 200 O\u{1b}[31mK"))),
        broken(says(status("HTTP/1.1 200 O\rK"))),
    ]
}

#[rustfmt::skip]
fn field_lines() -> Vec<Case> {
    vec![
        sound(says(fields("X: y")),                      "200 good"),
        sound(says(fields("X: caf\u{e9}")),              "200 good"),
        sound(says(fields("X:")),                        "200 good"),
        broken(says(fields("X"))),
        broken(says(fields("no colon here"))),
        broken(says(fields(": y"))),
        broken(says(fields("X y: z"))),
        broken(says(fields("(X): y"))),
        broken(says(fields("X\u{e9}: y"))),
        broken(says(fields(" X: y"))),
        broken(says(fields("X: y\0"))),
        broken(says(fields("X: \u{1}"))),
        broken(says(fields("X: y\u{7f}"))),
        broken(says(fields("X: y\rZ: a"))),
    ]
}

/// What RFC 9112 lets a proxy repair, and pingora does: a line feed alone (§2.2), a blank before the
/// colon (§5.1), a folded line (§5.2). The client sees the answer written anew.
fn repaired() -> Vec<Case> {
    let answers = [
        fields("X : y"),
        fields("X\t: y"),
        fields("X: y\r\n z"),
        fields("X: y\r\n\tz"),
        fields("X: y\nZ: a"),
        b"HTTP/1.1 200 OK\nContent-Length: 4\n\ngood".to_vec(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\n\r\ngood".to_vec(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\ngood".to_vec(),
        // §6.3: the encoding overrides the length, which is taken out.
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n4\r\ngood\r\n0\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n".to_vec(),
    ];
    let strictly = answers.iter().map(|answer| broken(says(answer)).to("GET"));
    let leniently = answers
        .iter()
        .map(|answer| sound(says(answer), "200 good").to("POST"));
    strictly.chain(leniently).collect()
}

#[rustfmt::skip]
fn framings() -> Vec<Case> {
    let chunks = "4\r\ngood\r\n0\r\n\r\n";
    let encoded = |field: &str| format!("HTTP/1.1 200 OK\r\n{field}\r\n\r\n{chunks}");
    vec![
        sound(says(encoded("Transfer-Encoding: chunked")), "200 good"),
        sound(says(encoded("Transfer-Encoding: Chunked")), "200 good"),
        broken(says(fields("Content-Length: 5"))),
        broken(says(fields("Content-Length: 0"))),
        broken(says("HTTP/1.1 200 OK\r\nContent-Length: 4, 5\r\n\r\ngood")),
        broken(says("HTTP/1.1 200 OK\r\nContent-Length: +4\r\n\r\ngood")),
        broken(says("HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\ngood")),
        broken(says("HTTP/1.1 200 OK\r\nContent-Length: 0x4\r\n\r\ngood")),
        broken(says("HTTP/1.1 200 OK\r\nContent-Length: 4 4\r\n\r\ngood")),
        broken(says("HTTP/1.1 200 OK\r\nContent-Length: four\r\n\r\ngood")),
        broken(says("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\ngood")),
        broken(says("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\ngood")),
        broken(says(encoded("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"))),
        broken(closes(encoded("Transfer-Encoding: gzip"))),
        broken(closes(encoded("Transfer-Encoding: identity"))),
        broken(closes(encoded("Transfer-Encoding: xchunked"))),
        broken(closes(encoded("Transfer-Encoding: chunked, gzip"))),
        broken(says(encoded("Transfer-Encoding: gzip, chunked"))),
        broken(says(encoded("Transfer-Encoding: chunked\u{b}"))),
        broken(says(format!("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"))),
    ]
}

#[rustfmt::skip]
fn sizes() -> Vec<Case> {
    let filler = |bytes: usize| fields(format!("X: {}", "x".repeat(bytes)));
    let many = |count: usize| fields("X: y\r\n".repeat(count).trim_end());
    vec![
        sound(says(filler(30 * 1024)),                   "200 good"),
        sound(says(many(200)),                           "200 good"),
        broken(says(filler(33 * 1024))),
        broken(says(filler(1024 * 1024))),
        broken(says(many(300))),
        broken(says("x".repeat(1024 * 1024))),
        broken(says("HTTP/1.1 200 OK\r\nX: ".to_owned() + &"x".repeat(1024 * 1024))),
    ]
}

#[rustfmt::skip]
fn informational() -> Vec<Case> {
    let storm = |count: usize| "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(count) + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood";
    vec![
        sound(says(storm(3)),                            "200 good").after(&["103", "103", "103"]),
        sound(says("HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"), "204").after(&["100"]),
        // The strict reader ends a storm; the other passes it on until the deadline.
        broken(says(storm(17))).after(&["103"; 16]).to("GET"),
        sound(says(storm(17)),                           "200 good").after(&["103"; 17]).to("POST"),
        // Nobody asked for another protocol.
        broken(says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")),
        broken(says("HTTP/1.1 101 Switching Protocols\r\n\r\n")),
    ]
}

#[tokio::test]
async fn a_status_line_has_a_version_and_three_digits() {
    run_also_slowly(status_lines()).await;
}

#[tokio::test]
async fn a_field_of_an_answer_is_read_one_way_or_refused() {
    run_also_slowly(field_lines()).await;
}

#[tokio::test]
async fn what_may_be_repaired_is_refused_or_repaired() {
    run_also_slowly(repaired()).await;
}

#[tokio::test]
async fn an_answer_is_framed_one_way_or_refused() {
    run_also_slowly(framings()).await;
}

#[tokio::test]
async fn the_head_of_an_answer_has_a_largest_size() {
    run(sizes()).await;
}

#[tokio::test]
async fn informational_answers_pass_and_end_nothing() {
    run_also_slowly(informational()).await;
}
