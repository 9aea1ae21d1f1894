//! The four services tell one story.

use std::collections::{BTreeMap, BTreeSet};

use pay::Sizes;
use serde_json::Value;

use crate::world::{World, rows, text};

const MEMBERS: u32 = 1_000;

/// The column `key` of a batch, asked for in chunks of a hundred.
async fn in_batches(
    world: &World,
    (address, path): (std::net::SocketAddr, &str),
    ids: &[String],
) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for chunk in ids.chunks(100) {
        let answer = world
            .get(address, &format!("{path}?ids={}", chunk.join(",")))
            .await
            .ok();
        for row in rows(&answer) {
            found.insert(text(&row["memberId"]).to_owned(), row.clone());
        }
    }
    found
}

async fn history(world: &World, member: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/remittances?member={member}&limit=200&cursor={cursor}");
        let page = world.get(world.remittance(), &path).await.ok();
        items.extend(rows(&page["items"]).iter().cloned());
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return items,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_joins_all_services_finds_no_contradiction() {
    let sizes = Sizes {
        members: MEMBERS,
        banks: 100,
        remittances: 20_000,
    };
    let world = World::with(|settings| settings.sizes = sizes).await;
    let ids: Vec<String> = (1..=MEMBERS).map(|id| id.to_string()).collect();
    let members = in_batches(&world, (world.membership(), "/members"), &ids).await;
    let balances = in_batches(&world, (world.money(), "/balances"), &ids).await;
    assert_eq!((members.len(), balances.len()), (ids.len(), ids.len()));
    let banks = world.get(world.banking(), "/banks").await.ok();
    let banks: BTreeSet<&str> = rows(&banks)
        .iter()
        .map(|bank| text(&bank["bankCode"]))
        .collect();

    let mut accounts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for id in &ids {
        let answer = world
            .get(world.banking(), &format!("/members/{id}/accounts"))
            .await
            .ok();
        for account in rows(&answer) {
            assert_eq!(text(&account["memberId"]), id);
            assert!(banks.contains(text(&account["bankCode"])), "{account}");
            let codes = accounts.entry(id.clone()).or_default();
            codes.insert(text(&account["bankCode"]).to_owned());
        }
    }

    let mut seen = BTreeSet::new();
    for id in &ids {
        for remittance in history(&world, id).await {
            assert_eq!(text(&remittance["senderId"]), id);
            let receiver = text(&remittance["receiverId"]);
            assert!(members.contains_key(receiver), "{remittance}");
            assert!(
                accounts[receiver].contains(text(&remittance["bankCode"])),
                "{remittance}"
            );
            assert_eq!(
                remittance["sentAt"].is_string(),
                remittance["state"] == "sent"
            );
            assert!(
                seen.insert(text(&remittance["remittanceId"]).to_owned()),
                "twice"
            );
        }
    }
    assert_eq!(seen.len(), 20_000);

    let audit = world.audit().await;
    assert_eq!(audit["balanced"], true);
    let cents: u64 = balances
        .values()
        .map(|balance| cents(text(&balance["amount"])))
        .sum();
    assert_eq!(cents, self::cents(text(&audit["total"])));
}

fn cents(amount: &str) -> u64 {
    let (whole, cents) = amount.split_once('.').unwrap();
    assert_eq!(cents.len(), 2, "seeded balances have cents: {amount}");
    whole.parse::<u64>().unwrap() * 100 + cents.parse::<u64>().unwrap()
}

#[tokio::test]
async fn the_same_seed_makes_the_same_data_and_another_makes_other_data() {
    let first = World::small().await;
    let same = World::small().await;
    let other = World::with(|settings| settings.seed = 2).await;
    for path in ["/members/7", "/members?ids=1,2,3", "/members?limit=200"] {
        let body = first.get(first.membership(), path).await.body;
        assert_eq!(same.get(same.membership(), path).await.body, body);
        assert_ne!(other.get(other.membership(), path).await.body, body);
    }
    let path = "/remittances?member=1&limit=200";
    let body = first.get(first.remittance(), path).await.body;
    assert_eq!(same.get(same.remittance(), path).await.body, body);
    assert_ne!(other.get(other.remittance(), path).await.body, body);
}
