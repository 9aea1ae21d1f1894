//! What is to be done, and how much of it is asked for.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    Forward,
    Token,
    Issue,
    Introspect,
}

impl Job {
    pub(super) const ALL: [Self; 4] = [Self::Forward, Self::Token, Self::Issue, Self::Introspect];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Token => "token",
            Self::Issue => "issue",
            Self::Introspect => "introspect",
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Forward => "Handing a request on",
            Self::Token => "Knowing who asks",
            Self::Issue => "Issuing a token",
            Self::Introspect => "Saying what a token is worth",
        }
    }

    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Forward => {
                "A GET is handed on to the upstream and its answer, 336 bytes of JSON, handed back; a line \
                 is logged."
            }
            Self::Token => {
                "The same with one of 10,000 known opaque tokens in turn, in whose place a signed one is sent \
                 on. One set-up of Envoy is shown 200 signed tokens instead and remembers that it checked \
                 them. The peers' tables are read once and stay: none of them can take a token back."
            }
            Self::Issue => {
                "A client shows its secret and gets a token for itself. Ours is on the disk and in the audit \
                 log before it is sent; the peer keeps its tokens in memory and logs nothing."
            }
            Self::Introspect => {
                "A client shows its secret and one of a hundred tokens in turn, and is told whether it is good."
            }
        }
    }

    /// Below half of what the slowest can do, so that what is waited for is the work and not a queue.
    pub(super) fn offered_per_second(self) -> u64 {
        match self {
            Self::Forward | Self::Token => 5000,
            Self::Issue => 1000,
            Self::Introspect => 2000,
        }
    }
}
