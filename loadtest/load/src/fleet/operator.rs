//! Whoever runs the identity provider: issues tokens by hand and takes them back.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::bench::BenchError;
use crate::closed::{Answer, Dialogue, Limits, Request};

use super::site::{BRIEF, CLIENT, USER};

const NAME: &str = "operator";

/// Whether an order is to be answered when all gateways have heard of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    None,
    All,
}

/// How far an order has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// It is durable; and, where that was waited for, no gateway goes by what was before.
    Whole,
    /// It is durable, and some gateway may not have heard of it yet.
    Begun,
}

/// A token and the session that it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    pub session: String,
}

/// Speaks to the admin listener over one connection.
#[derive(Debug)]
pub struct Operator {
    dialogue: Dialogue,
    key: String,
}

impl Operator {
    pub(super) fn new(address: SocketAddr, key: String) -> Self {
        Self {
            dialogue: Dialogue::new(address, Limits::default()),
            key,
        }
    }

    /// A token of the client for itself, or in the name of the user with this id.
    pub async fn issue(&mut self, user: Option<&str>) -> Result<Token, BenchError> {
        let wanted = match user {
            Some(user) => json!({ "client": CLIENT, "user": user }),
            None => json!({ "client": CLIENT }),
        };
        self.issue_as(wanted).await
    }

    /// One that is soon over.
    pub async fn issue_brief(&mut self) -> Result<Token, BenchError> {
        self.issue_as(json!({ "client": BRIEF })).await
    }

    async fn issue_as(&mut self, wanted: Value) -> Result<Token, BenchError> {
        let issued = self.post("/admin/tokens", Some(wanted)).await?;
        let told = read(&issued)?;
        Ok(Token {
            text: text_of(&told, "access_token")?,
            session: text_of(&told, "session")?,
        })
    }

    /// The id of the one user there is.
    pub async fn find_user(&mut self) -> Result<String, BenchError> {
        let path = format!("/admin/users?name={USER}");
        let request = self.authorized(Request::get(path));
        let found = read(&self.ask(&request).await?)?;
        let first = found.get("items").and_then(|items| items.get(0));
        text_of(first.unwrap_or(&Value::Null), "id")
    }

    /// Ends the session of a token.
    pub async fn end_session(&mut self, id: &str, wait: Wait) -> Result<Done, BenchError> {
        let mut request = Request::get(format!("/admin/sessions/{id}{}", wait.query()));
        request.method = "DELETE".to_owned();
        let request = self.authorized(request);
        let answer = self.ask(&request).await?;
        done(&answer)
    }

    /// Ends every session of a user.
    pub async fn end_sessions_of(&mut self, user: &str, wait: Wait) -> Result<Done, BenchError> {
        let path = format!("/admin/users/{user}/end-sessions{}", wait.query());
        done(&self.post(&path, None).await?)
    }

    async fn post(&mut self, path: &str, body: Option<Value>) -> Result<Answer, BenchError> {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = Request::post(path, body).header("Content-Type", "application/json");
        let request = self.authorized(request);
        self.ask(&request).await
    }

    fn authorized(&self, request: Request) -> Request {
        request.header("Authorization", format!("Bearer {}", self.key))
    }

    async fn ask(&mut self, request: &Request) -> Result<Answer, BenchError> {
        let answered = self.dialogue.ask(request).await;
        answered.map_err(|failure| wrong(failure.to_string()))
    }
}

impl Wait {
    fn query(self) -> &'static str {
        match self {
            Self::None => "",
            Self::All => "?wait=all",
        }
    }
}

fn done(answer: &Answer) -> Result<Done, BenchError> {
    match answer.status {
        200 | 204 => Ok(Done::Whole),
        202 => Ok(Done::Begun),
        _ => Err(wrong(shown(answer))),
    }
}

fn read(answer: &Answer) -> Result<Value, BenchError> {
    let told = serde_json::from_slice(&answer.body).ok();
    told.filter(|_| (200..300).contains(&answer.status))
        .ok_or_else(|| wrong(shown(answer)))
}

fn text_of(value: &Value, name: &str) -> Result<String, BenchError> {
    let text = value.get(name).and_then(Value::as_str);
    text.map(str::to_owned)
        .ok_or_else(|| wrong(format!("no {name} in the answer")))
}

fn shown(answer: &Answer) -> String {
    let body = String::from_utf8_lossy(&answer.body);
    format!("{} {body}", answer.status)
}

fn wrong(tally: String) -> BenchError {
    BenchError::WrongAnswer { name: NAME, tally }
}
