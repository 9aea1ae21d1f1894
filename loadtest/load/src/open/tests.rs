//! The generator against servers that are known: is it fooled?

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant as StdInstant};

use super::*;
use server::{Site, Speaks};

mod answers;
mod server;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A server of threads, so that nothing of the runtime under test has a part in it. It stands still
/// for `stall` once in every `every`.
struct Server {
    address: SocketAddr,
    requests: Arc<AtomicU64>,
}

impl Server {
    fn start(stall: Option<(Duration, Duration)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&requests);
        let began = tokio::time::Instant::now().into_std();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, count) = (stream.unwrap(), Arc::clone(&count));
                thread::spawn(move || serve(stream, &count, (began, stall)));
            }
        });
        Self { address, requests }
    }

    fn scenario(&self, rest: &str) -> Scenario {
        let text = format!(
            "target: http://{}\nrequests: [{{ name: all, get: /a }}]\n{rest}\n",
            self.address
        );
        Scenario::parse("test", &text, Path::new(".")).unwrap()
    }
}

fn serve(
    mut stream: TcpStream,
    count: &AtomicU64,
    (began, stall): (StdInstant, Option<(Duration, Duration)>),
) {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
        if let Some((every, stall)) = stall {
            let into = Duration::from_nanos(
                u64::try_from(began.elapsed().as_nanos() % every.as_nanos()).unwrap(),
            );
            let left = stall.saturating_sub(into);
            // sleeps: standing still is what this server is for
            thread::sleep(left);
        }
        count.fetch_add(1, Ordering::Relaxed);
        if stream.write_all(ANSWER).is_err() {
            return;
        }
    }
}

#[test]
fn every_request_that_is_due_is_sent_once_and_accounted_for() {
    let server = Server::start(None);
    let scenario = server.scenario("lasts: 1s\nrate: 500\nconnections: 4\nthreads: 2");
    let ran = run(scenario, &|_| {}).unwrap();
    let sum = ran.record.sum();
    assert_eq!(sum.answered, 500);
    assert_eq!(sum.failures.total(), 0);
    assert_eq!(server.requests.load(Ordering::Relaxed), 500);
    assert_eq!(sum.latency.count(), 500);
    assert_eq!(ran.record.moments.iter().map(|it| it.due).sum::<u64>(), 500);
    assert_eq!(ran.record.connects, 4);
    assert_eq!(ran.record.lateness.count() + ran.record.waited, 500);
}

#[test]
fn what_warms_up_is_sent_and_in_no_figure() {
    let server = Server::start(None);
    let scenario = server.scenario("lasts: 1s\nwarm_up: 2s\nrate: 100");
    let ran = run(scenario, &|_| {}).unwrap();
    assert_eq!(server.requests.load(Ordering::Relaxed), 300);
    assert_eq!(ran.record.sum().answered, 100);
    assert_eq!(ran.record.sum().latency.count(), 100);
    assert!(ran.lasted < Duration::from_secs(2), "{:?}", ran.lasted);
}

/// A server that stands still for a fifth of the time delays a fifth of the requests: a closed loop
/// would show one delayed request for each connection.
#[test]
fn a_server_that_stands_still_shows_in_the_percentiles() {
    let server = Server::start(Some((Duration::from_secs(1), Duration::from_millis(200))));
    let scenario = server.scenario("lasts: 3s\nrate: 400\nconnections: 8");
    let ran = run(scenario, &|_| {}).unwrap();
    let sum = ran.record.sum();
    assert_eq!(sum.answered, 1200, "{:?}", sum.failures);
    let delayed = sum.latency.permille(850);
    assert!(delayed > Duration::from_millis(20), "{delayed:?}");
    assert!(sum.latency.p99() > Duration::from_millis(150));
    // What was sent late was answered soon: the time of service alone does not show it.
    assert!(sum.service.permille(850) < sum.latency.permille(850) / 2);
    // Those that no connection was free for are told apart from those that the generator sent late.
    assert!(ran.record.waited > 100, "{}", ran.record.waited);
    assert_eq!(ran.record.lateness.count() + ran.record.waited, 1200);
}

#[test]
fn a_rate_that_the_generator_cannot_keep_shows_in_its_own_time() {
    let server = Server::start(None);
    let rest = |rate| format!("lasts: 1s\nrate: {rate}\nconnections: 1\ntimeout: 1s");
    let told = |rate| {
        let ran = run(server.scenario(&rest(rate)), &|_| {}).unwrap();
        ran.generator_share + ran.generator_kept_waiting
    };
    let (idle, busy) = (told(10), told(2_000_000));
    // It has nothing to do in the end but to wait for the last answers.
    assert!(idle < 0.1 && busy > 0.5, "{idle} {busy}");
}

#[test]
fn connections_that_are_new_for_each_request_are_opened_for_each() {
    let server = Server::start(None);
    let scenario = server.scenario("lasts: 1s\nrate: 100\nconnections: { new: 10 }");
    let ran = run(scenario, &|_| {}).unwrap();
    assert_eq!(ran.record.sum().answered, 100);
    assert_eq!(ran.record.connects, 100);
}

#[test]
fn what_is_not_as_wished_is_a_failure_and_too_many_end_the_run() {
    let server = Server::start(None);
    let text = format!(
        "target: http://{}\nlasts: 20s\nrate: 500\nstop: {{ errors: 10% }}\n\
         requests: [{{ name: a, get: /a, expect: [201] }}, {{ name: b, get: /b, body_holds: no }}]\n",
        server.address
    );
    let scenario = Scenario::parse("test", &text, Path::new(".")).unwrap();
    let ran = run(scenario, &|_| {}).unwrap();
    assert!(ran.given_up.is_some());
    assert!(ran.lasted < Duration::from_secs(15));
    let [a, b] = ran.record.kinds.as_slice() else {
        panic!("{:?}", ran.record.kinds);
    };
    assert_eq!(a.failures.status, a.answered);
    assert_eq!(b.failures.body, b.answered);
}

#[test]
fn nobody_who_listens_is_a_failure_of_each_request() {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap();
    drop(held);
    let text = format!(
        "target: http://{address}\nlasts: 1s\nrate: 50\nrequests: [{{ name: a, get: /a }}]\n"
    );
    let scenario = Scenario::parse("test", &text, Path::new(".")).unwrap();
    let ran = run(scenario, &|_| {}).unwrap();
    assert_eq!(ran.record.sum().failures.connect, 50);
}

fn scenario_of(site: &Site, rest: &str) -> Scenario {
    let text = format!(
        "target: https://{}\nlasts: 1s\nrate: 200\n{rest}\n",
        site.address
    );
    Scenario::parse("test", &text, Path::new("/")).unwrap()
}

#[test]
fn behind_tls_and_in_http2_all_is_the_same() {
    for (speaks, is_secure) in [
        (Speaks::Http1, true),
        (Speaks::Http2, false),
        (Speaks::Http2, true),
    ] {
        let site = Site::start(speaks, is_secure);
        let tls = match is_secure {
            true => format!(
                "tls: {{ ca: {}, name: shop.example }}\n",
                site.ca().display()
            ),
            false => String::new(),
        };
        let protocol = match speaks {
            Speaks::Http1 => "",
            Speaks::Http2 => "protocol: h2\nstreams: 4\n",
        };
        let holds = match speaks {
            Speaks::Http1 => "ok",
            Speaks::Http2 => "ok id=1",
        };
        let scheme = if is_secure { "https" } else { "http" };
        let text = format!(
            "target: {scheme}://{}\nlasts: 1s\nrate: 200\nconnections: 2\n{tls}{protocol}\
             values: {{ id: {{ from: 1, to: 1 }} }}\n\
             requests: [{{ name: all, post: \"/a?{{unique}}\", body: \"id={{id}}\", body_holds: {holds} }}]\n",
            site.address
        );
        let ran = run(
            Scenario::parse("test", &text, Path::new("/")).unwrap(),
            &|_| {},
        )
        .unwrap();
        let sum = ran.record.sum();
        assert_eq!(
            (sum.answered, sum.failures),
            (200, Failures::default()),
            "{text}"
        );
        assert_eq!(site.requests.load(Ordering::Relaxed), 200);
        assert_eq!(ran.record.connects, 2);
    }
}

#[test]
fn nobody_is_believed_who_is_not_vouched_for_unless_anybody_is() {
    for (protocol, speaks) in [("h1", Speaks::Http1), ("h2", Speaks::Http2)] {
        let (site, other) = (Site::start(speaks, true), Site::start(speaks, true));
        let requests = format!("protocol: {protocol}\nrequests: [{{ name: all, get: /a }}]");
        let failed = |tls: &str| {
            let ran = run(
                scenario_of(&site, &format!("tls: {tls}\n{requests}")),
                &|_| {},
            );
            ran.unwrap().record.sum().failures.total()
        };
        assert_eq!(failed("{ insecure: true }"), 0);
        assert_eq!(
            failed(&format!(
                "{{ ca: {}, name: shop.example }}",
                site.ca().display()
            )),
            0
        );
        assert_eq!(
            failed(&format!(
                "{{ ca: {}, name: shop.example }}",
                other.ca().display()
            )),
            200
        );
        assert_eq!(
            failed(&format!(
                "{{ ca: {}, name: bank.example }}",
                site.ca().display()
            )),
            200
        );
    }
}

#[test]
fn a_server_of_another_protocol_is_a_failure_of_each_request() {
    let site = Site::start(Speaks::Http1, true);
    let rest = "protocol: h2\ntls: { insecure: true }\nrequests: [{ name: all, get: /a }]";
    let ran = run(scenario_of(&site, rest), &|_| {}).unwrap();
    assert_eq!(ran.record.sum().failures.connect, 200);
}
