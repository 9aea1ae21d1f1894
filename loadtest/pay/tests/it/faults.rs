//! Every fault reaches the socket as what it is called.

use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::world::{PATIENCE, World, raw, read_to_end};

const GET: &[u8] = b"GET /members/7 HTTP/1.1\r\nhost: a\r\n\r\n";

async fn faulty(faults: &Value) -> World {
    let world = World::small().await;
    world.set_faults("membership", faults).await;
    world
}

/// Head and body of what was received.
fn split(bytes: &[u8]) -> (String, &[u8]) {
    let end = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .expect("a whole head");
    (
        String::from_utf8(bytes[..end].to_vec()).unwrap(),
        &bytes[end + 4..],
    )
}

fn content_length(head: &str) -> usize {
    let line = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    line.expect("a content length").parse().unwrap()
}

#[tokio::test]
async fn a_short_body_ends_in_good_order_before_its_length_is_reached() {
    let world = faulty(&json!({ "short_body": 1 })).await;
    let (bytes, was_reset) = read_to_end(&mut raw(world.membership(), GET).await).await;
    let (head, body) = split(&bytes);
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(!body.is_empty() && body.len() < content_length(&head));
    assert!(!was_reset);
}

#[tokio::test]
async fn a_reset_cuts_the_body_with_a_reset() {
    let world = faulty(&json!({ "reset": 1 })).await;
    let (bytes, was_reset) = read_to_end(&mut raw(world.membership(), GET).await).await;
    assert!(was_reset);
    // What had arrived before the reset may be lost with it.
    if !bytes.is_empty() {
        let (head, body) = split(&bytes);
        assert!(body.len() < content_length(&head));
    }
}

#[tokio::test]
async fn garbage_is_no_http() {
    let world = faulty(&json!({ "garbage": 1 })).await;
    let (bytes, was_reset) = read_to_end(&mut raw(world.membership(), GET).await).await;
    assert!(!bytes.is_empty() && !bytes.starts_with(b"HTTP/"));
    assert!(!was_reset);
}

#[tokio::test]
async fn an_oversize_head_is_larger_than_any_client_should_take() {
    let world = faulty(&json!({ "oversize_head": 1 })).await;
    let (bytes, _) = read_to_end(&mut raw(world.membership(), GET).await).await;
    let (head, _) = split(&bytes);
    assert!(head.starts_with("HTTP/1.1 200 OK"));
    assert!(head.len() > 256 * 1024, "{}", head.len());
}

#[tokio::test]
async fn a_hanging_request_gets_no_byte_and_leaves_others_alone() {
    let only = json!([{ "path": "/members/{id}" }]);
    let world = faulty(&json!({ "hang": 1, "only": only })).await;
    let mut stream = raw(world.membership(), GET).await;
    let mut byte = [0];
    let read = tokio::time::timeout(Duration::from_millis(200), stream.read(&mut byte));
    assert!(read.await.is_err(), "neither an answer nor an end");
    world
        .get(world.membership(), "/members?ids=7")
        .await
        .expect(200, "");
    world.clear_faults("membership").await;
    world
        .get(world.membership(), "/members/7")
        .await
        .expect(200, "");
}

#[tokio::test]
async fn an_error_has_no_effect() {
    let world = faulty(&json!({ "error": { "share": 1, "status": 503 } })).await;
    let patch = json!({ "name": "Never" });
    let at = (world.membership(), "/members/7");
    world
        .write(Method::PATCH, at, &[], &patch)
        .await
        .expect(503, "injected");
    world
        .get(world.membership(), "/healthz")
        .await
        .expect(200, "");
    world.clear_faults("membership").await;
    assert_eq!(world.get(at.0, at.1).await.ok()["version"], 1);
}

#[tokio::test]
async fn a_spoiled_answer_belongs_to_a_request_that_was_carried_out() {
    let world = faulty(&json!({ "reset": 1 })).await;
    let patch = json!({ "name": "Carried Out" });
    let at = (world.membership(), "/members/7");
    assert!(
        world
            .try_write(Method::PATCH, at, &[], &patch)
            .await
            .is_err()
    );
    world.clear_faults("membership").await;
    assert_eq!(world.get(at.0, at.1).await.ok()["name"], "Carried Out");
}

#[tokio::test]
async fn latency_delays_an_answer() {
    let world = faulty(&json!({ "latency": { "fixed": { "ms": 150 } } })).await;
    #[expect(clippy::disallowed_methods, reason = "the delay is what is measured")]
    let begun = Instant::now();
    world
        .get(world.membership(), "/members/7")
        .await
        .expect(200, "");
    assert!(begun.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn a_fault_can_be_kept_to_one_endpoint() {
    let world = World::with(|settings| {
        let free = settings.listen.membership[0];
        settings.listen.membership.push(free);
    })
    .await;
    let faults = json!({ "error": { "share": 1, "status": 500 }, "only": [{ "endpoint": 1 }] });
    world.set_faults("membership", &faults).await;
    let endpoints = world.pay.addresses().membership.clone();
    world.get(endpoints[0], "/members/7").await.expect(200, "");
    world
        .get(endpoints[1], "/members/7")
        .await
        .expect(500, "injected");

    let counts = world
        .get(world.admin(), "/requests?service=membership")
        .await
        .ok();
    let count = |endpoint| {
        json!({
            "service": "membership", "endpoint": endpoint, "method": "GET",
            "path": "/members/{id}", "count": 1,
        })
    };
    assert_eq!(counts, json!([count(0), count(1)]));
}

#[tokio::test]
async fn a_connection_that_was_used_before_can_still_be_broken() {
    let world = World::small().await;
    let mut stream = raw(world.membership(), GET).await;
    let mut first = Vec::new();
    while !first.ends_with(b"}") {
        let read = tokio::time::timeout(PATIENCE, stream.read_buf(&mut first)).await;
        assert!(read.unwrap().unwrap() > 0);
    }
    world
        .set_faults("membership", &json!({ "garbage": 1 }))
        .await;
    tokio::io::AsyncWriteExt::write_all(&mut stream, GET)
        .await
        .unwrap();
    let (bytes, _) = read_to_end(&mut stream).await;
    assert!(!bytes.starts_with(b"HTTP/"));
}

#[tokio::test]
async fn faults_are_shown_as_they_were_set_until_they_are_taken_away() {
    let world = World::small().await;
    let none = json!({ "membership": null, "banking": null, "money": null, "remittance": null });
    assert_eq!(world.get(world.admin(), "/faults").await.ok(), none);
    world
        .set_faults("money", &json!({ "seed": 9, "hang": 0.5 }))
        .await;
    let faults = world.get(world.admin(), "/faults").await.ok();
    assert_eq!(
        (&faults["money"]["seed"], &faults["money"]["hang"]),
        (&json!(9), &json!(0.5))
    );
    world.clear_faults("money").await;
    assert_eq!(world.get(world.admin(), "/faults").await.ok(), none);
}

#[tokio::test]
async fn faults_that_make_no_sense_leave_the_old_ones_in_place() {
    let world = faulty(&json!({ "error": { "share": 1, "status": 500 } })).await;
    for faults in [
        json!({ "hang": 2 }),
        json!({ "hangs": 1 }),
        json!([]),
        json!({ "reset": "x" }),
    ] {
        let at = (world.admin(), "/faults/membership");
        world
            .write(Method::PUT, at, &[], &faults)
            .await
            .expect(400, "body");
    }
    let at = (world.admin(), "/faults/nobody");
    world
        .write(Method::PUT, at, &[], &json!({}))
        .await
        .expect(404, "not_found");
    world
        .get(world.membership(), "/members/7")
        .await
        .expect(500, "injected");
}

#[tokio::test]
async fn requests_are_counted_by_service_method_and_route() {
    let world = World::small().await;
    for id in 1..=5 {
        world
            .get(world.membership(), &format!("/members/{id}"))
            .await
            .expect(200, "");
    }
    world
        .get(world.membership(), "/nowhere")
        .await
        .expect(404, "no_route");
    let odd = Method::from_bytes(b"BREW").unwrap();
    world
        .send(odd, (world.membership(), "/members"), &[], "")
        .await
        .unwrap();
    assert_eq!(world.count("membership", "GET", "/members/{id}").await, 5);
    assert_eq!(world.count("membership", "GET", "unmatched").await, 1);
    assert_eq!(world.count("membership", "other", "/members").await, 1);
    assert_eq!(world.count("money", "GET", "/members/{id}").await, 0);
    let forgotten = world
        .send(Method::DELETE, (world.admin(), "/requests"), &[], "")
        .await;
    forgotten.unwrap().expect(204, "");
    assert_eq!(world.get(world.admin(), "/requests").await.ok(), json!([]));
    world
        .get(world.admin(), "/requests?service=x")
        .await
        .expect(404, "not_found");
}
