//! What one call is: told its deadline, held to a size, tried elsewhere, and never more than allowed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use composer_core::declaration::Step;
use gateway_upstream::BreakerState;
use gateway_upstream::breaker::{CALLS_MIN, OPEN_MAX};
use gateway_upstream::budget::RETRIES_FREE;
use http::HeaderMap;
use tokio::sync::Notify;

use crate::service::{Reply, Service, json, with};
use crate::site::{Draft, LONG, Site, batch, endpoint, optional, policy, step, value};

/// `GET /things/{id}` with one step, whose whole answer is shown.
fn thing(step: Step) -> composer_core::declaration::Endpoint {
    endpoint(
        "GET /things/{id}",
        vec![step],
        vec![("thing", value("thing"))],
    )
}

fn draft(service: &Service) -> Draft {
    Draft::new()
        .service("things", &[service.address])
        .endpoint(thing(step("thing", "GET things /things/{id}")))
}

#[tokio::test]
async fn a_service_is_told_how_long_it_has_and_who_asks() {
    let service = Service::start(|_| json("1")).await;
    let site = draft(&service).build();
    assert_eq!(site.get(&["a%2Fb"], "alice").await.body(), "{\"thing\":1}");
    let asked = service.take_heard().remove(0);
    assert_eq!(asked.target, "/things/a%2Fb");
    assert_eq!(asked.field("authorization"), Some("Bearer alice"));
    assert_eq!(asked.field("accept"), Some("application/json"));
    let told: u64 = asked
        .field("x-request-timeout-ms")
        .unwrap()
        .parse()
        .unwrap();
    assert!(told > 1000 && told <= 20_000, "{told}");
}

#[tokio::test]
async fn a_service_without_a_claim_to_it_is_not_told_who_asks() {
    let service = Service::start(|_| json("1")).await;
    let site = Draft::new()
        .open_service("things", &[service.address])
        .endpoint(thing(step("thing", "GET things /things/{id}")))
        .build();
    assert_eq!(site.get(&["7"], "alice").await.status(), 200);
    assert_eq!(service.take_heard()[0].field("authorization"), None);
}

/// What a required step and an optional one make of a reply.
async fn outcomes(reply: Reply) -> (u16, String) {
    let service = Service::start(move |_| reply.clone()).await;
    let required = draft(&service).build();
    let lenient = Draft::new()
        .service("things", &[service.address])
        .endpoint(thing(optional("thing", "GET things /things/{id}")))
        .build();
    let refused = required.get(&["7"], "alice").await;
    assert_eq!(refused.field("cache-control"), "no-store");
    assert_eq!(refused.field("content-type"), "application/problem+json");
    let partial = lenient.get(&["7"], "alice").await;
    assert_eq!(partial.status(), 200);
    assert_eq!(partial.field("cache-control"), "no-store");
    assert!(partial.field("composition-status").starts_with("partial;"));
    let body = partial.body();
    let cause = body.split("\"cause\":\"").nth(1).unwrap();
    assert!(body.starts_with("{\"thing\":null,\"_errors\":["), "{body}");
    (
        refused.status(),
        cause.split('"').next().unwrap().to_owned(),
    )
}

#[tokio::test]
async fn whatever_is_no_good_answer_has_a_cause_and_a_status() {
    let raw = |bytes: &str| Reply::Raw(bytes.as_bytes().to_vec());
    let gzip = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\n1";
    #[rustfmt::skip]
    let cases = [
        (with(500, "", ""),                                     502, "status_500"),
        (with(404, "", "{}"),                                   404, "status_404"),
        (with(204, "", ""),                                     502, "status_204"),
        (with(304, "", ""),                                     502, "status_304"),
        (with(301, "Location: /\r\n", ""),                      502, "status_301"),
        (json(""),                                              502, "unsound"),
        (json("{"),                                             502, "unsound"),
        (json("nul"),                                           502, "unsound"),
        (Reply::Silence,                                        502, "unreachable"),
        (raw("nonsense\r\n\r\n"),                               502, "unreachable"),
        (raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1"),  502, "unreachable"),
        (raw(gzip),                                             502, "unreachable"),
    ];
    for (reply, status, cause) in cases {
        let shown = format!("{reply:?}");
        assert_eq!(outcomes(reply).await, (status, cause.to_owned()), "{shown}");
    }
}

#[tokio::test]
async fn a_service_that_takes_too_long_is_not_waited_for() {
    let service = Service::start(|_| Reply::Hang).await;
    let step = Step {
        timeout: Some((Duration::from_millis(30), Default::default())),
        ..step("thing", "GET things /things/{id}")
    };
    let site = Draft::new()
        .service("things", &[service.address])
        .endpoint(thing(step))
        .build();
    let answered = site.get(&["7"], "alice").await;
    assert_eq!(answered.status(), 504);
    assert!(
        answered
            .body()
            .contains("`thing` is required and failed: timeout"),
        "{}",
        answered.body()
    );
}

/// As the engine has it: what one answer may measure.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

#[tokio::test]
async fn an_answer_may_be_as_large_as_its_cap_and_no_larger() {
    for (bytes, status) in [(ANSWER_BYTES_MAX, 200), (ANSWER_BYTES_MAX + 1, 502)] {
        let service = Service::start(move |_| json(format!("\"{}\"", "x".repeat(bytes - 2)))).await;
        let answered = draft(&service).build().get(&["7"], "alice").await;
        assert_eq!(answered.status(), status, "{bytes}");
    }
}

#[tokio::test]
async fn a_hostile_answer_costs_no_more_than_its_cap() {
    let piece = vec![b' '; 1 << 20];
    let endless = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";
    let chunked = format!(
        "{}Transfer-Encoding: chunked\r\n\r\n",
        &endless[..endless.len() - 2]
    );
    for (head, piece) in [
        (endless.to_owned(), piece.clone()),
        (
            chunked,
            [b"100000\r\n".as_slice(), &piece, b"\r\n"].concat(),
        ),
    ] {
        let mut first = head.into_bytes();
        first.extend_from_slice(&piece);
        let count = AtomicUsize::new(0);
        let service = Service::start(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            Reply::Flood(first.clone(), piece.clone(), 1023)
        })
        .await;
        let answered = draft(&service).build().get(&["7"], "alice").await;
        assert_eq!(answered.status(), 502);
        // What the sockets between the two hold is sent as well.
        let flooded = service.flooded.load(Ordering::Relaxed);
        assert!(flooded < ANSWER_BYTES_MAX + (16 << 20), "{flooded}");
    }
}

#[tokio::test]
async fn another_endpoint_is_asked_where_one_cannot_answer() {
    let good = Service::start(|_| json("1")).await;
    let bad = Service::start(|_| with(503, "", "")).await;
    let nobody = Service::nobody().await;
    for other in [bad.address, nobody] {
        let site = Draft::new()
            .service("things", &[other, good.address])
            .endpoint(thing(step("thing", "GET things /things/{id}")))
            .build();
        // As often as a budget allows that nothing was paid into yet.
        for _ in 0..RETRIES_FREE {
            assert_eq!(site.get(&["7"], "alice").await.status(), 200);
        }
    }
}

#[tokio::test]
async fn a_service_that_always_fails_is_left_alone_and_asked_again_later() {
    let is_well = Arc::new(AtomicUsize::new(0));
    let of_service = Arc::clone(&is_well);
    let service = Service::start(move |_| match of_service.load(Ordering::Relaxed) {
        0 => with(500, "", ""),
        _ => json("1"),
    })
    .await;
    let site = draft(&service).build();
    for _ in 0..CALLS_MIN {
        assert_eq!(site.get(&["7"], "alice").await.status(), 502);
    }
    let calls = service.calls();
    let refused = site.get(&["7"], "alice").await;
    assert_eq!((refused.status(), refused.field("retry-after")), (503, "1"));
    assert_eq!(service.calls(), calls);

    is_well.store(1, Ordering::Relaxed);
    site.clock.set_forward(OPEN_MAX * 2);
    for _ in 0..5 {
        assert_eq!(site.get(&["7"], "alice").await.status(), 200);
    }
    assert_eq!(site.services[0].breaker_state(), BreakerState::Closed);
}

#[tokio::test]
async fn a_service_that_fails_for_batches_is_still_asked_for_single_things() {
    let service = Service::start(|asked| match asked.path() {
        "/members" => with(500, "", ""),
        _ => json("1"),
    })
    .await;
    let names = vec![("name", value("member(id).name"))];
    let site = Draft::new()
        .open_service("things", &[service.address])
        .lookup(batch(
            "member",
            "GET things /members?ids={keys}",
            "memberId",
        ))
        .endpoint(endpoint("GET /names/{id}", vec![], names))
        .endpoint(thing(step("thing", "GET things /things/{id}")))
        .build();
    let ask = async |endpoint| {
        let (asked, fields) = ((&["7"][..], None), HeaderMap::new());
        let answered = site.ask(endpoint, asked, "alice", &fields).await;
        answered.field("composition-status").to_owned()
    };
    for _ in 0..CALLS_MIN {
        assert_eq!(ask(0).await, "partial;calls=1;naive=1");
    }
    let calls = service.calls();
    ask(0).await;
    assert_eq!(service.calls(), calls, "a batch is not sent any more");
    assert_eq!(ask(1).await, "complete;calls=1;naive=1");
}

/// A service that fails until it is told to hang, and answers after that.
async fn failing_then_hanging() -> (Service, Arc<AtomicUsize>, Arc<Notify>) {
    let (mood, heard) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (of_service, told) = (Arc::clone(&mood), Arc::clone(&heard));
    let service = Service::start(move |_| match of_service.load(Ordering::Relaxed) {
        0 => with(500, "", ""),
        1 => {
            told.notify_one();
            Reply::Hang
        }
        _ => json("1"),
    })
    .await;
    (service, mood, heard)
}

#[tokio::test]
async fn probes_whose_clients_leave_give_their_permits_back() {
    let (service, mood, heard) = failing_then_hanging().await;
    let site = Arc::new(draft(&service).build());
    for _ in 0..CALLS_MIN {
        site.get(&["7"], "alice").await;
    }
    mood.store(1, Ordering::Relaxed);
    site.clock.set_forward(OPEN_MAX * 2);
    // Far more of them than there are permits, one after the other.
    for _ in 0..10 {
        let asking = Arc::clone(&site);
        let probe =
            composer_engine::spawn("probe", async move { asking.get(&["7"], "alice").await });
        tokio::time::timeout(LONG, heard.notified())
            .await
            .expect("the probe goes out");
        probe.abort();
        assert!(probe.await.unwrap_err().is_cancelled());
    }
    mood.store(2, Ordering::Relaxed);
    for _ in 0..3 {
        assert_eq!(site.get(&["7"], "alice").await.status(), 200);
    }
    assert_eq!(site.services[0].breaker_state(), BreakerState::Closed);
}

#[tokio::test]
async fn a_service_has_no_more_calls_than_it_may_have() {
    let heard = Arc::new(Notify::new());
    let told = Arc::clone(&heard);
    let service = Service::start(move |_| {
        told.notify_one();
        Reply::Hang
    })
    .await;
    let policy = gateway_upstream::Policy {
        in_flight_max: 1,
        ..policy("things", &[service.address])
    };
    let site = Draft::new()
        .service_of(policy, true, LONG)
        .endpoint(thing(step("thing", "GET things /things/{id}")))
        .build();
    let site: Arc<Site> = Arc::new(site);
    let asking = Arc::clone(&site);
    let first = composer_engine::spawn("first", async move { asking.get(&["7"], "a").await });
    tokio::time::timeout(LONG, heard.notified())
        .await
        .expect("the first is under way");
    let refused = site.get(&["7"], "alice").await;
    assert_eq!((refused.status(), refused.field("retry-after")), (503, "1"));
    assert_eq!(service.calls(), 1);
    first.abort();
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n";
/// Behind the answer stands another, which nobody asked for.
const TWO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1\
                   HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2";

#[tokio::test]
async fn a_connection_is_used_again_once_its_answer_was_read() {
    let service = Service::start(|asked| match asked.path() {
        "/things/chunked" => Reply::Kept(CHUNKED),
        "/things/none" => with(204, "", ""),
        _ => json(format!("[\"{}\"]", "x".repeat(100_000))),
    })
    .await;
    let site = draft(&service).build();
    for (id, status) in [("chunked", 200), ("long", 200), ("none", 502)].repeat(6) {
        assert_eq!(site.get(&[id], "alice").await.status(), status, "{id}");
    }
    assert_eq!(service.opened.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_connection_that_ended_is_not_used_again() {
    let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1";
    let service = Service::start(|_| Reply::Raw(whole.to_vec())).await;
    let site = draft(&service).build();
    for round in 1..=20 {
        assert_eq!(site.get(&["7"], "alice").await.status(), 200, "{round}");
        assert_eq!(service.calls(), round);
    }
    assert_eq!(service.opened.load(Ordering::Relaxed), 20);
}

#[tokio::test]
async fn a_connection_with_something_left_on_it_is_not_used_again() {
    let service = Service::start(|asked| match asked.path() {
        "/things/coded" => with(200, "Content-Encoding: gzip\r\n", "1"),
        "/things/two" => Reply::Kept(TWO),
        _ => json("7"),
    })
    .await;
    let site = draft(&service).build();
    for (round, (id, status, body)) in [
        ("7", 200, "{\"thing\":7}"),
        ("coded", 502, ""),
        ("7", 200, "{\"thing\":7}"),
        ("two", 200, "{\"thing\":1}"),
        ("7", 200, "{\"thing\":7}"),
    ]
    .into_iter()
    .enumerate()
    {
        let answered = site.get(&[id], "alice").await;
        assert_eq!(answered.status(), status, "{round}");
        assert!(body.is_empty() || answered.body() == body, "{round}");
    }
    assert_eq!(service.opened.load(Ordering::Relaxed), 3);
}
