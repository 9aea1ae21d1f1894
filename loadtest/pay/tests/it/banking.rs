//! The table of banks can be held whole and kept up to date by what changed.

use std::collections::BTreeMap;

use hyper::Method;
use serde_json::{Value, json};

use crate::world::{Hands, World, rows, text};

const NOON: u64 = 2_000_000_000;

async fn with_hands() -> (World, Hands) {
    let hands = Hands::at(NOON);
    let clock = hands.clock();
    (World::with(|settings| settings.clock = clock).await, hands)
}

async fn put_bank(world: &World, code: &str, name: &str) {
    let body = json!({ "name": name, "country": "DE" });
    let path = format!("/banks/{code}");
    world
        .write(Method::PUT, (world.admin(), &path), &[], &body)
        .await
        .expect(204, "");
}

async fn remove_bank(world: &World, code: &str) {
    let path = format!("/banks/{code}");
    let answer = world
        .send(Method::DELETE, (world.admin(), &path), &[], "")
        .await
        .unwrap();
    answer.expect(204, "");
}

fn by_code(banks: &Value) -> BTreeMap<String, Value> {
    rows(banks)
        .iter()
        .map(|bank| (text(&bank["bankCode"]).to_owned(), bank.clone()))
        .collect()
}

/// An HTTP date as it stands in a query.
fn encoded(date: &str) -> String {
    date.replace(' ', "%20")
        .replace(':', "%3A")
        .replace(',', "%2C")
}

#[tokio::test]
async fn a_bank_is_the_same_alone_and_in_the_table() {
    let world = World::small().await;
    let table = world.get(world.banking(), "/banks").await;
    assert_eq!(table.header("cache-control"), "public, max-age=60");
    let table = table.ok();
    assert_eq!(rows(&table).len(), 40);
    let bank = world.get(world.banking(), "/banks/0007").await.ok();
    assert_eq!(by_code(&table)["0007"], bank);
    for code in ["7", "0041", "x y", "%00"] {
        let path = format!("/banks/{}", code.replace(' ', "%20"));
        world
            .get(world.banking(), &path)
            .await
            .expect(404, "not_found");
    }
}

#[tokio::test]
async fn an_unchanged_table_is_not_sent_again_and_the_tag_outranks_the_date() {
    let (world, hands) = with_hands().await;
    let first = world.get(world.banking(), "/banks").await;
    let (etag, date) = (first.header("etag"), first.header("last-modified"));
    let early = "Sun, 06 Nov 1994 08:49:37 GMT";
    let late = "Wed, 18 May 2033 03:33:20 GMT";
    for (headers, status) in [
        (vec![("if-none-match", etag)], 304),
        (vec![("if-modified-since", date)], 304),
        (vec![("if-modified-since", late)], 304),
        (vec![("if-modified-since", early)], 200),
        (vec![("if-modified-since", "yesterday")], 200),
        (
            vec![("if-none-match", "\"x\""), ("if-modified-since", date)],
            200,
        ),
        (
            vec![("if-none-match", etag), ("if-modified-since", early)],
            304,
        ),
        (
            vec![("if-none-match", "\"x\""), ("if-none-match", etag)],
            304,
        ),
    ] {
        let answer = world.get_with(world.banking(), "/banks", &headers).await;
        assert_eq!(answer.status, status, "{headers:?}");
        assert_eq!(answer.header("etag"), etag);
        assert_eq!(answer.header("last-modified"), date);
    }
    hands.advance(10);
    put_bank(&world, "0007", "Renamed").await;
    for known in [("if-none-match", etag), ("if-modified-since", date)] {
        let answer = world.get_with(world.banking(), "/banks", &[known]).await;
        assert_eq!(by_code(&answer.ok())["0007"]["name"], "Renamed");
    }
}

#[tokio::test]
async fn a_second_change_within_one_second_is_not_taken_for_the_first() {
    let (world, hands) = with_hands().await;
    put_bank(&world, "0007", "First").await;
    let first = world.get(world.banking(), "/banks").await;
    put_bank(&world, "0007", "Second").await;
    let date = first.header("last-modified").to_owned();
    let known = [("if-modified-since", date.as_str())];
    let second = world.get_with(world.banking(), "/banks", &known).await;
    assert_eq!(by_code(&second.ok())["0007"]["name"], "Second");

    hands.advance(1);
    let settled = world.get(world.banking(), "/banks").await;
    assert_eq!(
        settled.header("last-modified"),
        "Wed, 18 May 2033 03:33:20 GMT"
    );
    let date = settled.header("last-modified").to_owned();
    let known = [("if-modified-since", date.as_str())];
    assert_eq!(
        world
            .get_with(world.banking(), "/banks", &known)
            .await
            .status,
        304
    );
}

#[tokio::test]
async fn a_change_is_not_hidden_by_a_clock_that_was_set_back() {
    let (world, hands) = with_hands().await;
    put_bank(&world, "0007", "First").await;
    hands.advance(5);
    let first = world.get(world.banking(), "/banks").await;
    let date = first.header("last-modified").to_owned();
    hands.set_back(60);
    for name in ["Second", "Third"] {
        put_bank(&world, "0007", name).await;
        let known = [("if-modified-since", date.as_str())];
        let table = world.get_with(world.banking(), "/banks", &known).await;
        assert_eq!(by_code(&table.ok())["0007"]["name"], name);
        let path = format!("/banks?changedSince={}", encoded(&date));
        let delta = world.get(world.banking(), &path).await;
        assert_eq!(by_code(&delta.ok())["0007"]["name"], name);
    }
}

#[tokio::test]
async fn a_delta_names_what_changed_and_what_is_gone() {
    let (world, hands) = with_hands().await;
    let since = world
        .get(world.banking(), "/banks")
        .await
        .header("last-modified")
        .to_owned();
    hands.advance(5);
    put_bank(&world, "0007", "Renamed").await;
    put_bank(&world, "NEWBANK", "New").await;
    remove_bank(&world, "0009").await;
    hands.advance(5);

    let path = format!("/banks?changedSince={}", encoded(&since));
    let delta = world.get(world.banking(), &path).await;
    assert_eq!(delta.header("cache-control"), "public, no-cache");
    assert_eq!(
        delta.header("last-modified"),
        "Wed, 18 May 2033 03:33:25 GMT"
    );
    let changed = by_code(&delta.ok());
    assert_eq!(changed["0007"]["name"], "Renamed");
    assert_eq!(changed["NEWBANK"]["version"], 1);
    let tombstone = json!({
        "bankCode": "0009", "changedAt": "2033-05-18T03:33:25Z", "version": 2, "deleted": true,
    });
    assert_eq!(changed["0009"], tombstone);
    // The bank that gave the table its first date is in the second that was named.
    assert_eq!(changed.len(), 4);

    world
        .get(world.banking(), "/banks/0009")
        .await
        .expect(404, "not_found");
    let table = by_code(&world.get(world.banking(), "/banks").await.ok());
    assert_eq!(table.len(), 40);
    assert!(!table.contains_key("0009"));
}

#[tokio::test]
async fn a_delta_without_news_is_empty_and_can_be_answered_with_304() {
    let (world, hands) = with_hands().await;
    put_bank(&world, "0007", "Renamed").await;
    hands.advance(5);
    let path = "/banks?changedSince=2033-05-18T03:33:21Z";
    let delta = world.get(world.banking(), path).await;
    let etag = delta.header("etag").to_owned();
    assert_eq!(delta.ok(), json!([]));
    let known = [("if-none-match", etag.as_str())];
    assert_eq!(
        world.get_with(world.banking(), path, &known).await.status,
        304
    );
    put_bank(&world, "0008", "Renamed too").await;
    assert_eq!(
        rows(&world.get_with(world.banking(), path, &known).await.ok()).len(),
        1
    );
}

#[tokio::test]
async fn a_copy_kept_by_deltas_alone_equals_the_table() {
    let (world, hands) = with_hands().await;
    let first = world.get(world.banking(), "/banks").await;
    let mut since = first.header("last-modified").to_owned();
    let mut copy = by_code(&first.ok());
    for round in 0..30_u64 {
        let code = format!("{:04}", 1 + round * 7 % 45);
        match round % 3 {
            0 | 1 => put_bank(&world, &code, &format!("Round {round}")).await,
            _ if copy.contains_key(&code) => remove_bank(&world, &code).await,
            _ => {}
        }
        hands.advance(round % 2);
        let path = format!("/banks?changedSince={}", encoded(&since));
        let delta = world.get(world.banking(), &path).await;
        since = delta.header("last-modified").to_owned();
        for (code, bank) in by_code(&delta.ok()) {
            match bank["deleted"].as_bool() {
                Some(true) => copy.remove(&code),
                _ => copy.insert(code, bank),
            };
        }
        let table = by_code(&world.get(world.banking(), "/banks").await.ok());
        assert_eq!(copy, table, "round {round}");
    }
}

#[tokio::test]
async fn since_when_is_a_date_of_either_kind() {
    let world = World::small().await;
    for since in [
        "",
        "2020-01-01T00:00:00Z",
        "Wed%2C%2001%20Jan%202020%2000%3A00%3A00%20GMT",
    ] {
        let path = format!("/banks?changedSince={since}");
        assert_eq!(
            rows(&world.get(world.banking(), &path).await.ok()).len(),
            40,
            "{since}"
        );
    }
    for since in ["yesterday", "2020-01-01", "1577836800", "%ff"] {
        let path = format!("/banks?changedSince={since}");
        let answer = world.get(world.banking(), &path).await;
        assert_eq!(answer.status, 400, "{since}");
    }
    world
        .get(world.banking(), "/banks?since=x")
        .await
        .expect(400, "query");
}

#[tokio::test]
async fn a_member_has_accounts_at_banks_that_exist() {
    let world = World::small().await;
    let banks = by_code(&world.get(world.banking(), "/banks").await.ok());
    let answer = world.get(world.banking(), "/members/7/accounts").await;
    assert_eq!(answer.header("cache-control"), "private, max-age=60");
    let etag = answer.header("etag").to_owned();
    let accounts = answer.ok();
    assert!((1..=3).contains(&rows(&accounts).len()));
    for account in rows(&accounts) {
        assert_eq!(account["memberId"], "7");
        assert!(banks.contains_key(text(&account["bankCode"])), "{account}");
    }
    let known = [("if-none-match", etag.as_str())];
    let again = world
        .get_with(world.banking(), "/members/7/accounts", &known)
        .await;
    assert_eq!(again.status, 304);
    world
        .get(world.banking(), "/members/301/accounts")
        .await
        .expect(404, "not_found");
}
