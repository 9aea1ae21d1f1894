//! A remittance is sent whole or undone whole, whatever the services it needs do.

use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::world::{Answer, PATIENCE, World, raw, rows, text};

/// Somebody's wish to send money to an account that the receiver really has.
async fn wish(world: &World, sender: u32, receiver: u32) -> Value {
    let path = format!("/members/{receiver}/accounts");
    let accounts = world.get(world.banking(), &path).await.ok();
    json!({
        "senderId": sender.to_string(), "receiverId": receiver.to_string(),
        "bankCode": accounts[0]["bankCode"], "amount": "25.50", "currency": "USD",
    })
}

async fn send(world: &World, key: &str, wish: &Value) -> Answer {
    world
        .post((world.remittance(), "/remittances"), key, wish)
        .await
}

async fn read(world: &World, id: &Value) -> Value {
    world
        .get(world.remittance(), &format!("/remittances/{}", text(id)))
        .await
        .ok()
}

async fn payout(world: &World, id: &Value) -> Answer {
    world
        .get(world.banking(), &format!("/payouts/{}", text(id)))
        .await
}

async fn until_state(world: &World, id: &Value, state: &str) {
    let reached = async { while read(world, id).await["state"] != state {} };
    tokio::time::timeout(PATIENCE, reached)
        .await
        .expect("the state is reached");
}

#[tokio::test]
async fn a_remittance_goes_through_all_services_and_is_sent() {
    let world = World::small().await;
    let before = world.balance(1).await;
    let wish = wish(&world, 1, 2).await;
    let sent = send(&world, "k", &wish).await.expect(201, "");
    let remittance = sent.json();
    assert_eq!(remittance["state"], "sent");
    assert!(remittance["sentAt"].is_string());
    let id = &remittance["remittanceId"];
    assert_eq!(*id, "3001");
    assert_eq!(read(&world, id).await, remittance);
    assert_eq!(payout(&world, id).await.ok()["state"], "accepted");
    assert_ne!(world.balance(1).await, before);
    assert_eq!(world.audit().await["settlement"], "25.50");
    for (service, method, path) in [
        ("membership", "GET", "/members"),
        ("money", "POST", "/charges"),
        ("banking", "PUT", "/payouts/{id}"),
    ] {
        assert_eq!(world.count(service, method, path).await, 1, "{service}");
    }

    let again = send(&world, "k", &wish).await;
    assert_eq!((again.status, &again.body), (sent.status, &sent.body));
    assert_eq!(again.header("idempotency-replayed"), "true");
    let other = with(&wish, "amount", "25.51");
    send(&world, "k", &other).await.expect(422, "key_reused");
    assert_eq!(world.audit().await["settlement"], "25.50");
}

fn with(wish: &Value, name: &str, value: &str) -> Value {
    let mut wish = wish.clone();
    wish[name] = json!(value);
    wish
}

#[tokio::test]
async fn what_a_service_refuses_is_the_clients_to_mend() {
    let world = World::small().await;
    let good = wish(&world, 1, 2).await;
    let patch = json!({ "status": "suspended" });
    let at = (world.membership(), "/members/3");
    world
        .write(Method::PATCH, at, &[], &patch)
        .await
        .expect(200, "");
    for (name, value, code, cause, state) in [
        (
            "senderId",
            "999",
            "membership_refused",
            "sender_unknown",
            "failed",
        ),
        (
            "receiverId",
            "3",
            "membership_refused",
            "receiver_suspended",
            "failed",
        ),
        (
            "amount",
            "99999999",
            "money_refused",
            "insufficient_funds",
            "failed",
        ),
        (
            "bankCode",
            "NOBANK",
            "banking_refused",
            "no_bank_account",
            "compensated",
        ),
    ] {
        let wish = with(&good, name, value);
        let problem = send(&world, name, &wish).await.expect(422, code).json();
        assert_eq!(problem["cause"], cause);
        assert_eq!(problem["state"], state);
        let remittance = read(&world, &problem["remittanceId"]).await;
        assert_eq!(remittance["state"], state);
        assert_eq!(remittance["sentAt"], Value::Null);
        send(&world, name, &wish).await.expect(422, code);
    }
    let audit = world.audit().await;
    assert_eq!(audit["balanced"], true);
    assert_eq!(audit["settlement"], "0.00");
}

#[tokio::test]
async fn a_wish_that_is_not_understood_starts_nothing() {
    let world = World::small().await;
    let good = wish(&world, 1, 2).await;
    for (name, value, status, code) in [
        ("currency", "EUR", 422, "currency"),
        ("receiverId", "1", 422, "same_account"),
        ("amount", "0", 400, "amount"),
        ("note", "x", 400, "body"),
        ("bankCode", "no code", 400, "body"),
    ] {
        send(&world, "k", &with(&good, name, value))
            .await
            .expect(status, code);
    }
    assert_eq!(world.count("membership", "GET", "/members").await, 0);
    send(&world, "k", &good).await.expect(201, "");
}

#[tokio::test]
async fn a_bank_that_was_removed_gets_no_money() {
    let world = World::small().await;
    let wish = wish(&world, 1, 2).await;
    let before = world.balance(1).await;
    let path = format!("/banks/{}", text(&wish["bankCode"]));
    world
        .send(Method::DELETE, (world.admin(), &path), &[], "")
        .await
        .unwrap()
        .expect(204, "");
    let problem = send(&world, "k", &wish)
        .await
        .expect(422, "banking_refused")
        .json();
    assert_eq!(text(&problem["cause"]), "bank_closed");
    assert_eq!(text(&problem["state"]), "compensated");
    assert_eq!(world.balance(1).await, before);
}

#[tokio::test]
async fn a_charge_is_given_back_when_banking_fails() {
    let world = World::small().await;
    let wish = wish(&world, 1, 2).await;
    let before = world.balance(1).await;
    world
        .set_faults(
            "banking",
            &json!({ "error": { "share": 1, "status": 503 } }),
        )
        .await;
    let problem = send(&world, "k", &wish)
        .await
        .expect(502, "banking_failed")
        .json();
    assert_eq!(
        (text(&problem["state"]), text(&problem["step"])),
        ("compensated", "banking")
    );
    assert_eq!(world.balance(1).await, before);
    world.clear_faults("banking").await;
    payout(&world, &problem["remittanceId"])
        .await
        .expect(404, "not_found");
    send(&world, "k", &wish).await.expect(502, "banking_failed");
    let audit = world.audit().await;
    assert_eq!(
        (&audit["balanced"], &audit["entries"]),
        (&json!(true), &json!(2))
    );
}

#[tokio::test]
async fn nothing_is_taken_when_an_earlier_service_fails() {
    let world = World::small().await;
    let wish = wish(&world, 1, 2).await;
    for (service, code) in [
        ("membership", "membership_failed"),
        ("money", "money_failed"),
    ] {
        world
            .set_faults(service, &json!({ "error": { "share": 1, "status": 500 } }))
            .await;
        let problem = send(&world, service, &wish).await.expect(502, code).json();
        assert_eq!(text(&problem["state"]), "failed");
        world.clear_faults(service).await;
    }
    assert_eq!(world.audit().await["entries"], 0);
}

#[tokio::test]
async fn a_payout_whose_answer_was_lost_is_cancelled_before_money_is_given_back() {
    let world = World::small().await;
    let wish = wish(&world, 1, 2).await;
    let before = world.balance(1).await;
    let lost = json!({ "reset": 1, "only": [{ "method": "PUT", "path": "/payouts/{id}" }] });
    world.set_faults("banking", &lost).await;
    let problem = send(&world, "k", &wish)
        .await
        .expect(502, "banking_failed")
        .json();
    assert_eq!(text(&problem["state"]), "compensated");
    assert_eq!(world.balance(1).await, before);
    assert_eq!(
        payout(&world, &problem["remittanceId"]).await.ok()["state"],
        "cancelled"
    );
}

#[tokio::test]
async fn a_charge_whose_answer_was_lost_is_given_back() {
    let world = World::small().await;
    let wish = wish(&world, 1, 2).await;
    let before = world.balance(1).await;
    for fault in ["reset", "short_body", "garbage"] {
        let lost = json!({ fault: 1, "only": [{ "path": "/charges" }] });
        world.set_faults("money", &lost).await;
        let problem = send(&world, fault, &wish)
            .await
            .expect(502, "money_failed")
            .json();
        assert_eq!(text(&problem["state"]), "compensated");
        assert_eq!(world.balance(1).await, before, "{fault}");
    }
    let audit = world.audit().await;
    assert_eq!(
        (&audit["balanced"], &audit["entries"]),
        (&json!(true), &json!(6))
    );
}

#[tokio::test]
async fn what_cannot_be_undone_at_once_is_undone_as_soon_as_it_can_be() {
    let timeout = Duration::from_millis(500);
    let world = World::with(|settings| settings.patience.call_timeout = timeout).await;
    let wish = wish(&world, 1, 2).await;
    let before = world.balance(1).await;
    world.set_faults("banking", &json!({ "hang": 1 })).await;
    let problem = send(&world, "k", &wish)
        .await
        .expect(502, "banking_failed")
        .json();
    let id = &problem["remittanceId"];
    assert_eq!(text(&problem["state"]), "compensating");
    assert_eq!(read(&world, id).await["state"], "compensating");
    assert_ne!(
        world.balance(1).await,
        before,
        "the payout may still happen"
    );
    world.clear_faults("banking").await;
    until_state(&world, id, "compensated").await;
    assert_eq!(world.balance(1).await, before);
    assert_eq!(payout(&world, id).await.ok()["state"], "cancelled");
}

#[tokio::test]
async fn a_client_that_leaves_does_not_stop_a_remittance_halfway() {
    let world = World::small().await;
    let wish = wish(&world, 1, 2).await.to_string();
    world
        .set_faults("banking", &json!({ "latency": { "fixed": { "ms": 100 } } }))
        .await;
    let request = format!(
        "POST /remittances HTTP/1.1\r\nhost: a\r\nidempotency-key: k\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{wish}",
        wish.len()
    );
    let stream = raw(world.remittance(), request.as_bytes()).await;
    let charged = async { while world.audit().await["entries"] == 0 {} };
    tokio::time::timeout(PATIENCE, charged)
        .await
        .expect("the sender is charged");
    drop(stream);
    until_state(&world, &json!("3001"), "sent").await;
    assert_eq!(world.audit().await["settlement"], "25.50");
}

#[tokio::test]
async fn remittances_are_undone_or_sent_whatever_every_service_does() {
    let world = Arc::new(World::small().await);
    let shares = json!({
        "seed": 5, "error": { "share": 0.1, "status": 503 }, "reset": 0.1, "garbage": 0.05,
    });
    let wish = wish(&world, 1, 2).await;
    for service in ["membership", "money", "banking"] {
        world.set_faults(service, &shares).await;
    }
    let mut sending = JoinSet::new();
    for n in 0..100 {
        let (world, wish) = (Arc::clone(&world), wish.clone());
        sending.spawn(async move { send(&world, &format!("k{n}"), &wish).await });
    }
    let answers = sending.join_all().await;
    for service in ["membership", "money", "banking"] {
        world.clear_faults(service).await;
    }
    let mut sent = 0_u32;
    for answer in answers {
        let id = answer.json()["remittanceId"].clone();
        if answer.json()["state"] == "compensating" {
            until_state(&world, &id, "compensated").await;
        }
        let state = text(&read(&world, &id).await["state"]).to_owned();
        let paid = payout(&world, &id).await;
        let is_paid = paid.status == 200 && paid.json()["state"] == "accepted";
        assert_eq!(is_paid, state == "sent", "{id} {state}");
        sent += u32::from(state == "sent");
    }
    assert!((1..100).contains(&sent));
    let audit = world.audit().await;
    assert_eq!(audit["balanced"], true, "{audit}");
    let cents = sent * 2_550;
    let settlement = format!("{}.{:02}", cents / 100, cents % 100);
    assert_eq!(text(&audit["settlement"]), settlement);
}

#[tokio::test]
async fn pages_of_a_history_stay_whole_while_it_grows() {
    let world = World::small().await;
    let page = async |cursor: &str| {
        let path = format!("/remittances?member=1&limit=7&cursor={cursor}");
        world.get(world.remittance(), &path).await.ok()
    };
    let first = page("").await;
    let wish = wish(&world, 1, 2).await;
    let made = send(&world, "k", &wish).await.ok();

    let mut seen: Vec<u64> = Vec::new();
    let mut current = first;
    loop {
        for item in rows(&current["items"]) {
            assert_eq!(item["senderId"], "1");
            seen.push(text(&item["remittanceId"]).parse().unwrap());
        }
        let Some(next) = current["next"].as_str() else {
            break;
        };
        current = page(next).await;
    }
    assert!(seen.len() > 14, "several pages");
    assert!(seen.is_sorted_by(|newer, older| newer > older));
    assert_eq!(page("").await["items"][0], made);
    let nobody = world
        .get(world.remittance(), "/remittances?member=007")
        .await
        .ok();
    assert_eq!(nobody, json!({ "items": [], "next": null }));
    world
        .get(world.remittance(), "/remittances")
        .await
        .expect(400, "query");
    world
        .get(world.remittance(), "/remittances/999999")
        .await
        .expect(404, "not_found");
}

#[tokio::test]
async fn a_history_that_the_client_has_already_is_not_sent_again() {
    let world = World::small().await;
    for path in ["/remittances?member=1", "/remittances/17"] {
        let first = world.get(world.remittance(), path).await;
        assert_eq!(first.header("cache-control"), "private, no-cache");
        let known = [("if-none-match", first.header("etag"))];
        assert_eq!(
            world
                .get_with(world.remittance(), path, &known)
                .await
                .status,
            304
        );
    }
}

#[tokio::test]
async fn more_remittances_than_can_be_kept_are_refused() {
    let world = World::with(|settings| settings.memory.remittances_max = 1).await;
    let wish = wish(&world, 1, 2).await;
    send(&world, "a", &wish).await.expect(201, "");
    send(&world, "b", &wish).await.expect(503, "store_full");
    assert_eq!(world.audit().await["entries"], 1);
}

#[tokio::test]
async fn remittances_from_before_the_start_were_paid_out_if_they_were_sent() {
    let world = World::small().await;
    let mut sent = 0;
    for id in 1..=200 {
        let id = json!(id.to_string());
        let remittance = read(&world, &id).await;
        let payout = payout(&world, &id).await;
        if remittance["state"] != "sent" {
            payout.expect(404, "not_found");
            continue;
        }
        let payout = payout.ok();
        assert_eq!(payout["state"], "accepted");
        for name in ["receiverId", "bankCode", "amount", "currency"] {
            assert_eq!(payout["payout"][name], remittance[name], "{id} {name}");
        }
        sent += 1;
    }
    assert!((100..200).contains(&sent), "{sent}");
}
