//! Words out of a few: how far inside something lies, and what a route does.

use gateway_core::{level, route};

use crate::nearest;
use crate::reader::Scalar;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level(pub(crate) level::Level);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Class(pub(crate) route::Class);

/// What a connection may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Upgrade {
    WebSocket,
}

impl Level {
    const WORDS: [(&'static str, level::Level); 3] = [
        (level::Level::Open.as_str(), level::Level::Open),
        (level::Level::Internal.as_str(), level::Level::Internal),
        (level::Level::Private.as_str(), level::Level::Private),
    ];
}

impl Class {
    const WORDS: [(&'static str, route::Class); 3] = [
        ("read", route::Class::Read),
        ("write", route::Class::Write),
        ("transfer", route::Class::Transfer),
    ];
}

impl Scalar for Level {
    const EXPECTED: &'static str = "`open`, `internal` or `private`";

    fn parse(text: &str) -> Result<Self, String> {
        find(text, &Self::WORDS).map(Self)
    }
}

impl Scalar for Class {
    const EXPECTED: &'static str = "`read`, `write` or `transfer`";

    fn parse(text: &str) -> Result<Self, String> {
        find(text, &Self::WORDS).map(Self)
    }
}

impl Scalar for Upgrade {
    const EXPECTED: &'static str = "`websocket`";

    fn parse(text: &str) -> Result<Self, String> {
        find(text, &[("websocket", Self::WebSocket)])
    }
}

fn find<T: Copy>(text: &str, words: &[(&'static str, T)]) -> Result<T, String> {
    if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*meaning);
    }
    let meant = nearest::find(text, words.iter().map(|(word, _)| *word));
    Err(meant.map_or_else(String::new, |word| format!("did you mean `{word}`?")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_of_a_few_or_answered_with_the_one_that_was_meant() {
        #[rustfmt::skip]
        let cases = [
            ("read",      Ok(Class(route::Class::Read))),
            ("write",     Ok(Class(route::Class::Write))),
            ("transfer",  Ok(Class(route::Class::Transfer))),
            ("transfers", Err("did you mean `transfer`?")),
            ("Read",      Err("did you mean `read`?")),
            ("payment",   Err("")),
            ("",          Err("")),
        ];
        for (text, expected) in cases {
            assert_eq!(
                Class::parse(text),
                expected.map_err(str::to_owned),
                "{text}"
            );
        }
        assert_eq!(Level::parse("private"), Ok(Level(level::Level::Private)));
    }
}
