//! What a service in trouble costs: its own rows, and nobody else's time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use composer_core::declaration::{Lookup, LookupSource};
use composer_core::keys::ChunkMax;
use composer_core::plan::Cache;
use gateway_upstream::breaker::{CALLS_MIN, OPEN_MAX, PROBES};

use crate::history::{Services, expected, members};
use crate::service::{Service, with};
use crate::site::{Draft, batch, cache, endpoint, step, value};

/// As in the contract: names may be an hour old when they cannot be had.
fn member() -> Lookup {
    Lookup {
        source: LookupSource::Batch {
            max: ChunkMax {
                keys: 100,
                url_bytes: 4096,
            },
            cache: Some(Cache {
                stale_if_error: Duration::from_secs(3600),
                ..cache()
            }),
        },
        ..batch("member", "GET membership /members?ids={keys}", "memberId")
    }
}

/// A membership that fails while the switch is not zero.
async fn switched() -> (Service, Arc<AtomicUsize>) {
    let is_down = Arc::new(AtomicUsize::new(0));
    let switch = Arc::clone(&is_down);
    let service = Service::start(move |asked| match switch.load(Ordering::SeqCst) {
        0 => with(200, "", members(&asked)),
        _ => with(500, "", ""),
    })
    .await;
    (service, is_down)
}

fn draft(services: &Services) -> Draft {
    let mut draft = services.draft();
    draft.declaration.lookups[0] = member();
    draft
}

#[tokio::test]
async fn history_goes_on_without_membership_and_says_what_is_old_and_what_is_missing() {
    let mut services = Services::start().await;
    let (membership, is_down) = switched().await;
    services.membership = membership;
    let site = draft(&services).ready().await;
    is_down.store(1, Ordering::SeqCst);
    let cold = site.get(&["7"], "alice").await;
    assert_eq!(cold.status(), 200);
    let missing = "{\"source\":\"member\",\"in\":\"transfers\",\"rows\":\"0-99\",\"cause\":\"status_500\",\"stale\":false}";
    assert!(
        cold.body()
            .ends_with(&format!(",\"_errors\":[{missing}]}}")),
        "{}",
        cold.body()
    );
    assert!(
        cold.body()
            .contains("\"receiverName\":null,\"bankName\":\"Bank 0\"")
    );

    is_down.store(0, Ordering::SeqCst);
    assert_eq!(site.get(&["7"], "alice").await.body(), expected());
    is_down.store(1, Ordering::SeqCst);
    site.clock.set_forward(Duration::from_secs(60));
    let old = site.get(&["7"], "alice").await;
    let whole = expected();
    let stale = missing.replace("\"stale\":false", "\"stale\":true");
    assert_eq!(
        old.body(),
        format!("{},\"_errors\":[{stale}]}}", &whole[..whole.len() - 1])
    );
}

/// Requests, and the calls that they cost membership.
async fn offered(site: &crate::site::Site, services: &Services, requests: usize) -> usize {
    let before = services.membership.calls();
    for _ in 0..requests {
        assert_eq!(site.get(&["7"], "alice").await.status(), 200);
        // Nothing that was fetched for one request is fresh for the next.
        site.clock.set_forward(Duration::from_millis(10_100) / 10);
    }
    services.membership.calls() - before
}

#[tokio::test]
async fn an_outage_costs_a_service_no_more_calls_than_usual_and_brings_no_surge_after_it() {
    const REQUESTS: usize = 100;
    let mut services = Services::start().await;
    let (membership, is_down) = switched().await;
    services.membership = membership;
    let mut draft = draft(&services);
    if let LookupSource::Batch { cache, .. } = &mut draft.declaration.lookups[0].source {
        // Every request asks.
        *cache = None;
        draft.declaration.lookups[0].scope = composer_core::plan::Scope::Caller;
    }
    let site = draft.ready().await;
    let usual = offered(&site, &services, REQUESTS).await;
    assert_eq!(usual, REQUESTS);
    is_down.store(1, Ordering::SeqCst);
    let during = offered(&site, &services, REQUESTS).await;
    assert!(during * 10 <= usual * 12, "{during} calls, usually {usual}");
    // The breaker opens after some failures and lets few probes through.
    assert!(during >= usize::try_from(CALLS_MIN).unwrap(), "{during}");
    is_down.store(0, Ordering::SeqCst);
    site.clock.set_forward(OPEN_MAX * 2);
    let probes = offered(&site, &services, usize::try_from(PROBES).unwrap()).await;
    assert_eq!(probes, usize::try_from(PROBES).unwrap());
    let after = offered(&site, &services, REQUESTS).await;
    assert!(after * 10 <= usual * 12, "{after} calls, usually {usual}");
}

#[tokio::test]
async fn endpoints_that_do_not_need_a_service_do_not_feel_its_outage() {
    let services = Services::start().await;
    let hanging = Service::start(|_| crate::service::Reply::Hang).await;
    let mut draft = services
        .draft()
        .service_of(
            crate::site::policy("stuck", &[hanging.address]),
            false,
            Duration::from_secs(5),
        )
        .endpoint(endpoint(
            "GET /stuck",
            vec![step("stuck", "GET stuck /")],
            vec![("stuck", value("stuck"))],
        ));
    draft.declaration.endpoints[1].budget = Duration::from_secs(5);
    let site = Arc::new(draft.ready().await);
    let stuck: Vec<_> = (0..50)
        .map(|_| {
            let site = Arc::clone(&site);
            composer_engine::spawn("stuck", async move {
                site.ask(1, (&[], None), "alice", &http::HeaderMap::new())
                    .await
                    .status()
            })
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(site.get(&["7"], "alice").await.body(), expected());
    }
    assert!(
        stuck.iter().all(|stuck| !stuck.is_finished()),
        "they were to wait meanwhile"
    );
    stuck.iter().for_each(tokio::task::JoinHandle::abort);
}
