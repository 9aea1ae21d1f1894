//! How long after the acknowledged end of a session is its token first refused, at every gateway?

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::bench::BenchError;
use crate::closed::{Dialogue, Histogram, Limits};
use crate::fleet::{Fleet, Gateway, Operator, Route, Token, Wait};

use super::{Case, Cases};

/// Sessions that are ended at the same time.
const AT_ONCE: usize = 8;
/// Nobody waits longer for a refusal: it is then reported as that long.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug, Default)]
pub struct Lag {
    /// From the acknowledgement to the end of the first answer that refuses, at each gateway.
    pub to_refusal: Histogram,
    pub revocations: u64,
}

/// Ends so many sessions, each known to every gateway, while their tokens are used all the time.
pub async fn measure_lag(fleet: &Fleet, revocations: usize) -> Result<Lag, BenchError> {
    let cases: Cases = Arc::new(Case::issue(fleet, revocations, None).await?);
    let next = Arc::new(AtomicUsize::new(0));
    let mut measuring = JoinSet::new();
    for _ in 0..AT_ONCE {
        let prober = Prober {
            operator: fleet.operator()?,
            gateways: fleet.gateways.iter().map(dialogue).collect(),
        };
        measuring.spawn(prober.run(Arc::clone(&cases), Arc::clone(&next)));
    }
    let mut lag = Lag::default();
    for measured in measuring.join_all().await {
        let measured = measured?;
        lag.to_refusal.add(&measured.to_refusal);
        lag.revocations += measured.revocations;
    }
    Ok(lag)
}

pub(super) fn dialogue(gateway: &Gateway) -> Dialogue {
    Dialogue::new(gateway.address, Limits::default())
}

struct Prober {
    operator: Operator,
    gateways: Vec<Dialogue>,
}

impl Prober {
    async fn run(mut self, cases: Cases, next: Arc<AtomicUsize>) -> Result<Lag, BenchError> {
        let mut lag = Lag::default();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(case) = cases.get(place) else {
                return Ok(lag);
            };
            for gateway in &mut self.gateways {
                meet(gateway, &case.token).await?;
            }
            let mut probing = JoinSet::new();
            for gateway in self.gateways.drain(..) {
                probing.spawn(first_refusal(gateway, case.token.clone()));
            }
            case.end(&mut self.operator, Wait::None).await?;
            let acknowledged = case.acknowledged().unwrap_or_else(Instant::now);
            for probed in probing.join_all().await {
                let (gateway, refused) = probed?;
                self.gateways.push(gateway);
                let lasted = refused.saturating_duration_since(acknowledged);
                lag.to_refusal.record(lasted);
            }
            lag.revocations += 1;
        }
    }
}

/// Makes a token known to a gateway.
pub(super) async fn meet(gateway: &mut Dialogue, token: &Token) -> Result<(), BenchError> {
    let request = Gateway::request(Route::Strict, &token.text);
    let answered = gateway.ask(&request).await;
    match answered {
        Ok(answer) if answer.status == 200 => Ok(()),
        Ok(answer) => Err(wrong(format!(
            "a new token is answered {} {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        ))),
        Err(failure) => Err(wrong(failure.to_string())),
    }
}

/// Uses a token until it is refused.
pub(super) async fn first_refusal(
    mut gateway: Dialogue,
    token: Token,
) -> Result<(Dialogue, Instant), BenchError> {
    let request = Gateway::request(Route::Strict, &token.text);
    let began = Instant::now();
    loop {
        let status = gateway.ask(&request).await.map(|answer| answer.status);
        let now = Instant::now();
        let is_over = matches!(status, Ok(401 | 429)) || now.duration_since(began) > PATIENCE;
        match status {
            _ if is_over => return Ok((gateway, now)),
            Ok(200 | 503) => {}
            Ok(status) => return Err(wrong(format!("a token in use is answered {status}"))),
            Err(failure) => return Err(wrong(failure.to_string())),
        }
    }
}

pub(super) fn wrong(tally: String) -> BenchError {
    BenchError::WrongAnswer {
        name: "gateway",
        tally,
    }
}
