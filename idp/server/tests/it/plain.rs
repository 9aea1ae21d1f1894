//! What machines send goes past the HTTP library, and nobody can tell.

use std::collections::BTreeSet;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::gateway::in_time;
use crate::server::Server;

const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";

struct Answer {
    status: String,
    fields: BTreeSet<String>,
    body: String,
}

impl Answer {
    /// The next of those that a connection said.
    fn take(said: &mut &str) -> Option<Self> {
        let (head, rest) = said.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.to_owned();
        let fields: BTreeSet<_> = lines.map(str::to_owned).collect();
        let length = fields
            .iter()
            .find_map(|it| it.strip_prefix("content-length: "));
        let (body, rest) = rest.split_at_checked(length?.parse().ok()?)?;
        *said = rest;
        Some(Self {
            status,
            fields,
            body: body.to_owned(),
        })
    }

    /// Whatever is of this moment, or of this one token, left out.
    fn lasting(&self) -> (String, BTreeSet<String>, String) {
        let is_lasting = |field: &&String| !field.starts_with("date: ");
        let fields = self.fields.iter().filter(is_lasting).cloned().collect();
        let body = match self.body.split_once("tg_at_") {
            Some((before, after)) => format!("{before}{}", &after[44..]),
            None => self.body.clone(),
        };
        (self.status.clone(), fields, body)
    }
}

fn post(path: &str, more: &str, form: &str) -> String {
    let length = form.len();
    format!("POST {path} HTTP/1.1\r\nhost: a\r\n{FORM}{more}content-length: {length}\r\n\r\n{form}")
}

/// Sends pieces one after the other, and takes what is answered to them all.
async fn say(server: &Server, pieces: &[&str], count: usize) -> Vec<Answer> {
    let mut stream = TcpStream::connect(server.public()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for piece in pieces {
        stream.write_all(piece.as_bytes()).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut said = Vec::new();
    let reading = async {
        loop {
            let text = String::from_utf8_lossy(&said).into_owned();
            let mut rest = text.as_str();
            let answers: Vec<_> = std::iter::from_fn(|| Answer::take(&mut rest)).collect();
            if answers.len() >= count || stream.read_buf(&mut said).await.unwrap_or(0) == 0 {
                return answers;
            }
        }
    };
    in_time("answers", reading).await
}

#[tokio::test]
async fn a_plain_request_is_answered_like_any_other() {
    let server = Server::start().await;
    let token = server.token().await;
    let secret = format!("authorization: {}\r\n", server.basic("robot"));
    let jwt = format!("{secret}accept: application/token-introspection+jwt\r\n");
    let is_token = |fields: &BTreeSet<String>| fields.iter().any(|it| it.contains("+jwt"));
    #[rustfmt::skip]
    let cases = [
        ("/token",      secret.as_str(), "grant_type=client_credentials".to_owned()),
        ("/token",      secret.as_str(), "grant_type=password".to_owned()),
        ("/token",      secret.as_str(), "a=%4".to_owned()),
        ("/token",      secret.as_str(), String::new()),
        ("/token",      "",              "grant_type=client_credentials".to_owned()),
        ("/token",      "authorization: Basic YTpi\r\n", "grant_type=client_credentials".to_owned()),
        ("/introspect", secret.as_str(), format!("token={token}")),
        ("/introspect", secret.as_str(), "token=tg_at_x".to_owned()),
        ("/introspect", "",              format!("token={token}")),
        ("/introspect", jwt.as_str(),    format!("token={token}")),
    ];
    for (path, fields, form) in cases {
        let plain = post(path, fields, &form);
        // No reader of a request that is answered like this one passes over such a field unread.
        let other = post(path, &format!("{fields}te: trailers\r\n"), &form);
        let [plain, other] = [&plain, &other].map(|bytes| bytes.as_str());
        let (plain, other) = (
            say(&server, &[plain], 1).await,
            say(&server, &[other], 1).await,
        );
        let (mut plain, mut other) = (plain[0].lasting(), other[0].lasting());
        if is_token(&plain.1) {
            // Signed anew each time.
            (plain.2, other.2) = (String::new(), String::new());
        }
        assert_eq!(plain, other, "{path} {form}");
    }
}

#[tokio::test]
async fn requests_that_follow_each_other_are_answered_in_their_order() {
    let server = Server::start().await;
    let secret = format!("authorization: {}\r\n", server.basic("robot"));
    let issue = post("/token", &secret, "grant_type=client_credentials");
    let ask = post("/introspect", &secret, "token=none");
    let keys = "GET /jwks HTTP/1.1\r\nhost: a\r\n\r\n";
    let has = [
        "access_token",
        "\"active\":false",
        "\"keys\"",
        "access_token",
    ];

    let all = format!("{issue}{ask}{keys}{issue}");
    let (half, rest) = all.split_at(issue.len() + ask.len() / 2);
    let last = rest.len() - 7;
    for pieces in [
        vec![all.as_str()],
        vec![half, rest],
        vec![half, &rest[..last], &rest[last..]],
    ] {
        let answers = say(&server, &pieces, has.len()).await;
        assert_eq!(answers.len(), has.len(), "{} pieces", pieces.len());
        for (answer, has) in answers.iter().zip(has) {
            assert!(answer.status.contains("200"), "{}", answer.status);
            assert!(answer.body.contains(has), "{}", answer.body);
        }
    }
}
