//! Backups that are made with the verb, put back, and held against what was there.

use std::path::Path;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::site::{Asker, Running, Site};
use crate::stack::run;

/// Makes one and returns which transaction it says that it goes up to.
fn back_up(site: &Site, running: &Running, to: &Path) -> u64 {
    let (idp, key) = (running.asker.internal.to_string(), site.path("admin.key"));
    let arguments = ["idp", "backup", to.to_str().unwrap(), "--idp", &idp];
    let key = ["--key-file", key.to_str().unwrap()];
    let output = run(&[&arguments[..], &key].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let (_, rest) = said.split_once(" up to transaction ").unwrap();
    let (transaction, _) = rest.split_once(';').unwrap();
    transaction.parse().unwrap()
}

/// All that an operator can see.
async fn shown(asker: &Asker) -> Vec<Value> {
    let mut shown = Vec::new();
    for path in [
        "/admin/users",
        "/admin/clients",
        "/admin/clients/robot/sessions",
        "/admin/tenants",
        "/admin/keys",
    ] {
        shown.push(asker.ask(&format!("{path}?limit=1000")).await);
    }
    shown
}

async fn set_roles(asker: &Asker, id: &str, number: u64) {
    let wanted = json!({ "roles": [number.to_string()] });
    let path = format!("/admin/users/{id}/roles");
    let Ok(answer) = asker.admin(Method::PUT, &path, &wanted).await else {
        panic!("no answer");
    };
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
}

async fn create_person(asker: &Asker) -> String {
    let wanted = json!({ "name": "ann", "roles": ["0"] });
    let created = asker.admin(Method::POST, "/admin/users", &wanted).await;
    let Ok(created) = created else {
        panic!("nobody was created");
    };
    created.json()["id"].as_str().unwrap().to_owned()
}

/// Nothing is changed meanwhile, so that all of it is to be the same.
pub(crate) async fn compare_quiet(site: Site) {
    let running = site.start().await;
    let asker = &running.asker;
    let id = create_person(asker).await;
    let (mut kept, mut given_back) = (Vec::new(), Vec::new());
    for number in 1..=5 {
        for tokens in [&mut kept, &mut given_back] {
            let Ok(token) = asker.issue().await else {
                panic!("no token");
            };
            tokens.push(token);
        }
        assert!(asker.revoke(given_back.last().unwrap()).await.is_ok());
        set_roles(asker, &id, number).await;
    }
    // Until the last change has its number, which is a transaction too.
    while asker.metric("published_seq").await < 10 {}
    let before = shown(asker).await;
    let version = asker.metric("store_version").await;
    let transaction = back_up(&site, &running, &site.path("backup"));
    assert_eq!(asker.metric("store_version").await, version, "it was quiet");
    assert_eq!(transaction, version);
    // What comes after it is not in it.
    let Ok(late) = asker.issue().await else {
        panic!("no token");
    };
    assert!(asker.revoke(&kept[0]).await.is_ok());
    set_roles(asker, &id, 99).await;
    running.stop().await;

    let restored = site.with_store("backup");
    let running = restored.start().await;
    let asker = &running.asker;
    assert_eq!(shown(asker).await, before);
    for (tokens, expected) in [(&kept, true), (&given_back, false)] {
        for token in tokens {
            let (is_good, _) = asker.inspect(token).await.unwrap();
            assert_eq!(is_good, expected);
        }
    }
    assert_eq!(asker.inspect(&late).await, None);
    running.stop().await;
}

/// Roles are numbered one after the other all the time, so that one number says what is in it.
pub(crate) async fn compare_busy(site: Site) {
    let running = site.start().await;
    let id = create_person(&running.asker).await;
    let (said, mut heard) = watch::channel(0);
    let (asker, person) = (running.asker.clone(), id.clone());
    let (end, mut ended) = watch::channel(());
    let changing = async move {
        while !ended.has_changed().unwrap_or(true) {
            let next = *said.borrow() + 1;
            set_roles(&asker, &person, next).await;
            said.send_replace(next);
        }
        ended.mark_unchanged();
        said
    };
    let backing_up = async {
        let mut backups = Vec::new();
        for number in 0..3 {
            let more = *heard.borrow() + 5;
            heard.wait_for(|said| *said >= more).await.unwrap();
            let name = format!("backup-{number}");
            let from = *heard.borrow();
            let version = running.asker.metric("store_version").await;
            let transaction =
                tokio::task::block_in_place(|| back_up(&site, &running, &site.path(&name)));
            // One more may be on its way.
            let to = *heard.borrow() + 1;
            assert!(transaction >= version, "{transaction} of {version}");
            assert!(transaction <= running.asker.metric("store_version").await);
            backups.push((name, from..=to));
        }
        end.send_replace(());
        backups
    };
    let (_said, backups) = tokio::join!(changing, backing_up);
    running.stop().await;
    for (name, numbers) in backups {
        let running = site.with_store(&name).start().await;
        let told = running.asker.ask(&format!("/admin/users/{id}")).await;
        let found: u64 = told["roles"][0].as_str().unwrap().parse().unwrap();
        assert!(numbers.contains(&found), "{found} of {numbers:?}");
        running.stop().await;
    }
}
