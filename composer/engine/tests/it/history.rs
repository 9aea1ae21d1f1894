//! A list join as in the contract: transfer history with members, banks and a balance.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use crate::service::{Asked, Service, json, with};
use crate::site::{Draft, Site, batch, endpoint, optional, rows, step, table, value};

pub(crate) const ROWS: usize = 100;

pub(crate) fn history(asked: &Asked) -> String {
    assert_eq!(asked.path(), "/remittances");
    let rows: Vec<_> = (0..ROWS)
        .map(|row| {
            format!(
                "{{\"remittanceId\":\"r{row}\",\"amount\":{row}.50,\"currency\":\"EUR\",\"receiverId\":{},\"bankCode\":\"b{}\",\"secret\":1}}",
                row * row % 37,
                row % 5
            )
        })
        .collect();
    format!("{{\"items\":[{}],\"next\":\"k9\"}}", rows.join(","))
}

pub(crate) fn members(asked: &Asked) -> String {
    let members = asked.list("ids").into_iter();
    let members = members.map(|id| format!("{{\"name\":\"Member {id}\",\"memberId\":{id}}}"));
    format!("[{}]", members.collect::<Vec<_>>().join(","))
}

pub(crate) fn banks() -> String {
    let banks = (0..5).map(|code| format!("{{\"bankCode\":\"b{code}\",\"name\":\"Bank {code}\"}}"));
    format!("[{}]", banks.collect::<Vec<_>>().join(","))
}

pub(crate) fn expected() -> String {
    let rows: Vec<_> = (0..ROWS)
        .map(|row| {
            format!(
                "{{\"remittanceId\":\"r{row}\",\"amount\":{row}.50,\"currency\":\"EUR\",\"receiverName\":\"Member {}\",\"bankName\":\"Bank {}\"}}",
                row * row % 37,
                row % 5
            )
        })
        .collect();
    format!(
        "{{\"cursor\":\"k9\",\"balance\":10.00,\"transfers\":[{}]}}",
        rows.join(",")
    )
}

pub(crate) struct Services {
    pub(crate) remittance: Service,
    pub(crate) membership: Service,
    pub(crate) banking: Service,
    pub(crate) money: Service,
}

impl Services {
    pub(crate) async fn start() -> Self {
        Self {
            remittance: Service::start(|asked| json(history(&asked))).await,
            membership: Service::start(|asked| {
                with(200, "Cache-Control: max-age=30\r\n", members(&asked))
            })
            .await,
            banking: Service::start(|_| json(banks())).await,
            money: Service::start(|_| json("{\"amount\":10.00,\"currency\":\"EUR\"}")).await,
        }
    }

    pub(crate) fn draft(&self) -> Draft {
        Draft::new()
            .service("remittance", &[self.remittance.address])
            .open_service("membership", &[self.membership.address])
            .open_service("banking", &[self.banking.address])
            .service("money", &[self.money.address])
            .lookup(batch(
                "member",
                "GET membership /members?ids={keys}",
                "memberId",
            ))
            .lookup(table("bank", "GET banking /banks", "bankCode"))
            .endpoint(endpoint(
                "GET /members/{memberId}/transfer-history",
                vec![
                    step(
                        "history",
                        "GET remittance /remittances?member={memberId}&cursor={query.cursor?}",
                    ),
                    optional("balance", "GET money /members/{memberId}/balance"),
                ],
                vec![
                    ("cursor", value("history.next")),
                    ("balance", value("balance.amount")),
                    (
                        "transfers",
                        rows(
                            "history.items",
                            &["remittanceId", "amount", "currency"],
                            &[
                                ("receiverName", "member(receiverId).name"),
                                ("bankName", "bank(bankCode).name"),
                            ],
                        ),
                    ),
                ],
            ))
    }

    /// Calls without those that keep the table up to date.
    pub(crate) fn calls(&self) -> usize {
        self.remittance.calls() + self.membership.calls() + self.money.calls()
    }
}

#[tokio::test]
async fn a_hundred_rows_take_three_calls_cold_and_two_warm() {
    let services = Services::start().await;
    let site = services.draft().ready().await;
    let cold = site.get(&["7"], "alice").await;
    assert_eq!((cold.status(), cold.body()), (200, &*expected()));
    assert_eq!(services.calls(), 3);
    assert_eq!(
        cold.field("composition-status"),
        "complete;calls=3;naive=202"
    );
    let warm = site.get_with(&["7"], Some("cursor=k1"), "bob").await;
    assert_eq!(warm.body(), expected());
    assert_eq!(services.calls(), 5);
    let asked = services.remittance.take_heard();
    assert_eq!(asked[0].target, "/remittances?member=7");
    assert_eq!(asked[1].target, "/remittances?member=7&cursor=k1");
}

#[tokio::test]
async fn an_answer_that_the_client_has_is_not_sent_again() {
    let services = Services::start().await;
    let site = services.draft().ready().await;
    let first = site.get(&["7"], "alice").await;
    let tag = HeaderValue::from_str(first.field("etag")).unwrap();
    let headers = HeaderMap::from_iter([(http::header::IF_NONE_MATCH, tag)]);
    let again = site.ask(0, (&["7"], None), "alice", &headers).await;
    assert_eq!((again.status(), again.body()), (304, ""));
    assert_eq!(again.field("etag"), first.field("etag"));
}

async fn ask_at_once(site: Site, count: usize) {
    let site = Arc::new(site);
    let asking: Vec<_> = (0..count)
        .map(|_| {
            let site = Arc::clone(&site);
            composer_engine::spawn("asking", async move { site.get(&["7"], "alice").await })
        })
        .collect();
    for answered in asking {
        assert_eq!(answered.await.unwrap().body(), expected());
    }
}

#[tokio::test]
async fn a_crowd_on_cold_caches_costs_a_fiftieth_of_what_it_would() {
    let services = Services::start().await;
    let site = services.draft().ready().await;
    ask_at_once(site, 1000).await;
    let naive = 1000 * 202;
    assert!(services.calls() <= naive / 50, "{} calls", services.calls());
    // Steps are asked for by every request; members are asked for by hardly any.
    assert!(
        services.membership.calls() <= 20,
        "{}",
        services.membership.calls()
    );
}
