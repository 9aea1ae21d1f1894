//! From how far outside may a route be reached?
//!
//! A listener and a route each have a level. A listener reaches the routes of its own level and of
//! those further out; to everybody else a route is not there, in any answer.

/// From the outermost to the innermost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    #[default]
    Open,
    Internal,
    Private,
}

impl Level {
    /// Whether a listener of this level leads to a route of the other.
    #[must_use]
    pub fn reaches(self, route: Self) -> bool {
        route <= self
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Internal => "internal",
            Self::Private => "private",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Level::{Internal, Open, Private};

    #[test]
    fn a_listener_reaches_its_own_level_and_those_further_out() {
        #[rustfmt::skip]
        let cases = [
            (Open,     [true, false, false]),
            (Internal, [true, true,  false]),
            (Private,  [true, true,  true]),
        ];
        for (listener, expected) in cases {
            let found = [Open, Internal, Private].map(|route| listener.reaches(route));
            assert_eq!(found, expected, "{listener:?}");
        }
    }
}
