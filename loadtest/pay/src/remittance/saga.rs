//! The steps of one remittance, and the way back.
//!
//! Check both members, charge the sender, pay out at the bank. When a step is refused or cannot be
//! made, what was done before is undone. When a step got no answer it may have been done: then it
//! is undone as well, by requests that bar it from happening later. Only when the undoing has been
//! confirmed is the remittance `compensated`; until then it is `compensating`, which the first
//! client is told, and the saga keeps trying for as long as the service lives.
//!
//! Steps forward are made with the token of the request, so a token that ends on the way turns the
//! saga round. The way back is made with the services' own credential: whoever was charged gets the
//! money again, whether or not anybody is still signed in by then.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::oneshot;

use super::history::{Remittance, State};
use super::peers::{Call, Reply};
use super::{Remittances, Wish};
use crate::answer;
use crate::idempotency::{Recorded, Slot};
use crate::ids::RemittanceId;
use crate::listener::Phase;
use crate::problem::Refusal;
use crate::service::Service;
use crate::trust::Bearer;

const UNDO_PAUSE_FIRST: Duration = Duration::from_millis(100);
const UNDO_PAUSE_MAX: Duration = Duration::from_secs(5);

pub(super) struct Saga {
    pub(super) remittances: Arc<Remittances>,
    pub(super) id: RemittanceId,
    pub(super) wish: Wish,
    /// The token that the request came with, where tokens are asked for.
    pub(super) bearer: Option<Bearer>,
}

/// How a remittance ended that was not sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Outcome {
    remittance_id: RemittanceId,
    state: State,
    #[serde(serialize_with = "by_name")]
    step: Service,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
}

fn by_name<S: serde::Serializer>(service: &Service, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(service.name())
}

impl Outcome {
    /// A refusal is the client's to mend; anything else is ours.
    pub(crate) fn status_and_code(&self) -> (StatusCode, &'static str) {
        let is_refused = self.cause.is_some();
        let (refused, failed) = match self.step {
            Service::Membership => ("membership_refused", "membership_failed"),
            Service::Money => ("money_refused", "money_failed"),
            Service::Banking | Service::Remittance => ("banking_refused", "banking_failed"),
        };
        if is_refused {
            (StatusCode::UNPROCESSABLE_ENTITY, refused)
        } else {
            (StatusCode::BAD_GATEWAY, failed)
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Some(cause) => write!(f, "was not sent: {} refused it ({cause})", self.step),
            None => write!(f, "was not sent: {} did not do its part", self.step),
        }
    }
}

/// Why the saga turned round, and what it has to undo.
struct Failure {
    step: Service,
    cause: Option<String>,
    undo: Undo,
}

/// What one step asks of a service.
struct Step {
    service: Service,
    method: Method,
    path: String,
    body: Option<serde_json::Value>,
}

#[derive(Clone, Copy)]
enum Undo {
    Nothing,
    Charge,
    ChargeAndPayout,
}

impl Failure {
    fn new(step: Service, cause: Option<String>, undo: Undo) -> Self {
        Self { step, cause, undo }
    }
}

impl Saga {
    pub(super) async fn run(self, mut slot: Slot<Wish>, answered: oneshot::Sender<Recorded>) {
        slot.start();
        let (answer, unfinished) = match self.advance().await {
            Ok(sent) => (Recorded::created(&sent), None),
            Err(failure) => {
                let undo = failure.undo;
                let state = self.turn_back(undo).await;
                let unfinished = (state == State::Compensating).then_some(undo);
                (Recorded::from(self.refusal(failure, state)), unfinished)
            }
        };
        // A client that has left will find the answer under its key.
        let _ = answered.send(slot.answer(answer));
        if let Some(undo) = unfinished {
            self.keep_undoing(undo).await;
        }
    }

    fn refusal(&self, failure: Failure, state: State) -> Refusal {
        let Failure { step, cause, .. } = failure;
        Refusal::Remittance(Outcome {
            remittance_id: self.id,
            state,
            step,
            cause,
        })
    }

    async fn advance(&self) -> Result<Remittance, Failure> {
        self.check_members().await?;
        self.charge().await?;
        self.enter(State::Charged);
        self.pay_out().await?;
        let lost = || Failure::new(Service::Remittance, None, Undo::ChargeAndPayout);
        self.enter(State::Sent).ok_or_else(lost)
    }

    fn enter(&self, state: State) -> Option<Remittance> {
        let now = self.remittances.clock.now();
        self.remittances.history.advance(self.id, state, now)
    }

    async fn check_members(&self) -> Result<(), Failure> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Member {
            member_id: String,
            status: String,
        }

        let (sender, receiver) = (self.wish.sender_id, self.wish.receiver_id);
        let path = format!("/members?ids={sender},{receiver}");
        let failure = |cause| Failure::new(Service::Membership, cause, Undo::Nothing);
        let step = Step {
            service: Service::Membership,
            method: Method::GET,
            path,
            body: None,
        };
        let found = match self.advance_by(step).await {
            Reply::Done(body) => serde_json::from_slice::<Vec<Member>>(&body),
            Reply::Refused(code) => return Err(failure(Some(code))),
            Reply::Unavailable | Reply::Unknown => return Err(failure(None)),
        };
        let found = found.map_err(|_| failure(None))?;
        for (id, role) in [(sender, "sender"), (receiver, "receiver")] {
            let id = id.to_string();
            let member = found.iter().find(|member| member.member_id == id);
            let status = member.map_or("unknown", |member| member.status.as_str());
            if status != "active" {
                return Err(failure(Some(format!("{role}_{status}"))));
            }
        }
        Ok(())
    }

    async fn charge(&self) -> Result<(), Failure> {
        let body = json!({
            "memberId": self.wish.sender_id,
            "amount": self.wish.amount,
            "currency": self.wish.currency,
            "reference": self.reference(),
        });
        let failure = |cause, undo| Err(Failure::new(Service::Money, cause, undo));
        let step = Step {
            service: Service::Money,
            method: Method::POST,
            path: "/charges".to_owned(),
            body: Some(body),
        };
        match self.advance_by(step).await {
            Reply::Done(_) => Ok(()),
            Reply::Refused(code) => failure(Some(code), Undo::Nothing),
            Reply::Unavailable => failure(None, Undo::Nothing),
            Reply::Unknown => failure(None, Undo::Charge),
        }
    }

    async fn pay_out(&self) -> Result<(), Failure> {
        let body = json!({
            "receiverId": self.wish.receiver_id,
            "bankCode": self.wish.bank_code,
            "amount": self.wish.amount,
            "currency": self.wish.currency,
        });
        let failure = |cause, undo| Err(Failure::new(Service::Banking, cause, undo));
        let step = Step {
            service: Service::Banking,
            method: Method::PUT,
            path: self.payout_path(),
            body: Some(body),
        };
        match self.advance_by(step).await {
            Reply::Done(_) => Ok(()),
            Reply::Refused(code) => failure(Some(code), Undo::Charge),
            Reply::Unavailable => failure(None, Undo::Charge),
            Reply::Unknown => failure(None, Undo::ChargeAndPayout),
        }
    }

    /// Undoes what has to be undone, and returns the state in which that leaves the remittance.
    async fn turn_back(&self, undo: Undo) -> State {
        if let Undo::Nothing = undo {
            self.enter(State::Failed);
            return State::Failed;
        }
        self.enter(State::Compensating);
        if !self.is_undone(undo).await {
            return State::Compensating;
        }
        self.enter(State::Compensated);
        State::Compensated
    }

    /// The payout first: money that may still leave is not given back.
    async fn is_undone(&self, undo: Undo) -> bool {
        if let Undo::ChargeAndPayout = undo {
            let step = Step {
                service: Service::Banking,
                method: Method::DELETE,
                path: self.payout_path(),
                body: None,
            };
            if !matches!(self.undo_by(step).await, Reply::Done(_)) {
                return false;
            }
        }
        let step = Step {
            service: Service::Money,
            method: Method::POST,
            path: "/reversals".to_owned(),
            body: Some(json!({ "reference": self.reference() })),
        };
        matches!(self.undo_by(step).await, Reply::Done(_))
    }

    async fn keep_undoing(&self, undo: Undo) {
        let mut phase = self.remittances.phase.clone();
        let mut pause = UNDO_PAUSE_FIRST;
        loop {
            tokio::select! {
                _ = phase.wait_for(|phase| *phase != Phase::Serving) => return,
                () = tokio::time::sleep(pause) => {}
            }
            if self.is_undone(undo).await {
                self.enter(State::Compensated);
                return;
            }
            pause = (pause * 2).min(UNDO_PAUSE_MAX);
        }
    }

    fn reference(&self) -> String {
        format!("remittance-{}", self.id)
    }

    fn payout_path(&self) -> String {
        format!("/payouts/{}", self.id)
    }

    async fn advance_by(&self, step: Step) -> Reply {
        self.call(step, self.bearer.clone()).await
    }

    async fn undo_by(&self, step: Step) -> Reply {
        self.call(step, self.remittances.peers.undo_bearer()).await
    }

    async fn call(&self, step: Step, bearer: Option<Bearer>) -> Reply {
        let Step {
            service,
            method,
            path,
            body,
        } = step;
        // One key per step: a repeated step is the same step.
        let key = (service == Service::Money).then(|| format!("remittance-{}{path}", self.id));
        let body = body.map_or_else(Bytes::new, |body| answer::json(&body));
        self.remittances
            .peers
            .call(&Call {
                service,
                method,
                path,
                key,
                bearer,
                body,
            })
            .await
    }
}
