//! Promise: through the gateway the services tell one story, money is conserved, and a service that
//! misbehaves is told of honestly: as a problem or by a visible cut, never by a silently short answer.

use std::collections::{BTreeMap, BTreeSet};

use hyper::Method;
use pay::Sizes;
use serde_json::{Value, json};

use crate::stack::{Answer, Edge, SMALL, exchange_bytes};

const MEMBERS: u32 = 1_000;
const REMITTANCES: u32 = 20_000;

fn text(value: &Value) -> &str {
    let text = value.as_str();
    text.unwrap_or_else(|| panic!("not text: {value}"))
}

fn rows(value: &Value) -> &Vec<Value> {
    let rows = value.as_array();
    rows.unwrap_or_else(|| panic!("not an array: {value}"))
}

fn cents(amount: &Value) -> u64 {
    let (whole, cents) = text(amount).split_once('.').unwrap();
    assert_eq!(cents.len(), 2, "amounts have cents: {amount}");
    whole.parse::<u64>().unwrap() * 100 + cents.parse::<u64>().unwrap()
}

/// The rows of a batch by member, asked for in chunks of a hundred.
async fn in_batches(edge: &Edge, path: &str, ids: &[String]) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for chunk in ids.chunks(100) {
        let path = format!("{path}?ids={}", chunk.join(","));
        for row in rows(&edge.get(&path).await.ok()) {
            found.insert(text(&row["memberId"]).to_owned(), row.clone());
        }
    }
    found
}

async fn history(edge: &Edge, member: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/remittances?member={member}&limit=200&cursor={cursor}");
        let page = edge.get(&path).await.ok();
        items.extend(rows(&page["items"]).iter().cloned());
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return items,
        }
    }
}

async fn audit(edge: &Edge) -> Value {
    let admin = edge.pay.addresses().admin;
    edge.client.get(admin, "/ledger/audit").await.ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_joins_all_services_through_the_gateway_finds_no_contradiction() {
    let sizes = Sizes {
        members: MEMBERS,
        banks: 100,
        remittances: REMITTANCES,
    };
    let edge = Edge::by_default(sizes, "10s").await;
    let ids: Vec<String> = (1..=MEMBERS).map(|id| id.to_string()).collect();
    let members = in_batches(&edge, "/members", &ids).await;
    let balances = in_batches(&edge, "/money/balances", &ids).await;
    assert_eq!((members.len(), balances.len()), (ids.len(), ids.len()));
    let banks = edge.get("/banks").await.ok();
    let codes = rows(&banks).iter().map(|bank| text(&bank["bankCode"]));
    let codes: BTreeSet<&str> = codes.collect();

    let mut accounts: BTreeSet<(String, String)> = BTreeSet::new();
    for id in &ids {
        for account in rows(&edge.get(&format!("/members/{id}/accounts")).await.ok()) {
            assert_eq!(text(&account["memberId"]), id);
            let code = text(&account["bankCode"]);
            assert!(codes.contains(code), "{account}");
            accounts.insert((id.clone(), code.to_owned()));
        }
    }
    let mut seen = BTreeSet::new();
    for id in &ids {
        for remittance in history(&edge, id).await {
            assert_eq!(text(&remittance["senderId"]), id);
            let receiver = text(&remittance["receiverId"]);
            assert!(members.contains_key(receiver), "{remittance}");
            let account = (
                receiver.to_owned(),
                text(&remittance["bankCode"]).to_owned(),
            );
            assert!(accounts.contains(&account), "{remittance}");
            let id = text(&remittance["remittanceId"]).to_owned();
            assert!(seen.insert(id), "twice: {remittance}");
        }
    }
    assert_eq!(seen.len(), usize::try_from(REMITTANCES).unwrap());

    let audit = audit(&edge).await;
    assert_eq!(audit["balanced"], true);
    let sum: u64 = balances.values().map(|row| cents(&row["amount"])).sum();
    assert_eq!(sum, cents(&audit["total"]));
}

#[tokio::test]
async fn a_remittance_through_the_gateway_is_sent_once_and_money_is_conserved() {
    let edge = Edge::by_default(SMALL, "10s").await;
    let balance = async || {
        let balance = edge.get("/members/1/balance").await.ok();
        cents(&balance["amount"])
    };
    let (total, before) = (audit(&edge).await["total"].clone(), balance().await);
    let accounts = edge.get("/members/2/accounts").await.ok();
    let wish = json!({
        "senderId": "1", "receiverId": "2", "bankCode": accounts[0]["bankCode"],
        "amount": "25.50", "currency": "USD",
    });
    let send = async |key: &'static str| -> Answer {
        let at = edge.address();
        edge.client.post(at, "/remittances", key, &wish).await
    };
    let sent = send("first").await;
    assert_eq!(sent.status, 201, "{sent:?}");
    let remittance = sent.json();
    assert_eq!(remittance["state"], "sent");
    let path = format!("/remittances/{}", text(&remittance["remittanceId"]));
    assert_eq!(edge.get(&path).await.ok(), remittance);

    let again = send("first").await;
    assert_eq!((again.status, &again.body), (sent.status, &sent.body));
    assert_eq!(balance().await, before - 2_550);
    assert_eq!(send("second").await.status, 201);
    assert_eq!(balance().await, before - 5_100);
    let audit = audit(&edge).await;
    assert_eq!(
        (&audit["balanced"], &audit["total"]),
        (&json!(true), &total)
    );
    assert_eq!(audit["settlement"], "51.00");
}

async fn set_faults(edge: &Edge, faults: Option<&Value>) {
    let (method, body, expected) = match faults {
        Some(faults) => (Method::PUT, faults.to_string(), 200),
        None => (Method::DELETE, String::new(), 204),
    };
    let at = (edge.pay.addresses().admin, "/faults/membership");
    let headers = [("content-type", "application/json")];
    let answer = edge.client.send(method, at, &headers, body).await.unwrap();
    assert_eq!(answer.status, expected, "{answer:?}");
}

/// Whether these bytes are an answer whose end could be taken for its proper one.
fn looks_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let mut lines = head.lines();
    match lines.find_map(|line| line.strip_prefix("content-length: ")) {
        Some(length) => body.len() >= length.parse::<usize>().unwrap(),
        None if head.contains("transfer-encoding: chunked") => body.ends_with("0\r\n\r\n"),
        None => true,
    }
}

#[tokio::test]
async fn a_service_that_misbehaves_is_told_of_and_forgotten_once_it_is_mended() {
    let edge = Edge::by_default(SMALL, "400ms").await;
    let path = "/members/7";
    let good = edge.get(path).await;
    good.ok();
    for (fault, expected) in [
        ("garbage", Some((502, "upstream_broken"))),
        ("oversize_head", Some((502, "upstream_broken"))),
        ("hang", Some((504, "upstream_timeout"))),
        ("short_body", None),
        ("reset", None),
    ] {
        set_faults(&edge, Some(&json!({ fault: 1.0 }))).await;
        match expected {
            Some(expected) => {
                let answer = edge.get(path).await;
                let told = (answer.status.as_u16(), answer.problem());
                assert_eq!(told, (expected.0, expected.1.to_owned()), "{fault}");
            }
            None => {
                let request = format!("GET {path} HTTP/1.1\r\nHost: edge\r\n\r\n");
                let (bytes, was_reset) = exchange_bytes(edge.address(), &request).await;
                let said = String::from_utf8_lossy(&bytes).into_owned();
                assert!(was_reset, "{fault}: the cut cannot be seen: {said}");
                assert!(!looks_whole(&bytes), "{fault}: {said}");
            }
        }
        // Another service is none the worse for it.
        edge.get("/banks/0007").await.ok();
        set_faults(&edge, None).await;
        let mended = edge.get(path).await;
        assert_eq!(mended.body, good.body, "{fault}: {mended:?}");
    }
}

#[test]
fn an_answer_that_was_cut_does_not_look_whole() {
    let cases: [(&str, bool); 6] = [
        ("", false),
        ("HTTP/1.1 200 OK\r\nContent-Le", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", true),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            false,
        ),
        ("HTTP/1.1 200 OK\r\n\r\nabc", true),
    ];
    for (bytes, is_whole) in cases {
        assert_eq!(looks_whole(bytes.as_bytes()), is_whole, "{bytes:?}");
    }
}
