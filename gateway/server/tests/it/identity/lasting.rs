//! Connections that go on when their request is over: they end with what their caller was let through for.

use std::time::Duration;

use idp_token::log::{Kind, Target};
use idp_token::session::Session;

use super::provider::{session, subject, token};
use super::town::{LONG, Town, WISH};
use crate::client::Client;

/// To a WebSocket these are bytes like any; the service here answers them once more.
const SPEECH: &str = "GET / HTTP/1.1\r\n\r\n";

async fn is_alive(client: &mut Client) -> bool {
    client.say(SPEECH).await;
    client.try_hear(true).await.is_some()
}

async fn open(town: &Town, path: &str, token: &str) -> Client {
    let mut client = ask(town, path, token).await;
    assert_eq!(client.hear().await.status, 101);
    client
}

/// One of the first session, which is over when it was not used for so long.
async fn open_idling(town: &Town, idle: Duration) -> Client {
    let idling = Session {
        idle: Some(idle),
        ..session(1)
    };
    let token = town.provider.issue_for(1, idling);
    open(town, "/live", &token).await
}

/// Sends the wish, and waits for nothing.
async fn ask(town: &Town, path: &str, token: &str) -> Client {
    let mut client = town.edge.connect().await;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: edge.test\r\nAuthorization: Bearer {token}\r\n{WISH}\r\n"
    );
    client.say(request).await;
    client
}

/// Asks for a WebSocket of a service that has not agreed yet when this status is what the token is worth,
/// and does then.
async fn ask_and_lose(town: &Town, token: &str, status: u16, lose: impl FnOnce()) -> Client {
    let heard = town.slow.heard().len();
    let client = ask(town, "/live/slow", token).await;
    town.until("the service is asked", async |town| {
        town.slow.heard().len() > heard
    })
    .await;
    lose();
    town.until("the gateway knows", async |town| {
        town.get("/read", token).await.status == status
    })
    .await;
    town.word.notify_one();
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
async fn whoever_is_let_through_no_more_when_the_service_agrees_gets_no_websocket() {
    let town = Town::start(LONG).await;
    let (ended, lacking) = (town.provider.issue(1), town.provider.issue(2));
    let short = issue_short(&town, 3, Duration::from_secs(3));
    let change = || {
        for session in town.provider.facts().sessions.values_mut() {
            session.scope = "write".to_owned();
        }
        let subject = Target::Subject(subject(2));
        town.provider.publish(subject, Kind::Changed);
    };
    let cases: [(&str, u16, &str, &dyn Fn()); 3] = [
        (&short, 401, "token_invalid", &|| {}),
        (&ended, 401, "token_invalid", &|| town.provider.end(1)),
        (&lacking, 403, "scope_insufficient", &change),
    ];
    for (token, status, code, lose) in cases {
        let mut client = ask_and_lose(&town, token, status, lose).await;
        let answer = client.hear().await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code));
        assert!(answer.field("upgrade").is_none(), "{}", answer.head);
        // What it says next is a request like any.
        assert_eq!(client.get("/open").await.text(), "fine");
        assert_eq!(town.slow.last().matches("HTTP/1.1").count(), 1);
    }
    let kept = town.provider.issue(4);
    let mut client = ask_and_lose(&town, &kept, 200, || {}).await;
    assert_eq!(client.hear().await.status, 101);
}

/// A token that is over by itself, so much later.
fn issue_short(town: &Town, number: u8, lives: Duration) -> String {
    let token = token(number, lives);
    let mut facts = town.provider.facts();
    facts.sessions.insert(token.digest(), session(number));
    token.spell().as_str().to_owned()
}

#[tokio::test]
async fn a_websocket_ends_with_the_token_it_was_opened_with() {
    let town = Town::start(LONG).await;
    let life = Duration::from_secs(3);
    let short = issue_short(&town, 1, life);
    let mut by_reference = open(&town, "/live", &short).await;
    town.until("the keys of value tokens are known", async |town| {
        let token = town.provider.value_token(2);
        town.get("/either", &token).await.status == 200
    })
    .await;
    let mut ended = open(&town, "/live/any", &town.provider.value_token(3)).await;
    town.provider.facts().value_life = life;
    let mut by_value = open(&town, "/live/any", &town.provider.value_token(4)).await;
    town.provider.facts().value_life = Duration::from_secs(600);
    let mut lasting = open(&town, "/live/any", &town.provider.value_token(5)).await;
    town.provider.end(3);
    for client in [&mut ended, &mut by_reference, &mut by_value] {
        assert!(is_cut(client).await);
    }
    assert!(is_alive(&mut lasting).await);
    drop(lasting);
    assert_eq!(codes(town, "/live").await, ["token_invalid"]);
}

#[tokio::test]
async fn a_websocket_on_which_its_client_speaks_keeps_its_session_alive() {
    let town = Town::start(LONG).await;
    let mut client = open_idling(&town, Duration::from_secs(2)).await;
    let began = tokio::time::Instant::now();
    while began.elapsed() < Duration::from_secs(5) {
        assert!(is_alive(&mut client).await);
        // sleeps: what is tested is the passing of time
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Each change has the gateway ask about the session anew, which is no use of it either.
#[tokio::test]
async fn a_silent_websocket_keeps_no_session_alive_however_often_it_is_asked_about() {
    let town = Town::start(LONG).await;
    let mut client = open_idling(&town, Duration::from_secs(3)).await;
    let changes = async {
        loop {
            let subject = Target::Subject(subject(1));
            town.provider.publish(subject, Kind::Changed);
            // sleeps: the connection is looked at once a second
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    tokio::select! {
        is_cut = is_cut(&mut client) => assert!(is_cut),
        () = changes => {}
    }
    assert!(town.provider.asked() > 1, "it was asked about");
    assert!(town.provider.facts().uses.len() <= 1);
    assert_eq!(codes(town, "/live").await, ["token_invalid"]);
}

#[tokio::test]
async fn a_silent_websocket_keeps_no_session_alive() {
    let town = Town::start(LONG).await;
    let mut client = open_idling(&town, Duration::from_secs(3)).await;
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
