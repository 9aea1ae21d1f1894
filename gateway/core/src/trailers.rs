//! Which fields behind a body go on?
//!
//! A trailer comes after the head was judged and acted on, so it may say nothing that a head
//! decides: how the message is framed, where it goes, who asks (RFC 9110 §6.5.1). Such fields are
//! left out, and so is a token of ours in whatever field; what is malformed is refused.

use crate::fields::{
    FieldRules, ends_here, folds_to, holds_token, is_misleading, tells_of_client, write_field,
};
use crate::head::{Field, HeadError, fold_fields};

/// Trailer fields of one message.
const FIELDS_MAX: usize = 64;

/// Fields that mean something only in front of a body, beside those that end at this hop.
const OF_THE_HEAD: [&str; 14] = [
    "age",
    "authorization",
    "cache-control",
    "content-encoding",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "expect",
    "location",
    "max-forwards",
    "range",
    "set-cookie",
    "www-authenticate",
];

/// Reads trailer lines, the empty one that ends them included, and leaves out what may not pass.
pub fn parse(bytes: &[u8]) -> Result<Vec<Field<'_>>, HeadError> {
    let mut fields = fold_fields(bytes, FIELDS_MAX, |_| Ok::<_, HeadError>(()))?;
    fields.retain(|field| may_pass(field.name) && !holds_token(field.value));
    Ok(fields)
}

/// Whether a field may follow a body.
#[must_use]
pub fn may_pass(name: &str) -> bool {
    let is_of_the_head = OF_THE_HEAD.iter().any(|field| folds_to(name, field));
    !(is_of_the_head || ends_here(name) || is_misleading(name) || tells_of_client(name))
}

/// Writes the end of a chunked body, with these fields behind it save those that may not pass.
pub fn write_end<'a>(
    fields: impl Iterator<Item = Field<'a>>,
    rules: &FieldRules,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"0\r\n");
    for field in fields.filter(|field| may_pass(field.name) && !rules.is_dropped(field.name)) {
        write_field(field.name, field.value, out);
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailer_cannot_say_what_a_head_decides() {
        let lines = b"Grpc-Status: 0\r\nAuthorization: Bearer x\r\nContent-Length: 3\r\n\
            X-Forwarded-For: 10.0.0.1\r\nHOST: h\r\nDigest: abc\r\nTollgate-Subject: mallory\r\n\
            tollgate_scope: all\r\nX_Request_Id: 7\r\nAUTHORIZATION: y\r\nSet_Cookie: a\r\n\
            X-Forwarded-User: root\r\nX-HTTP-Method-Override: PUT\r\nClient_IP: 10.0.0.1\r\n\r\n";
        let fields = parse(lines).unwrap();
        let names: Vec<_> = fields.iter().map(|field| field.name).collect();
        assert_eq!(names, ["Grpc-Status", "Digest"]);
        #[rustfmt::skip]
        let of_the_head = [
            "Age", "Cache-Control", "Content_Encoding", "Content-Range", "Content-Type", "Cookie", "Date", "Expect",
            "Location", "Max-Forwards", "Range", "Set-Cookie", "WWW-Authenticate",
        ];
        for name in of_the_head {
            assert!(!may_pass(name), "{name}");
        }
    }

    #[test]
    fn a_token_of_ours_goes_on_in_no_trailer() {
        let token = "A".repeat(44);
        let lines = format!("X-A: tg_at_{token}\r\nX-B: a tg_rt_{token}\r\nX-C: {token}\r\n\r\n");
        let fields = parse(lines.as_bytes()).unwrap();
        let names: Vec<_> = fields.iter().map(|field| field.name).collect();
        assert_eq!(names, ["X-C"]);
    }

    #[test]
    fn malformed_trailers_are_refused() {
        #[rustfmt::skip]
        let cases = [
            ("\r\n",                 Ok(0)),
            ("A: b\r\n\r\n",         Ok(1)),
            (" folded\r\n\r\n",      Err(HeadError::Folded)),
            ("A : b\r\n\r\n",        Err(HeadError::FieldName)),
            ("no colon\r\n\r\n",     Err(HeadError::FieldName)),
        ];
        for (lines, expected) in cases {
            let parsed = parse(lines.as_bytes()).map(|fields| fields.len());
            assert_eq!(parsed, expected, "{lines:?}");
        }
        let lines = |count: usize| format!("{}\r\n", "a: b\r\n".repeat(count));
        assert!(parse(lines(64).as_bytes()).is_ok());
        assert_eq!(parse(lines(65).as_bytes()), Err(HeadError::TooManyFields));
    }

    #[test]
    fn a_body_ends_with_the_fields_that_may_pass() {
        let field = |name, value: &'static str| Field {
            name,
            value: value.as_bytes(),
        };
        let rules = FieldRules {
            remove: vec![http::HeaderName::from_static("x-debug")],
            ..FieldRules::default()
        };
        #[rustfmt::skip]
        let cases = [
            (vec![],                                                      "0\r\n\r\n"),
            (vec![field("grpc-status", "0"), field("grpc-message", "")],  "0\r\ngrpc-status: 0\r\ngrpc-message: \r\n\r\n"),
            (vec![field("set-cookie", "a"), field("content-length", "9")], "0\r\n\r\n"),
            (vec![field("x-debug", "1"), field("x-request-id", "1")],     "0\r\n\r\n"),
        ];
        for (fields, expected) in cases {
            let mut out = Vec::new();
            write_end(fields.iter().copied(), &rules, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{fields:?}");
        }
    }
}
