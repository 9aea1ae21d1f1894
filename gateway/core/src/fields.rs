//! Which header fields pass, and which of them may a route add, set or take away?
//!
//! A service may be told a field by another name than the one that was sent: CGI and its successors
//! turn what is no letter or digit into `_`. So a name is taken for every name that it folds to, and
//! no spelling of a field by which the gateway speaks gets past it.

use http::{HeaderName, HeaderValue};
use idp_token::{reference, refresh};

/// What one direction of a route does to header fields, in this order: remove, set, add.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldRules {
    pub remove: Vec<HeaderName>,
    pub set: Vec<(HeaderName, HeaderValue)>,
    pub add: Vec<(HeaderName, HeaderValue)>,
}

impl FieldRules {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }

    /// Whether a field that came in must not go on because a rule removes or replaces it, or one that
    /// somebody may take for it.
    #[must_use]
    pub fn is_dropped(&self, name: &str) -> bool {
        let is_named = |rule: &HeaderName| folds_to(name, rule.as_str());
        self.remove.iter().any(is_named) || self.set.iter().any(|(rule, _)| is_named(rule))
    }
}

/// Fields that say how a message is framed or who speaks on this one hop. They are read here and
/// written anew for the next hop, never passed on.
const HOP_BY_HOP: [&str; 12] = [
    "connection",
    "content-length",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Fields by which the gateway itself speaks to a service.
const OURS: [&str; 9] = [
    "forwarded",
    "traceparent",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
];

/// What the names of fields begin with that tell a service who asks.
const RESERVED: &str = "tollgate-";

/// Fields by which some services take a request for another than the one that was judged: of another
/// method, path or host. `Proxy` becomes `HTTP_PROXY` in CGI, by which a service then calls others.
const MISLEADING: [&str; 12] = [
    "proxy",
    "x-host",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-rewrite-uri",
    "x-rewrite-url",
];

/// Fields in which proxies tell of the client behind them, beside those that are ours.
const OF_CLIENT: [&str; 11] = [
    "cf-connecting-ip",
    "client-ip",
    "fastly-client-ip",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-envoy-external-address",
    "x-original-forwarded-for",
    "x-originating-ip",
    "x-remote-addr",
    "x-remote-ip",
];

/// What the names of more such fields begin with; `X-Forwarded-User` is a caller to some services.
const FORWARDED: &str = "x-forwarded-";

/// Whether a field belongs to this hop alone.
#[must_use]
pub fn is_hop_by_hop(name: &str) -> bool {
    HOP_BY_HOP.iter().any(|field| folds_to(name, field))
}

/// Whether a field is written by the gateway and dropped when a client sends it.
#[must_use]
pub fn is_ours(name: &str) -> bool {
    is_reserved(name) || OURS.iter().any(|field| folds_to(name, field))
}

/// Whether a field speaks of the caller, which the gateway alone does: `Tollgate-Subject` and
/// whatever else begins so.
fn is_reserved(name: &str) -> bool {
    begins_with(name, RESERVED)
}

/// Whether a service may take a request for another one because of this field. It goes on from nobody.
#[must_use]
pub fn is_misleading(name: &str) -> bool {
    const LENGTHS: u64 = lengths(&MISLEADING);
    // Hardly any other field begins so.
    matches!(name.as_bytes().first(), Some(b'x' | b'X' | b'p' | b'P'))
        && LENGTHS & length(name) != 0
        && MISLEADING.iter().any(|field| folds_to(name, field))
}

/// Whether a field tells of a client behind the one that sent it, which a trusted proxy alone may do.
#[must_use]
pub fn tells_of_client(name: &str) -> bool {
    const LENGTHS: u64 = lengths(&OF_CLIENT);
    let is_one = || OF_CLIENT.iter().any(|field| folds_to(name, field));
    match name.as_bytes().first() {
        Some(b'x' | b'X') => {
            begins_with(name, FORWARDED) || LENGTHS & length(name) != 0 && is_one()
        }
        Some(b'c' | b'C' | b'f' | b'F' | b't' | b'T') => LENGTHS & length(name) != 0 && is_one(),
        Some(_) | None => false,
    }
}

fn begins_with(name: &str, start: &str) -> bool {
    let split = name.split_at_checked(start.len());
    split.is_some_and(|(begin, _)| folds_to(begin, start))
}

/// Whether a field is the client's credential, or may be taken for it.
#[must_use]
pub fn is_authorization(name: &str) -> bool {
    is_word(name.as_bytes(), b"authorization")
}

/// Whether a text is this word of small letters, in whatever case. Letters differ from their capitals in
/// one bit, and nothing else differs from a small letter in it alone.
pub(crate) fn is_word<const N: usize>(text: &[u8], word: &[u8; N]) -> bool {
    let text = <&[u8; N]>::try_from(text);
    text.is_ok_and(|text| text.map(|byte| byte | 0x20) == *word)
}

/// Whether a token of ours stands in a value, of whatever field. Most values are shorter than any.
pub(crate) fn holds_token(value: &[u8]) -> bool {
    let holds = |prefix: &[u8]| memchr::memmem::find(value, prefix).is_some();
    value.len() >= reference::SPELLED_BYTES && (holds(reference::PREFIX) || holds(refresh::PREFIX))
}

/// Whether somebody may take a name for the other.
pub(crate) fn folds_to(name: &str, other: &str) -> bool {
    name.len() == other.len() && name.bytes().zip(other.bytes()).all(byte_folds_to)
}

/// Whether somebody may take a letter or sign of a name for the other.
pub(crate) fn byte_folds_to((byte, other): (u8, u8)) -> bool {
    let is_sign = |byte: u8| !byte.is_ascii_alphanumeric();
    byte.eq_ignore_ascii_case(&other) || (is_sign(other) && is_sign(byte))
}

/// Whether a field does not pass this hop, in either direction: it is of the hop, or ours to write.
#[must_use]
pub fn ends_here(name: &str) -> bool {
    if LENGTHS & length(name) == 0 {
        return is_reserved(name);
    }
    is_hop_by_hop(name) || is_ours(name)
}

/// How long the names are that end here, a bit for each: most others are told by their length alone.
const LENGTHS: u64 = lengths(&HOP_BY_HOP) | lengths(&OURS);

const fn lengths(names: &[&str]) -> u64 {
    let (mut lengths, mut at) = (0, 0);
    while at < names.len() {
        lengths |= length(names[at]);
        at += 1;
    }
    lengths
}

const fn length(name: &str) -> u64 {
    if name.len() < 64 { 1 << name.len() } else { 0 }
}

/// Whether a rule in the configuration may name this field.
#[must_use]
pub fn may_be_ruled(name: &HeaderName) -> bool {
    !ends_here(name.as_str())
}

/// Whether a `Content-Type` is of gRPC, whose status stands behind the body.
#[must_use]
pub fn is_grpc(content_type: &[u8]) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    let (start, rest) = content_type
        .split_at_checked(GRPC.len())
        .unwrap_or_default();
    start.eq_ignore_ascii_case(GRPC) && matches!(rest.first(), None | Some(b'+' | b';'))
}

/// Writes one field line.
pub(crate) fn write_field(name: &str, value: &[u8], out: &mut Vec<u8>) {
    write_parts(name, [value, b""], out);
}

/// Writes one field line of which the value is in two parts.
pub(crate) fn write_parts(name: &str, value: [&[u8]; 2], out: &mut Vec<u8>) {
    for part in [name.as_bytes(), b": ", value[0], value[1], b"\r\n"] {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_the_gateway_cannot_be_ruled_in_any_spelling() {
        for name in [
            "Host",
            "CONTENT-LENGTH",
            "x-request-id",
            "X-Forwarded-For",
            "TraceParent",
        ] {
            assert!(!may_be_ruled(&name.parse().unwrap()), "{name}");
        }
        assert!(may_be_ruled(&HeaderName::from_static("x-canary")));
    }

    #[test]
    fn a_name_is_taken_for_every_name_that_it_folds_to() {
        #[rustfmt::skip]
        let ending = [
            "Tollgate-Subject", "TOLLGATE_SUBJECT", "tollgate.subject", "tollgate~", "Tollgate-",
            "tollgate--subject", "tollgate-anything-at-all", "X_Request_ID", "x.real.ip",
            "X-Forwarded_For", "Transfer_Encoding", "Content!Length", "Forwarded", "TE",
        ];
        for name in ending {
            assert!(ends_here(name), "{name}");
        }
        #[rustfmt::skip]
        let passing = [
            "Tollgate", "tollgates-subject", "X-Tollgate-Subject", "-tollgate-subject", "tollgat",
            "tollgateXsubject", "tollgate0", "tollg_te-subject", "x-re.uest-id", "XRequestId", "x-request-idd", "Authorization", "",
        ];
        for name in passing {
            assert!(!ends_here(name), "{name}");
        }
        for (name, expected) in [
            ("authorization", true),
            ("AUTHORIZATION", true),
            ("authorization-", false),
            ("authorizatio\u{e}", false),
            ("author\tzation", false),
            ("author)zation", false),
            ("", false),
            ("proxy-authorization", false),
            ("authorisation", false),
        ] {
            assert_eq!(is_authorization(name), expected, "{name}");
        }
    }

    #[test]
    fn a_request_is_not_made_another_one_by_its_fields() {
        #[rustfmt::skip]
        let kept_back = [
            "Proxy", "X-HTTP-Method-Override", "x_http_method_override", "X-HTTP-Method",
            "X-Method-Override", "X-Original-URL", "X.Rewrite.URL", "X-Host", "X-Original-Host",
            "X-Original-URI", "X-Original-Method", "X-Rewrite-URI", "X-HTTP-Host-Override",
        ];
        for name in kept_back {
            assert!(is_misleading(name), "{name}");
        }
        for name in [
            "Proxies",
            "X-Method",
            "X-Original",
            "Hosts",
            "X-Rewrite-Url-Of",
            "",
        ] {
            assert!(!is_misleading(name), "{name}");
        }
    }

    #[test]
    fn a_stranger_tells_of_no_client_behind_it_in_any_spelling() {
        #[rustfmt::skip]
        let telling = [
            "X-Forwarded-User", "x_forwarded_prefix", "X-Forwarded-", "X.Forwarded-Ssl", "Client-IP",
            "True_Client_IP", "X-Client-IP", "X-Cluster-Client-IP", "CF-Connecting-IP",
            "Fastly-Client-IP", "X-Remote-Addr", "X_Remote_IP", "X-Originating-IP",
            "X-Envoy-External-Address", "X-Original-Forwarded-For",
        ];
        for name in telling {
            assert!(tells_of_client(name), "{name}");
        }
        for name in [
            "X-Forwarded",
            "XxForwarded-User",
            "X-Forwards-To",
            "Client",
            "Clients",
            "",
        ] {
            assert!(!tells_of_client(name), "{name}");
        }
    }

    #[test]
    fn the_media_types_of_grpc_are_known_by_their_beginning() {
        #[rustfmt::skip]
        let cases = [
            ("application/grpc",              true),
            ("Application/GRPC+proto",        true),
            ("application/grpc;charset=x",    true),
            ("application/grpc-web",          false),
            ("application/json",              false),
            ("",                              false),
        ];
        for (content_type, expected) in cases {
            assert_eq!(is_grpc(content_type.as_bytes()), expected, "{content_type}");
        }
    }

    #[test]
    fn a_field_that_is_set_or_removed_does_not_pass() {
        let rules = FieldRules {
            remove: vec![HeaderName::from_static("x-debug")],
            set: vec![(
                HeaderName::from_static("x-env"),
                HeaderValue::from_static("prod"),
            )],
            add: vec![(
                HeaderName::from_static("x-tag"),
                HeaderValue::from_static("a"),
            )],
        };
        #[rustfmt::skip]
        let cases = [
            ("X-Debug", true), ("x-ENV", true), ("X-Tag", false), ("Accept", false),
            ("X_Debug", true), ("x.env", true), ("X-Env_", false), ("xxenv", false),
        ];
        for (name, expected) in cases {
            assert_eq!(rules.is_dropped(name), expected, "{name}");
        }
    }
}
