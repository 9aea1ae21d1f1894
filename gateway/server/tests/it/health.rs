//! Services that are unwell: who is spared, what the client sees meanwhile, and the way back.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gateway_server::Carriers;

use crate::edge::Edge;
use crate::upstream::{Step, Upstream, ok};

/// Nothing here takes longer: a breaker stays open for little more than five seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// A service whose answers the test decides while it runs.
struct Moody {
    mood: Arc<Mutex<Step>>,
    upstream: Upstream,
}

impl Moody {
    async fn start(first: Step) -> Self {
        let mood = Arc::new(Mutex::new(first));
        let upstream = Upstream::start([Step::Now(Arc::clone(&mood))]).await;
        Self { mood, upstream }
    }

    fn turn(&self, mood: Step) {
        *self.mood.lock().unwrap() = mood;
    }

    /// How many requests for this path came so far.
    fn heard(&self, path: &str) -> usize {
        let start = format!("GET {path} ");
        let heard = self.upstream.heard();
        heard.iter().filter(|text| text.starts_with(&start)).count()
    }
}

fn fault(status: u16) -> Step {
    Step::Say(format!(
        "HTTP/1.1 {status} Failed\r\nContent-Length: 0\r\n\r\n"
    ))
}

fn config(endpoints: &[SocketAddr], keys: &str) -> String {
    let endpoints: Vec<_> = endpoints.iter().map(|at| format!("\"{at}\"")).collect();
    format!(
        "services: {{ s: {{ endpoints: [{}], timeout: 2s, {keys} }} }}\n\
         routes: [{{ match: \"/{{rest*}}\", to: s, name: all }}]\n",
        endpoints.join(", ")
    )
}

#[expect(clippy::disallowed_methods, reason = "a deadline for a test")]
async fn until<F: Future<Output = bool>>(what: &str, is_so: impl Fn() -> F) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "waited in vain: {what}");
        // sleeps: between two looks, and not for the thing itself
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until the operator is shown this line.
async fn until_metric(edge: &Edge, line: &str) {
    until(line, || async {
        edge.admin("/metrics")
            .await
            .1
            .contains(&format!("{line}\n"))
    })
    .await;
}

fn healthy(endpoint: &Moody, value: u8) -> String {
    let address = endpoint.upstream.address;
    format!("tollgate_endpoint_healthy{{endpoint=\"{address}\",service=\"s\"}} {value}")
}

#[tokio::test]
async fn an_endpoint_that_fails_in_a_row_is_left_alone_and_comes_back() {
    tokio::join!(leave_alone(Carriers::Both), leave_alone(Carriers::Pingora));
}

async fn leave_alone(carriers: Carriers) {
    let sick = Moody::start(fault(500)).await;
    let well = Upstream::start([ok("fine")]).await;
    let edge = Edge::start_with(
        carriers,
        &config(&[sick.upstream.address, well.address], ""),
    )
    .await;
    let mut client = edge.connect().await;
    let mut failed = 0;
    while failed < 5 {
        failed += usize::from(client.get("/x").await.status == 500);
    }
    for _ in 0..10 {
        assert_eq!(client.get("/x").await.status, 200);
    }
    assert_eq!(sick.heard("/x"), 5);
    until_metric(&edge, "tollgate_upstream_ejections_total{service=\"s\"} 1").await;

    sick.turn(ok("fine"));
    until("the endpoint is asked again", || async {
        edge.get("/x").await;
        sick.heard("/x") > 5
    })
    .await;
    until_metric(&edge, &healthy(&sick, 1)).await;
}

#[tokio::test]
async fn a_service_that_fails_is_given_a_rest_and_taken_back() {
    tokio::join!(give_a_rest(Carriers::Both), give_a_rest(Carriers::Pingora));
}

async fn give_a_rest(carriers: Carriers) {
    let service = Moody::start(fault(500)).await;
    let edge = Edge::start_with(carriers, &config(&[service.upstream.address], "")).await;
    let mut client = edge.connect().await;
    for _ in 0..20 {
        assert_eq!(client.get("/x").await.status, 500);
    }
    for request in [
        "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let mut client = edge.connect().await;
        let answer = client.ask(request).await;
        let seen = (answer.status, answer.code());
        assert_eq!(seen, (503, "upstream_breaker_open".to_owned()), "{request}");
        let seconds: u64 = answer.field("retry-after").unwrap().parse().unwrap();
        assert!((1..=7).contains(&seconds), "{seconds}");
    }
    assert_eq!(service.upstream.heard().len(), 20);
    for line in [
        "tollgate_upstream_breaker_state{service=\"s\",state=\"open\"} 1",
        "tollgate_upstream_breaker_state{service=\"s\",state=\"closed\"} 0",
        "tollgate_upstream_refusals_total{code=\"upstream_breaker_open\",service=\"s\"} 2",
        "tollgate_rejections_total{code=\"upstream_breaker_open\"} 2",
    ] {
        until_metric(&edge, line).await;
    }

    service.turn(ok("fine"));
    until("the service is asked again", || async {
        edge.get("/x").await.status == 200
    })
    .await;
    for _ in 0..20 {
        assert_eq!(client.get("/x").await.status, 200);
    }
    let closed = "tollgate_upstream_breaker_state{service=\"s\",state=\"closed\"} 1";
    until_metric(&edge, closed).await;

    let lines = edge.stop_and_read_log().await;
    let spared = lines.iter().find(|line| line["status"] == 503).unwrap();
    assert_eq!(spared["code"], "upstream_breaker_open");
    assert_eq!(
        (&spared["service"], &spared["attempts"]),
        (&"s".into(), &0.into())
    );
}

#[tokio::test]
async fn a_service_that_is_silent_is_given_a_rest_and_one_that_a_client_keeps_waiting_is_not() {
    for carriers in [Carriers::Both, Carriers::Pingora] {
        let silent = Upstream::start([Step::Hang]).await;
        let quick = config(&[silent.address], "connect_timeout: 30ms");
        let edge = Edge::start_with(carriers, &quick.replace("2s", "60ms")).await;
        let open = "tollgate_upstream_breaker_state{service=\"s\",state=\"open\"} 1";
        for _ in 0..20 {
            let mut client = edge.connect().await;
            client
                .say("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999\r\n\r\nx")
                .await;
            assert_eq!(client.hear().await.code(), "upstream_timeout");
        }
        assert!(
            !edge.admin("/metrics").await.1.contains(open),
            "{carriers:?}"
        );
        for _ in 0..20 {
            assert_eq!(edge.get("/").await.code(), "upstream_timeout");
        }
        assert_eq!(edge.get("/").await.code(), "upstream_breaker_open");
        until_metric(&edge, open).await;
    }
}

#[tokio::test]
async fn a_service_without_a_breaker_is_always_asked() {
    let service = Moody::start(fault(500)).await;
    let edge = Edge::start(&config(&[service.upstream.address], "breaker: false")).await;
    let mut client = edge.connect().await;
    for _ in 0..40 {
        assert_eq!(client.get("/x").await.status, 500);
    }
    assert_eq!(service.heard("/x"), 40);
}

#[tokio::test]
async fn probes_take_an_endpoint_out_and_back_in() {
    let moody = Moody::start(fault(503)).await;
    let well = Moody::start(ok("fine")).await;
    let endpoints = [moody.upstream.address, well.upstream.address];
    let probe = "probe: { path: /healthz, every: 20ms }";
    let edge = Edge::start(&config(&endpoints, probe)).await;
    until_metric(&edge, &healthy(&moody, 0)).await;

    let mut client = edge.connect().await;
    for _ in 0..20 {
        assert_eq!(client.get("/x").await.text(), "fine");
    }
    assert_eq!((moody.heard("/x"), well.heard("/x")), (0, 20));

    moody.turn(ok("fine"));
    until_metric(&edge, &healthy(&moody, 1)).await;
    until("the endpoint is asked again", || async {
        edge.get("/x").await;
        moody.heard("/x") > 0
    })
    .await;
    let heard = moody.upstream.heard();
    let probe = heard
        .iter()
        .find(|text| text.starts_with("GET /healthz"))
        .unwrap();
    let head = format!(
        "GET /healthz HTTP/1.1\r\nhost: {}\r\nuser-agent: tollgate-probe\r\n\
         connection: close\r\n\r\n",
        moody.upstream.address
    );
    assert_eq!(*probe, head);
}

#[tokio::test]
async fn endpoints_that_all_fail_their_probes_are_asked_anyway() {
    let service = Moody::start(fault(404)).await;
    let probe = "probe: { path: /healthz, every: 20ms }";
    let edge = Edge::start(&config(&[service.upstream.address], probe)).await;
    until_metric(&edge, &healthy(&service, 0)).await;
    assert_eq!(edge.get("/x").await.status, 404);
    assert_eq!(service.heard("/x"), 1);
}

#[tokio::test]
async fn an_endpoint_that_hangs_or_is_not_there_fails_its_probes() {
    let hanging = Moody::start(Step::Hang).await;
    let garbled = Moody::start(Step::Say(
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n".into(),
    ));
    let garbled = garbled.await;
    let nobody = Upstream::nobody().await;
    let endpoints = [hanging.upstream.address, nobody, garbled.upstream.address];
    let probe = "probe: { path: /healthz, every: 20ms }";
    let edge = Edge::start(&config(&endpoints, probe)).await;
    for address in endpoints {
        let labels = format!("endpoint=\"{address}\",service=\"s\"");
        until_metric(&edge, &format!("tollgate_endpoint_healthy{{{labels}}} 0")).await;
    }
}

#[tokio::test]
async fn a_reload_ends_probes_that_are_not_wanted_any_more() {
    let first = Moody::start(ok("")).await;
    let second = Moody::start(ok("")).await;
    let probe = |every: &str| format!("probe: {{ path: /healthz, every: {every} }}");
    let with = |service: &Moody, keys: &str| config(&[service.upstream.address], keys);
    let edge = Edge::start(&with(&first, &probe("10ms"))).await;
    until("the first is probed", || async {
        first.heard("/healthz") > 3
    })
    .await;

    edge.running
        .apply(&edge.compile(&with(&second, &probe("10ms"))));
    let before = first.heard("/healthz");
    until("the second is probed", || async {
        second.heard("/healthz") > 10
    })
    .await;
    // One may have been on its way.
    assert!(first.heard("/healthz") <= before + 1);

    edge.running.apply(&edge.compile(&with(&second, "")));
    edge.running
        .apply(&edge.compile(&with(&first, &probe("11ms"))));
    let before = second.heard("/healthz");
    let again = first.heard("/healthz");
    until("the first is probed again", || async {
        first.heard("/healthz") > again + 10
    })
    .await;
    assert!(second.heard("/healthz") <= before + 1);
}

#[tokio::test]
async fn a_reload_that_changes_nothing_keeps_what_probes_found() {
    let moody = Moody::start(fault(503)).await;
    let well = Moody::start(ok("fine")).await;
    let endpoints = [moody.upstream.address, well.upstream.address];
    // Once out, it would take three more probes to be out again.
    let probe = "probe: { path: /healthz, every: 100ms }";
    let edge = Edge::start(&config(&endpoints, probe)).await;
    until_metric(&edge, &healthy(&moody, 0)).await;
    edge.running
        .apply(&edge.compile(&config(&endpoints, probe)));
    let (_, metrics) = edge.admin("/metrics").await;
    assert!(metrics.contains(&healthy(&moody, 0)), "{metrics}");
}

#[tokio::test]
async fn a_service_at_its_limit_is_not_asked() {
    let word = Arc::new(tokio::sync::Notify::new());
    let service = Upstream::start([Step::Wait(Arc::clone(&word)), ok("fine")]).await;
    let edge = Edge::start(&config(&[service.address], "max_in_flight: 2")).await;
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = edge.connect().await;
        client.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
        clients.push(client);
    }
    until("both are under way", || async {
        service.heard().len() == 2
    })
    .await;

    let mut third = edge.connect().await;
    let answer = third.get("/").await;
    let seen = (answer.status, answer.code());
    assert_eq!(seen, (503, "upstream_saturated".to_owned()));
    assert_eq!(answer.field("retry-after"), Some("1"));
    assert_eq!(service.heard().len(), 2);
    until_metric(
        &edge,
        "tollgate_upstream_refusals_total{code=\"upstream_saturated\",service=\"s\"} 1",
    )
    .await;

    for client in &mut clients {
        word.notify_one();
        word.notify_one();
        assert_eq!(client.hear().await.text(), "fine");
    }
    word.notify_one();
    assert_eq!(third.get("/").await.text(), "fine");
}

#[tokio::test]
async fn a_storm_of_retries_is_bounded() {
    tokio::join!(storm(Carriers::Both), storm(Carriers::Pingora));
}

async fn storm(carriers: Carriers) {
    const READS: usize = 100;
    let step = Step::SayAndReset(String::new());
    let mut services = Vec::new();
    for _ in 0..3 {
        services.push(Upstream::start([step.clone()]).await);
    }
    let endpoints: Vec<_> = services.iter().map(|service| service.address).collect();
    let edge = Edge::start_with(carriers, &config(&endpoints, "breaker: false")).await;
    let mut client = edge.connect().await;
    for _ in 0..READS {
        let answer = client.get("/x").await;
        assert_eq!(
            (answer.status, answer.code()),
            (502, "upstream_broken".to_owned())
        );
    }
    let calls: usize = services.iter().map(|service| service.heard().len()).sum();
    assert!(calls > READS && calls <= READS + READS / 10 + 3, "{calls}");
}

#[tokio::test]
async fn a_read_goes_on_to_another_endpoint_and_a_write_does_not() {
    tokio::join!(go_on(Carriers::Both), go_on(Carriers::Pingora));
}

async fn go_on(carriers: Carriers) {
    let broken = Upstream::start([Step::SayAndReset(String::new())]).await;
    let well = Upstream::start([ok("fine")]).await;
    let edge = Edge::start_with(carriers, &config(&[broken.address, well.address], "")).await;
    let mut client = edge.connect().await;
    let mut reads = 0;
    while broken.heard().is_empty() {
        reads += 1;
        assert_eq!(client.get("/x").await.text(), "fine");
    }
    assert_eq!(well.heard().len(), reads);

    let post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx";
    let mut sent = 1;
    while client.ask(post).await.status == 200 {
        sent += 1;
    }
    let heard = [&broken, &well].map(|service| service.heard().len());
    assert_eq!(heard, [2, reads + sent - 1]);
}
