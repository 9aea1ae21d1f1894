//! Why a part of an answer is missing, and what that makes of the whole.

use std::fmt;

use http::StatusCode;

/// Why something could not be had. One word each, which clients and logs are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// No connection, or it broke.
    Unreachable,
    /// It took too long.
    Timeout,
    /// There was not enough time left to begin.
    Deadline,
    /// The service is left alone for now, or enough is under way.
    Unavailable,
    /// It answered with this status.
    Status(StatusCode),
    /// The answer was larger than its cap.
    TooLarge,
    /// The answer is no JSON.
    Unsound,
    /// The answer is JSON, but not what was declared.
    Shape,
    /// A value for the call is missing or cannot be part of one.
    Input,
    /// A value cannot be the key of a record.
    Key,
    /// The request has used up its calls.
    Calls,
    /// Something of our own went wrong.
    Internal,
}

/// What a failed part is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Failure<S> {
    pub source: S,
    pub cause: Cause,
}

impl Cause {
    /// The status of the whole where this part is required.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Timeout | Self::Deadline => StatusCode::GATEWAY_TIMEOUT,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            // What the whole is about is not there, or not for this caller.
            Self::Status(status) if status == StatusCode::GONE => StatusCode::NOT_FOUND,
            Self::Status(status @ (StatusCode::NOT_FOUND | StatusCode::FORBIDDEN)) => status,
            Self::Status(StatusCode::TOO_MANY_REQUESTS) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unreachable
            | Self::Status(_)
            | Self::TooLarge
            | Self::Unsound
            | Self::Shape
            | Self::Input
            | Self::Key
            | Self::Calls => StatusCode::BAD_GATEWAY,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Deadline => "deadline",
            Self::Unavailable => "unavailable",
            Self::Status(status) => return write!(f, "status_{}", status.as_u16()),
            Self::TooLarge => "too_large",
            Self::Unsound => "unsound",
            Self::Shape => "shape",
            Self::Input => "input",
            Self::Key => "key",
            Self::Calls => "calls",
            Self::Internal => "internal",
        })
    }
}
