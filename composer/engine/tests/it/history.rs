//! A list join as in the contract: transfer history with members, banks and a balance.

use crate::service::{Asked, Service, json, with};
use crate::site::{Draft, batch, endpoint, optional, rows, step, table, value};

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
