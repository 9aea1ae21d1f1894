//! Sending money to somebody's bank account, and what was sent before.
//!
//! | request | answer |
//! |---|---|
//! | `GET /remittances?member=&cursor=&limit=` | `{items, next}`: what a member sent, newest first |
//! | `GET /remittances/{id}` | one remittance and its state |
//! | `POST /remittances` | sends one; needs an `Idempotency-Key` |
//!
//! A remittance takes three services: membership knows whether both sides may take part, money
//! takes the amount from the sender, banking pays it out. The saga that runs them is in [`saga`].

pub(crate) mod history;
pub(crate) mod peers;
pub(crate) mod saga;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use tokio::sync::{Semaphore, oneshot, watch};

use self::history::History;
use self::peers::Peers;
pub(crate) use self::saga::Outcome;
use self::saga::Saga;
use crate::answer::Representation;
use crate::clock::Clock;
use crate::decimal::Decimal;
use crate::desk::Work;
use crate::idempotency::{Answers, Begun};
use crate::ids::{BankCode, MemberId, RemittanceId};
use crate::listener::Phase;
use crate::money;
use crate::problem::Refusal;
use crate::request::{IdempotencyKey, Json, Page, Params, Segment};
use crate::tasks::spawn;
use crate::trust::Admission;

const CACHE: &str = "private, no-cache";
const SAGAS_MAX: u32 = 1_024;

#[derive(Debug)]
pub(crate) struct Remittances {
    history: History,
    answers: Arc<Answers<Wish>>,
    peers: Peers,
    clock: Clock,
    sagas: Arc<Semaphore>,
    phase: watch::Receiver<Phase>,
}

/// What a client wants to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Wish {
    sender_id: MemberId,
    receiver_id: MemberId,
    bank_code: BankCode,
    amount: Decimal,
    currency: String,
}

pub(crate) fn routes(remittances: Arc<Remittances>) -> Router {
    Router::new()
        .route("/remittances", get(list).post(send))
        .route("/remittances/{id}", get(read))
        .with_state(remittances)
}

impl Remittances {
    pub(crate) fn new(
        history: History,
        peers: Peers,
        clock: Clock,
        answers_max: usize,
        phase: watch::Receiver<Phase>,
    ) -> Self {
        let sagas = Arc::new(Semaphore::new(SAGAS_MAX as usize));
        Self {
            history,
            answers: Answers::new(answers_max),
            peers,
            clock,
            sagas,
            phase,
        }
    }

    /// Returns once no remittance is under way.
    pub(crate) async fn settled(&self) {
        let _ = self.sagas.acquire_many(SAGAS_MAX).await;
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListParams {
    member: String,
    cursor: Option<String>,
    limit: Option<usize>,
}

async fn list(
    State(remittances): State<Arc<Remittances>>,
    Params(params): Params<ListParams>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let page = Page::parse(params.cursor.as_deref(), params.limit)?;
    // Who is a member is not for this service to say: nobody has simply sent nothing.
    let nobody = MemberId::from_number(0);
    let sender = MemberId::parse(&params.member).unwrap_or(nobody);
    let listed = remittances.history.page(sender, page);
    Ok(Representation::of(&listed, CACHE).answer(&headers))
}

async fn read(
    State(remittances): State<Arc<Remittances>>,
    Segment(id): Segment,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let found = RemittanceId::parse(&id).and_then(|id| remittances.history.find(id));
    let remittance = found.ok_or(Refusal::Unknown("remittance"))?;
    Ok(Representation::of(&remittance, CACHE).answer(&headers))
}

async fn send(
    State(remittances): State<Arc<Remittances>>,
    key: IdempotencyKey,
    work: Work,
    Admission(bearer): Admission,
    Json(wish): Json<Wish>,
) -> Result<Response, Refusal> {
    money::check_amount(&wish.amount, &wish.currency)?;
    if wish.sender_id == wish.receiver_id {
        return Err(Refusal::SameAccount);
    }
    let slot = match remittances.answers.begin(&key.0, wish.clone())? {
        Begun::Replay(answer) => return Ok(answer.replayed()),
        Begun::Run(slot) => slot,
    };
    let permit = Arc::clone(&remittances.sagas)
        .try_acquire_owned()
        .map_err(|_| Refusal::Busy)?;
    work.take().await;
    let remittance = remittances.history.make(&wish, remittances.clock.now())?;

    // From here on the work goes on by itself: a client that leaves does not stop it halfway.
    let (answered, answer) = oneshot::channel();
    let saga = Saga {
        remittances: Arc::clone(&remittances),
        id: remittance.remittance_id,
        wish,
        bearer,
    };
    spawn("pay remittance saga", async move {
        saga.run(slot, answered).await;
        drop(permit);
    });
    let answer = answer.await.map_err(|_| Refusal::Internal)?;
    Ok(answer.into_response())
}
