//! How may a composed answer be used again, if each of its parts has its own rules?

use std::time::Duration;

use super::Control;

/// What holds for a part, and together for the whole: the strictest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reuse {
    is_stored: bool,
    is_public: bool,
    must_revalidate: bool,
    /// How long it is good for as it is; `None`: nothing limits it yet.
    fresh: Option<Duration>,
}

/// What an answer without parts may do.
impl Default for Reuse {
    fn default() -> Self {
        Self {
            is_stored: true,
            is_public: true,
            must_revalidate: false,
            fresh: None,
        }
    }
}

impl Reuse {
    /// Of a part that nobody may keep.
    pub const NEVER: Self = Self {
        is_stored: false,
        is_public: false,
        must_revalidate: true,
        fresh: Some(Duration::ZERO),
    };

    /// Of a part about which a service said this, and which is good for `left` by what it said. Where
    /// it said nothing of time that is no time at all.
    pub fn of(control: &Control, left: Duration) -> Self {
        Self {
            is_stored: !control.no_store,
            is_public: control.public && !control.private,
            must_revalidate: control.must_revalidate || control.proxy_revalidate,
            fresh: Some(if control.no_cache {
                Duration::ZERO
            } else {
                left
            }),
        }
    }

    /// Of this part and another one together.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            is_stored: self.is_stored && other.is_stored,
            is_public: self.is_public && other.is_public,
            must_revalidate: self.must_revalidate || other.must_revalidate,
            fresh: match (self.fresh, other.fresh) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            },
        }
    }

    /// The value of `Cache-Control`.
    pub fn text(self) -> String {
        if !self.is_stored {
            return "no-store".to_owned();
        }
        let audience = if self.is_public { "public" } else { "private" };
        let seconds = self.fresh.unwrap_or_default().as_secs();
        if seconds == 0 {
            return format!("{audience}, no-cache");
        }
        let ending = if self.must_revalidate {
            ", must-revalidate"
        } else {
            ""
        };
        format!("{audience}, max-age={seconds}{ending}")
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, header};

    use super::*;

    fn part(line: &str, left: u64) -> Reuse {
        let fields = HeaderMap::from_iter([(header::CACHE_CONTROL, line.parse().unwrap())]);
        Reuse::of(&Control::of(&fields), Duration::from_secs(left))
    }

    #[test]
    fn a_second_that_is_not_whole_is_none() {
        for (millis, expected) in [
            (999, "public, no-cache"),
            (1_000, "public, max-age=1"),
            (1_999, "public, max-age=1"),
        ] {
            let left = Duration::from_millis(millis);
            let reuse = Reuse {
                fresh: Some(left),
                ..Reuse::default()
            };
            assert_eq!(reuse.text(), expected, "{millis}");
        }
    }

    #[test]
    fn the_strictest_part_speaks_for_the_whole() {
        #[rustfmt::skip]
        let cases = [
            (vec![],                                                        "public, no-cache"),
            (vec![part("public, max-age=60", 60)],                          "public, max-age=60"),
            (vec![part("public, max-age=60", 60), part("public, max-age=9", 9)], "public, max-age=9"),
            (vec![part("public, max-age=60", 60), part("max-age=90", 90)],  "private, max-age=60"),
            (vec![part("public, max-age=60", 60), part("private, max-age=9", 5)], "private, max-age=5"),
            (vec![part("public, private, max-age=60", 60)],                 "private, max-age=60"),
            (vec![part("public, max-age=60", 60), part("public, no-cache", 60)], "public, no-cache"),
            (vec![part("public, max-age=60", 0)],                           "public, no-cache"),
            (vec![part("public, max-age=60", 60), part("no-store", 60)],    "no-store"),
            (vec![part("public, max-age=60", 60), Reuse::NEVER],            "no-store"),
            (vec![part("max-age=60, must-revalidate", 60), part("public, max-age=99", 99)],
                "private, max-age=60, must-revalidate"),
            (vec![part("public, max-age=60, proxy-revalidate", 60), part("public, max-age=9", 9)],
                "public, max-age=9, must-revalidate"),
        ];
        for (parts, expected) in cases {
            let forth = parts
                .iter()
                .fold(Reuse::default(), |whole, part| whole.with(*part));
            let back = parts
                .iter()
                .rev()
                .fold(Reuse::default(), |whole, part| whole.with(*part));
            assert_eq!((forth.text().as_str(), forth), (expected, back));
        }
    }
}
