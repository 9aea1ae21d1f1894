use proptest::prelude::*;

use super::*;

fn limits() -> Limits {
    Limits {
        head_bytes_max: 1024,
        target_bytes_max: 64,
        fields_max: 8,
        ..Limits::default()
    }
}

fn parse(text: &str) -> Result<Head<'_>, HeadError> {
    Head::parse(text.as_bytes(), &limits())
}

fn error_of(text: &str) -> Option<HeadError> {
    parse(text).err()
}

#[test]
fn a_sound_head_says_what_it_means() {
    let head = parse(
        "POST /money/./transfers?dry=1 HTTP/1.1\r\nHost: Pay.Example.com:8443\r\n\
         Content-Length: 42\r\nX-Trace:  \ta b \t\r\nConnection: keep-alive, X-Hop\r\n\
         Expect: 100-Continue\r\n\r\n",
    )
    .unwrap();

    assert_eq!(head.method, Method::POST);
    assert_eq!(head.path, "/money/transfers");
    assert_eq!(head.query, Some("dry=1"));
    assert_eq!(
        (head.host.name(), head.host.port()),
        ("pay.example.com", Some(8443))
    );
    assert_eq!(head.framing, Framing::Length(42));
    assert_eq!(head.only("x-trace"), Some(&b"a b"[..]));
    assert_eq!(head.nominated, ["X-Hop"]);
    assert!(head.keeps_alive && head.expects_continue);
}

#[test]
fn a_request_line_is_read_one_way_or_refused() {
    use HeadError as E;
    #[rustfmt::skip]
    let cases = [
        ("GET / HTTP/1.1",                None),
        ("GET / HTTP/1.0",                None),
        ("OPTIONS /x?y=%zz&z={a} HTTP/1.1", None),
        ("GET http://h/x HTTP/1.1",       None),
        ("GET HTTP://H:80/x HTTP/1.1",    Some(E::HostDiffers)),
        ("GET http://other/x HTTP/1.1",   Some(E::HostDiffers)),
        ("GET http:///x HTTP/1.1",        Some(E::Host(HostError::Empty))),
        ("GET http://u@h/ HTTP/1.1",      Some(E::Host(HostError::Character))),
        ("GET http://h?x HTTP/1.1",       Some(E::Path(PathError::NotAbsolute))),
        ("GET ftp://h/x HTTP/1.1",        Some(E::Target)),
        ("GET x HTTP/1.1",                Some(E::Target)),
        ("OPTIONS * HTTP/1.1",            Some(E::Target)),
        ("GET /a b HTTP/1.1",             Some(E::Path(PathError::Byte))),
        ("GET  / HTTP/1.1",               Some(E::Target)),
        ("GET /\tx HTTP/1.1",             Some(E::Path(PathError::Byte))),
        ("GET / HTTP/1.1 ",               Some(E::RequestLine)),
        (" GET / HTTP/1.1",               Some(E::RequestLine)),
        ("GET /",                         Some(E::RequestLine)),
        ("GET",                           Some(E::RequestLine)),
        ("GET / http/1.1",                Some(E::RequestLine)),
        ("GET / HTTP/1.10",               Some(E::RequestLine)),
        ("GET / HTTP/2.0",                Some(E::Version)),
        ("PRI * HTTP/2.0",                Some(E::Version)),
        ("GET / HTTP/0.9",                Some(E::Version)),
        ("G(T / HTTP/1.1",                Some(E::RequestLine)),
        ("CONNECT h:443 HTTP/1.1",        Some(E::MethodNeverServed)),
        ("TRACE / HTTP/1.1",              Some(E::MethodNeverServed)),
        ("GET /a?b#c HTTP/1.1",           Some(E::Query)),
        ("GET /a?b c HTTP/1.1",           Some(E::Query)),
        ("GET /a%2fb HTTP/1.1",           Some(E::Path(PathError::EncodedSeparator))),
        ("GET /\u{e9} HTTP/1.1",          Some(E::Path(PathError::Byte))),
    ];
    for (line, expected) in cases {
        assert_eq!(
            error_of(&format!("{line}\r\nHost: h\r\n\r\n")),
            expected,
            "{line}"
        );
    }
}

#[test]
fn a_field_is_read_one_way_or_refused() {
    use HeadError as E;
    #[rustfmt::skip]
    let cases = [
        ("Accept: */*",                                None),
        ("Accept:",                                    None),
        ("X: caf\u{e9}",                               None),
        ("Content-Length: 0",                          None),
        ("Content-Length: 5",                          None),
        ("Transfer-Encoding: chunked",                 None),
        ("Transfer-Encoding: Chunked",                 None),
        ("Connection: close, x",                       None),
        ("Host: h",                                    Some(E::HostTwice)),
        ("host: other",                                Some(E::HostTwice)),
        ("Accept : x",                                 Some(E::FieldName)),
        (": x",                                        Some(E::FieldName)),
        ("Accept",                                     Some(E::FieldName)),
        ("Acc ept: x",                                 Some(E::FieldName)),
        ("Acc\u{e9}pt: x",                             Some(E::FieldName)),
        (" folded: x",                                 Some(E::Folded)),
        ("\tfolded",                                   Some(E::Folded)),
        ("X: a\u{0}b",                                 Some(E::FieldValue)),
        ("X: a\rb",                                    Some(E::FieldValue)),
        ("X: a\u{7f}",                                 Some(E::FieldValue)),
        ("Content-Length: 5\r\nContent-Length: 5",     Some(E::LengthTwice)),
        ("Content-Length: 5\r\ncontent-length: 6",     Some(E::LengthTwice)),
        ("Content-Length: 5, 5",                       Some(E::Length)),
        ("Content-Length: +5",                         Some(E::Length)),
        ("Content-Length: -1",                         Some(E::Length)),
        ("Content-Length: 0x5",                        Some(E::Length)),
        ("Content-Length:",                            Some(E::Length)),
        ("Content-Length: 18446744073709551616",       Some(E::Length)),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", Some(E::LengthAndEncoding)),
        ("Content-Length: 0\r\nTransfer-Encoding: chunked", Some(E::LengthAndEncoding)),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Some(E::Encoding)),
        ("Transfer-Encoding: gzip, chunked",           Some(E::Encoding)),
        ("Transfer-Encoding: chunked, identity",       Some(E::Encoding)),
        ("Transfer-Encoding: identity",                Some(E::Encoding)),
        ("Transfer-Encoding: \u{b}chunked",            Some(E::FieldValue)),
        ("Transfer-Encoding:",                         Some(E::Encoding)),
        ("Expect: 100-continue",                       None),
        ("Expect: 200-ok",                             Some(E::Expectation)),
        ("Connection: a b",                            Some(E::Connection)),
        ("Connection: a,b,c,d,e,f,g,h,i",              None),
        ("Connection: a,b,c,d,e,f,g,h,i,j",            Some(E::Connection)),
    ];
    for (field, expected) in cases {
        let text = format!("GET / HTTP/1.1\r\nHost: h\r\n{field}\r\n\r\n");
        assert_eq!(error_of(&text), expected, "{field:?}");
    }
}

#[test]
fn a_host_is_there_exactly_once_and_well_formed() {
    use HeadError as E;
    #[rustfmt::skip]
    let cases = [
        ("",                 Some(E::HostMissing)),
        ("Host:\r\n",        Some(E::Host(HostError::Empty))),
        ("Host: a b\r\n",    Some(E::Host(HostError::Character))),
        ("Host: a,b\r\n",    Some(E::Host(HostError::Character))),
        ("Host: a:x\r\n",    Some(E::Host(HostError::Port))),
        ("HOST: a\r\n",      None),
    ];
    for (host, expected) in cases {
        assert_eq!(
            error_of(&format!("GET / HTTP/1.1\r\n{host}\r\n")),
            expected,
            "{host:?}"
        );
    }
}

#[test]
fn encoding_is_unknown_to_the_old_version() {
    let text = "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(error_of(text), Some(HeadError::EncodingOnHttp10));
}

#[test]
fn a_connection_goes_on_when_both_versions_say_so() {
    #[rustfmt::skip]
    let cases = [
        ("HTTP/1.1", "",                               true),
        ("HTTP/1.1", "Connection: close\r\n",          false),
        ("HTTP/1.1", "Connection: Keep-Alive, CLOSE\r\n", false),
        ("HTTP/1.0", "",                               false),
        ("HTTP/1.0", "Connection: keep-alive\r\n",     true),
    ];
    for (version, field, expected) in cases {
        let text = format!("GET / {version}\r\nHost: h\r\n{field}\r\n");
        assert_eq!(
            parse(&text).unwrap().keeps_alive,
            expected,
            "{version} {field:?}"
        );
    }
}

#[test]
fn limits_hold_at_the_limit_and_not_one_past_it() {
    let with_target = |len: usize| format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(len));
    assert_eq!(error_of(&with_target(63)), None);
    assert_eq!(error_of(&with_target(64)), Some(HeadError::TargetTooLong));

    let with_fields =
        |n: usize| format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "a: b\r\n".repeat(n));
    assert_eq!(error_of(&with_fields(7)), None);
    assert_eq!(error_of(&with_fields(8)), Some(HeadError::TooManyFields));

    let with_size = |size: usize| {
        let rest = size - "GET / HTTP/1.1\r\nHost: h\r\nX: \r\n\r\n".len();
        format!(
            "GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n",
            "x".repeat(rest)
        )
    };
    assert_eq!(error_of(&with_size(1024)), None);
    assert_eq!(error_of(&with_size(1025)), Some(HeadError::TooLarge));
}

#[test]
fn the_end_of_a_head_is_an_empty_line_ended_by_crlf() {
    use HeadError as E;
    #[rustfmt::skip]
    let cases = [
        ("GET / HTTP/1.1\r\n\r\n",          Ok(Some(18))),
        ("GET / HTTP/1.1\r\n\r\nbody",      Ok(Some(18))),
        ("\r\nGET / HTTP/1.1\r\n\r\n",      Ok(Some(20))),
        ("GET / HTTP/1.1\r\n\r",            Ok(None)),
        ("GET / HTTP/1.1",                  Ok(None)),
        ("",                                Ok(None)),
        ("GET / HTTP/1.1\n",                Err(E::BareLineFeed)),
        ("GET / HTTP/1.1\r\nA: b\n\r\n",    Err(E::BareLineFeed)),
        ("GET / HTTP/1.1\r\n\n",            Err(E::BareLineFeed)),
        ("\n",                              Err(E::BareLineFeed)),
    ];
    for (text, expected) in cases {
        assert_eq!(find_end(text.as_bytes(), 0), expected, "{text:?}");
    }
}

proptest! {
    #[test]
    fn the_end_is_found_however_the_bytes_arrive(
        text in "(\r\n)?GET / HTTP/1\\.1\r\n(a: b\r\n){0,3}\r?\n?x?",
        cut in 0_usize..64,
    ) {
        let bytes = text.as_bytes();
        let cut = cut.min(bytes.len());
        let at_once = find_end(bytes, 0);
        let in_two = match find_end(&bytes[..cut], 0) {
            Ok(None) => find_end(bytes, cut),
            found => found,
        };
        prop_assert_eq!(at_once, in_two);
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = find_end(&bytes, 0);
        let _ = Head::parse(&bytes, &limits());
    }

    #[test]
    fn no_near_miss_makes_the_parser_panic(
        text in "(GET|P|) (/[a%./]{0,6}|http://h) HTTP/1\\.[01]\r\n(Host: ?h?\r\n)?([CTH][a-z-]{0,5}:? ?[0-9a]{0,3}\r?\n){0,3}\r\n",
    ) {
        let _ = Head::parse(text.as_bytes(), &limits());
    }
}

#[test]
fn a_head_shows_neither_values_nor_its_query() {
    let text = "GET /a?s3cr3t HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer s3cr3t\r\n\
                Cookie: s3cr3t\r\n\r\n";
    let head = Head::parse(text.as_bytes(), &Limits::default()).unwrap();
    let shown = format!("{head:?}");
    assert!(!shown.contains("s3cr3t"), "{shown}");
    assert!(shown.contains("Authorization: 13 bytes"), "{shown}");
}
