//! Promise: a file of 5,000 routes is checked at once, and reloading it holds no request up.
//!
//! The bars are those of a release build: a check within a second, no request held up for more than
//! 10 ms. `load bench reload` measures the second one against a release binary. Here, in whatever
//! build the tests are, requests must go on being answered while a reload is under way.

use std::fs;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use gateway_server::Reloader;
use load::bench::large_file;
use load::closed::{Load, Request};
use tokio::time::Instant;
use tollgate_config::Files;

use crate::stack::{Edge, PATIENCE, QUIET, SMALL, boot_pay, environment, run};

const ROUTES: usize = 5_000;
const RELOADS: u32 = 3;
/// Requests that are answered while a reload is under way, at the least: on a thread that compiled
/// the file itself it would be none.
const ANSWERS_MIN: u64 = 10;
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

// One thread answers requests and conducts reloads, so that whatever part of a reload is not moved
// off it holds every request up.
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
    let gateway = Arc::clone(edge.stack.gateway().unwrap());
    let mut reloader = Reloader::new(path.clone(), Files::of(&path), environment(), gateway);
    let load = Load::new(edge.address(), Request::get("/v1/accounts/1")).start();

    for file in &files {
        fs::write(&path, file).unwrap();
        load.answers(1, PATIENCE).await.unwrap();
        let mut reload = pin!(reloader.reload());
        tokio::select! {
            biased;
            _ = &mut reload => panic!("a reload ended before {ANSWERS_MIN} requests were answered"),
            answered = load.answers(ANSWERS_MIN, PATIENCE) => answered.unwrap(),
        }
        reload.await.unwrap();
    }
    let tally = load.stop().await;
    assert!(tally.is_clean(), "{tally}");
}
