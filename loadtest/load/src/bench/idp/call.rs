//! The calls that are measured: what is sent, how wrk sends it over and over, what must come back.

use std::fmt::Write as _;
use std::path::Path;

use super::form::encode;
use super::provider::{CLIENT, Provider, SCOPE, Which};
use crate::bench::BenchError;
use crate::bench::wrk::Wrk;
use crate::closed::Request;

/// Introspected in turn. The peer keeps no more than a thousand records of any kind.
const TOKENS: usize = 100;
pub(in crate::bench) const FORM: &str = "application/x-www-form-urlencoded";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum Call {
    /// A token by client credentials.
    Issue,
    /// Is that token good?
    Introspect,
}

impl Call {
    pub(in crate::bench) const ALL: [Self; 2] = [Self::Issue, Self::Introspect];

    pub(in crate::bench) fn name(self) -> &'static str {
        match self {
            Self::Issue => "issue",
            Self::Introspect => "introspect",
        }
    }

    pub(in crate::bench) fn path(self, provider: &Provider) -> &'static str {
        match (self, provider.which) {
            (Self::Issue, _) => "/token",
            (Self::Introspect, Which::Tollgate) => "/introspect",
            (Self::Introspect, Which::OidcProvider) => "/token/introspection",
        }
    }

    /// The load of this call; what is introspected is issued now, so that it is good for long enough.
    pub(in crate::bench) async fn load(
        self,
        provider: &Provider,
        dir: &Path,
        connections: usize,
    ) -> Result<Wrk, BenchError> {
        let bodies = self.bodies(provider).await?;
        let name = format!("{}-{}.lua", provider.which.name(), self.name());
        let text = script(self.path(provider), &bodies);
        Wrk::with_script(dir.join(name), &text, connections)
    }

    /// What is posted, one after the other.
    pub(in crate::bench) async fn bodies(
        self,
        provider: &Provider,
    ) -> Result<Vec<String>, BenchError> {
        let mut bodies = Vec::new();
        match self {
            Self::Issue => bodies.push(issue_body(provider)),
            Self::Introspect => {
                for _ in 0..TOKENS {
                    bodies.push(introspect_body(provider, &issue(provider).await?));
                }
            }
        }
        Ok(bodies)
    }

    /// Whether the provider gives the right answer, which a load that counts statuses cannot tell.
    pub(in crate::bench) async fn check(self, provider: &Provider) -> Result<(), BenchError> {
        let token = issue(provider).await?;
        let path = Self::Introspect.path(provider);
        let answer = provider
            .ask(post(path, introspect_body(provider, &token)))
            .await?;
        let told = Told::parse(&answer.body);
        let is_right = told.is_some_and(|it| it.is_active && it.scope == SCOPE);
        if is_right {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        Err(provider.wrong_answer(&text))
    }
}

/// How a client asks for a token for itself.
pub(super) fn issue_request(provider: &Provider) -> Request {
    post(Call::Issue.path(provider), issue_body(provider))
}

async fn issue(provider: &Provider) -> Result<String, BenchError> {
    let answer = provider.ask(issue_request(provider)).await?;
    let body: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
    let token = body
        .as_ref()
        .and_then(|it| it.get("access_token")?.as_str());
    token.map(str::to_owned).ok_or_else(|| {
        let text = String::from_utf8_lossy(&answer.body);
        provider.wrong_answer(&format!("{} {text}", answer.status))
    })
}

struct Told {
    is_active: bool,
    scope: String,
}

impl Told {
    fn parse(body: &[u8]) -> Option<Self> {
        let told: serde_json::Value = serde_json::from_slice(body).ok()?;
        Some(Self {
            is_active: told.get("active")?.as_bool()?,
            scope: told.get("scope")?.as_str()?.to_owned(),
        })
    }
}

fn post(path: &str, body: String) -> Request {
    Request::post(path, body).header("Content-Type", FORM)
}

fn issue_body(provider: &Provider) -> String {
    let fields = [("grant_type", "client_credentials"), ("scope", SCOPE)];
    authenticated(provider, &fields)
}

fn introspect_body(provider: &Provider, token: &str) -> String {
    authenticated(provider, &[("token", token)])
}

fn authenticated(provider: &Provider, fields: &[(&str, &str)]) -> String {
    let client = [
        ("client_id", CLIENT),
        ("client_secret", provider.secret.as_str()),
    ];
    encode(client.iter().chain(fields).copied())
}

/// Requests are made once, so that the script costs little per call. No body holds a quote.
fn script(path: &str, bodies: &[String]) -> String {
    let mut list = String::new();
    for body in bodies {
        let _ = writeln!(list, "  {body:?},");
    }
    format!(
        r#"local bodies, requests, turn = {{
{list}}}, {{}}, 0
init = function(args)
  local headers = {{ ["Content-Type"] = "{FORM}" }}
  for i, body in ipairs(bodies) do requests[i] = wrk.format("POST", "{path}", headers, body) end
end
request = function()
  turn = turn % #requests + 1
  return requests[turn]
end
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_holds_every_body_once() {
        let script = script("/token", &["a=1&b=2".to_owned(), "a=3".to_owned()]);
        assert_eq!(script.matches("\"a=1&b=2\",").count(), 1);
        assert_eq!(script.matches("\"a=3\",").count(), 1);
        assert!(
            script.contains(r#"wrk.format("POST", "/token""#),
            "{script}"
        );
    }

    #[test]
    fn what_a_provider_tells_of_a_token_is_read() {
        let cases = [
            (r#"{"active":true,"scope":"a"}"#, Some((true, "a"))),
            (r#"{"active":false,"scope":""}"#, Some((false, ""))),
            (r#"{"active":false}"#, None),
            ("", None),
        ];
        for (body, expected) in cases {
            let told = Told::parse(body.as_bytes());
            let found = told.as_ref().map(|it| (it.is_active, it.scope.as_str()));
            assert_eq!(found, expected, "{body}");
        }
    }
}
