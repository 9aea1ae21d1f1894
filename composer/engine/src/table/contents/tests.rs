use std::fmt::Write as _;

use composer_core::declaration::{Declaration, LookupSource, Service, Text};
use composer_core::plan::Scope;
use http::HeaderValue;

use super::*;
use crate::Metrics;

const DATE: &str = "Sat, 28 Nov 2026 12:00:00 GMT";

fn lookup() -> Lookup {
    let text = |text: &str| Text {
        text: text.to_owned(),
        ..Text::default()
    };
    let declaration = Declaration {
        services: vec![Service {
            name: "banking".to_owned(),
            is_sent_credential: false,
            timeout: Duration::from_secs(1),
            http2_place: None,
        }],
        lookups: vec![composer_core::declaration::Lookup {
            name: text("bank"),
            call: text("GET banking /banks?changedSince={lastModified}"),
            source: LookupSource::Table {
                refresh: Duration::from_secs(60),
                reload: Duration::from_secs(3600),
                bytes_max: 100_000,
                deleted: text("deleted"),
            },
            key: Some(text("bankCode")),
            items: None,
            version: None,
            scope: Scope::Shared,
            shared_place: None,
            is_shared_despite_auth: false,
            second_level_place: None,
        }],
        endpoints: Vec::new(),
    };
    let plan = composer_core::compile(&declaration).unwrap();
    plan.lookups.into_iter().next().unwrap()
}

fn bank(code: usize, name: &str) -> String {
    format!("{{\"bankCode\":\"{code}\",\"name\":\"{name}\"}}")
}

fn rows(count: usize) -> String {
    let banks: Vec<_> = (0..count).map(|code| bank(code, "old")).collect();
    format!("[{}]", banks.join(","))
}

struct Setting {
    lookup: Lookup,
    metrics: LookupMetrics,
    bytes_max: usize,
    is_ordered: bool,
}

impl Setting {
    fn new() -> Self {
        Self {
            lookup: lookup(),
            metrics: Metrics::new().unwrap().lookup("bank"),
            bytes_max: 100_000,
            is_ordered: false,
        }
    }

    fn update<T>(&self, body: &str, take: impl FnOnce(&Update<'_>) -> T) -> T {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let mut headers = HeaderMap::new();
        headers.insert(LAST_MODIFIED, HeaderValue::from_static(DATE));
        take(&Update {
            lookup: &self.lookup,
            body: &body,
            headers: &headers,
            said: Duration::from_secs(60),
            now: crate::Clock::default().now(),
            bytes_max: self.bytes_max,
            metrics: &self.metrics,
            is_ordered: self.is_ordered,
        })
    }

    fn whole(&self, body: &str) -> Snapshot {
        let taken = self.update(body, |update| update.replace(None));
        taken.unwrap().unwrap()
    }
}

fn shown(snapshot: &Snapshot) -> String {
    let mut rows: Vec<_> = snapshot.records.iter().collect();
    rows.sort_by_key(|(key, _)| key.as_str());
    let mut text = String::new();
    for (key, record) in rows {
        let record = String::from_utf8_lossy(record.bytes());
        writeln!(text, "{} {record}", key.as_str()).unwrap();
    }
    text
}

#[test]
fn changes_add_replace_and_remove_and_leave_the_old_snapshot_as_it_was() {
    let setting = Setting::new();
    let held = setting.whole(&rows(3));
    let before = shown(&held);
    let delta = format!(
        "[{},{},{{\"bankCode\":\"2\",\"deleted\":true}},{{\"bankCode\":\"9\",\"deleted\":true}}]",
        bank(1, "new"),
        bank(3, "more")
    );
    let taken = setting.update(&delta, |update| update.apply_to(&held));
    let expected = format!(
        "0 {}\n1 {}\n3 {}\n",
        bank(0, "old"),
        bank(1, "new"),
        bank(3, "more")
    );
    assert_eq!(shown(&taken.unwrap().unwrap()), expected);
    assert_eq!(shown(&held), before);
}

#[test]
fn changes_that_are_known_already_are_no_work() {
    let setting = Setting::new();
    let held = setting.whole(&rows(3));
    let delta = format!(
        "[{},{{\"bankCode\":\"9\",\"deleted\":true}}]",
        bank(1, "old")
    );
    let taken = setting.update(&delta, |update| update.apply_to(&held));
    assert!(taken.unwrap().is_none());
}

#[test]
fn changes_are_asked_for_since_two_seconds_before_the_last() {
    let held = Setting::new().whole(&rows(3));
    let since = held.changed_since();
    assert_eq!(since.as_deref(), Some("Sat, 28 Nov 2026 11:59:58 GMT"));
}

#[test]
fn a_table_that_shrinks_suddenly_is_not_believed_unless_somebody_orders_it() {
    let mut setting = Setting::new();
    #[rustfmt::skip]
    let cases = [
        // Held, then read, and whether it is believed.
        (0,  0,  true),
        (1,  0,  false),
        (9,  1,  true),
        (10, 5,  true),
        (10, 4,  false),
        (11, 6,  true),
        (11, 5,  false),
        (10, 0,  false),
    ];
    for (before, after, is_believed) in cases {
        setting.is_ordered = false;
        let held = setting.whole(&rows(before));
        let taken = setting.update(&rows(after), |update| update.replace(Some(&held)));
        assert_eq!(taken.is_ok(), is_believed, "{before} {after}");
        setting.is_ordered = true;
        let taken = setting.update(&rows(after), |update| update.replace(Some(&held)));
        assert!(taken.is_ok());
    }
    setting.is_ordered = false;
    let held = setting.whole(&rows(10));
    let removals: Vec<_> = (0..6)
        .map(|code| format!("{{\"bankCode\":\"{code}\",\"deleted\":true}}"))
        .collect();
    let delta = format!("[{}]", removals.join(","));
    let taken = setting.update(&delta, |update| update.apply_to(&held));
    assert_eq!(taken.unwrap_err(), Unbelieved::Shrunken);
}

#[test]
fn what_is_no_list_of_records_is_not_believed() {
    let setting = Setting::new();
    let held = setting.whole(&rows(3));
    for body in ["", "{}", "null", "[", "[1,]", "{\"items\":[]}"] {
        let taken = setting.update(body, |update| update.replace(Some(&held)));
        assert_eq!(taken.unwrap_err(), Unbelieved::Undecodable, "{body}");
        let taken = setting.update(body, |update| update.apply_to(&held));
        assert_eq!(taken.unwrap_err(), Unbelieved::Undecodable, "{body}");
    }
}

#[test]
fn a_table_may_be_as_large_as_its_bound_and_no_larger() {
    let mut setting = Setting::new();
    let bytes = setting.whole(&rows(20)).bytes();
    setting.bytes_max = bytes;
    assert!(
        setting
            .update(&rows(20), |update| update.replace(None))
            .is_ok()
    );
    setting.bytes_max = bytes - 1;
    let taken = setting.update(&rows(20), |update| update.replace(None));
    assert_eq!(taken.unwrap_err(), Unbelieved::TooLarge);
}
