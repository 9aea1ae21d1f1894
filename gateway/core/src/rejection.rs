//! Every answer of the gateway's own, in one table.
//!
//! A client learns a status, a stable code and a fixed sentence; why exactly goes to the log under
//! the request id. Whether the connection survives is part of the answer: after a head that could
//! be read two ways nothing that follows on the connection can be trusted.

use http::Method;

use crate::admission::Forbidden;
use crate::credential::CredentialError;
use crate::head::HeadError;
use crate::ids::RequestId;
use crate::routes::Miss;
use crate::upgrade::UpgradeError;
use crate::verdict::{Invalid, Unknown};

mod identity;

/// Why the gateway answers a request itself instead of passing on what a service said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("head refused: {0}")]
    Head(#[from] HeadError),
    #[error("upgrade refused: {0}")]
    Upgrade(#[from] UpgradeError),
    #[error("the head was not complete in time")]
    HeadTimeout,
    #[error("{0}")]
    Miss(#[from] Miss),
    #[error("a caller is asked for, and no token was shown")]
    CredentialMissing,
    #[error("credential refused: {0}")]
    Credential(#[from] CredentialError),
    #[error("token refused: {0}")]
    Token(#[from] Invalid),
    #[error("forbidden: {0}")]
    Forbidden(#[from] Forbidden),
    #[error("identity unknown: {0}")]
    IdentityUnknown(#[from] Unknown),
    #[error("the client was refused too often of late")]
    TooManyRefusals { retry_after_seconds: u32 },
    #[error("the body is larger than the route allows")]
    BodyTooLarge,
    #[error("the body is not framed as announced")]
    BodyMalformed,
    #[error("the body did not arrive in time")]
    BodyTimeout,
    #[error("too many connections")]
    TooManyConnections,
    #[error("no endpoint of the service accepts connections")]
    UpstreamUnreachable,
    #[error("the service did not answer in time")]
    UpstreamTimeout,
    #[error("the service broke the connection or answered what is not HTTP")]
    UpstreamBroken,
    #[error("the service failed too often of late")]
    UpstreamBreakerOpen { retry_after_seconds: u32 },
    #[error("the service has as many requests as it may have")]
    UpstreamSaturated,
    #[error("a fault of the gateway")]
    Internal,
}

/// The rejections that are a service's fault and nobody else's.
pub const SERVICE_FAULTS: [Rejection; 3] = [
    Rejection::UpstreamUnreachable,
    Rejection::UpstreamTimeout,
    Rejection::UpstreamBroken,
];

/// The codes of rejections that spare a service a request.
pub const SERVICE_SPARED: [&str; 2] = [BREAKER_OPEN, SATURATED];
const BREAKER_OPEN: &str = "upstream_breaker_open";
const SATURATED: &str = "upstream_saturated";

/// What a client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// Stable: clients and alerts may depend on it.
    pub code: &'static str,
    pub title: &'static str,
    /// Whether the connection must end with this answer.
    pub closes: bool,
    pub retry_after_seconds: Option<u32>,
}

impl Rejection {
    /// The table: one line per rejection.
    #[must_use]
    pub fn reply(&self) -> Reply {
        match self {
            Self::Head(error) => head_reply(*error),
            Self::Upgrade(_) => {
                closing(400, "bad_upgrade", "The upgrade to WebSocket is malformed")
            }
            Self::HeadTimeout => closing(
                408,
                "head_timeout",
                "The request head did not arrive in time",
            ),
            Self::Miss(miss) => miss_reply(miss),
            Self::CredentialMissing => identity::MISSING,
            Self::Credential(error) => identity::credential_reply(*error),
            Self::Token(_) => keeping(401, "token_invalid", "The token is not valid"),
            Self::Forbidden(lack) => identity::forbidden_reply(lack),
            Self::IdentityUnknown(unknown) => identity::unknown_reply(*unknown),
            Self::TooManyRefusals {
                retry_after_seconds,
            } => identity::refusals_reply(*retry_after_seconds),
            Self::BodyTooLarge => closing(
                413,
                "body_too_large",
                "The request body is larger than allowed here",
            ),
            Self::BodyMalformed => closing(
                400,
                "bad_body",
                "The request body is not framed as announced",
            ),
            Self::BodyTimeout => closing(
                408,
                "body_timeout",
                "The request body did not arrive in time",
            ),
            Self::TooManyConnections => retry(
                closing(503, "too_many_connections", "The gateway is at its limit"),
                1,
            ),
            Self::UpstreamUnreachable => {
                keeping(502, "upstream_unreachable", "The service cannot be reached")
            }
            Self::UpstreamTimeout => keeping(
                504,
                "upstream_timeout",
                "The service did not answer in time",
            ),
            Self::UpstreamBroken => {
                keeping(502, "upstream_broken", "The service gave no valid answer")
            }
            Self::UpstreamBreakerOpen {
                retry_after_seconds,
            } => retry(
                keeping(503, BREAKER_OPEN, "The service fails and is given a rest"),
                *retry_after_seconds,
            ),
            Self::UpstreamSaturated => {
                retry(keeping(503, SATURATED, "The service is at its limit"), 1)
            }
            Self::Internal => closing(500, "internal", "The gateway failed"),
        }
    }

    /// The methods a 405 must name.
    #[must_use]
    pub fn allowed(&self) -> &[Method] {
        if let Self::Miss(Miss::Method { allowed }) = self {
            allowed
        } else {
            &[]
        }
    }
}

impl Rejection {
    /// What a client of gRPC is told, which knows statuses of its own. Many such clients call again by
    /// themselves where a service is unavailable: so that is said only where no service acted.
    #[must_use]
    pub fn grpc_status(&self) -> u8 {
        const UNKNOWN: u8 = 2;
        const DEADLINE_EXCEEDED: u8 = 4;
        const PERMISSION_DENIED: u8 = 7;
        const RESOURCE_EXHAUSTED: u8 = 8;
        const UNIMPLEMENTED: u8 = 12;
        const INTERNAL: u8 = 13;
        const UNAVAILABLE: u8 = 14;
        const UNAUTHENTICATED: u8 = 16;
        match self {
            Self::Miss(_) => UNIMPLEMENTED,
            Self::CredentialMissing | Self::Credential(_) | Self::Token(_) => UNAUTHENTICATED,
            Self::Forbidden(_) => PERMISSION_DENIED,
            Self::BodyTooLarge | Self::TooManyRefusals { .. } => RESOURCE_EXHAUSTED,
            Self::HeadTimeout | Self::BodyTimeout | Self::UpstreamTimeout => DEADLINE_EXCEEDED,
            Self::TooManyConnections
            | Self::IdentityUnknown(_)
            | Self::UpstreamUnreachable
            | Self::UpstreamBreakerOpen { .. }
            | Self::UpstreamSaturated => UNAVAILABLE,
            Self::UpstreamBroken => UNKNOWN,
            Self::Head(_) | Self::Upgrade(_) | Self::BodyMalformed | Self::Internal => INTERNAL,
        }
    }
}

fn miss_reply(miss: &Miss) -> Reply {
    match miss {
        Miss::NoRoute => keeping(404, "no_route", "Nothing is served at this path"),
        Miss::Method { .. } => keeping(
            405,
            "method_not_allowed",
            "The method is not allowed at this path",
        ),
    }
}

fn head_reply(error: HeadError) -> Reply {
    match error {
        HeadError::TooLarge | HeadError::TooManyFields => closing(
            431,
            "head_too_large",
            "The request head is larger than allowed",
        ),
        HeadError::TargetTooLong => closing(
            414,
            "target_too_long",
            "The request target is longer than allowed",
        ),
        HeadError::Version => closing(
            505,
            "version_not_supported",
            "Only HTTP/1.1 and HTTP/1.0 are spoken here",
        ),
        HeadError::MethodNeverServed => {
            closing(405, "method_never_served", "The method is never served")
        }
        HeadError::Expectation => closing(
            417,
            "expectation_failed",
            "Only 100-continue may be expected",
        ),
        HeadError::Path(_) | HeadError::Target | HeadError::Query => closing(
            400,
            "bad_target",
            "The request target is ambiguous or malformed",
        ),
        HeadError::HostMissing
        | HeadError::HostTwice
        | HeadError::Host(_)
        | HeadError::HostDiffers => closing(
            400,
            "bad_host",
            "The host is missing, ambiguous or malformed",
        ),
        HeadError::LengthTwice
        | HeadError::Length
        | HeadError::LengthAndEncoding
        | HeadError::Encoding
        | HeadError::EncodingOnHttp10 => closing(
            400,
            "bad_framing",
            "The length of the request body is ambiguous",
        ),
        HeadError::BareLineFeed
        | HeadError::RequestLine
        | HeadError::Folded
        | HeadError::FieldName
        | HeadError::FieldValue
        | HeadError::Connection => closing(400, "bad_head", "The request head is malformed"),
    }
}

const fn closing(status: u16, code: &'static str, title: &'static str) -> Reply {
    Reply {
        status,
        code,
        title,
        closes: true,
        retry_after_seconds: None,
    }
}

const fn keeping(status: u16, code: &'static str, title: &'static str) -> Reply {
    Reply {
        status,
        code,
        title,
        closes: false,
        retry_after_seconds: None,
    }
}

const fn retry(reply: Reply, after_seconds: u32) -> Reply {
    Reply {
        retry_after_seconds: Some(after_seconds),
        ..reply
    }
}

impl Reply {
    /// The body of the answer: RFC 9457. Every part is a fixed text or hexadecimal, so nothing
    /// needs escaping.
    #[must_use]
    pub fn problem(&self, request_id: &RequestId) -> String {
        let Self {
            status,
            code,
            title,
            ..
        } = self;
        let status = status.to_string();
        [
            "{\"type\":\"urn:tollgate:problem:",
            code,
            "\",\"title\":\"",
            title,
            "\",\"status\":",
            &status,
            ",\"code\":\"",
            code,
            "\",\"request_id\":\"",
            request_id.as_str(),
            "\"}\n",
        ]
        .concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each; the match in `reply` makes the compiler ask for the others.
    fn every_rejection() -> Vec<Rejection> {
        let heads = [
            HeadError::BareLineFeed,
            HeadError::Version,
            HeadError::MethodNeverServed,
            HeadError::TargetTooLong,
            HeadError::Query,
            HeadError::TooLarge,
            HeadError::HostMissing,
            HeadError::LengthAndEncoding,
            HeadError::Expectation,
        ];
        let mut all: Vec<_> = heads.into_iter().map(Rejection::Head).collect();
        all.extend([
            Rejection::Upgrade(UpgradeError::Key),
            Rejection::HeadTimeout,
            Rejection::Miss(Miss::NoRoute),
            Rejection::Miss(Miss::Method {
                allowed: vec![Method::GET],
            }),
            Rejection::CredentialMissing,
            Rejection::Credential(CredentialError::Malformed),
            Rejection::Credential(CredentialError::InQuery),
            Rejection::Credential(CredentialError::Refresh),
            Rejection::Token(Invalid::Inactive),
            Rejection::Forbidden(Forbidden::Scope {
                required: "money.read".into(),
            }),
            Rejection::Forbidden(Forbidden::Role),
            Rejection::IdentityUnknown(Unknown::Stale),
            Rejection::IdentityUnknown(Unknown::Unreachable),
            Rejection::IdentityUnknown(Unknown::Overloaded),
            Rejection::TooManyRefusals {
                retry_after_seconds: 5,
            },
            Rejection::BodyTooLarge,
            Rejection::BodyMalformed,
            Rejection::BodyTimeout,
            Rejection::TooManyConnections,
            Rejection::UpstreamUnreachable,
            Rejection::UpstreamTimeout,
            Rejection::UpstreamBroken,
            Rejection::UpstreamBreakerOpen {
                retry_after_seconds: 5,
            },
            Rejection::UpstreamSaturated,
            Rejection::Internal,
        ]);
        all
    }

    #[test]
    fn codes_are_unique_and_need_no_escaping() {
        let mut codes: Vec<_> = every_rejection().iter().map(|r| r.reply().code).collect();
        let count = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), count);

        for reply in every_rejection().iter().map(Rejection::reply) {
            let is_plain = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\';
            assert!(
                reply
                    .code
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c == '_'),
                "{reply:?}"
            );
            assert!(
                reply.title.chars().all(|c| is_plain(c) || c == ' '),
                "{reply:?}"
            );
            assert!((400..600).contains(&reply.status), "{reply:?}");
        }
    }

    #[test]
    fn a_client_of_grpc_calls_again_by_itself_only_where_no_service_acted() {
        for rejection in every_rejection() {
            let nothing_was_done = matches!(
                rejection,
                Rejection::TooManyConnections
                    | Rejection::IdentityUnknown(_)
                    | Rejection::UpstreamUnreachable
                    | Rejection::UpstreamBreakerOpen { .. }
                    | Rejection::UpstreamSaturated
            );
            let status = rejection.grpc_status();
            assert_eq!(status == 14, nothing_was_done, "{rejection:?}");
            assert!((1..=16).contains(&status), "{rejection:?}");
        }
    }

    #[test]
    fn an_ambiguous_head_ends_the_connection_and_a_sound_one_does_not() {
        for rejection in every_rejection() {
            let is_about_a_sound_head = matches!(
                rejection,
                Rejection::Miss(_)
                    | Rejection::CredentialMissing
                    | Rejection::Credential(_)
                    | Rejection::Token(_)
                    | Rejection::Forbidden(_)
                    | Rejection::IdentityUnknown(_)
                    | Rejection::TooManyRefusals { .. }
                    | Rejection::UpstreamUnreachable
                    | Rejection::UpstreamTimeout
                    | Rejection::UpstreamBroken
                    | Rejection::UpstreamBreakerOpen { .. }
                    | Rejection::UpstreamSaturated
            );
            assert_eq!(
                rejection.reply().closes,
                !is_about_a_sound_head,
                "{rejection:?}"
            );
        }
    }
}
