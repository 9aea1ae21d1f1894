//! Words out of a few: how far inside something lies, what a route does, what a service speaks.

use gateway_core::{admission, level, route};
use gateway_upstream as upstream;
use idp_core::client;
use idp_token::external::jwt;
use idp_token::value;

use crate::nearest;
use crate::reader::Scalar;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level(pub(crate) level::Level);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Class(pub(crate) route::Class);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Protocol(pub(crate) upstream::Protocol);

/// Which tokens a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Accept(pub(crate) admission::Accept);

/// What a route does once nobody can say whether a token was taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Staleness {
    Strict,
    Tolerant,
}

/// What value tokens are signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Algorithm(pub(crate) value::Algorithm);

/// What the JWTs of another issuer say they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind(pub(crate) jwt::Kind);

/// What a client may do to get a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grant(pub(crate) client::Grant);

/// Whether people are asked what a client may do in their name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Consent(pub(crate) client::Consents);

/// Whose tokens a client may ask about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Introspects(pub(crate) client::Introspects);

/// Lifetimes that have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Preset(pub(crate) client::Lifetimes);

/// An address of the identity provider that other machines may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exposable {
    Listen,
    Internal,
}

/// What the composer sends a service to say for whom it asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Credential {
    Caller,
    None,
}

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

impl Protocol {
    const WORDS: [(&'static str, upstream::Protocol); 2] = [
        ("h1", upstream::Protocol::H1),
        ("h2", upstream::Protocol::H2),
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

impl Scalar for Accept {
    const EXPECTED: &'static str = "`reference`, `value` or `any`";

    fn parse(text: &str) -> Result<Self, String> {
        let words = [
            ("reference", admission::Accept::Reference),
            ("value", admission::Accept::Value),
            ("any", admission::Accept::Any),
        ];
        match text {
            "opaque" => Err("write `reference`".to_owned()),
            "jwt" | "JWT" => Err("write `value`".to_owned()),
            "both" => Err("write `any`".to_owned()),
            _ => find(text, &words).map(Self),
        }
    }
}

impl Scalar for Staleness {
    const EXPECTED: &'static str = "`strict` or `tolerant`";

    fn parse(text: &str) -> Result<Self, String> {
        let words = [("strict", Self::Strict), ("tolerant", Self::Tolerant)];
        find(text, &words)
    }
}

impl Scalar for Protocol {
    const EXPECTED: &'static str = "`h1` or `h2`";

    fn parse(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "http/1.1" | "http1" | "http" => Err("write `h1`".to_owned()),
            "http/2" | "http2" | "h2c" | "grpc" => Err("write `h2`".to_owned()),
            _ => find(text, &Self::WORDS).map(Self),
        }
    }
}

impl Scalar for Credential {
    const EXPECTED: &'static str = "`caller` or `none`";

    fn parse(text: &str) -> Result<Self, String> {
        find(text, &[("caller", Self::Caller), ("none", Self::None)])
    }
}

impl Scalar for Upgrade {
    const EXPECTED: &'static str = "`websocket`";

    fn parse(text: &str) -> Result<Self, String> {
        find(text, &[("websocket", Self::WebSocket)])
    }
}

impl Scalar for Algorithm {
    const EXPECTED: &'static str = "`ES256`, `EdDSA` or `RS256`";

    fn parse(text: &str) -> Result<Self, String> {
        let words = [
            value::Algorithm::Es256,
            value::Algorithm::EdDsa,
            value::Algorithm::Rs256,
        ];
        find(text, &words.map(|word| (word.as_str(), word))).map(Self)
    }
}

impl Scalar for Kind {
    const EXPECTED: &'static str = "`at+jwt` or `JWT`";

    fn parse(text: &str) -> Result<Self, String> {
        let words = [("at+jwt", jwt::Kind::AccessToken), ("JWT", jwt::Kind::Jwt)];
        find(text, &words).map(Self)
    }
}

impl Scalar for Grant {
    const EXPECTED: &'static str = "`authorization_code`, `refresh_token` or `client_credentials`";

    fn parse(text: &str) -> Result<Self, String> {
        let words = [
            ("authorization_code", client::Grant::AuthorizationCode),
            ("refresh_token", client::Grant::RefreshToken),
            ("client_credentials", client::Grant::ClientCredentials),
        ];
        match text {
            "code" => Err("write `authorization_code`".to_owned()),
            "implicit" | "password" => Err("it gives tokens away and is not offered".to_owned()),
            _ => find(text, &words).map(Self),
        }
    }
}

impl Scalar for Consent {
    const EXPECTED: &'static str = "`asked` or `implied`";

    fn parse(text: &str) -> Result<Self, String> {
        let words = [
            ("asked", client::Consents::Asked),
            ("implied", client::Consents::Implied),
        ];
        find(text, &words).map(Self)
    }
}

impl Scalar for Introspects {
    const EXPECTED: &'static str = "`own` or `tenant`";

    fn parse(text: &str) -> Result<Self, String> {
        let words = [
            ("own", client::Introspects::Own),
            ("tenant", client::Introspects::Tenant),
        ];
        find(text, &words).map(Self)
    }
}

impl Scalar for Preset {
    const EXPECTED: &'static str = "`payment` or `machine`";

    fn parse(text: &str) -> Result<Self, String> {
        let words = [
            ("payment", client::Lifetimes::PAYMENT),
            ("machine", client::Lifetimes::MACHINE),
        ];
        find(text, &words).map(Self)
    }
}

impl Scalar for Exposable {
    const EXPECTED: &'static str = "`listen` or `internal`";

    fn parse(text: &str) -> Result<Self, String> {
        find(
            text,
            &[("listen", Self::Listen), ("internal", Self::Internal)],
        )
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

    #[test]
    fn a_protocol_by_another_name_is_answered_with_its_own() {
        #[rustfmt::skip]
        let cases = [
            ("h1",     Ok(Protocol(upstream::Protocol::H1))),
            ("h2",     Ok(Protocol(upstream::Protocol::H2))),
            ("h2c",    Err("write `h2`")),
            ("HTTP/2", Err("write `h2`")),
            ("grpc",   Err("write `h2`")),
            ("http",   Err("write `h1`")),
            ("spdy",   Err("")),
        ];
        for (text, expected) in cases {
            let expected = expected.map_err(str::to_owned);
            assert_eq!(Protocol::parse(text), expected, "{text}");
        }
    }
}
