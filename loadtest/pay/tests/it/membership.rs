//! Members are read one by one, in batches and in pages, and changed by one client at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use hyper::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::world::{World, rows, text};

fn ids(numbers: impl IntoIterator<Item = u32>) -> String {
    let ids: Vec<String> = numbers
        .into_iter()
        .map(|number| number.to_string())
        .collect();
    ids.join(",")
}

fn member_ids(members: &Value) -> Vec<&str> {
    rows(members)
        .iter()
        .map(|member| text(&member["memberId"]))
        .collect()
}

#[tokio::test]
async fn a_member_is_the_same_alone_in_a_batch_and_in_a_page() {
    let world = World::small().await;
    let alone = world.get(world.membership(), "/members/7").await;
    assert_eq!(alone.header("cache-control"), "private, max-age=30");
    let member = alone.clone().ok();
    assert_eq!(alone.header("etag"), text(&member["etag"]));
    let batch = world.get(world.membership(), "/members?ids=7").await.ok();
    assert_eq!(batch, json!([member]));
    let page = world.get(world.membership(), "/members?limit=7").await.ok();
    assert_eq!(page["items"][6], member);
}

#[tokio::test]
async fn the_directory_tells_names_and_nothing_to_reach_anybody_by() {
    let world = World::small().await;
    let member = world.get(world.membership(), "/members/7").await.ok();
    let path = "/directory?ids=7,301,8&versions=,,1";
    let listed = world.get(world.membership(), path).await;
    assert_eq!(listed.header("cache-control"), "public, max-age=30");
    let expected = json!([
        {
            "memberId": "7",
            "name": member["name"],
            "country": member["country"],
            "version": member["version"],
        },
        { "memberId": "8", "version": 1, "unchanged": true },
    ]);
    assert_eq!(listed.ok(), expected);
}

#[tokio::test]
async fn a_batch_leaves_out_ids_that_nobody_has_and_answers_a_repeated_one_once() {
    let world = World::small().await;
    let path = "/members?ids=9,301,007,2,9,x,4294967296";
    let batch = world.get(world.membership(), path).await.ok();
    assert_eq!(member_ids(&batch), ["9", "2"]);
    for id in ["301", "007", "0", "x", "-1", "99999999999999999999"] {
        let path = format!("/members/{id}");
        world
            .get(world.membership(), &path)
            .await
            .expect(404, "not_found");
    }
}

#[tokio::test]
async fn a_batch_is_answered_at_its_limit_and_refused_one_past_it() {
    let world = World::small().await;
    let full = format!("/members?ids={}", ids(1..=100));
    assert_eq!(
        rows(&world.get(world.membership(), &full).await.ok()).len(),
        100
    );
    let over = format!("/members?ids={}", ids(1..=101));
    world
        .get(world.membership(), &over)
        .await
        .expect(400, "too_many_ids");
    world
        .get(world.membership(), "/members?ids=")
        .await
        .expect(400, "no_ids");
}

#[tokio::test]
async fn members_whose_version_is_known_come_back_as_unchanged() {
    let world = World::small().await;
    let patch = json!({ "name": "New Name" });
    world
        .write(
            Method::PATCH,
            (world.membership(), "/members/8"),
            &[],
            &patch,
        )
        .await
        .ok();
    let path = "/members?ids=7,8,9&versions=1,1,";
    let batch = world.get(world.membership(), path).await.ok();
    assert_eq!(
        batch[0],
        json!({ "memberId": "7", "version": 1, "unchanged": true })
    );
    assert_eq!(
        (&batch[1]["name"], &batch[1]["version"]),
        (&json!("New Name"), &json!(2))
    );
    assert_eq!(batch[2]["version"], 1);
    assert!(batch[2]["name"].is_string());
    let path = "/members?ids=7,8&versions=1";
    world
        .get(world.membership(), path)
        .await
        .expect(400, "versions");
}

#[tokio::test]
async fn pages_show_every_member_once_in_order() {
    let world = World::small().await;
    let mut seen = Vec::new();
    let mut path = "/members?limit=70&cursor=".to_owned();
    loop {
        let page = world.get(world.membership(), &path).await.ok();
        seen.extend(member_ids(&page["items"]).into_iter().map(str::to_owned));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/members?limit=70&cursor={next}");
    }
    let all: Vec<String> = (1..=300).map(|number| number.to_string()).collect();
    assert_eq!(seen, all);
}

#[tokio::test]
async fn a_page_is_answered_at_its_limit_and_refused_one_past_it() {
    let world = World::small().await;
    let page = world
        .get(world.membership(), "/members?limit=200")
        .await
        .ok();
    assert_eq!(rows(&page["items"]).len(), 200);
    for (query, code) in [
        ("limit=201", "page_size"),
        ("limit=0", "page_size"),
        ("limit=-1", "query"),
        ("cursor=abc", "cursor"),
        ("curser=k1", "query"),
        ("ids=1&limit=2", "query"),
        ("versions=1", "query"),
        ("ids=1&ids=2", "query"),
    ] {
        let path = format!("/members?{query}");
        world.get(world.membership(), &path).await.expect(400, code);
    }
}

#[tokio::test]
async fn a_patch_changes_the_fields_it_names_and_nothing_else() {
    let hands = crate::world::Hands::at(2_000_000_000);
    let world = World::with(|settings| settings.clock = hands.clock()).await;
    let before = world.get(world.membership(), "/members/7").await.ok();
    let patch = json!({ "phone": "+15550000000", "status": "suspended" });
    let at = (world.membership(), "/members/7");
    let answer = world.write(Method::PATCH, at, &[], &patch).await;
    let after = answer.clone().ok();

    let mut expected = before.clone();
    expected["phone"] = json!("+15550000000");
    expected["status"] = json!("suspended");
    expected["version"] = json!(2);
    expected["updatedAt"] = json!("2033-05-18T03:33:20Z");
    expected["etag"] = after["etag"].clone();
    assert_eq!(after, expected);
    assert_ne!(after["etag"], before["etag"]);
    let read = world.get(world.membership(), "/members/7").await;
    assert_eq!(
        (read.header("etag"), &read.body),
        (answer.header("etag"), &answer.body)
    );
}

#[tokio::test]
async fn a_patch_that_is_not_understood_changes_nothing() {
    let world = World::small().await;
    let at = (world.membership(), "/members/7");
    let before = world.get(at.0, at.1).await.ok();
    for body in [
        json!({ "memberId": "8" }),
        json!({ "name": "A", "version": 9 }),
        json!({ "name": null }),
        json!({ "name": "" }),
        json!({ "name": "A\u{7}" }),
        json!({ "name": "n".repeat(201) }),
        json!({ "email": "nobody" }),
        json!({ "phone": "" }),
        json!({ "status": "closed" }),
        json!({}),
        json!([]),
        json!("name"),
    ] {
        world
            .write(Method::PATCH, at, &[], &body)
            .await
            .expect(400, "body");
    }
    let patch = json!({ "name": "A" });
    for id in ["0", "301", "x"] {
        let path = format!("/members/{id}");
        let answer = world.write(Method::PATCH, (at.0, &path), &[], &patch).await;
        answer.expect(404, "not_found");
    }
    assert_eq!(world.get(at.0, at.1).await.ok(), before);
}

#[tokio::test]
async fn only_the_tag_of_the_current_version_lets_a_patch_through() {
    let world = World::small().await;
    let at = (world.membership(), "/members/7");
    let first = world.get(at.0, at.1).await.header("etag").to_owned();
    let weak = format!("W/{first}");
    let patch = json!({ "name": "Second" });
    for stale in ["\"1-0\"", &weak, "nonsense"] {
        let answer = world
            .write(Method::PATCH, at, &[("if-match", stale)], &patch)
            .await;
        answer.expect(412, "precondition");
    }
    let among = format!("\"x\", {first}");
    let answer = world
        .write(Method::PATCH, at, &[("if-match", &among)], &patch)
        .await;
    assert_eq!(answer.ok()["version"], 2);
    let answer = world
        .write(Method::PATCH, at, &[("if-match", &first)], &patch)
        .await;
    answer.expect(412, "precondition");
}

#[tokio::test]
async fn of_many_patches_with_one_tag_exactly_one_wins() {
    let world = Arc::new(World::small().await);
    let etag = world
        .get(world.membership(), "/members/7")
        .await
        .header("etag")
        .to_owned();
    let mut racing = JoinSet::new();
    for racer in 0..50 {
        let (world, etag) = (Arc::clone(&world), etag.clone());
        racing.spawn(async move {
            let patch = json!({ "name": format!("Racer {racer}") });
            let at = (world.membership(), "/members/7");
            let answer = world
                .write(Method::PATCH, at, &[("if-match", &etag)], &patch)
                .await;
            answer
                .status
                .is_success()
                .then(|| text(&answer.json()["name"]).to_owned())
        });
    }
    let won: BTreeSet<String> = racing.join_all().await.into_iter().flatten().collect();
    assert_eq!(won.len(), 1);
    let member = world.get(world.membership(), "/members/7").await.ok();
    assert_eq!(member["version"], 2);
    assert!(won.contains(text(&member["name"])));
}

#[tokio::test]
async fn a_member_that_the_client_has_already_is_not_sent_again() {
    let world = World::small().await;
    for path in ["/members/7", "/members?ids=7,8", "/members?limit=3"] {
        let first = world.get(world.membership(), path).await;
        let etag = first.header("etag");
        for known in [
            etag.to_owned(),
            format!("W/{etag}"),
            format!("\"x\", {etag}"),
            "*".to_owned(),
        ] {
            let headers = [("if-none-match", known.as_str())];
            let again = world.get_with(world.membership(), path, &headers).await;
            assert_eq!(again.status, 304, "{path} {known}");
            assert!(again.body.is_empty());
            assert_eq!(again.header("etag"), etag);
            assert_eq!(again.header("cache-control"), first.header("cache-control"));
        }
        let headers = [("if-none-match", "\"other\"")];
        let again = world.get_with(world.membership(), path, &headers).await;
        assert_eq!((again.status, &again.body), (first.status, &first.body));
    }
}
