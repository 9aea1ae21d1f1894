//! What a service's troubles are called here, and what ours are called there.

use std::time::Duration;

use gateway_core::rejection::Rejection;
use gateway_upstream::{Call, Change, Fault, News, Refusal, TimeLimit};

use crate::exchange::{Exchange, Outcome};
use crate::{clock, random};

/// Asks the service of an exchange for a call.
pub(super) fn admit(exchange: &Exchange) -> Result<Call, Rejection> {
    let limit = TimeLimit {
        began: exchange.request.began,
        timeout: exchange.timeout(),
    };
    let admitted = exchange.upstream.service.admit(limit, clock::now());
    admitted.map_err(|refusal| match refusal {
        Refusal::Saturated => Rejection::UpstreamSaturated,
        Refusal::BreakerOpen { retry_after } => Rejection::UpstreamBreakerOpen {
            retry_after_seconds: whole_seconds(retry_after),
        },
    })
}

/// Reports how an exchange ended, and logs what that changes for the next ones.
pub(super) fn report(call: Option<&mut Call>, outcome: &Outcome) {
    let Some(call) = call else { return };
    if let Some(fault) = outcome.rejection.as_ref().and_then(fault) {
        call.failed(fault, clock::now(), random::next_u64());
    }
    for news in call.take_news() {
        tell(&call.service().policy().name, &news);
    }
}

fn tell(service: &str, news: &News) {
    match news {
        News::Ejected { endpoint, lasts } => {
            let endpoint = endpoint.text();
            tracing::warn!(
                service,
                endpoint,
                ?lasts,
                "an endpoint that fails is ejected"
            );
        }
        News::Breaker(Change::Opened { lasts }) => {
            tracing::warn!(service, ?lasts, "the breaker of a service is open");
        }
        News::Breaker(Change::Closed) => {
            tracing::info!(service, "the breaker of a service is closed again");
        }
    }
}

fn fault(rejection: &Rejection) -> Option<Fault> {
    let faults = [
        (Rejection::UpstreamUnreachable, Fault::Unreachable),
        (Rejection::UpstreamTimeout, Fault::TimedOut),
        (Rejection::UpstreamBroken, Fault::Broken),
    ];
    let mut same = faults.into_iter().filter(|(known, _)| known == rejection);
    same.next().map(|(_, fault)| fault)
}

/// Rounded up: a client that comes back early comes back for nothing.
fn whole_seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
}
