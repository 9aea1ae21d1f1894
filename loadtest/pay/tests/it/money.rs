//! Money is moved once per key, never created, never lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::world::{World, rows, text};

fn transfer(from: u32, to: u32, amount: &str) -> Value {
    json!({ "from": from.to_string(), "to": to.to_string(), "amount": amount, "currency": "USD" })
}

fn charge(member: u32, amount: &str) -> Value {
    json!({ "memberId": member.to_string(), "amount": amount, "currency": "USD" })
}

#[tokio::test]
async fn balances_are_exact_text_that_nobody_may_keep() {
    let world = World::small().await;
    let alone = world.get(world.money(), "/members/7/balance").await;
    assert_eq!(alone.header("cache-control"), "no-store");
    let alone = alone.ok();
    assert!(text(&alone["amount"]).contains('.'));
    let batch = world.get(world.money(), "/balances?ids=8,7,301,7").await;
    assert_eq!(batch.header("cache-control"), "no-store");
    let batch = batch.ok();
    assert_eq!(rows(&batch).len(), 2);
    assert_eq!(batch[1], alone);
    world
        .get(world.money(), "/members/301/balance")
        .await
        .expect(404, "not_found");
}

#[tokio::test]
async fn a_batch_of_balances_is_answered_at_its_limit_and_refused_one_past_it() {
    let world = World::small().await;
    let path = |count: u32| {
        let ids: Vec<String> = (1..=count).map(|id| id.to_string()).collect();
        format!("/balances?ids={}", ids.join(","))
    };
    assert_eq!(
        rows(&world.get(world.money(), &path(100)).await.ok()).len(),
        100
    );
    world
        .get(world.money(), &path(101))
        .await
        .expect(400, "too_many_ids");
    world
        .get(world.money(), "/balances")
        .await
        .expect(400, "query");
}

#[tokio::test]
async fn a_transfer_moves_exactly_the_amount() {
    let world = World::small().await;
    let at = (world.money(), "/transfers");
    let odd = "0.000000000000000000000000000001";
    let before = world.balance(2).await;
    let entry = world
        .post(at, "k-1", &transfer(1, 2, odd))
        .await
        .expect(201, "")
        .json();
    assert_eq!(
        (&entry["amount"], &entry["kind"]),
        (&json!(odd), &json!("transfer"))
    );
    assert_eq!(world.balance(2).await, format!("{before}{}", &odd[4..]));
    let audit = world.audit().await;
    assert_eq!(
        (&audit["balanced"], &audit["entries"]),
        (&json!(true), &json!(1)),
        "{audit}"
    );
}

#[tokio::test]
async fn the_same_request_again_gets_the_same_answer_and_moves_nothing() {
    let world = World::small().await;
    for (path, body, other) in [
        ("/transfers", transfer(1, 2, "5.00"), transfer(1, 2, "5.01")),
        ("/charges", charge(1, "5.00"), charge(2, "5.00")),
    ] {
        let at = (world.money(), path);
        let first = world.post(at, path, &body).await;
        let balance = world.balance(1).await;
        let second = world.post(at, path, &body).await;
        assert_eq!((first.status, &first.body), (second.status, &second.body));
        assert_eq!(first.header("idempotency-replayed"), "");
        assert_eq!(second.header("idempotency-replayed"), "true");
        world.post(at, path, &other).await.expect(422, "key_reused");
        assert_eq!(world.balance(1).await, balance);
    }
    world
        .post((world.money(), "/charges"), "/transfers", &charge(1, "5"))
        .await
        .expect(422, "key_reused");
    assert_eq!(world.audit().await["entries"], 2);
}

#[tokio::test]
async fn bad_news_is_kept_under_its_key_too() {
    let world = World::small().await;
    let at = (world.money(), "/transfers");
    let all = world.balance(1).await;
    world
        .post(at, "empty", &transfer(1, 2, &all))
        .await
        .expect(201, "");
    world
        .post(at, "short", &transfer(1, 2, "0.01"))
        .await
        .expect(422, "insufficient_funds");
    world
        .post(at, "fill", &transfer(2, 1, "5"))
        .await
        .expect(201, "");
    let again = world.post(at, "short", &transfer(1, 2, "0.01")).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    again.expect(422, "insufficient_funds");
    world
        .post(at, "nobody", &transfer(1, 301, "1"))
        .await
        .expect(422, "no_account");
    assert_eq!(world.balance(1).await, "5.00");
}

#[tokio::test]
async fn a_write_that_is_not_understood_is_refused_before_its_key_is_used() {
    let world = World::small().await;
    let at = (world.money(), "/transfers");
    let good = transfer(1, 2, "1");
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    for (body, status, code) in [
        (with("amount", json!(1.5)), 400, "body"),
        (with("amount", json!("-1")), 400, "body"),
        (with("amount", json!("1e3")), 400, "body"),
        (with("amount", json!("9".repeat(81))), 400, "body"),
        (with("amount", json!("0.00")), 400, "amount"),
        (with("currency", json!("EUR")), 422, "currency"),
        (with("from", json!(1)), 400, "body"),
        (with("from", json!("01")), 400, "body"),
        (with("from", json!("2")), 422, "same_account"),
        (with("note", json!("x")), 400, "body"),
        (json!({}), 400, "body"),
    ] {
        world.post(at, "k", &body).await.expect(status, code);
    }
    world
        .write(Method::POST, at, &[], &good)
        .await
        .expect(400, "key_missing");
    let long = "k".repeat(129);
    for keys in [vec![""], vec!["a b"], vec![long.as_str()], vec!["a", "b"]] {
        let headers: Vec<_> = keys.iter().map(|key| ("idempotency-key", *key)).collect();
        world
            .write(Method::POST, at, &headers, &good)
            .await
            .expect(400, "key_malformed");
    }
    world.post(at, "k", &good).await.expect(201, "");
    world
        .post(at, &"k".repeat(128), &good)
        .await
        .expect(201, "");
    assert_eq!(world.audit().await["entries"], 2);
}

#[tokio::test]
async fn a_repetition_while_the_first_one_runs_is_told_to_come_back() {
    let world = Arc::new(World::small().await);
    world
        .set_faults("money", &json!({ "work": { "fixed": { "ms": 1000 } } }))
        .await;
    let mut sending = JoinSet::new();
    for _ in 0..20 {
        let world = Arc::clone(&world);
        sending.spawn(async move {
            world
                .post((world.money(), "/transfers"), "same", &transfer(1, 2, "1"))
                .await
        });
    }
    let answers = sending.join_all().await;
    let created: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == 201)
        .collect();
    let in_flight: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == 409)
        .collect();
    assert_eq!(created.len() + in_flight.len(), 20);
    assert!(!in_flight.is_empty());
    for answer in in_flight {
        assert_eq!(answer.verdict().1, "key_in_flight");
        assert_eq!(answer.header("retry-after"), "1");
    }
    assert!(created.iter().all(|answer| answer.body == created[0].body));
    let replay = world
        .post((world.money(), "/transfers"), "same", &transfer(1, 2, "1"))
        .await;
    assert_eq!(replay.body, created[0].body);
    assert_eq!(world.audit().await["entries"], 1);
}

#[tokio::test]
async fn what_was_charged_under_a_reference_can_be_given_back_once() {
    let world = World::small().await;
    let before = world.balance(7).await;
    let mut body = charge(7, "12.5");
    body["reference"] = json!("order-1");
    world
        .post((world.money(), "/charges"), "c", &body)
        .await
        .expect(201, "");
    world
        .post((world.money(), "/charges"), "d", &body)
        .await
        .expect(422, "reference_charged");
    let at = (world.money(), "/reversals");
    let reversal = json!({ "reference": "order-1" });
    let entry = world.post(at, "r", &reversal).await.expect(201, "").json();
    assert_eq!(
        (&entry["to"], &entry["amount"]),
        (&json!("7"), &json!("12.50"))
    );
    world
        .post(at, "s", &reversal)
        .await
        .expect(422, "reference_reversed");
    assert_eq!(world.balance(7).await, before);
    assert_eq!(world.audit().await["settlement"], "0.00");
}

/// Ten thousand transfers and charges by two hundred clients at once, through resets, cut answers,
/// garbage and errors, each repeated under its key until an answer comes through.
#[tokio::test(flavor = "multi_thread")]
async fn money_is_conserved_under_concurrent_transfers_and_faults() {
    const CLIENTS: usize = 200;
    const EACH: usize = 50;
    let world = Arc::new(World::small().await);
    let faults = json!({
        "seed": 3, "error": { "share": 0.05, "status": 503 },
        "reset": 0.04, "short_body": 0.02, "garbage": 0.02, "oversize_head": 0.01,
        "work": { "tail": { "ms": 0, "tail_ms": 5, "share": 0.1 } },
        "only": [{ "method": "POST" }],
    });
    world.set_faults("money", &faults).await;
    let before = world.audit().await;
    let faulty = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (world, faulty) = (Arc::clone(&world), Arc::clone(&faulty));
        clients.spawn(async move {
            let mut answers = Vec::new();
            for n in 0..EACH {
                let key = format!("{client}-{n}");
                let (path, body) = order(client * EACH + n);
                let answer = insist(&world, (path, &key, &body), &faulty).await;
                answers.push((key, path, body, answer));
            }
            answers
        });
    }
    let answers: Vec<_> = clients.join_all().await.into_iter().flatten().collect();
    assert!(faulty.load(Ordering::Relaxed) > 1_000, "faults were met");
    world.clear_faults("money").await;

    let audit = world.audit().await;
    assert_eq!(audit["balanced"], true, "{audit}");
    assert_eq!(audit["total"], before["total"]);
    let entries = all_entries(&world).await;
    let mut executed: BTreeMap<&str, u32> = BTreeMap::new();
    for entry in &entries {
        *executed.entry(text(&entry["key"])).or_default() += 1;
    }
    assert!(executed.values().all(|times| *times == 1));
    assert_eq!(answers.len(), CLIENTS * EACH);
    for (key, _, _, answer) in &answers {
        let times = executed.get(key.as_str()).copied().unwrap_or(0);
        assert_eq!(times == 1, answer.status == 201, "{key}: {answer:?}");
    }
    for (key, path, body, answer) in answers.iter().step_by(97) {
        let again = world.post((world.money(), path), key, body).await;
        assert_eq!((again.status, &again.body), (answer.status, &answer.body));
    }
}

/// Transfers between few members, so that they collide, and some that cannot be covered.
fn order(n: usize) -> (&'static str, Value) {
    let n = u32::try_from(n).unwrap();
    let (from, to) = (1 + n * 7 % 20, 1 + (n * 11 + 3) % 20);
    let to = if from == to { 21 } else { to };
    let amount = match n % 50 {
        0 => "99999999.99".to_owned(),
        1 => "0.000000000000000001".to_owned(),
        cents => format!("{}.{cents:02}", n % 13),
    };
    if n.is_multiple_of(10) {
        ("/charges", charge(from, &amount))
    } else {
        ("/transfers", transfer(from, to, &amount))
    }
}

/// Repeats a write until it is answered for good.
async fn insist(
    world: &World,
    (path, key, body): (&str, &str, &Value),
    faulty: &AtomicUsize,
) -> crate::world::Answer {
    loop {
        let headers = [("idempotency-key", key)];
        match world
            .try_write(Method::POST, (world.money(), path), &headers, body)
            .await
        {
            Ok(answer) if answer.status == 201 || answer.status == 422 => return answer,
            Ok(answer) => assert_eq!(answer.verdict().1, "injected", "{answer:?}"),
            Err(_) => {}
        }
        faulty.fetch_add(1, Ordering::Relaxed);
    }
}

async fn all_entries(world: &World) -> Vec<Value> {
    let mut entries: Vec<Value> = Vec::new();
    loop {
        let last = entries.last().map_or("0", |entry| text(&entry["entryId"]));
        let path = format!("/ledger?after={last}");
        let page = world.get(world.admin(), &path).await.ok();
        if rows(&page).is_empty() {
            return entries;
        }
        entries.extend(rows(&page).iter().cloned());
    }
}

#[tokio::test]
async fn the_ledger_can_be_asked_what_a_key_did() {
    let world = World::small().await;
    for key in ["a", "b"] {
        world
            .post((world.money(), "/transfers"), key, &transfer(1, 2, "1"))
            .await
            .expect(201, "");
    }
    let found = world.get(world.admin(), "/ledger?key=b").await.ok();
    assert_eq!((rows(&found).len(), &found[0]["entryId"]), (1, &json!("2")));
    assert_eq!(
        world.get(world.admin(), "/ledger?key=c").await.ok(),
        json!([])
    );
    world
        .get(world.admin(), "/ledger?limit=1001")
        .await
        .expect(400, "page_size");
    world
        .get(world.admin(), "/ledger?key=b&after=1")
        .await
        .expect(400, "query");
}

#[tokio::test]
async fn the_books_balance_when_more_was_booked_than_is_kept() {
    let world = World::with(|settings| settings.memory.ledger_entries_max = 10).await;
    for n in 0..25 {
        let (key, body) = (format!("k{n}"), transfer(1, 2, "1"));
        world
            .post((world.money(), "/transfers"), &key, &body)
            .await
            .expect(201, "");
    }
    let audit = world.audit().await;
    assert_eq!(audit["balanced"], true, "{audit}");
    assert_eq!(
        (&audit["entries"], &audit["carried"]),
        (&json!(10), &json!(15))
    );
}
