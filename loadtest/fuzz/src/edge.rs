//! What clients and services send: heads, bodies in chunks, paths. Whatever is taken must be taken by a second
//! reader too, and what is sent on must be read as what was understood.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use gateway_core::answer::AnswerHead;
use gateway_core::chunked::{Chunked, Part};
use gateway_core::fields::FieldRules;
use gateway_core::forward::{Hop, write_head};
use gateway_core::head::{Head, find_end};
use gateway_core::host::HostPattern;
use gateway_core::ids::{RequestId, Trace};
use gateway_core::level::Level;
use gateway_core::limits::Limits;
use gateway_core::path::{PathPattern, canonical};
use gateway_core::route::{Destination, Matches, Methods, Rewrite, Route};
use gateway_core::share::Shares;
use gateway_core::trailers;
use http::Method;

use crate::Target;

pub(crate) const TARGETS: [(&str, Target); 5] = [
    ("head", head),
    ("answer", answer),
    ("chunked", chunked),
    ("trailers", trailer),
    ("path", path),
];

fn head(bytes: &[u8]) -> bool {
    let whole = find_end(bytes, 0);
    for searched in 0..bytes.len().min(64) {
        // Bytes that were searched before hold no end, or it would have been found then.
        if find_end(&bytes[..searched], 0) == Ok(None) {
            assert_eq!(find_end(bytes, searched), whole, "searched {searched}");
        }
    }
    let Ok(Some(end)) = whole else { return false };
    let Ok(head) = Head::parse(&bytes[..end], &Limits::default()) else {
        return false;
    };
    agrees_with_httparse(&head, &bytes[..end]);
    goes_on_as_it_was_understood(&head);
    true
}

fn agrees_with_httparse(head: &Head<'_>, bytes: &[u8]) {
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut second = httparse::Request::new(&mut fields);
    let read = second
        .parse(bytes)
        .expect("a second reader refuses this head");
    assert!(read.is_complete());
    assert_eq!(second.method, Some(head.method.as_str()));
    assert_eq!(second.headers.len(), head.fields.len());
    for (theirs, ours) in second.headers.iter().zip(&head.fields) {
        assert_eq!(
            (theirs.name, theirs.value.trim_ascii()),
            (ours.name, ours.value)
        );
    }
}

fn goes_on_as_it_was_understood(head: &Head<'_>) {
    let (request_id, trace) = (RequestId::new(0, 0), Trace::next(None, 1, 2));
    let hop = Hop {
        request_id: &request_id,
        trace: &trace,
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        peer_is_trusted: false,
        scheme: "http",
        upgrades: false,
        identity: None,
    };
    let mut sent = Vec::new();
    write_head(head, &route(), &hop, &mut sent);
    assert_eq!(find_end(&sent, 0), Ok(Some(sent.len())));
    let roomy = Limits {
        head_bytes_max: usize::MAX,
        target_bytes_max: usize::MAX,
        fields_max: usize::MAX,
        ..Limits::default()
    };
    let again = Head::parse(&sent, &roomy).expect("what is sent on is no sound head");
    assert_eq!(again.path, head.path);
    assert_eq!(again.query, head.query);
    assert_eq!(again.method, head.method);
    assert_eq!(again.host.name(), head.host.name());
    assert_eq!(again.framing, head.framing);
    for name in &head.nominated {
        assert!(
            again.only(name).is_none() || SET_BY_US.contains(&name.to_ascii_lowercase().as_str())
        );
    }
}

/// Fields of which the client's are not sent on, and ours may be.
const SET_BY_US: [&str; 9] = [
    "host",
    "content-length",
    "transfer-encoding",
    "te",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-request-id",
    "traceparent",
];

fn route() -> Route {
    Route {
        name: Arc::from("r"),
        level: Level::Open,
        class: None,
        admission: None,
        matches: Matches {
            host: HostPattern::Any,
            methods: Methods::Any,
            path: PathPattern::parse("/{rest*}").expect("invariant: a pattern"),
            conditions: Vec::new(),
            query: Vec::new(),
        },
        to: Destination::Services(Shares::one(Arc::from("s"))),
        rewrite: Rewrite::default(),
        request_fields: FieldRules::default(),
        response_fields: FieldRules::default(),
        body_bytes_max: u64::MAX,
        timeout: None,
        may_upgrade: false,
    }
}

fn answer(bytes: &[u8]) -> bool {
    let Ok(answer) = AnswerHead::parse(bytes, &Method::GET) else {
        return false;
    };
    let mut fields = [httparse::EMPTY_HEADER; 256];
    let mut second = httparse::Response::new(&mut fields);
    let read = second
        .parse(bytes)
        .expect("a second reader refuses this head");
    assert!(read.is_complete());
    assert_eq!(second.code, Some(answer.status));
    true
}

/// However a body is cut into reads, it has the same end, data and fate.
fn chunked(bytes: &[u8]) -> bool {
    let mut whole = Chunked::default();
    let taken = whole.advance(bytes);
    let mut byte_by_byte = Chunked::default();
    let mut count = 0;
    let mut fate = Ok(0);
    for byte in bytes.chunks(1) {
        match byte_by_byte.advance(byte) {
            Ok(one) => count += one,
            Err(error) => {
                fate = Err(error);
                break;
            }
        }
    }
    let fate = fate.map(|_| count);
    assert_eq!(fate, taken);
    if taken.is_ok() {
        assert_eq!(byte_by_byte.data_bytes(), whole.data_bytes());
        assert_eq!(byte_by_byte.is_done(), whole.is_done());
        assert_eq!(parts(bytes), whole.data_bytes());
    }
    taken.is_ok() && whole.is_done()
}

/// How many bytes of data a body has that is taken apart.
fn parts(bytes: &[u8]) -> u64 {
    let (mut body, mut rest, mut data) = (Chunked::default(), bytes, 0);
    while !rest.is_empty() && !body.is_done() {
        let (part, count) = body.next_part(rest).expect("it was sound a moment ago");
        assert!(count > 0, "no part of it is next");
        data += if part == Part::Data { count as u64 } else { 0 };
        rest = &rest[count..];
    }
    data
}

fn trailer(bytes: &[u8]) -> bool {
    let Ok(fields) = trailers::parse(bytes) else {
        return false;
    };
    for field in fields {
        assert!(!field.value.iter().any(|byte| b"\r\n\0".contains(byte)));
    }
    true
}

fn path(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else {
        return false;
    };
    let Ok(one) = canonical(text) else {
        return false;
    };
    assert!(one.starts_with('/'));
    let mut segments = one.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        assert!(segment != "." && segment != "..", "{one:?}");
        assert!(!segment.is_empty() || segments.peek().is_none(), "{one:?}");
        assert!(
            !segment.contains('\\') && !segment.chars().any(char::is_control),
            "{one:?}"
        );
    }
    true
}
