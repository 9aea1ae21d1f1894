//! Answers of every shape, each counted whole and once.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::thread;

use super::super::*;

/// Says the same to everybody, and then goes away if it is to.
fn start(answer: Vec<u8>, goes_away: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer) = (stream.unwrap(), answer.clone());
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
                    if stream.write_all(&answer).is_err() || goes_away {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\n{head}\r\n").as_bytes(), body].concat()
}

#[test]
fn bodies_are_counted_whole_however_long_and_however_framed() {
    let long = vec![b'x'; 300_000];
    let length = format!("content-length: {}\r\n", long.len());
    let chunks = [&b"493e0\r\n"[..], &long, b"\r\n0\r\n\r\n"].concat();
    #[rustfmt::skip]
    let cases = [
        ("of a length",      answer(&length, &long),                           false, 300_000),
        ("and then closed",  answer(&format!("{length}connection: close\r\n"), &long), true, 300_000),
        ("in chunks",        answer("transfer-encoding: chunked\r\n", &chunks), false, chunks.len()),
        ("up to the end",    answer("", &long),                                true,  300_000),
        ("nothing",          answer("content-length: 0\r\n", b""),             false, 0),
    ];
    for (what, answer, goes_away, bytes) in cases {
        for holds in ["", ", body_holds: x"] {
            if bytes == 0 && !holds.is_empty() {
                continue;
            }
            let text = format!(
                "target: http://{}\nlasts: 1s\nrate: 20\nconnections: 2\n\
                 requests: [{{ name: all, get: /a{holds} }}]\n",
                start(answer.clone(), goes_away)
            );
            let scenario = Scenario::parse("test", &text, Path::new(".")).unwrap();
            let sum = run(scenario, &|_| {}).unwrap().record.sum();
            assert_eq!(
                (sum.answered, sum.failures.total()),
                (20, 0),
                "{what}{holds}"
            );
            assert_eq!(sum.bytes, 20 * bytes as u64, "{what}{holds}");
        }
    }
}

/// A server may close a connection that nobody uses, and says so to nobody.
#[test]
fn a_connection_that_was_closed_between_requests_is_opened_again() {
    let text = format!(
        "target: http://{}\nlasts: 1s\nrate: 4\nconnections: 1\n\
         requests: [{{ name: all, get: /a }}]\n",
        start(answer("content-length: 2\r\n", b"ok"), true)
    );
    let scenario = Scenario::parse("test", &text, Path::new(".")).unwrap();
    let record = run(scenario, &|_| {}).unwrap().record;
    let sum = record.sum();
    assert_eq!(
        (sum.answered, sum.failures.total()),
        (4, 0),
        "{:?}",
        sum.failures
    );
    assert_eq!(record.connects, 4);
}

#[test]
fn what_is_cut_or_follows_unasked_is_a_failure() {
    let cut = answer("content-length: 10\r\n", b"short");
    let surplus = answer("content-length: 2\r\n", b"ok and more");
    for (answer, goes_away) in [(cut, true), (surplus, false)] {
        let text = format!(
            "target: http://{}\nlasts: 1s\nrate: 20\nrequests: [{{ name: all, get: /a }}]\n",
            start(answer, goes_away)
        );
        let scenario = Scenario::parse("test", &text, Path::new(".")).unwrap();
        let sum = run(scenario, &|_| {}).unwrap().record.sum();
        assert_eq!(
            (sum.answered, sum.failures.total()),
            (0, 20),
            "{:?}",
            sum.failures
        );
    }
}
