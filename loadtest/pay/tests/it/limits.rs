//! What a client may ask for has limits, and nothing it sends brings a service down.

use std::time::Duration;

use hyper::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{PATIENCE, World, raw, read_to_end};

const BODY_BYTES_MAX: usize = 64 * 1024;

#[tokio::test]
async fn a_body_is_taken_at_its_limit_and_refused_one_past_it() {
    let world = World::small().await;
    let at = (world.membership(), "/members/7");
    let headers = [("content-type", "application/json")];
    let patch = |bytes: usize| {
        let body = r#"{"name":"Padded"}"#;
        format!("{body}{}", " ".repeat(bytes - body.len()))
    };
    let full = world
        .send(Method::PATCH, at, &headers, patch(BODY_BYTES_MAX))
        .await;
    full.unwrap().expect(200, "");
    let over = world
        .send(Method::PATCH, at, &headers, patch(BODY_BYTES_MAX + 1))
        .await;
    over.unwrap().expect(413, "body_too_large");
    assert_eq!(world.get(at.0, at.1).await.ok()["version"], 2);
}

#[tokio::test]
async fn what_is_not_json_is_refused() {
    let world = World::small().await;
    let at = (world.membership(), "/members/7");
    let body = r#"{"name":"A"}"#;
    for kind in [
        vec![],
        vec![("content-type", "text/plain")],
        vec![("content-type", "")],
    ] {
        let answer = world.send(Method::PATCH, at, &kind, body).await.unwrap();
        answer.expect(415, "media_type");
    }
    let kind = [(
        "content-type",
        "application/merge-patch+json; charset=utf-8",
    )];
    world
        .send(Method::PATCH, at, &kind, body)
        .await
        .unwrap()
        .expect(200, "");
    let deep = "[".repeat(60_000);
    for body in ["", "{", "{\"name\":\"A\"}x", "\u{0}", deep.as_str()] {
        let answer = world
            .send(Method::PATCH, at, &kind, body.to_owned())
            .await
            .unwrap();
        answer.expect(400, "body");
    }
}

#[tokio::test]
async fn what_is_nowhere_is_a_problem_too() {
    let world = World::small().await;
    for address in [
        world.membership(),
        world.banking(),
        world.money(),
        world.remittance(),
        world.admin(),
    ] {
        assert_eq!(
            world.get(address, "/healthz").await.ok(),
            json!({ "status": "ok" })
        );
        let missing = world.get(address, "/nowhere").await.expect(404, "no_route");
        assert_eq!(missing.header("cache-control"), "no-store");
        let answer = world
            .send(Method::DELETE, (address, "/healthz"), &[], "")
            .await
            .unwrap();
        let answer = answer.expect(405, "method_not_allowed");
        assert!(answer.header("allow").contains("GET"));
    }
    let undecodable = "/members/%ff";
    world
        .get(world.membership(), undecodable)
        .await
        .expect(404, "no_route");
}

#[tokio::test]
async fn connections_are_served_up_to_the_ceiling_and_wait_past_it() {
    let world = World::with(|settings| settings.connections.connections_max = 2).await;
    let request = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut stream = raw(world.membership(), request).await;
        assert!(is_answered(&mut stream, PATIENCE).await);
        open.push(stream);
    }
    let mut waiting = raw(world.membership(), request).await;
    assert!(!is_answered(&mut waiting, Duration::from_millis(200)).await);
    open.pop();
    assert!(is_answered(&mut waiting, PATIENCE).await);
}

async fn is_answered(stream: &mut tokio::net::TcpStream, within: Duration) -> bool {
    let mut first = [0; 8];
    let read = tokio::time::timeout(within, stream.read_exact(&mut first)).await;
    read.is_ok_and(|read| read.is_ok() && first == *b"HTTP/1.1")
}

#[tokio::test]
async fn a_head_that_does_not_arrive_in_time_ends_its_connection() {
    let timeout = Duration::from_millis(100);
    let world = World::with(|settings| settings.connections.head_timeout = timeout).await;
    let mut stream = raw(world.membership(), b"GET /healthz HTTP/1.1\r\nhost:").await;
    read_to_end(&mut stream).await;
}

#[tokio::test]
async fn a_head_past_its_limit_is_refused() {
    let world = World::small().await;
    let head = |filler: usize| {
        format!(
            "GET /healthz HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n",
            "x".repeat(filler)
        )
    };
    let mut stream = raw(world.membership(), head(16 * 1024).as_bytes()).await;
    assert!(is_answered(&mut stream, PATIENCE).await);
    let mut stream = raw(world.membership(), head(64 * 1024).as_bytes()).await;
    let (bytes, _) = read_to_end(&mut stream).await;
    assert!(!bytes.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn no_bytes_bring_a_service_down() {
    let world = World::small().await;
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    let starts: [&[u8]; 4] = [
        b"",
        b"GET /members?ids=",
        b"POST /transfers HTTP/1.1\r\nidempotency-key: ",
        b"PATCH /members/7 HTTP/1.1\r\nhost: a\r\ncontent-length: 40\r\n\r\n",
    ];
    for round in 0..100 {
        let mut bytes = starts[round % 4].to_vec();
        bytes.extend((0..200).map(|_| byte()));
        for address in [world.membership(), world.money()] {
            let mut stream = raw(address, &bytes).await;
            // The service may have hung up on the first of these bytes.
            let _ = stream.shutdown().await;
            read_to_end(&mut stream).await;
        }
    }
    world
        .get(world.membership(), "/members/7")
        .await
        .expect(200, "");
    world
        .get(world.money(), "/members/7/balance")
        .await
        .expect(200, "");
    assert_eq!(world.audit().await["entries"], 0);
}
