//! Who has how much, and who pays whom?
//!
//! | request | answer |
//! |---|---|
//! | `GET /members/{id}/balance` | `{memberId, amount, currency, version}` |
//! | `GET /balances?ids=7,8` | an array of at most 100 balances, all of one moment; ids nobody has are left out |
//! | `POST /transfers` | moves an amount from one member to another |
//! | `POST /charges` | moves an amount from a member to settlement, under a reference if one is given |
//! | `POST /reversals` | gives back what was charged under a reference, and bars a later charge under it |
//!
//! Every write needs an `Idempotency-Key`; all writes share one space of keys. A write that the
//! ledger refuses (no such account, too little money) is answered, and that answer kept, like one
//! that it carries out.

pub(crate) mod ledger;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use self::ledger::{Ledger, Order};
use crate::answer;
use crate::clock::Clock;
use crate::decimal::Decimal;
use crate::desk::Work;
use crate::idempotency::{Answers, Begun, Recorded};
use crate::ids::MemberId;
use crate::problem::Refusal;
use crate::request::{self, IdempotencyKey, Json, Params, Segment};
use crate::seed::{CURRENCY, Seed};
use crate::settings::Memory;

const REFERENCE_BYTES_MAX: usize = 64;

#[derive(Debug)]
pub(crate) struct Money {
    pub(crate) ledger: Ledger,
    answers: Arc<Answers<Order>>,
    clock: Clock,
}

pub(crate) fn routes(money: Arc<Money>) -> Router {
    Router::new()
        .route("/members/{id}/balance", get(balance))
        .route("/balances", get(balances))
        .route("/transfers", post(transfer))
        .route("/charges", post(charge))
        .route("/reversals", post(reverse))
        .with_state(money)
}

impl Money {
    pub(crate) fn new(seed: &Seed, clock: Clock, memory: Memory) -> Self {
        let ledger = Ledger::new(seed, memory.ledger_entries_max);
        Self {
            ledger,
            answers: Answers::new(memory.answers_max),
            clock,
        }
    }

    async fn write(
        &self,
        key: IdempotencyKey,
        order: Order,
        work: Work,
    ) -> Result<Response, Refusal> {
        let mut slot = match self.answers.begin(&key.0, order.clone())? {
            Begun::Replay(answer) => return Ok(answer.replayed()),
            Begun::Run(slot) => slot,
        };
        work.take().await;
        slot.start();
        let booked = self.ledger.book(&order, slot.key(), self.clock.now());
        let answer = match booked {
            Ok(entry) => Recorded::created(&entry),
            Err(refusal) => Recorded::from(refusal),
        };
        Ok(slot.answer(answer).into_response())
    }
}

async fn balance(
    State(money): State<Arc<Money>>,
    Segment(id): Segment,
) -> Result<Response, Refusal> {
    let balances = money.ledger.balances(MemberId::parse(&id).into_iter());
    let balance = balances.first().ok_or(Refusal::Unknown("member"))?;
    Ok(answer::unstored(StatusCode::OK, balance))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BalancesParams {
    ids: String,
}

async fn balances(
    State(money): State<Arc<Money>>,
    Params(params): Params<BalancesParams>,
) -> Result<Response, Refusal> {
    let ids = request::batch(&params.ids)?
        .into_iter()
        .filter_map(MemberId::parse);
    Ok(answer::unstored(
        StatusCode::OK,
        &money.ledger.balances(ids),
    ))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TransferBody {
    from: MemberId,
    to: MemberId,
    amount: Decimal,
    currency: String,
}

async fn transfer(
    State(money): State<Arc<Money>>,
    key: IdempotencyKey,
    work: Work,
    Json(body): Json<TransferBody>,
) -> Result<Response, Refusal> {
    let TransferBody {
        from,
        to,
        amount,
        currency,
    } = body;
    check_amount(&amount, &currency)?;
    if from == to {
        return Err(Refusal::SameAccount);
    }
    money
        .write(key, Order::Transfer { from, to, amount }, work)
        .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ChargeBody {
    member_id: MemberId,
    amount: Decimal,
    currency: String,
    reference: Option<String>,
}

async fn charge(
    State(money): State<Arc<Money>>,
    key: IdempotencyKey,
    work: Work,
    Json(body): Json<ChargeBody>,
) -> Result<Response, Refusal> {
    let ChargeBody {
        member_id: from,
        amount,
        currency,
        reference,
    } = body;
    check_amount(&amount, &currency)?;
    let reference = reference.as_deref().map(parse_reference).transpose()?;
    money
        .write(
            key,
            Order::Charge {
                from,
                amount,
                reference,
            },
            work,
        )
        .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReversalBody {
    reference: String,
}

async fn reverse(
    State(money): State<Arc<Money>>,
    key: IdempotencyKey,
    work: Work,
    Json(body): Json<ReversalBody>,
) -> Result<Response, Refusal> {
    let reference = parse_reference(&body.reference)?;
    money.write(key, Order::Reversal { reference }, work).await
}

pub(crate) fn check_amount(amount: &Decimal, currency: &str) -> Result<(), Refusal> {
    if amount.is_zero() {
        return Err(Refusal::AmountZero);
    }
    if currency == CURRENCY {
        Ok(())
    } else {
        Err(Refusal::Currency(CURRENCY))
    }
}

fn parse_reference(text: &str) -> Result<Arc<str>, Refusal> {
    let is_reference = (1..=REFERENCE_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_reference {
        return Ok(text.into());
    }
    Err(Refusal::Body(format!(
        "a reference has 1 to {REFERENCE_BYTES_MAX} visible characters"
    )))
}
