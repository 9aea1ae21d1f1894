use proptest::prelude::*;

use super::*;
use crate::limits::Limits;

/// Everything of a kind, for tables.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Reference(String),
    Value(String),
    Other(String),
}

fn find(target: &str, fields: &str) -> Result<Found, CredentialError> {
    let text = format!("GET {target} HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
    let head = Head::parse(text.as_bytes(), &Limits::default()).unwrap();
    let found = Credential::find(&head)?;
    Ok(match found {
        None => Found::Nothing,
        Some(Credential::Reference(token)) => {
            Found::Reference(String::from_utf8(token.to_vec()).unwrap())
        }
        Some(Credential::Value(token)) => Found::Value(token.to_owned()),
        Some(Credential::Other(token)) => Found::Other(token.to_owned()),
    })
}

fn authorized(value: &str) -> Result<Found, CredentialError> {
    find("/", &format!("Authorization: {value}\r\n"))
}

#[test]
fn a_bearer_token_is_one_word_behind_its_scheme() {
    let reference = |text: &str| Ok(Found::Reference(text.to_owned()));
    let value = |text: &str| Ok(Found::Value(text.to_owned()));
    let other = |text: &str| Ok(Found::Other(text.to_owned()));
    let malformed = || Err(CredentialError::Malformed);
    #[rustfmt::skip]
    let cases = [
        ("Bearer tg_at_x",        reference("tg_at_x")),
        ("bearer tg_at_x",        reference("tg_at_x")),
        ("BEARER   tg_at_x",      reference("tg_at_x")),
        ("Bearer tg_at_",         reference("tg_at_")),
        ("Bearer TG_AT_x",        other("TG_AT_x")),
        ("Bearer a.b.c",          value("a.b.c")),
        ("Bearer ..",             value("..")),
        ("Bearer tg_at_a.b.c",    reference("tg_at_a.b.c")),
        ("Bearer a.b",            other("a.b")),
        ("Bearer a.b.c.d",        other("a.b.c.d")),
        ("Bearer aZ09-._~+/==",   other("aZ09-._~+/==")),
        ("Bearer tg_rt_x",        Err(CredentialError::Refresh)),
        ("Bearer tg_rt_",         Err(CredentialError::Refresh)),
        ("Bearer tg_rt_x y",      Err(CredentialError::Refresh)),
        ("Bearer",                malformed()),
        ("Bearer ==",             malformed()),
        ("Bearer a=b",            malformed()),
        ("Bearer a b",            malformed()),
        ("Bearer a, Bearer b",    malformed()),
        ("Bearer a,b",            malformed()),
        ("Bearer \"a\"",          malformed()),
        ("Bearer a\tb",           malformed()),
        ("Bearer a%20",           malformed()),
        ("Bearer tg_at_\u{e9}",   malformed()),
        ("Bearer tg_at_x y",      malformed()),
        ("Bearer \ttg_at_x",      malformed()),
        ("Bearer\ttg_at_x",       malformed()),
        ("Bearer\t",              malformed()),
        ("Basic dXNlcjpwYXNz",    Ok(Found::Nothing)),
        ("Bearertg_at_x",         Ok(Found::Nothing)),
        ("Bearers tg_at_x",       Ok(Found::Nothing)),
        ("Bear tg_at_x",          Ok(Found::Nothing)),
        ("tg_at_x",               Ok(Found::Nothing)),
        ("",                      Ok(Found::Nothing)),
    ];
    for (value, expected) in cases {
        assert_eq!(authorized(value), expected, "{value:?}");
    }
}

#[test]
fn one_field_is_read_and_no_second_one() {
    let token = "Authorization: Bearer tg_at_x\r\n";
    #[rustfmt::skip]
    let cases = [
        ("".to_owned(),                                     Ok(Found::Nothing)),
        (token.to_owned(),                                  Ok(Found::Reference("tg_at_x".into()))),
        (token.to_uppercase().replace("TG_AT_X", "tg_at_x"), Ok(Found::Reference("tg_at_x".into()))),
        (token.repeat(2),                                   Err(CredentialError::Twice)),
        (format!("{token}AUTHORIZATION: Basic eA==\r\n"),   Err(CredentialError::Twice)),
        (format!("authorization:\r\n{token}"),              Err(CredentialError::Twice)),
        // Elsewhere a token is no credential.
        ("Proxy-Authorization: Bearer tg_at_x\r\n".into(),  Ok(Found::Nothing)),
        ("Cookie: access_token=tg_at_x\r\n".into(),         Ok(Found::Nothing)),
        ("X-Authorization: Bearer tg_at_x\r\n".into(),      Ok(Found::Nothing)),
    ];
    for (fields, expected) in cases {
        assert_eq!(find("/", &fields), expected, "{fields:?}");
    }
}

#[test]
fn a_token_in_the_query_is_refused_however_it_is_spelled() {
    #[rustfmt::skip]
    let cases = [
        ("/?access_token=tg_at_x",       true),
        ("/?access_token=",              true),
        ("/?access_token",               true),
        ("/?a=b&access_token=x",         true),
        ("/?access%5Ftoken=x",           true),
        ("/?access%5ftoken=x&c",         true),
        ("/?%61ccess_token=x",           true),
        ("/?access_token=x&access_token=y", true),
        ("/?access_tokens=x",            false),
        ("/?my_access_token=x",          false),
        ("/?Access_Token=x",             false),
        ("/?access+token=x",             false),
        ("/?a=access_token",             false),
        ("/?a=b?access_token=x",         false),
        ("/access_token=x",              false),
        ("/?",                           false),
        ("/",                            false),
    ];
    let long = "A".repeat(44);
    let tokens = [
        (format!("/?t=tg_at_{long}"), true),
        (format!("/?tg_at_{long}"), true),
        (format!("/?a=b&t=tg_rt_{long}&c=d"), true),
        (format!("/?t=%74g_at_{long}"), true),
        (format!("/?t=tg%5Fat%5f{long}"), true),
        (format!("/?t=%tg_at_{long}"), true),
        (format!("/?t=TG_AT_{long}"), false),
        (format!("/?t=tg_st_{long}"), false),
        (format!("/?t=tg%255Fat_{long}"), false),
        (format!("/?t=tg_at{long}{long}"), false),
        (format!("/a/tg_at_{long}"), true),
        (format!("/tg%5Frt_{long}/b?c"), true),
        (format!("/a-tg_at_{long}"), true),
        (format!("/TG_AT_{long}"), false),
        // One byte short of a token is none.
        (format!("/?tg_at_{}", &long[1..]), false),
    ];
    let tokens = tokens
        .iter()
        .map(|(target, is_refused)| (target.as_str(), *is_refused));
    for (target, is_refused) in cases.into_iter().chain(tokens) {
        for fields in ["", "Authorization: Bearer tg_at_x\r\n"] {
            let found = find(target, fields);
            let refused = found == Err(CredentialError::InQuery);
            assert_eq!(refused, is_refused, "{target} {fields}");
        }
    }
}

#[test]
fn a_path_is_logged_without_tokens() {
    let long = "A-_9".repeat(11);
    #[rustfmt::skip]
    let cases = [
        ("/a/b".to_owned(),                            "/a/b".to_owned()),
        (format!("/a/{long}{long}"),                   format!("/a/{long}{long}")),
        (format!("/tg_at_{long}"),                     "/tg_at_*".to_owned()),
        (format!("/x.tg_at_{long}.z/tg_rt_{long}/b"),  "/x.tg_at_*.z/tg_rt_*/b".to_owned()),
        (format!("/tg_at_tg_at_{long}"),               "/tg_at_*tg_at_*".to_owned()),
        (format!("/tg_rt_tg_at_{long}/"),              "/tg_rt_**/".to_owned()),
    ];
    for (path, expected) in cases {
        assert_eq!(without_tokens(&path), expected, "{path}");
    }
}

#[test]
fn a_credential_is_as_long_as_the_limit_and_not_one_byte_longer() {
    let of = |len: usize| authorized(&format!("Bearer {}", "a".repeat(len)));
    assert_eq!(
        of(CREDENTIAL_BYTES_MAX),
        Ok(Found::Other("a".repeat(CREDENTIAL_BYTES_MAX)))
    );
    assert_eq!(of(CREDENTIAL_BYTES_MAX + 1), Err(CredentialError::TooLong));
}

#[test]
fn a_credential_is_not_shown() {
    for (value, expected) in [
        ("Bearer tg_at_s3cr3t", "Reference([redacted])"),
        ("Bearer s3cr3t.s3cr3t.s3cr3t", "Value([redacted])"),
        ("Bearer s3cr3t", "Other([redacted])"),
    ] {
        let text = format!("GET / HTTP/1.1\r\nHost: h\r\nAuthorization: {value}\r\n\r\n");
        let head = Head::parse(text.as_bytes(), &Limits::default()).unwrap();
        let credential = Credential::find(&head).unwrap().unwrap();
        assert_eq!(format!("{credential:?}"), expected);
        assert!(value.as_bytes().ends_with(credential.as_bytes()));
    }
}

proptest! {
    /// Whatever is found is exactly what stands behind the scheme, in the alphabet of tokens.
    #[test]
    fn no_head_makes_it_panic_and_what_is_found_was_sent(
        value in prop_oneof![
            prop::collection::vec(prop_oneof![0x20_u8..0x7f, 0x80_u8.., Just(b'\t')], 0..64),
            "[Bb]earer {1,2}(tg_[ar]t_)?[-._~+/a-zA-Z0-9 ,]{0,60}={0,3}".prop_map(String::into_bytes),
        ],
        query in "[!-\"$-~]{0,40}",
    ) {
        let mut text = format!("GET /?{query} HTTP/1.1\r\nHost: h\r\nAuthorization: ").into_bytes();
        text.extend_from_slice(&value);
        text.extend_from_slice(b"\r\n\r\n");
        let Ok(head) = Head::parse(&text, &Limits::default()) else { return Ok(()) };
        if let Ok(Some(credential)) = Credential::find(&head) {
            let token = credential.as_bytes();
            prop_assert!(value.trim_ascii().ends_with(token));
            prop_assert!(value.trim_ascii().len() > SCHEME.len() + token.len());
            prop_assert!(!token.is_empty() && !token.starts_with(refresh::PREFIX));
            prop_assert!(token.iter().all(|byte| byte.is_ascii_graphic() && *byte != b','));
            let is_reference = matches!(credential, Credential::Reference(_));
            prop_assert_eq!(token.starts_with(reference::PREFIX), is_reference);
        }
    }

    /// A well-formed token of any kind is found, whatever the case of the scheme.
    #[test]
    fn every_token_of_the_alphabet_is_found(
        scheme in "[bB][eE][aA][rR][eE][rR]",
        token in "[-._~+/a-zA-Z0-9]{1,80}={0,2}",
    ) {
        prop_assume!(!token.starts_with("tg_rt_"));
        let text = format!("GET / HTTP/1.1\r\nHost: h\r\nAuthorization: {scheme} {token}\r\n\r\n");
        let head = Head::parse(text.as_bytes(), &Limits::default()).unwrap();
        let found = Credential::find(&head).unwrap().unwrap();
        prop_assert_eq!(found.as_bytes(), token.as_bytes());
    }
}
