//! Services that break the rules of HTTP/2: what the client is told, and that nobody else is hurt.

use std::fmt::Write as _;

use super::frames::*;
use super::service::{Act, Asked, Behaviour, Service, config, once_whole};
use crate::edge::Edge;
use crate::transcript::Ear;

/// What a service does about its first request; about all others it does right.
type Wrong = fn(u32) -> Act;

struct Case {
    what: &'static str,
    wrong: Wrong,
    /// What the client is told, all informational answers included.
    told: &'static [&'static str],
}

const fn case(what: &'static str, told: &'static [&'static str], wrong: Wrong) -> Case {
    Case { what, wrong, told }
}

const OK: (&str, &str) = (":status", "200");

fn say(parts: &[Vec<u8>]) -> Act {
    Act::Say(parts.concat())
}

fn head(stream: u32, more: &[(&str, &str)], flags: u8) -> Vec<u8> {
    fields(stream, &[&[OK], more].concat(), flags)
}

const BROKEN: &[&str] = &["502 upstream_broken"];
const CUT: &[&str] = &["reset"];

fn cases() -> Vec<Case> {
    let mut cases = heads();
    cases.extend(bodies());
    cases.extend(ends());
    cases
}

#[rustfmt::skip]
fn heads() -> Vec<Case> {
    vec![
        case("a length and nothing more", BROKEN, |s| say(&[head(s, &[("content-length", "4")], END_STREAM)])),
        case("two lengths", BROKEN, |s| say(&[head(s, &[("content-length", "4"), ("content-length", "5")], 0), data(s, "four", END_STREAM)])),
        case("a length that is none", BROKEN, |s| say(&[head(s, &[("content-length", "4,4")], 0), data(s, "four", END_STREAM)])),
        case("a field of HTTP/1.1", BROKEN, |s| say(&[head(s, &[("transfer-encoding", "chunked")], 0), data(s, "x", END_STREAM)])),
        case("a name in upper case", BROKEN, |s| say(&[head(s, &[("X-Upper", "1")], END_STREAM)])),
        case("a line break in a value", BROKEN, |s| say(&[head(s, &[("x-a", "b\r\nset-cookie: c")], END_STREAM)])),
        case("a NUL in a value", BROKEN, |s| say(&[head(s, &[("x-a", "b\0")], END_STREAM)])),
        case("no status", BROKEN, |s| say(&[fields(s, &[("x-a", "b")], END_STREAM)])),
        case("a status that is none", BROKEN, |s| say(&[fields(s, &[(":status", "2x0")], END_STREAM)])),
        case("a status past all classes", BROKEN, |s| say(&[fields(s, &[(":status", "777")], END_STREAM)])),
        case("a status twice", BROKEN, |s| say(&[fields(s, &[OK, OK], END_STREAM)])),
        case("a switch of protocols", BROKEN, |s| say(&[fields(s, &[(":status", "101")], 0)])),
        case("a head larger than a client's may be", BROKEN, |s| say(&[long_head(s, &[OK, ("x-a", &"y".repeat(40_000))]), data(s, "x", END_STREAM)])),
        case("a head larger than any", BROKEN, |s| say(&[long_head(s, &[OK, ("x-a", &"y".repeat(90_000))]), data(s, "x", END_STREAM)])),
        case("more fields than allowed", BROKEN, |s| say(&[long_head(s, &[&[OK][..], &[("a", "b"); 300]].concat()), data(s, "x", END_STREAM)])),
        case("informational answers without end", BROKEN_AFTER_16, |s| Act::Say(fields(s, &[(":status", "103")], 0).repeat(40))),
        case("an informational answer that is the last", &["103", "502 upstream_broken"], |s| say(&[fields(s, &[(":status", "103")], END_STREAM)])),
        case("data before the head", BROKEN, |s| say(&[data(s, "four", END_STREAM)])),
        case("field compression that is none", BROKEN, |s| say(&[frame(HEADERS, 4, s, &[0xff; 40])])),
        case("a promise nobody wants", BROKEN, |s| say(&[frame(PUSH_PROMISE, 4, s, &[0, 0, 0, 2, 0x88])])),
        case("a frame larger than agreed", BROKEN, |s| say(&[frame(HEADERS, 4, s, &[0; 20_000])])),
        case("a word on a stream that is none", BROKEN, |_| say(&[reset(0x7fff_fffd, CANCEL)])),
        case("garbage", BROKEN, |_| Act::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec())),
        case("silence", &["504 upstream_timeout"], |_| Act::Nothing),
    ]
}

const BROKEN_AFTER_16: &[&str] = &[
    "103",
    "103",
    "103",
    "103",
    "103",
    "103",
    "103",
    "103",
    "103",
    "103",
    "103",
    "103",
    "103",
    "103",
    "103",
    "103",
    "502 upstream_broken",
];

#[rustfmt::skip]
fn bodies() -> Vec<Case> {
    vec![
        case("less than announced", CUT, |s| say(&[head(s, &[("content-length", "5")], 0), data(s, "four", END_STREAM)])),
        case("more than announced", CUT, |s| say(&[head(s, &[("content-length", "3")], 0), data(s, "four", END_STREAM)])),
        case("a reset amidst", CUT, |s| say(&[head(s, &[], 0), data(s, "fo", 0), reset(s, INTERNAL_ERROR)])),
        case("a reset that is no error amidst", CUT, |s| say(&[head(s, &[], 0), data(s, "fo", 0), reset(s, NO_ERROR)])),
        case("a refusal after the head", CUT, |s| say(&[head(s, &[], 0), data(s, "fo", 0), reset(s, REFUSED_STREAM)])),
        case("a close amidst", CUT, |s| Act::SayAndClose([head(s, &[], 0), data(s, "fo", 0)].concat())),
        case("a close amidst a known length", CUT, |s| Act::SayAndClose([head(s, &[("content-length", "5")], 0), data(s, "fo", 0)].concat())),
        case("the end of the connection, below", CUT, |s| say(&[head(s, &[], 0), data(s, "fo", 0), goaway(0, NO_ERROR)])),
        case("silence amidst", CUT, |s| say(&[head(s, &[], 0), data(s, "fo", 0)])),
        case("a second head", CUT, |s| say(&[head(s, &[], 0), data(s, "fo", 0), head(s, &[], 0), data(s, "ur", END_STREAM)])),
        case("trailers with a name in upper case", CUT, |s| say(&[head(s, &[], 0), data(s, "fo", 0), fields(s, &[("X-A", "b")], END_STREAM)])),
        case("trailers larger than a client takes", CUT, |s| say(&[head(s, &[], 0), data(s, "fo", 0), fields(s, &[("x-a", &"y".repeat(16_380))], END_STREAM)])),
        case("trailers larger than any", CUT, |s| say(&[head(s, &[], 0), data(s, "fo", 0), frame(HEADERS, END_STREAM, s, &[]), frame(9, 4, s, &[0xff; 40])])),
        case("more than there is room for", CUT, |s| say(&[head(s, &[], 0), frame(DATA, 0, s, &[b'x'; 16_384]).repeat(600)])),
        case("empty data without end", CUT, |s| say(&[head(s, &[], 0), data(s, "", 0).repeat(200_000)])),
    ]
}

#[rustfmt::skip]
fn ends() -> Vec<Case> {
    vec![
        case("nothing that goes on", &["200"], |s| say(&[head(s, &[], END_STREAM)])),
        case("an empty answer of a known length", &["200"], |s| say(&[head(s, &[("content-length", "0")], 0), data(s, "", END_STREAM)])),
        case("an answer without a body that has one", &["204"], |s| say(&[fields(s, &[(":status", "204")], 0), data(s, "four", END_STREAM)])),
        case("a known length", &["200 four"], |s| say(&[head(s, &[("content-length", "4")], 0), data(s, "fo", 0), data(s, "", 0), data(s, "ur", END_STREAM)])),
        // Pseudo-fields where there are none are dropped by the library, and told to nobody.
        case("a pseudo-field of a request", &["200"], |s| say(&[head(s, &[(":path", "/")], END_STREAM)])),
        case("trailers with a pseudo-field", &["200 four"], |s| say(&[head(s, &[], 0), data(s, "four", 0), head(s, &[], END_STREAM)])),
        case("empty data between", &["200 four"], |s| say(&[head(s, &[], 0), data(s, "", 0), data(s, "fo", 0), data(s, "", 0), data(s, "ur", 0), data(s, "", END_STREAM)])),
        case("trailers", &["200 four"], |s| say(&[head(s, &[], 0), data(s, "four", 0), fields(s, &[("grpc-status", "0")], END_STREAM)])),
        case("an informational answer first", &["103", "200 four"], |s| say(&[fields(s, &[(":status", "103")], 0), head(s, &[], 0), data(s, "four", END_STREAM)])),
        case("the end of the connection, not below", &["200 four"], |s| say(&[goaway(s, NO_ERROR), head(s, &[], 0), data(s, "four", END_STREAM)])),
        case("the end of the connection behind the answer", &["200 four"], |s| Act::SayAndClose([head(s, &[], 0), data(s, "four", END_STREAM), goaway(s, NO_ERROR)].concat())),
        case("a reset that is no error behind the answer", &["200 four"], |s| say(&[head(s, &[], 0), data(s, "four", END_STREAM), reset(s, NO_ERROR)])),
        case("an unknown frame", &["200 four"], |s| say(&[frame(0xee, 0, s, b"?"), head(s, &[], 0), data(s, "four", END_STREAM)])),
    ]
}

/// Only the first request is treated wrongly, and is not said again by the gateway.
async fn check(case: &Case) -> Result<(), String> {
    let wrong = case.wrong;
    let behaviour = Behaviour::new(once_whole(move |asked: Asked| match asked.before {
        0 => wrong(asked.stream),
        _ => Act::Say(good(asked.stream)),
    }));
    let service = Service::start(behaviour).await;
    let keys = "timeout: 700ms, connect_timeout: 500ms, breaker: false";
    let edge = Edge::start(&config(&[service.address], keys)).await;
    let mut ear = Ear::connect(edge.address()).await;
    ear.say(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi")
        .await;
    let mut heard = Vec::new();
    for _ in case.told {
        heard.push(ear.hear(false).await);
    }
    let is_cut = case.told == CUT;
    let is_as_told = match is_cut {
        true => heard.iter().all(|line| line.ends_with("reset")),
        false => heard == case.told,
    };
    if !is_as_told {
        return Err(format!("heard {heard:?}"));
    }
    if is_cut {
        ear = Ear::connect(edge.address()).await;
    }
    ear.say(b"POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nho")
        .await;
    let next = ear.hear(false).await;
    let seen = service.seen();
    if next != "200 good" || seen.requests.len() != 2 {
        return Err(format!("next heard {next:?}, seen {seen:?}"));
    }
    Ok(())
}

#[tokio::test]
async fn a_service_that_breaks_the_rules_costs_its_own_answer_and_no_other() {
    let cases = cases().into_iter().map(|case| {
        let checked = async move { (case.what, check(&case).await) };
        gateway_server::spawn("case", checked)
    });
    let cases: Vec<_> = cases.collect();
    let mut faults = String::new();
    for case in cases {
        if let (what, Err(fault)) = case.await.unwrap() {
            let _ = writeln!(faults, "{what}: {fault}");
        }
    }
    assert!(faults.is_empty(), "{faults}");
}

#[tokio::test]
async fn what_does_not_speak_http2_is_not_reached() {
    let http1 = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n".to_vec();
    #[rustfmt::skip]
    let greetings = [
        ("no settings",                 Vec::new()),
        ("garbage",                     vec![0xff; 100]),
        ("HTTP/1.1",                    http1),
        ("settings that are none",      frame(SETTINGS, 0, 0, b"12345")),
        ("settings that take nothing",  settings(&[(MAX_CONCURRENT_STREAMS, 0)])),
        ("settings on a stream",        frame(SETTINGS, 0, 1, &[])),
        ("a window too large",          settings(&[(INITIAL_WINDOW_SIZE, u32::MAX)])),
        ("an end before its beginning", goaway(0, NO_ERROR)),
    ];
    for (what, greeting) in greetings {
        let behaviour = Behaviour::new(|_| Act::Nothing).greet(greeting);
        let service = Service::start(behaviour).await;
        let keys = "timeout: 5s, connect_timeout: 300ms";
        let edge = Edge::start(&config(&[service.address], keys)).await;
        let mut client = edge.connect().await;
        for _ in 0..2 {
            let post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";
            let answer = client.ask(post).await;
            let told = (answer.status, answer.code());
            assert_eq!(told, (502, "upstream_unreachable".to_owned()), "{what}");
        }
        assert_eq!(service.seen().requests.len(), 0, "{what}");
    }
}
