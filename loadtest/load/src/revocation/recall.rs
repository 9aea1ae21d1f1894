//! Is a caller who was not seen for a while still the same one, and known without asking?
//!
//! Of many sessions a gateway keeps most in a packed form, and unpacks them when they are used.

use crate::bench::BenchError;
use crate::fleet::{Fleet, Gateway, Route, Service};

use super::Case;
use super::forgery::session_of;
use super::lag::{dialogue, meet, wrong};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recall {
    /// Requests whose token was known.
    pub requests: u64,
    /// Of these, requests that the service was told of in the name of another session, or of none.
    pub mixed_up: u64,
    /// Look-ups in Redis and questions to the identity provider for them.
    pub asked: u64,
}

/// Makes so many sessions known to the first gateway, one after the other, and uses each of them again.
pub async fn recall(
    fleet: &Fleet,
    service: &Service,
    sessions: usize,
) -> Result<Recall, BenchError> {
    let gateway = fleet.gateways.first();
    let gateway = gateway.ok_or_else(|| wrong("there is no gateway".to_owned()))?;
    let cases = Case::issue(fleet, sessions, None).await?;
    let mut dialogue = dialogue(gateway);
    for case in &cases {
        meet(&mut dialogue, &case.token).await?;
    }
    let asked_before = asked(gateway).await?;
    let mut recall = Recall::default();
    for case in &cases {
        let request = Gateway::request(Route::Strict, &case.token.text);
        let answer = dialogue.ask(&request).await;
        let is_served = answer.is_ok_and(|answer| answer.status == 200);
        let told = service.last_value().as_deref().and_then(session_of);
        recall.requests += 1;
        if !is_served || told.as_ref() != Some(&case.token.session) {
            recall.mixed_up += 1;
        }
    }
    recall.asked = asked(gateway).await? - asked_before;
    Ok(recall)
}

async fn asked(gateway: &Gateway) -> Result<u64, BenchError> {
    let lookups = gateway
        .metric("tollgate_identity_redis_lookups_total")
        .await?;
    let questions = gateway.metric("tollgate_identity_questions_sum").await?;
    Ok(lookups + questions)
}
