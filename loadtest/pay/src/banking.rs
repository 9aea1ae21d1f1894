//! Which banks are there, where has a member accounts, and what is paid out to them?
//!
//! | request | answer |
//! |---|---|
//! | `GET /banks` | an array of all banks, with `ETag` and `Last-Modified` |
//! | `GET /banks?changedSince=` | an array of what changed then or later, with `{bankCode, changedAt, version, deleted: true}` for what was removed; takes an HTTP date or RFC 3339 |
//! | `GET /banks/{code}` | the bank |
//! | `GET /members/{id}/accounts` | an array of the member's registered accounts |
//! | `PUT /payouts/{remittanceId}` | pays a remittance out, once |
//! | `DELETE /payouts/{remittanceId}` | takes it back, and bars a later one |
//! | `GET /payouts/{remittanceId}` | its state |

pub(crate) mod payouts;
mod table;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, put};
use serde::Deserialize;

use self::payouts::{Payout, PayoutView, Payouts};
pub(crate) use self::table::BankContents;
use self::table::Table;
use crate::answer::{self, Representation};
use crate::clock::{Clock, Timestamp};
use crate::desk::Work;
use crate::ids::{BankCode, MemberId, RemittanceId};
use crate::problem::Refusal;
use crate::request::{Json, Params, Segment};
use crate::seed::{CURRENCY, Seed};

const ACCOUNTS_CACHE: &str = "private, max-age=60";

#[derive(Debug)]
pub(crate) struct Banking {
    seed: Seed,
    clock: Clock,
    table: Table,
    payouts: Payouts,
}

pub(crate) fn routes(banking: Arc<Banking>) -> Router {
    Router::new()
        .route("/banks", get(banks))
        .route("/banks/{code}", get(bank))
        .route("/members/{id}/accounts", get(accounts))
        .route("/payouts/{id}", put(pay_out).delete(cancel).get(payout))
        .with_state(banking)
}

impl Banking {
    pub(crate) fn new(seed: Seed, clock: Clock, payouts_max: usize) -> Self {
        let table = Table::new(seed.banks());
        Self {
            seed,
            clock,
            table,
            payouts: Payouts::new(payouts_max),
        }
    }

    pub(crate) fn put_bank(&self, code: BankCode, contents: BankContents) -> Result<(), Refusal> {
        self.table.put(code, contents, self.clock.now())
    }

    pub(crate) fn remove_bank(&self, code: &BankCode) -> Result<(), Refusal> {
        self.table.remove(code, self.clock.now())
    }

    /// What became of a payout; those of seeded remittances were accepted before anybody asked.
    fn find_payout(&self, id: RemittanceId) -> Option<PayoutView> {
        self.payouts.find(id).or_else(|| {
            let seeded = self.seed.remittance(id).filter(|it| it.was_sent)?;
            let payout = Payout {
                receiver_id: seeded.receiver,
                bank_code: seeded.bank_code,
                amount: seeded.amount,
                currency: CURRENCY.to_owned(),
            };
            Some(PayoutView::accepted(id, payout))
        })
    }

    fn check_payee(&self, payout: &Payout) -> Result<(), Refusal> {
        let has_account = self.seed.has_member(payout.receiver_id)
            && self
                .seed
                .accounts(payout.receiver_id)
                .iter()
                .any(|account| account.bank_code == payout.bank_code);
        if !has_account {
            return Err(Refusal::NoBankAccount);
        }
        if self.table.is_open(&payout.bank_code) {
            Ok(())
        } else {
            Err(Refusal::BankClosed)
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct BanksParams {
    changed_since: Option<String>,
}

async fn banks(
    State(banking): State<Arc<Banking>>,
    Params(params): Params<BanksParams>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let now = banking.clock.now();
    let representation = match params.changed_since.as_deref() {
        // A client without a first answer has nothing to name yet.
        None | Some("") => banking.table.all(now),
        Some(since) => {
            let since =
                Timestamp::parse_http_date(since).or_else(|| Timestamp::parse_rfc3339(since));
            banking
                .table
                .changed_since(since.ok_or(Refusal::ChangedSince)?, now)
        }
    };
    Ok(representation.answer(&headers))
}

async fn bank(
    State(banking): State<Arc<Banking>>,
    Segment(code): Segment,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let code = BankCode::parse(&code);
    let bank = code.and_then(|code| banking.table.one(&code, banking.clock.now()));
    Ok(bank.ok_or(Refusal::Unknown("bank"))?.answer(&headers))
}

async fn accounts(
    State(banking): State<Arc<Banking>>,
    Segment(id): Segment,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let member = MemberId::parse(&id).filter(|id| banking.seed.has_member(*id));
    let accounts = banking
        .seed
        .accounts(member.ok_or(Refusal::Unknown("member"))?);
    Ok(Representation::of(&accounts, ACCOUNTS_CACHE).answer(&headers))
}

async fn pay_out(
    State(banking): State<Arc<Banking>>,
    Segment(id): Segment,
    work: Work,
    Json(payout): Json<Payout>,
) -> Result<Response, Refusal> {
    let id = RemittanceId::parse(&id).ok_or(Refusal::Unknown("payout"))?;
    banking.check_payee(&payout)?;
    work.take().await;
    let view = banking.payouts.accept(id, payout)?;
    Ok(answer::unstored(StatusCode::OK, &view))
}

async fn cancel(
    State(banking): State<Arc<Banking>>,
    Segment(id): Segment,
) -> Result<Response, Refusal> {
    let id = RemittanceId::parse(&id).ok_or(Refusal::Unknown("payout"))?;
    Ok(answer::unstored(
        StatusCode::OK,
        &banking.payouts.cancel(id),
    ))
}

async fn payout(
    State(banking): State<Arc<Banking>>,
    Segment(id): Segment,
) -> Result<Response, Refusal> {
    let found = RemittanceId::parse(&id).and_then(|id| banking.find_payout(id));
    Ok(answer::unstored(
        StatusCode::OK,
        &found.ok_or(Refusal::Unknown("payout"))?,
    ))
}
