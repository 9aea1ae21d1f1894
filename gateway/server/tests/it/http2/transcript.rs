//! What a client of HTTP/2 hears of a request, in the lines of `transcript`.

use std::future::poll_fn;
use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::ResponseFuture;

use super::client::{Client, read, request, send, within};
use crate::transcript::told_body;

pub(crate) struct Ear {
    client: Client,
}

impl Ear {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self {
            client: Client::connect(address).await,
        }
    }

    /// Asks, with a body where the method has one, and hears up to so many answers.
    pub(crate) async fn ask(&self, method: &str, path: &str, answers: usize) -> Vec<String> {
        let is_whole = method != "POST";
        let begun = self.client.begin(request(method, path), is_whole).await;
        let (mut response, mut sending) = match begun {
            Ok(begun) => begun,
            Err(error) => return vec![end(&error)],
        };
        if !is_whole {
            // A service may answer, or break, before it has heard everything.
            let _ = send(&mut sending, Bytes::from_static(b"hi"), true).await;
        }
        let mut heard = Vec::new();
        while heard.len() < answers {
            let informational = within(poll_fn(|context| response.poll_informational(context)));
            let Some(informational) = informational.await else {
                heard.push(last(response).await);
                break;
            };
            heard.push(match informational {
                Ok(head) => head.status().as_u16().to_string(),
                Err(error) => end(&error),
            });
        }
        heard
    }
}

async fn last(response: ResponseFuture) -> String {
    let answer = match within(response).await {
        Ok(response) => read(response).await,
        Err(error) => return end(&error),
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return end(&error),
    };
    let is_problem = answer.field("content-type") == Some("application/problem+json");
    match answer.body.is_empty() {
        true => answer.status.to_string(),
        false => format!("{} {}", answer.status, told_body(is_problem, &answer.body)),
    }
}

fn end(error: &h2::Error) -> String {
    let end = if error.is_reset() {
        "reset"
    } else {
        "no connection"
    };
    end.to_owned()
}
