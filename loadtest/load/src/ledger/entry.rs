//! A request as it is planned, and what the upstream is told to do with it.

use std::fmt;
use std::time::Duration;

/// Everything about one request; its bytes follow from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Unique among all that are compared at once.
    pub id: String,
    pub method: Method,
    pub path: String,
    /// `None` where the method has no body.
    pub body: Option<Parcel>,
    pub answer: Parcel,
    /// `None` leaves it to the upstream's habit.
    pub deed: Option<Deed>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Put,
}

impl Method {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }

    /// Whether the gateway may send it again. A write is a write, be it idempotent by the book:
    /// the gateway does not know what came in between.
    pub fn is_read(self) -> bool {
        match self {
            Self::Get => true,
            Self::Post | Self::Put => false,
        }
    }
}

/// A body: how long, and how that is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parcel {
    pub framing: Framing,
    pub bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    Length,
    Chunked,
}

impl fmt::Display for Parcel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let framing = match self.framing {
            Framing::Length => "length",
            Framing::Chunked => "chunked",
        };
        write!(f, "{framing}={}", self.bytes)
    }
}

impl Parcel {
    /// As its `Display` writes it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (framing, bytes) = text.split_once('=')?;
        let framing = match framing {
            "length" => Framing::Length,
            "chunked" => Framing::Chunked,
            _ => return None,
        };
        Some(Self {
            framing,
            bytes: bytes.parse().ok()?,
        })
    }
}

/// What the upstream does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    Answer,
    /// Answers after this time.
    Delay(Duration),
    /// Answers with this status.
    Fail(u16),
    /// Closes once the request is there, without a byte of answer.
    Close,
    /// Resets once the request is there.
    Reset,
    /// Resets once the head is there.
    ResetEarly,
    /// Closes after half of the answer.
    Half,
    /// Answers as if the connection went on, and closes it.
    CloseIdle,
    /// Answers, and then once more what nobody asked for.
    Twice,
    /// Says nothing, for as long as the connection lasts.
    Hang,
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer => f.write_str("answer"),
            Self::Delay(time) => write!(f, "delay={}", time.as_millis()),
            Self::Fail(status) => write!(f, "fail={status}"),
            Self::Close => f.write_str("close"),
            Self::Reset => f.write_str("reset"),
            Self::ResetEarly => f.write_str("reset-early"),
            Self::Half => f.write_str("half"),
            Self::CloseIdle => f.write_str("close-idle"),
            Self::Twice => f.write_str("twice"),
            Self::Hang => f.write_str("hang"),
        }
    }
}

impl Deed {
    /// As its `Display` writes it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (word, number) = text.split_once('=').unwrap_or((text, ""));
        match (word, number) {
            ("delay", millis) => Some(Self::Delay(Duration::from_millis(millis.parse().ok()?))),
            ("fail", status) => Some(Self::Fail(status.parse().ok()?)),
            ("answer", "") => Some(Self::Answer),
            ("close", "") => Some(Self::Close),
            ("reset", "") => Some(Self::Reset),
            ("reset-early", "") => Some(Self::ResetEarly),
            ("half", "") => Some(Self::Half),
            ("close-idle", "") => Some(Self::CloseIdle),
            ("twice", "") => Some(Self::Twice),
            ("hang", "") => Some(Self::Hang),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deeds_and_parcels_are_read_as_they_are_written() {
        let deeds = [
            Deed::Answer,
            Deed::Delay(Duration::from_millis(20)),
            Deed::Fail(503),
            Deed::Close,
            Deed::Reset,
            Deed::ResetEarly,
            Deed::Half,
            Deed::CloseIdle,
            Deed::Twice,
            Deed::Hang,
        ];
        for deed in deeds {
            assert_eq!(Deed::parse(&deed.to_string()), Some(deed));
        }
        for framing in [Framing::Length, Framing::Chunked] {
            let parcel = Parcel { framing, bytes: 7 };
            assert_eq!(Parcel::parse(&parcel.to_string()), Some(parcel));
        }
    }

    #[test]
    fn words_that_mean_nothing_are_not_guessed_at() {
        for text in [
            "",
            "answers",
            "answer=1",
            "delay",
            "delay=x",
            "fail=",
            "fail=99999",
        ] {
            assert_eq!(Deed::parse(text), None, "{text:?}");
        }
        for text in ["", "7", "length", "length=", "length=-1", "gzip=7"] {
            assert_eq!(Parcel::parse(text), None, "{text:?}");
        }
    }
}
