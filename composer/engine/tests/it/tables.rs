//! Tables over sockets: read before anybody asks, kept up to date by what changed, never emptied.

use std::sync::{Arc, Mutex};

use composer_core::declaration::{Lookup, LookupSource};
use composer_engine::Stale;

use crate::service::{Asked, Service, json, with};
use crate::site::{Draft, LONG, Site, endpoint, step, table, value};

const FIRST: &str = "Sat, 28 Nov 2026 12:00:00 GMT";

/// `GET /bank/{code}`: the name of a bank that a step mentions.
fn draft(things: &Service, banking: &Service, lookup: Lookup) -> Draft {
    Draft::new()
        .service("things", &[things.address])
        .open_service("banking", &[banking.address])
        .lookup(lookup)
        .endpoint(endpoint(
            "GET /bank/{code}",
            vec![step("thing", "GET things /things/{code}")],
            vec![("name", value("bank(thing.bankCode).name"))],
        ))
}

async fn things() -> Service {
    Service::start(|asked| {
        let code = asked.path().rsplit('/').next().unwrap().to_owned();
        json(format!("{{\"bankCode\":\"{code}\"}}"))
    })
    .await
}

fn banks() -> Lookup {
    table(
        "bank",
        "GET banking /banks?changedSince={lastModified}",
        "bankCode",
    )
}

type Script = Arc<Mutex<(String, String)>>;

/// A table of which the whole and the changes are set by the test.
async fn banking(whole: &str, changes: &str) -> (Service, Script) {
    let script: Script = Arc::new(Mutex::new((whole.to_owned(), changes.to_owned())));
    let of_service = Arc::clone(&script);
    let service = Service::start(move |asked| {
        let (whole, changes) = of_service.lock().unwrap().clone();
        let body = match asked.query("changedSince") {
            None => whole,
            Some(_) => changes,
        };
        with(200, &format!("Last-Modified: {FIRST}\r\n"), body)
    })
    .await;
    (service, script)
}

async fn until_name_is(site: &Site, code: &str, name: &str) {
    let expected = format!("{{\"name\":{name}}}");
    let is_there = async {
        while site.get(&[code], "alice").await.body() != expected {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(LONG, is_there).await;
    assert!(waited.is_ok(), "{code} is never {name}");
}

async fn until_asked(service: &Service, is_meant: impl Fn(&Asked) -> bool) {
    let is_asked = async {
        while !service.take_heard().iter().any(&is_meant) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, is_asked)
        .await
        .expect("the table is asked for");
}

const A: &str = "{\"bankCode\":\"a\",\"name\":\"A\"}";
const B: &str = "{\"bankCode\":\"b\",\"name\":\"B\"}";

#[tokio::test]
async fn a_table_is_read_before_an_engine_is_ready_and_costs_no_call() {
    let (things, (banking, _)) = (things().await, banking(&format!("[{A},{B}]"), "[]").await);
    let site = draft(&things, &banking, banks()).build();
    assert!(!site.engine.is_ready());
    tokio::time::timeout(LONG, site.engine.ready())
        .await
        .unwrap();
    assert!(site.engine.is_ready());
    let answered = site.get(&["a"], "alice").await;
    assert_eq!(answered.body(), "{\"name\":\"A\"}");
    assert_eq!(
        answered.field("composition-status"),
        "complete;calls=1;naive=2"
    );
    assert_eq!(site.get(&["c"], "alice").await.body(), "{\"name\":null}");
}

#[tokio::test]
async fn a_table_that_was_never_read_is_a_failure_and_no_absence() {
    let (things, banking) = (things().await, Service::start(|_| with(500, "", "")).await);
    let site = draft(&things, &banking, banks()).build();
    let answered = site.get(&["a"], "alice").await;
    let errors = "\"_errors\":[{\"source\":\"bank\",\"cause\":\"unavailable\",\"stale\":false}]";
    assert_eq!(answered.body(), format!("{{\"name\":null,{errors}}}"));
}

#[tokio::test]
async fn changes_are_asked_for_since_before_the_last_and_applied() {
    let (things, (banking, script)) = (things().await, banking(&format!("[{A},{B}]"), "[]").await);
    let site = draft(&things, &banking, banks()).ready().await;
    script.lock().unwrap().1 =
        "[{\"bankCode\":\"a\",\"name\":\"A2\"},{\"bankCode\":\"b\",\"deleted\":true}]".to_owned();
    until_name_is(&site, "a", "\"A2\"").await;
    until_name_is(&site, "b", "null").await;
    until_asked(&banking, |asked| {
        asked.query("changedSince").as_deref() == Some("Sat, 28 Nov 2026 11:59:58 GMT")
    })
    .await;
}

#[tokio::test]
async fn a_table_that_comes_back_empty_is_kept_until_somebody_orders_otherwise() {
    let (things, (banking, script)) = (things().await, banking(&format!("[{A},{B}]"), "[]").await);
    let whole = Lookup {
        source: LookupSource::Table {
            refresh: std::time::Duration::from_millis(20),
            reload: std::time::Duration::ZERO,
            bytes_max: 1 << 20,
            deleted: crate::site::text("deleted"),
        },
        ..banks()
    };
    let site = draft(&things, &banking, whole).ready().await;
    let alarm = "tollgate_composer_table_alarm{source=\"bank\"}";
    assert_eq!(site.figure(alarm), 0.0);
    script.lock().unwrap().0 = "[]".to_owned();
    let is_alarmed = async {
        while site.figure(alarm) < 1.0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, is_alarmed)
        .await
        .expect("an alarm is raised");
    assert_eq!(site.get(&["a"], "alice").await.body(), "{\"name\":\"A\"}");

    site.engine
        .invalidate(&[Stale::Lookup("bank".to_owned())])
        .await
        .unwrap();
    until_name_is(&site, "a", "null").await;
    assert_eq!(site.figure(alarm), 0.0);
}

#[tokio::test]
async fn a_table_that_did_not_change_is_not_sent_again() {
    let things = things().await;
    let banking = Service::start(|asked| match asked.field("if-none-match") {
        Some("\"v1\"") => with(304, "ETag: \"v1\"\r\n", ""),
        _ => with(200, "ETag: \"v1\"\r\n", format!("[{A}]")),
    })
    .await;
    let site = draft(
        &things,
        &banking,
        table("bank", "GET banking /banks", "bankCode"),
    )
    .ready()
    .await;
    let unchanged = "tollgate_composer_source_unchanged_total{source=\"bank\"}";
    let is_unchanged = async {
        while site.figure(unchanged) < 2.0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, is_unchanged)
        .await
        .expect("the table is asked for again");
    assert_eq!(site.get(&["a"], "alice").await.body(), "{\"name\":\"A\"}");
}
