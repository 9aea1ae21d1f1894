//! The admin port: break a service, count its requests, look into the books, change the banks.
//!
//! | request | effect |
//! |---|---|
//! | `GET /faults` | the faults of every service, `null` where there are none |
//! | `PUT /faults/{service}` | sets the faults of a service, all at once |
//! | `DELETE /faults/{service}` | takes them away |
//! | `GET /requests?service=` | how often each kind of request has arrived, and whose believed tokens came with it: `callers: [{sub, tid, count}]`, never a token |
//! | `DELETE /requests` | counts from zero again |
//! | `GET /ledger?after=&limit=` or `?key=` | entries of the ledger, oldest first |
//! | `GET /ledger/audit` | whether the books balance and no key was executed twice |
//! | `PUT /banks/{code}` | adds or changes a bank |
//! | `DELETE /banks/{code}` | removes a bank, which leaves a tombstone |
//!
//! It is for those who test what stands in front of the services. It must not be reachable for
//! anybody else.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, put};
use serde::Deserialize;

use crate::answer;
use crate::banking::{BankContents, Banking};
use crate::desk::Desk;
use crate::faults::FaultsAsWritten;
use crate::ids::BankCode;
use crate::money::Money;
use crate::problem::Refusal;
use crate::request::{Json, Params, Segment};
use crate::service::Service;

const ENTRIES_MAX: usize = 1_000;

#[derive(Debug)]
pub(crate) struct Admin {
    pub(crate) desks: Vec<(Service, Arc<Desk>)>,
    pub(crate) banking: Arc<Banking>,
    pub(crate) money: Arc<Money>,
}

pub(crate) fn routes(admin: Arc<Admin>) -> Router {
    Router::new()
        .route("/faults", get(faults))
        .route("/faults/{service}", put(set_faults).delete(clear_faults))
        .route("/requests", get(requests).delete(forget_requests))
        .route("/ledger", get(ledger))
        .route("/ledger/audit", get(audit))
        .route("/banks/{code}", put(put_bank).delete(remove_bank))
        .with_state(admin)
}

impl Admin {
    fn desk(&self, name: &str) -> Result<&Desk, Refusal> {
        let service = Service::find(name).ok_or(Refusal::Unknown("service"))?;
        let found = self.desks.iter().find(|(named, _)| *named == service);
        found
            .map(|(_, desk)| &**desk)
            .ok_or(Refusal::Unknown("service"))
    }
}

async fn faults(State(admin): State<Arc<Admin>>) -> Response {
    let faults: BTreeMap<_, _> = admin
        .desks
        .iter()
        .map(|(service, desk)| {
            (
                service.name(),
                desk.faults().map(|faults| faults.written().clone()),
            )
        })
        .collect();
    answer::unstored(StatusCode::OK, &faults)
}

async fn set_faults(
    State(admin): State<Arc<Admin>>,
    Segment(service): Segment,
    Json(written): Json<FaultsAsWritten>,
) -> Result<Response, Refusal> {
    let desk = admin.desk(&service)?;
    let faults = written
        .compile()
        .map_err(|error| Refusal::Body(error.to_string()))?;
    let answer = answer::unstored(StatusCode::OK, faults.written());
    desk.set_faults(Some(faults));
    Ok(answer)
}

async fn clear_faults(
    State(admin): State<Arc<Admin>>,
    Segment(service): Segment,
) -> Result<StatusCode, Refusal> {
    admin.desk(&service)?.set_faults(None);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestsParams {
    service: Option<String>,
}

async fn requests(
    State(admin): State<Arc<Admin>>,
    Params(params): Params<RequestsParams>,
) -> Result<Response, Refusal> {
    if let Some(name) = &params.service {
        admin.desk(name)?;
    }
    let is_asked = |service: Service| {
        params
            .service
            .as_deref()
            .is_none_or(|name| name == service.name())
    };
    let desks = admin.desks.iter().filter(|(service, _)| is_asked(*service));
    let mut counts: Vec<_> = desks
        .flat_map(|(service, desk)| desk.counts(service.name()))
        .collect();
    counts.sort();
    Ok(answer::unstored(StatusCode::OK, &counts))
}

async fn forget_requests(State(admin): State<Arc<Admin>>) -> StatusCode {
    for (_, desk) in &admin.desks {
        desk.forget_counts();
    }
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LedgerParams {
    after: Option<u64>,
    limit: Option<usize>,
    key: Option<String>,
}

async fn ledger(
    State(admin): State<Arc<Admin>>,
    Params(params): Params<LedgerParams>,
) -> Result<Response, Refusal> {
    let limit = params.limit.unwrap_or(ENTRIES_MAX);
    if !(1..=ENTRIES_MAX).contains(&limit) {
        return Err(Refusal::PageSize(ENTRIES_MAX));
    }
    let ledger = &admin.money.ledger;
    let entries = match (params.key, params.after) {
        (Some(_), Some(_)) => return Err(Refusal::Query("`key` goes without `after`".to_owned())),
        (Some(key), None) => ledger.entries_of_key(&key, limit),
        (None, after) => ledger.entries_after(after.unwrap_or(0), limit),
    };
    Ok(answer::unstored(StatusCode::OK, &entries))
}

async fn audit(State(admin): State<Arc<Admin>>) -> Response {
    answer::unstored(StatusCode::OK, &admin.money.ledger.audit())
}

async fn put_bank(
    State(admin): State<Arc<Admin>>,
    Segment(code): Segment,
    Json(contents): Json<BankContents>,
) -> Result<StatusCode, Refusal> {
    let code = BankCode::parse(&code).ok_or(Refusal::Unknown("bank"))?;
    admin.banking.put_bank(code, contents)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove_bank(
    State(admin): State<Arc<Admin>>,
    Segment(code): Segment,
) -> Result<StatusCode, Refusal> {
    let code = BankCode::parse(&code).ok_or(Refusal::Unknown("bank"))?;
    admin.banking.remove_bank(&code)?;
    Ok(StatusCode::NO_CONTENT)
}
