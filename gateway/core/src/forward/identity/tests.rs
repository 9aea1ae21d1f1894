use std::net::IpAddr;
use std::sync::Arc;

use idp_token::digest::{Tid, TokenDigest};
use idp_token::lease::Tolerance;
use idp_token::session::SessionId;
use idp_token::{reference, refresh};
use proptest::prelude::*;

use super::super::tests::route as open_route;
use super::super::{compose, write_head};
use super::*;
use crate::admission::{Accept, Admission, Issuer, Requirement};
use crate::caller::Rights;
use crate::head::Head;
use crate::ids::{RequestId, Trace};
use crate::limits::Limits;

const VALUE: &str = "value.to-ken.x_y";

fn guarded(identity_headers: bool) -> Route {
    Route {
        admission: Some(Admission {
            require: Requirement::new(Vec::new(), Vec::new()),
            accept: Accept::Reference,
            issuer: Issuer::Own,
            tolerance: Tolerance::Strict,
            identity_headers,
            server_timing: false,
        }),
        ..open_route()
    }
}

fn caller(subject: &str, session: Option<SessionId>) -> Caller {
    Caller {
        tid: Tid::of(&TokenDigest::of(b"t")),
        session,
        subject: subject.into(),
        rights: Arc::new(Rights::new("shop", "bank", "openid money.read", &[])),
        auth_time: None,
    }
}

/// The fields that a service sees, in lower case and in their order, the same in both protocols.
fn told(route: &Route, fields: &str, identity: Option<&Identity<'_>>) -> Vec<(String, String)> {
    let text = format!("GET /money/x HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
    let head = Head::parse(text.as_bytes(), &Limits::default()).unwrap();
    let (request_id, trace) = (RequestId::new(0, 0), Trace::next(None, 1, 2));
    let hop = Hop {
        request_id: &request_id,
        trace: &trace,
        peer: IpAddr::from([192, 0, 2, 1]),
        peer_is_trusted: false,
        scheme: "http",
        upgrades: false,
        identity,
    };
    let mut out = Vec::new();
    write_head(&head, route, &hop, &mut out);
    let lines = String::from_utf8(out).unwrap();
    let lines = lines
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "));
    let mut lines: Vec<_> = lines
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .filter(|(name, _)| name != "host")
        .collect();
    let request = compose(&head, route, &hop).unwrap();
    let fields = request.headers().iter();
    let mut fields: Vec<_> = fields
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    lines.sort();
    fields.sort();
    assert_eq!(lines, fields, "both protocols say the same");
    lines
}

/// Those of them that speak of the caller, in whatever spelling.
fn of_caller(told: &[(String, String)]) -> Vec<String> {
    let bare = |name: &str| name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let speaks = |name: &str| name.contains("authorization") || bare(name).starts_with("tollgate-");
    told.iter()
        .filter(|(name, _)| speaks(name))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect()
}

#[test]
fn a_service_reads_a_token_of_its_own_and_never_that_of_the_client() {
    let caller = caller("alice", Some(SessionId([1; 16])));
    let identity = Identity {
        caller: &caller,
        value_token: Some(VALUE.as_bytes()),
        issuer: None,
    };
    let bearer = format!("authorization: Bearer {VALUE}");
    #[rustfmt::skip]
    let cases = [
        "",
        "Authorization: Bearer tg_at_secret\r\n",
        "AUTHORIZATION: Bearer tg_at_secret\r\nauthorization: Basic secret\r\n",
        "Authorization: Bearer tg_at_secret\r\nConnection: Authorization\r\n",
        "Proxy-Authorization: Bearer tg_at_secret\r\n",
    ];
    for fields in cases {
        let told = told(&guarded(false), fields, Some(&identity));
        assert_eq!(of_caller(&told), [bearer.as_str()], "{fields}");
        assert!(!format!("{told:?}").contains("secret"), "{fields} {told:?}");
    }
}

/// Caller, value token, whether the route says so, and what the service is told.
type Case<'a> = (&'a Caller, Option<&'a [u8]>, bool, &'a [&'a str]);

#[test]
fn a_service_is_told_in_fields_only_where_the_route_says_so() {
    let session = SessionId([1; 16]);
    let own = caller("alice", Some(session));
    let foreign = caller("partner|7", None);
    #[rustfmt::skip]
    let cases: [Case; 4] = [
        (&own, Some(VALUE.as_bytes()), false, &["authorization: Bearer value.to-ken.x_y"]),
        (&own, Some(VALUE.as_bytes()), true, &[
            "authorization: Bearer value.to-ken.x_y",
            "tollgate-client: shop",
            "tollgate-scope: openid money.read",
            "tollgate-session: 01010101010101010101010101010101",
            "tollgate-subject: alice",
        ]),
        (&foreign, None, true, &[
            "tollgate-client: shop",
            "tollgate-issuer: https://partner.example",
            "tollgate-scope: openid money.read",
            "tollgate-subject: partner|7",
        ]),
        (&foreign, None, false, &[]),
    ];
    for (caller, value_token, identity_headers, expected) in cases {
        let identity = Identity {
            caller,
            value_token,
            issuer: caller
                .session
                .is_none()
                .then_some("https://partner.example"),
        };
        let fields = "Authorization: Bearer tg_at_x\r\nTollgate-Subject: mallory\r\n\
                      Tollgate-Session: 7\r\nTollgate-Admin: yes\r\n";
        let told = told(&guarded(identity_headers), fields, Some(&identity));
        assert_eq!(of_caller(&told), expected, "{identity_headers} {caller:?}");
    }
}

#[test]
fn what_nobody_says_of_a_caller_is_told_in_no_field() {
    let caller = Caller {
        rights: Arc::new(Rights::new("", "", "", &[])),
        ..caller("partner|7", None)
    };
    let identity = Identity {
        caller: &caller,
        value_token: None,
        issuer: None,
    };
    let told = told(&guarded(true), "", Some(&identity));
    assert_eq!(of_caller(&told), ["tollgate-subject: partner|7"]);
}

/// As long as a reference token, and as a refresh token.
const REFERENCE: &str = "tg_at_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const REFRESH: &str = "tg_rt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[test]
fn a_token_of_ours_goes_on_in_no_field_and_nowhere() {
    let long = "a".repeat(80);
    #[rustfmt::skip]
    let cases = [
        ("Authorization", "Basic dXNlcjpwYXNz".to_owned(),         true),
        ("Authorization", format!("Bearer {long}.{long}.{long}"),  true),
        ("Authorization", String::new(),                           true),
        ("Authorization", format!("Bearer {REFERENCE}"),           false),
        ("authorization", format!("bearer {REFRESH}"),             false),
        ("Authorization", format!("Token token=\"{REFERENCE}\""),  false),
        ("Cookie",        format!("a=b; session={REFERENCE}"),     false),
        ("Cookie",        format!("a=b; session={long}"),          true),
        ("X-Token",       REFERENCE.to_owned(),                    false),
        ("X-Token",       REFRESH.to_owned(),                      false),
        ("X-Token",       format!("{long}{REFRESH}{long}"),        false),
        // One byte short of a token is none.
        ("X-Token",       REFERENCE[1..].to_owned(),               true),
        ("X-Token",       REFERENCE[..49].to_owned(),              true),
        ("Sec-WebSocket-Protocol", format!("bearer, {REFERENCE}"), false),
    ];
    assert_eq!(REFERENCE.len(), reference::SPELLED_BYTES);
    assert_eq!(REFRESH.len(), refresh::SPELLED_BYTES);
    for (name, value, passes) in cases {
        let fields = format!("{name}: {value}\r\nTollgate-Subject: mallory\r\n");
        let passed = |route: &Route| {
            let told = told(route, &fields, None);
            let name = name.to_ascii_lowercase();
            assert!(
                told.iter().all(|(name, _)| !name.starts_with("tollgate")),
                "{told:?}"
            );
            told.contains(&(name, value.clone()))
        };
        assert_eq!(passed(&open_route()), passes, "{name}: {value}");
        let is_authorization = name.eq_ignore_ascii_case("authorization");
        assert_eq!(
            passed(&guarded(true)),
            passes && !is_authorization,
            "{name}: {value}"
        );
    }
}

#[test]
fn an_identity_is_told_only_where_a_caller_was_asked_for() {
    let caller = caller("alice", None);
    let identity = Identity {
        caller: &caller,
        value_token: Some(VALUE.as_bytes()),
        issuer: None,
    };
    let told = told(&open_route(), "", Some(&identity));
    assert_eq!(of_caller(&told), Vec::<String>::new());
}

#[test]
fn no_subject_ends_a_line_or_passes_for_another() {
    #[rustfmt::skip]
    let cases = [
        ("alice",             "alice"),
        ("auth0|5f7c8ec7",    "auth0|5f7c8ec7"),
        ("a b",               "a b"),
        (" a",                "%20a"),
        ("a ",                "a%20"),
        (" ",                 "%20"),
        ("",                  ""),
        ("100%",              "100%25"),
        ("%20a",              "%2520a"),
        ("a\r\nx: y",         "a%0D%0Ax: y"),
        ("\t",                "%09"),
        ("\u{e9}",            "%C3%A9"),
        ("\0\u{7f}",          "%00%7F"),
    ];
    for (subject, expected) in cases {
        assert_eq!(spelled(subject), expected, "{subject:?}");
    }
}

#[test]
fn no_token_is_shown() {
    let caller = caller("alice", None);
    let identity = Identity {
        caller: &caller,
        value_token: Some(b"s3cr3t"),
        issuer: None,
    };
    assert!(!format!("{identity:?}").contains("s3cr3t"));

    let text = "GET /money/x HTTP/1.1\r\nHost: h\r\n\r\n";
    let head = Head::parse(text.as_bytes(), &Limits::default()).unwrap();
    let (request_id, trace) = (RequestId::new(0, 0), Trace::next(None, 1, 2));
    let hop = Hop {
        request_id: &request_id,
        trace: &trace,
        peer: IpAddr::from([192, 0, 2, 1]),
        peer_is_trusted: false,
        scheme: "http",
        upgrades: false,
        identity: Some(&identity),
    };
    let request = compose(&head, &guarded(false), &hop).unwrap();
    assert_eq!(request.headers()["authorization"], "Bearer s3cr3t");
    assert!(!format!("{request:?} {hop:?}").contains("s3cr3t"));
}

/// One spelling of a name among many: any case, any separator.
fn spelling_of(name: &'static str) -> impl Strategy<Value = String> {
    let separators = prop::sample::select("!#$%&'*+-.^_`|~".chars().collect::<Vec<_>>());
    let respell = move |(cases, separators): (Vec<bool>, Vec<char>)| {
        let respelled = name.chars().zip(cases).zip(separators);
        respelled
            .map(|((c, is_upper), separator)| match (c, is_upper) {
                ('-', _) => separator,
                (c, true) => c.to_ascii_uppercase(),
                (c, false) => c,
            })
            .collect()
    };
    let cases = prop::collection::vec(any::<bool>(), name.len());
    (cases, prop::collection::vec(separators, name.len())).prop_map(respell)
}

proptest! {
    /// What P10 promises: not forged, not removed, not doubled, in any spelling.
    #[test]
    fn no_spelling_of_a_field_gets_past_ours(
        names in prop::collection::vec(prop_oneof![
            spelling_of("authorization"),
            spelling_of("tollgate-subject"),
            spelling_of("tollgate-client"),
            spelling_of("tollgate-scope"),
            spelling_of("tollgate-session"),
            spelling_of("tollgate-roles-of-tomorrow"),
            spelling_of("x-request-id"),
            spelling_of("x-forwarded-for"),
            spelling_of("forwarded"),
        ], 0..8),
        nominated in prop::collection::vec(prop_oneof![
            spelling_of("authorization"),
            spelling_of("tollgate-subject"),
            spelling_of("x-request-id"),
        ], 0..3),
        is_guarded: bool,
    ) {
        let lines: String = names.iter().map(|name| format!("{name}: Bearer {REFERENCE}\r\n")).collect();
        let nominated: String = nominated.iter().map(|name| format!("Connection: {name}\r\n")).collect();
        let fields = format!("{lines}{nominated}X-Kept: forged\r\n");
        let caller = caller("alice", Some(SessionId([1; 16])));
        let identity = Identity { caller: &caller, value_token: Some(VALUE.as_bytes()), issuer: None };
        let route = if is_guarded { guarded(true) } else { open_route() };
        let expected = told(&route, "X-Kept: forged\r\n", Some(&identity));
        prop_assert_eq!(told(&route, &fields, Some(&identity)), expected);
    }

    /// A service can tell two subjects apart by what it reads.
    #[test]
    fn what_is_spelled_can_be_read_back(subject in any::<String>()) {
        let spelled = spelled(&subject);
        prop_assert!(spelled.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
        prop_assert_eq!(spelled.trim(), &*spelled);
        let mut read = Vec::new();
        let mut rest = spelled.as_bytes();
        while let Some((&first, below)) = rest.split_first() {
            rest = below;
            if first == b'%' {
                let (digits, below) = rest.split_at(2);
                rest = below;
                read.push(u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap());
            } else {
                read.push(first);
            }
        }
        prop_assert_eq!(read, subject.as_bytes());
    }
}
