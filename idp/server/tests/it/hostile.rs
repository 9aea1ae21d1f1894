//! What somebody may try who means harm: requests that two readers understand differently, what
//! does not belong there, and everything at once.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::gateway::in_time;
use crate::server::Server;
use crate::visitor::{Visitor, form, request};

const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";

/// Sends bytes as they are and returns all that comes until the other side ends it.
async fn raw(server: &Server, bytes: &str) -> String {
    let mut stream = TcpStream::connect(server.public()).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    // A reset ends it too.
    let _ = in_time("an answer", reading).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn statuses(answer: &str) -> Vec<u16> {
    let lines = answer.split("HTTP/1.1 ").skip(1);
    lines.map(|rest| rest[..3].parse().unwrap()).collect()
}

/// A proxy in front may have believed the one length, and taken what follows for the request of
/// somebody else.
#[tokio::test]
async fn a_request_of_two_lengths_hides_no_other() {
    let server = Server::start().await;
    let hidden = "GET /jwks HTTP/1.1\r\nhost: a\r\n\r\n";
    let post = format!("POST /revoke HTTP/1.1\r\nhost: a\r\n{FORM}");
    let (short, long) = (5, 5 + hidden.len());
    #[rustfmt::skip]
    let cases = [
        format!("{post}content-length: {long}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{post}transfer-encoding: chunked\r\ncontent-length: {long}\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{post}content-length: {short}\r\ncontent-length: {long}\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{post}content-length: +{long}\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{post}transfer-encoding: identity\r\ncontent-length: {short}\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{post}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{post}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{post}transfer-encoding : chunked\r\n\r\n0\r\n\r\n{hidden}"),
    ];
    for bytes in cases {
        let answer = raw(&server, &bytes).await;
        assert!(!answer.contains("\"keys\""), "{bytes}\n{answer}");
        assert!(statuses(&answer).len() <= 1, "{bytes}\n{answer}");
        assert!(!statuses(&answer).contains(&200), "{bytes}\n{answer}");
    }
    // What is sent one behind the other as it should be is answered one by one.
    let both = format!("{hidden}{hidden}");
    assert_eq!(statuses(&raw(&server, &both).await), [200, 200]);
}

#[tokio::test]
async fn two_fields_that_say_what_a_body_is_are_one_too_many() {
    let server = Server::start().await;
    let basic = server.basic("robot");
    let body = "grant_type=client_credentials";
    for kinds in [
        ["application/x-www-form-urlencoded", "application/json"],
        ["application/json", "application/x-www-form-urlencoded"],
        [
            "application/x-www-form-urlencoded",
            "application/x-www-form-urlencoded",
        ],
    ] {
        let fields = [
            ("authorization", basic.as_str()),
            ("content-type", kinds[0]),
            ("content-type", kinds[1]),
        ];
        let refused = server.send(Method::POST, "/token", &fields, body).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{kinds:?}");
        assert_eq!(refused.text_of("error"), "invalid_request");
    }
}

#[tokio::test]
async fn nothing_of_a_request_counts_that_stands_in_the_address() {
    let server = Server::start().await;
    let secret = server.secret("robot.secret");
    let all = format!("grant_type=client_credentials&client_id=robot&client_secret={secret}");
    let refused = server.post(&format!("/token?{all}"), None, "").await;
    assert!(refused.status.is_client_error(), "{}", refused.status);
    let token = server.token().await;
    let path = format!("/userinfo?access_token={token}");
    assert_eq!(
        server.get(&path, &[]).await.status,
        StatusCode::UNAUTHORIZED
    );
    let refused = server
        .post("/introspect?token=x", Some("service"), "")
        .await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let refused = server
        .post(&format!("/revoke?token={token}"), Some("robot"), "")
        .await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(server.record(&token).await.client_id, "robot");
}

#[tokio::test]
async fn what_is_no_text_is_no_request_wherever_it_stands() {
    let server = Server::start().await;
    for part in [
        "%zz",
        "%",
        "%ff",
        "%c0%ae",
        "%ed%a0%80",
        "a%00b",
        "%0d%0aset-cookie:x",
    ] {
        for body in [
            format!("grant_type=client_credentials&client_id={part}&client_secret=x"),
            format!("grant_type={part}&client_id=robot&client_secret=x"),
            format!("{part}=x&grant_type=client_credentials&client_id=robot&client_secret=x"),
        ] {
            let refused = server.post("/token", None, &body).await;
            assert!(
                refused.status.is_client_error(),
                "{body}: {}",
                refused.status
            );
            assert!(refused.field("set-cookie").is_none());
        }
        for path in [
            format!("/authorize?client_id={part}"),
            format!("{}&state={part}", request("till", &[("state", "")])),
            format!("/end-session?id_token_hint={part}"),
            format!("/applications?{part}"),
            format!("/{part}"),
        ] {
            let answer = server.get(&path, &[]).await;
            assert!(
                !answer.status.is_server_error(),
                "{path}: {}",
                answer.status
            );
            assert!(
                answer
                    .field("set-cookie")
                    .is_none_or(|it| !it.contains(":x"))
            );
        }
        for path in [
            format!("/admin/users/{part}"),
            format!("/admin/users?name={part}"),
            format!("/admin/users/{}/consents?after={part}", "0".repeat(32)),
            format!("/admin/clients/{part}/sessions?limit={part}"),
        ] {
            let answer = server.admin(Method::GET, &path, Value::Null).await;
            let found = answer.status == StatusCode::OK && !answer.body.ends_with(b"[]}");
            assert!(!found && !answer.status.is_server_error(), "{path}");
        }
    }
}

#[tokio::test]
async fn no_method_but_its_own_does_anything_at_an_endpoint() {
    let server = Server::start().await;
    let token = server.token().await;
    let form = format!("token={token}&grant_type=client_credentials");
    let basic = server.basic("robot");
    let fields = [
        ("authorization", basic.as_str()),
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-http-method-override", "POST"),
    ];
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        for path in ["/token", "/revoke", "/introspect"] {
            let refused = server.send(method.clone(), path, &fields, &form).await;
            assert_eq!(
                refused.status,
                StatusCode::METHOD_NOT_ALLOWED,
                "{method} {path}"
            );
            assert!(refused.field("access-control-allow-origin").is_none());
        }
    }
    assert_eq!(server.record(&token).await.client_id, "robot");
}

#[tokio::test]
async fn heads_are_taken_up_to_their_limit_and_what_is_longer_ends_the_connection() {
    let server = Server::start().await;
    let fields = |count: usize| "x: y\r\n".repeat(count);
    let ask = |more: &str| format!("GET /jwks HTTP/1.1\r\nhost: a\r\n{more}\r\n");
    assert_eq!(statuses(&raw(&server, &ask(&fields(63))).await), [200]);
    assert_eq!(statuses(&raw(&server, &ask(&fields(64))).await), [431]);
    let long = |bytes: usize| format!("x: {}\r\n", "y".repeat(bytes));
    assert_eq!(statuses(&raw(&server, &ask(&long(30_000))).await), [200]);
    let answer = raw(&server, &ask(&long(70_000))).await;
    assert!(!statuses(&answer).contains(&200), "{answer}");
}

/// All at the same moment.
async fn at_once<T: Send + 'static, F>(count: usize, one: impl Fn(usize) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(count));
    let mut all = JoinSet::new();
    for number in 0..count {
        let (barrier, one) = (Arc::clone(&barrier), one(number));
        all.spawn(async move {
            barrier.wait().await;
            one.await
        });
    }
    all.join_all().await
}

async fn is_good(server: &Server, token: &str) -> bool {
    let form = format!("token={token}");
    let reply = server.post("/introspect", Some("service"), &form).await;
    reply.json()["active"] == true
}

/// The token of a code, if there is one for it.
async fn redeem(mut visitor: Visitor, client: &'static str, code: String) -> Option<String> {
    let told = visitor.redeem(client, &code).await;
    (told.status == StatusCode::OK)
        .then(|| told.json()["access_token"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_redeem_a_code_at_once_one_gets_a_token_at_most_and_it_does_not_last() {
    let server = Server::start().await;
    let (visitor, landed) = server.guest().await;
    let code = landed.landed()["code"].clone();
    let redeemed = at_once(16, |_| redeem(visitor.clone(), "till", code.clone())).await;
    let tokens: Vec<_> = redeemed.into_iter().flatten().collect();
    assert!(tokens.len() <= 1);
    for token in &tokens {
        assert!(!is_good(&server, token).await, "it was replayed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_is_begun_while_consent_is_taken_back_outlives_it() {
    const CODES: usize = 12;
    let server = Arc::new(Server::start().await);
    let (mut visitor, _) = server.guest().await;
    let consent = visitor.get(&request("shop", &[])).await;
    visitor.press(&consent, &[("answer", "allow")]).await;
    let mut codes = Vec::new();
    for _ in 0..CODES {
        let landed = visitor.get(&request("shop", &[])).await.landed();
        codes.push(landed["code"].clone());
    }
    let named = server
        .admin(Method::GET, "/admin/users?name=alice", Value::Null)
        .await;
    let user = named.json()["items"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/admin/users/{user}/consents/shop");
    let redeemed = at_once(CODES + 1, |number| {
        let (server, visitor, path) = (Arc::clone(&server), visitor.clone(), path.clone());
        let code = codes.get(number).cloned();
        async move {
            match code {
                Some(code) => redeem(visitor, "shop", code).await,
                None => {
                    let reply = server.admin(Method::DELETE, &path, Value::Null).await;
                    assert_eq!(reply.status, StatusCode::NO_CONTENT);
                    None
                }
            }
        }
    });
    for token in redeemed.await.into_iter().flatten() {
        assert!(!is_good(&server, &token).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_is_refreshed_while_somebody_is_deleted_outlives_them() {
    const FAMILIES: usize = 8;
    let server = Arc::new(Server::start().await);
    let (mut visitor, _) = server.guest().await;
    let mut families = Vec::new();
    for _ in 0..FAMILIES {
        let landed = visitor.get(&request("till", &[])).await.landed();
        let told = visitor.redeem("till", &landed["code"]).await.json();
        families.push(told["refresh_token"].as_str().unwrap().to_owned());
    }
    let named = server
        .admin(Method::GET, "/admin/users?name=alice", Value::Null)
        .await;
    let path = format!(
        "/admin/users/{}",
        named.json()["items"][0]["id"].as_str().unwrap()
    );
    let refreshed = at_once(FAMILIES + 1, |number| {
        let (server, visitor, path) = (Arc::clone(&server), visitor.clone(), path.clone());
        let family = families.get(number).cloned();
        async move {
            match family {
                Some(token) => refresh_on(visitor, token).await,
                None => {
                    let reply = server.admin(Method::DELETE, &path, Value::Null).await;
                    assert_eq!(reply.status, StatusCode::NO_CONTENT);
                    Vec::new()
                }
            }
        }
    });
    // Each goes on for as long as it is let, so that all of them end.
    let tokens = in_time("the end of all", refreshed).await.concat();
    for token in tokens {
        assert!(!is_good(&server, &token).await);
    }
}

/// Refreshes until that is refused, and returns the access tokens.
async fn refresh_on(mut visitor: Visitor, mut token: String) -> Vec<String> {
    let mut access = Vec::new();
    loop {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", "till"),
            ("refresh_token", token.as_str()),
        ];
        let told = visitor.post("/token", &form(&fields), &[]).await;
        if told.status != StatusCode::OK {
            return access;
        }
        let told = told.json();
        access.push(told["access_token"].as_str().unwrap().to_owned());
        token = told["refresh_token"].as_str().unwrap().to_owned();
    }
}
