//! Connections that go on when their request is over: they end with what their caller was let through for.

use std::time::Duration;

use idp_token::log::{Kind, Target};
use idp_token::session::Session;

use super::provider::{session, subject};
use super::town::{LONG, Town};
use crate::client::Client;

/// What the town's service for it grants.
const WISH: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// To a WebSocket these are bytes like any; the service here answers them once more.
const SPEECH: &str = "GET / HTTP/1.1\r\n\r\n";

async fn is_alive(client: &mut Client) -> bool {
    client.say(SPEECH).await;
    client.try_hear(true).await.is_some()
}

async fn open(town: &Town, path: &str, token: &str) -> Client {
    let mut client = town.edge.connect().await;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: edge.test\r\nAuthorization: Bearer {token}\r\n{WISH}\r\n"
    );
    assert_eq!(client.ask(request).await.status, 101);
    client
}

/// Reads until the gateway cuts the connection.
async fn is_cut(client: &mut Client) -> bool {
    client.read_to_end().await.is_err()
}

/// The code of the request that was logged for a path, when it is over.
async fn codes(town: Town, path: &str) -> Vec<String> {
    let lines = town.edge.stop_and_read_log().await;
    let of_path = lines.iter().filter(|line| line["path"] == path);
    let codes = of_path.map(|line| line["code"].as_str().unwrap_or_default().to_owned());
    codes.collect()
}

#[tokio::test]
async fn a_websocket_ends_with_the_session_it_was_opened_for() {
    let town = Town::start(LONG).await;
    let mut ended = open(&town, "/live", &town.provider.issue(1)).await;
    let mut other = open(&town, "/live", &town.provider.issue(2)).await;
    town.provider.end(1);
    assert!(is_cut(&mut ended).await);
    assert!(is_alive(&mut other).await);
    drop(other);
    assert!(
        codes(town, "/live")
            .await
            .contains(&"token_invalid".to_owned())
    );
}

#[tokio::test]
async fn a_websocket_ends_when_its_caller_loses_the_right_to_it() {
    let town = Town::start(LONG).await;
    let mut client = open(&town, "/live", &town.provider.issue(1)).await;
    for session in town.provider.facts().sessions.values_mut() {
        session.scope = "write".to_owned();
    }
    town.provider
        .publish(Target::Subject(subject(1)), Kind::Changed);
    assert!(is_cut(&mut client).await);
    assert_eq!(codes(town, "/live").await, ["scope_insufficient"]);
}

#[tokio::test]
async fn a_silent_websocket_keeps_no_session_alive() {
    let town = Town::start(LONG).await;
    let idling = Session {
        idle: Some(Duration::from_secs(3)),
        ..session(1)
    };
    let token = town.provider.issue_for(1, idling);
    let mut client = open(&town, "/live", &token).await;
    assert!(is_cut(&mut client).await);
    // Its opening is a use, and nothing after it.
    assert!(town.provider.facts().uses.len() <= 1);
}

#[tokio::test]
async fn a_websocket_of_a_caller_of_whom_nothing_is_known_any_more_ends_unless_its_route_tolerates_it()
 {
    let mut town = Town::start("1s").await;
    let token = town.provider.issue(1);
    let mut strict = open(&town, "/live", &token).await;
    let mut lax = open(&town, "/live/lax", &token).await;
    town.provider.cut().await;
    assert!(is_cut(&mut strict).await);
    assert!(is_alive(&mut lax).await);
}
