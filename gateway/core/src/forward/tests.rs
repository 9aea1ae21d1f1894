use http::{HeaderName, HeaderValue};

use crate::fields::FieldRules;
use crate::limits::Limits;
use crate::route::Rewrite;
use crate::sample;

use super::*;

pub(super) fn route() -> Route {
    Route {
        rewrite: Rewrite {
            strip: "/money".into(),
            add: String::new(),
        },
        request_fields: FieldRules {
            remove: vec![HeaderName::from_static("x-debug")],
            set: vec![(
                HeaderName::from_static("x-env"),
                HeaderValue::from_static("prod"),
            )],
            add: vec![(
                HeaderName::from_static("x-tag"),
                HeaderValue::from_static("edge"),
            )],
        },
        ..sample::route("/money/{rest*}")
    }
}

fn forward(text: &str, peer_is_trusted: bool) -> String {
    let head = Head::parse(text.as_bytes(), &Limits::default()).unwrap();
    let (request_id, trace) = (RequestId::new(0, 0), Trace::next(None, 1, 2));
    let peer = IpAddr::from([192, 0, 2, 1]);
    let hop = Hop {
        request_id: &request_id,
        trace: &trace,
        peer,
        peer_is_trusted,
        scheme: "http",
        upgrades: false,
        identity: None,
    };
    let mut out = Vec::new();
    write_head(&head, &route(), &hop, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_head_goes_on_in_our_spelling_with_our_fields() {
    let sent = forward(
        "POST /money/%74ransfers?a=b HTTP/1.1\r\nHost: Pay.Example.com:80\r\nAccept: */*\r\n\
         Content-Length: 007\r\nX-Debug: 1\r\nX-Env: test\r\nX-Tag: mine\r\n\
         Connection: X-Hop\r\nX-Hop: gone\r\nTE: trailers\r\nUpgrade: h2c\r\n\r\n",
        false,
    );
    assert_eq!(
        sent,
        "POST /transfers?a=b HTTP/1.1\r\nhost: pay.example.com:80\r\nAccept: */*\r\nX-Tag: mine\r\n\
         x-env: prod\r\nx-tag: edge\r\nx-forwarded-for: 192.0.2.1\r\nx-forwarded-proto: http\r\n\
         x-forwarded-host: pay.example.com\r\nx-request-id: 00000000-0000-7000-8000-000000000000\r\n\
         traceparent: 00-00000000000000000000000000000001-0000000000000002-00\r\n\
         content-length: 7\r\n\r\n"
    );
}

#[test]
fn what_a_client_says_of_itself_is_believed_of_a_trusted_proxy_alone() {
    let text = "GET /money/x HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 10.1.1.1\r\n\
                X-Forwarded-Proto: https\r\nX-Forwarded-Host: pay.example\r\n\
                Forwarded: for=10.1.1.1\r\nX-Request-Id: forged\r\nX-Real-IP: 10.1.1.1\r\n\r\n";
    let sent = forward(text, false);
    assert!(sent.contains("x-forwarded-for: 192.0.2.1\r\n"), "{sent}");
    assert!(sent.contains("x-forwarded-proto: http\r\n"), "{sent}");
    assert!(
        !sent.contains("10.1.1.1") && !sent.contains("forged"),
        "{sent}"
    );

    let sent = forward(text, true);
    assert!(
        sent.contains("x-forwarded-for: 10.1.1.1, 192.0.2.1\r\n"),
        "{sent}"
    );
    assert!(sent.contains("x-forwarded-proto: https\r\n"), "{sent}");
    assert!(sent.contains("x-forwarded-host: pay.example\r\n"), "{sent}");
    assert!(!sent.contains("forged"), "{sent}");
}

#[test]
fn a_field_that_would_make_another_request_of_it_goes_on_from_nobody() {
    #[rustfmt::skip]
    let names = [
        "X-HTTP-Method-Override", "X_HTTP_Method_Override", "X-Method-Override", "X-HTTP-Method",
        "X-Original-URL", "X_Rewrite_URL", "Proxy", "X-Host", "X_Env", "x.debug",
    ];
    for name in names {
        for peer_is_trusted in [false, true] {
            let text = format!("GET /money/x HTTP/1.1\r\nHost: h\r\n{name}: forged\r\n\r\n");
            let sent = forward(&text, peer_is_trusted);
            assert!(!sent.contains("forged"), "{name}: {sent}");
        }
    }
}

#[test]
fn whatever_is_said_of_a_client_is_believed_of_a_trusted_proxy_alone() {
    for name in [
        "X-Forwarded-User",
        "X_Forwarded_Prefix",
        "X-Forwarded-Ssl",
        "True-Client-IP",
    ] {
        let text = format!("GET /money/x HTTP/1.1\r\nHost: h\r\n{name}: told\r\n\r\n");
        assert!(!forward(&text, false).contains("told"), "{name}");
        assert!(
            forward(&text, true).contains(&format!("{name}: told\r\n")),
            "{name}"
        );
    }
}

#[test]
fn the_framing_is_written_from_what_was_understood() {
    #[rustfmt::skip]
    let cases = [
        ("HTTP/1.1", "",                                 ""),
        ("HTTP/1.1", "Content-Length: 0\r\n",            "content-length: 0\r\n"),
        ("HTTP/1.1", "Content-Length: 010\r\n",          "content-length: 10\r\n"),
        ("HTTP/1.1", "Transfer-Encoding: CHUNKED\r\n",   "transfer-encoding: chunked\r\n"),
        ("HTTP/1.1", "Connection: close\r\n",            ""),
        ("HTTP/1.0", "Connection: keep-alive\r\n",       ""),
    ];
    for (version, fields, expected) in cases {
        let sent = forward(
            &format!("GET /money {version}\r\nHost: h\r\n{fields}\r\n"),
            false,
        );
        let (_, framing) = sent.split_once("-00\r\n").unwrap();
        assert_eq!(framing, format!("{expected}\r\n"), "{version} {fields:?}");
    }
}
