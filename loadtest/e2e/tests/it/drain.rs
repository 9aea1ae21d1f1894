//! Promise: a stop loses no request of a client that honours `Connection: close`; a client in a hurry
//! can be cut short, and an operator in a hurry as well.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use hyper::Method;
use load::closed::{Load, Request, Running, Tally};
use pay::Pay;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::stack::{Client, PATIENCE, QUIET, SMALL, Tollgate, boot_pay, open_routes, services};

const CONNECTIONS: usize = 16;
const STOPS: usize = 5;
/// Far below the lame-duck and drain times that the files of these tests state.
const AT_ONCE: Duration = Duration::from_secs(5);

struct Site {
    pay: Pay,
    file: PathBuf,
    client: Client,
    _folder: TempDir,
}

impl Site {
    async fn with(deadlines: &str) -> Self {
        let pay = boot_pay(SMALL).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tollgate.yaml");
        let (services, routes) = (services(&pay, "60s"), open_routes());
        let text = format!("{QUIET}deadlines: {{ {deadlines} }}\n{services}{routes}");
        fs::write(&file, text).unwrap();
        Self {
            pay,
            file,
            client: Client::new(),
            _folder: folder,
        }
    }

    async fn until_readyz(&self, admin: SocketAddr, status: u16) {
        let told = async { while self.client.get(admin, "/readyz").await.status != status {} };
        let told = tokio::time::timeout(PATIENCE, told).await;
        told.unwrap_or_else(|_| panic!("/readyz does not become {status}"));
    }

    /// A request that the service takes and never answers.
    async fn hanging_request(&self, gateway: SocketAddr) -> tokio::task::JoinHandle<bool> {
        let admin = self.pay.addresses().admin;
        let faults = json!({ "hang": 1.0 }).to_string();
        let headers = [("content-type", "application/json")];
        let set = self
            .client
            .send(Method::PUT, (admin, "/faults/membership"), &headers, faults);
        set.await.unwrap().ok();
        let client = self.client.clone();
        let request = async move {
            let sent = client.send(Method::GET, (gateway, "/members/7"), &[], "");
            sent.await.is_ok()
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "a panic here fails the test that awaits it"
        )]
        let hanging = tokio::spawn(request);
        let arrived = async {
            let path = "/requests?service=membership";
            while self.client.get(admin, path).await.json() == json!([]) {}
        };
        let arrived = tokio::time::timeout(PATIENCE, arrived).await;
        arrived.expect("the request reaches the service");
        hanging
    }
}

fn load(gateway: SocketAddr) -> Running {
    let load = Load {
        connections: CONNECTIONS,
        ..Load::new(gateway, Request::get("/members/7"))
    };
    load.start()
}

/// Every request that found a listener was answered, and with the service's answer.
#[track_caller]
fn assert_none_lost(tally: &Tally) {
    let refused = tally.errors.connect;
    assert_eq!(tally.errors.total(), refused, "{tally}");
    assert!(tally.ok > 0 && tally.ok == tally.answered(), "{tally}");
    assert!(tally.closed >= CONNECTIONS as u64, "{tally}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_loses_no_request_and_says_so_beforehand() {
    let site = Site::with("lame_duck: 300ms, drain: 10s").await;
    for _ in 0..STOPS {
        let (mut process, gateway, admin) = Tollgate::gateway(&site.file).await;
        site.until_readyz(admin, 200).await;
        let load = load(gateway);
        load.answers(200, PATIENCE).await.unwrap();

        process.signal("TERM");
        site.until_readyz(admin, 503).await;
        // Told to go elsewhere, it is still served here.
        load.answers(CONNECTIONS as u64, PATIENCE).await.unwrap();
        assert_eq!(process.exit_code().await, Some(0), "{}", process.stderr());
        let tally = load.stop().await;
        assert_none_lost(&tally);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_when_told_sees_no_error_at_all() {
    let site = Site::with("lame_duck: 10s, drain: 10s").await;
    let (mut process, gateway, admin) = Tollgate::gateway(&site.file).await;
    let load = load(gateway);
    load.answers(200, PATIENCE).await.unwrap();

    process.signal("TERM");
    site.until_readyz(admin, 503).await;
    load.answers(200, PATIENCE).await.unwrap();
    let tally = load.stop().await;
    assert!(tally.is_clean(), "{tally}");
    assert_none_lost(&tally);
    process.signal("TERM");
    process.exit_code().await;
}

#[tokio::test]
async fn an_interrupt_stops_without_the_lame_duck_time() {
    let site = Site::with("lame_duck: 60s, drain: 60s").await;
    let (mut process, gateway, _) = Tollgate::gateway(&site.file).await;
    assert_eq!(site.client.get(gateway, "/members/7").await.status, 200);

    let began = Instant::now();
    process.signal("INT");
    assert_eq!(process.exit_code().await, Some(0), "{}", process.stderr());
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_second_signal_stops_at_once_and_does_not_call_it_a_success() {
    for (first, second) in [("TERM", "TERM"), ("INT", "INT")] {
        let site = Site::with("lame_duck: 60s, drain: 60s").await;
        let (mut process, gateway, admin) = Tollgate::gateway(&site.file).await;
        let hanging = site.hanging_request(gateway).await;
        process.signal(first);
        site.until_readyz(admin, 503).await;

        let began = Instant::now();
        process.signal(second);
        assert_eq!(process.exit_code().await, Some(1), "{}", process.stderr());
        assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
        assert!(!hanging.await.unwrap(), "the request was answered");
    }
}
