//! Promise: a file of 5,000 routes is checked at once, and reloading it holds no request up.
//!
//! The bars are those of a release build: a check within a second, no request held up for more than
//! 10 ms. `load bench reload` measures the second one against a release binary. Here, in whatever
//! build the tests are, the same is compared with itself: work on a large file beside the gateway
//! and the same work as a reload of the gateway.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gateway_server::Reloader;
use load::bench::large_file;
use load::closed::{Load, Request};
use tokio::time::Instant;

use crate::stack::{Edge, PATIENCE, QUIET, SMALL, boot_pay, environment, run};

const ROUTES: usize = 5_000;
const RELOADS: u32 = 10;
const EXCESS_MAX: Duration = Duration::from_millis(10);
/// A build without optimisation takes several times as long as what is shipped.
const CHECK_MAX: Duration = Duration::from_secs(10);

#[test]
fn a_file_of_five_thousand_routes_is_checked_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tollgate.yaml");
    let upstream = "127.0.0.1:8081".parse().unwrap();
    fs::write(&path, large_file(upstream, ROUTES, 0)).unwrap();
    // The first run may have to build the binary.
    let arguments = ["check", "--config", path.to_str().unwrap()];
    run(&arguments);
    let began = Instant::now();
    let output = run(&arguments);
    let took = began.elapsed();
    println!(
        "{} bytes checked in {took:?}",
        fs::metadata(&path).unwrap().len()
    );

    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(said.contains("5001 routes, 100 services"), "{said}");
    assert!(took < CHECK_MAX, "{took:?}");
}

/// The slowest answer to one connection that asks every millisecond while `work` goes on.
async fn slowest_during<T>(gateway: SocketAddr, work: impl Future<Output = T>) -> (T, Duration) {
    let pause = Duration::from_millis(1);
    let load = Load::new(gateway, Request::get("/v1/accounts/1"));
    let running = Load { pause, ..load }.start();
    running.answers(5, PATIENCE).await.unwrap();
    let done = work.await;
    running.answers(5, PATIENCE).await.unwrap();
    let tally = running.stop().await;
    assert!(tally.is_clean(), "{tally}");
    (done, tally.latency.max())
}

/// The work of a reload without a gateway to take the result.
async fn compile_beside(path: &Path) {
    let path = path.to_owned();
    let compiled = tokio::task::spawn_blocking(move || {
        tollgate_config::load(&path, &environment()).map(|loaded| loaded.gateway.routes)
    });
    assert_eq!(compiled.await.unwrap().unwrap().routes().len(), ROUTES + 1);
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

// One thread answers requests and conducts reloads, so that whatever part of a reload is not moved
// off it holds every request up, each time. The median leaves out what else the machine does.
#[tokio::test]
async fn a_reload_of_five_thousand_routes_holds_no_request_up() {
    let pay = boot_pay(SMALL).await;
    let file = |edition| {
        let text = large_file(pay.addresses().membership[0], ROUTES, edition);
        let to_members = "to: s0, strip: /v1/accounts, add: /members }";
        QUIET.to_owned() + &text.replacen("to: s0 }", to_members, 1)
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tollgate.yaml");
    let first = file(0);
    fs::write(&path, &first).unwrap();
    let files: Vec<String> = (1..=RELOADS).map(file).collect();
    let edge = Edge::with(pay, &first).await;
    let gateway = Arc::clone(edge.stack.gateway());
    let mut reloader = Reloader::new(path.clone(), environment(), gateway);

    let (mut beside, mut reloading) = (Vec::new(), Vec::new());
    for file in &files {
        fs::write(&path, file).unwrap();
        let ((), slowest) = slowest_during(edge.address(), compile_beside(&path)).await;
        beside.push(slowest);
        let (applied, slowest) = slowest_during(edge.address(), reloader.reload()).await;
        applied.unwrap();
        reloading.push(slowest);
    }
    let (beside, reloading) = (median(beside), median(reloading));
    println!("slowest answer, median of {RELOADS}: {beside:?} beside, {reloading:?} reloading");
    assert!(
        reloading < beside + EXCESS_MAX,
        "{reloading:?} while reloading, {beside:?} beside the same work"
    );
}
