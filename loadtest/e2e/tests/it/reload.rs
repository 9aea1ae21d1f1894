//! Promise: a reload loses no request, mixes no configurations and keeps no memory, and a broken
//! file leaves the old one serving.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gateway_server::Reloader;
use load::closed::{Expect, Load, Request};
use pay::Pay;
use tollgate_config::Files;

use crate::stack::{
    Answer, Client, Edge, PATIENCE, QUIET, SMALL, Tollgate, boot_pay, environment, services,
};

const RELOADS: u64 = 1_000;
const WARM_UP: u64 = 250;
const BROKEN_EVERY: u64 = 10;
const CONNECTIONS: usize = 16;
/// Answers that must come in between two reloads, so that none goes by unseen.
const ANSWERS_BETWEEN: u64 = 8;
const GROWTH_KIB_MAX: u64 = 8 * 1024;
/// Routes nobody asks for, so that a configuration that stayed behind would be seen in the memory.
const ROUTES_BESIDE: usize = 30;

/// Two services answer the same request, each in its own words; the header says in whose name.
const MEMBERS: (&str, &str) = ("members", "membership, strip: /rows, add: /members");
const REMITTANCES: (&str, &str) = ("remittances", "remittance, strip: /rows, add: /remittances");

fn file(pay: &Pay, (name, to): (&str, &str)) -> String {
    let services = services(pay, "10s");
    let matches = "GET /rows/{id}";
    let rules = format!("{{ set: {{ X-Configuration: {name} }} }}");
    let route = format!("match: \"{matches}\", to: {to}, response_headers: {rules}");
    let beside =
        (0..ROUTES_BESIDE).map(|number| format!(", {{ match: /{name}/{number}, to: money }}"));
    let beside: String = beside.collect();
    format!("{QUIET}{services}routes: [{{ {route} }}{beside}]\n")
}

/// Which configuration answered; none when head and body do not belong together.
fn origin(header: Option<&str>, body: &[u8]) -> Option<&'static str> {
    let body = std::str::from_utf8(body).ok()?;
    match header? {
        "members" if body.starts_with("{\"memberId\":\"7\",") => Some("members"),
        "remittances" if body.starts_with("{\"remittanceId\":\"7\",") => Some("remittances"),
        _ => None,
    }
}

fn origin_of(answer: &Answer) -> Option<&'static str> {
    let header = answer.headers.get("x-configuration");
    origin(header.and_then(|it| it.to_str().ok()), &answer.body)
}

/// What is resident of this process.
/// What the process holds itself; pages of files come and go as the system likes.
fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let mut lines = status.lines();
    let line = lines
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_reloads_under_load_lose_no_request_and_keep_no_memory() {
    let pay = boot_pay(SMALL).await;
    let files = [file(&pay, MEMBERS), file(&pay, REMITTANCES)];
    let edge = Edge::with(pay, &files[0]).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tollgate.yaml");
    fs::write(&path, &files[0]).unwrap();
    let gateway = Arc::clone(edge.stack.gateway().unwrap());
    let mut reloader = Reloader::new(path.clone(), Files::of(&path), environment(), gateway);

    let seen = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    let counts = Arc::clone(&seen);
    let expect = Expect::new(move |_, answer| {
        let origin = origin(answer.header("x-configuration"), &answer.body);
        let which = origin.map(|name| usize::from(name == "remittances"));
        which.is_some_and(|which| counts[which].fetch_add(1, Ordering::Relaxed) < u64::MAX)
    });
    let load = Load {
        connections: CONNECTIONS,
        expect: Some(expect),
        ..Load::new(edge.address(), Request::get("/rows/7"))
    };
    let running = load.start();

    let mut kib_after_warm_up = 0;
    for turn in 1..=RELOADS {
        if turn % BROKEN_EVERY == 0 {
            fs::write(&path, "routes: [{ macth: /x }]\n").unwrap();
            let refused = reloader.reload().await.unwrap_err().to_string();
            assert!(refused.contains("tollgate.yaml:1:12"), "{refused}");
        } else {
            fs::write(&path, &files[usize::from(turn % 2 == 1)]).unwrap();
            let applied = reloader.reload().await.unwrap();
            assert!(applied.needs_restart.is_empty(), "{applied:?}");
        }
        running.answers(ANSWERS_BETWEEN, PATIENCE).await.unwrap();
        if turn == WARM_UP {
            kib_after_warm_up = resident_kib();
        }
    }
    let growth = resident_kib().saturating_sub(kib_after_warm_up);
    let tally = running.stop().await;
    println!("{RELOADS} reloads, {growth} KiB of growth; {tally}");

    assert!(tally.is_clean(), "{tally}");
    assert_eq!(
        (tally.resent, tally.reopened, tally.closed),
        (0, 0, 0),
        "{tally}"
    );
    let seen = seen.each_ref().map(|count| count.load(Ordering::Relaxed));
    assert!(seen.iter().all(|count| *count > tally.ok / 4), "{seen:?}");
    assert!(growth < GROWTH_KIB_MAX, "{growth} KiB of growth");
}

async fn ask(client: &Client, gateway: SocketAddr) -> Option<&'static str> {
    origin_of(&client.get(gateway, "/rows/7").await)
}

/// What the process counted, as `result="…"` of its reloads.
async fn reloads(client: &Client, admin: SocketAddr, result: &str) -> u64 {
    let metrics = client.get(admin, "/metrics").await;
    let text = std::str::from_utf8(&metrics.body).unwrap();
    let name = format!("tollgate_reloads_total{{result=\"{result}\"}} ");
    let count = text
        .lines()
        .find_map(|line| line.strip_prefix(name.as_str()));
    count.map_or(0, |count| count.parse().unwrap())
}

async fn until_reloads(client: &Client, admin: SocketAddr, result: &str, count: u64) {
    let counted = async { while reloads(client, admin, result).await < count {} };
    let counted = tokio::time::timeout(PATIENCE, counted).await;
    counted.unwrap_or_else(|_| panic!("no {count} reloads were {result}"));
}

/// Written beside it and moved, as a careful editor does: never seen in part.
fn replace(path: &Path, text: &str) {
    let next = path.with_extension("next");
    fs::write(&next, text).unwrap();
    fs::rename(&next, path).unwrap();
}

#[tokio::test]
async fn a_running_process_takes_a_good_file_and_refuses_a_broken_one() {
    let pay = boot_pay(SMALL).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tollgate.yaml");
    fs::write(&path, file(&pay, MEMBERS)).unwrap();
    let (mut process, gateway, admin) = Tollgate::gateway(&path).await;
    let client = Client::new();
    assert_eq!(ask(&client, gateway).await, Some("members"));

    // SIGHUP loads the file even where it did not change.
    process.signal("HUP");
    until_reloads(&client, admin, "applied", 1).await;

    let broken = file(&pay, REMITTANCES).replace("timeout: 10s", "timeout: 10 parsecs");
    replace(&path, &broken.replace("to: remittance", "to: remitance"));
    process.signal("HUP");
    until_reloads(&client, admin, "refused", 1).await;
    let is_told = |process: &Tollgate| {
        let said = process.stderr();
        let problems = said.matches("10 parsecs").count();
        (problems >= 4 && said.contains("did you mean `remittance`?")).then_some(said)
    };
    let said = process.until("every problem is told", is_told).await;
    assert!(said.contains("the running configuration goes on"), "{said}");
    assert_eq!(ask(&client, gateway).await, Some("members"));

    let applied = reloads(&client, admin, "applied").await;
    replace(&path, &file(&pay, REMITTANCES));
    process.signal("HUP");
    until_reloads(&client, admin, "applied", applied + 1).await;
    assert_eq!(ask(&client, gateway).await, Some("remittances"));

    // No signal: a changed file is noticed on its own.
    replace(&path, &file(&pay, MEMBERS));
    let noticed = async { while ask(&client, gateway).await != Some("members") {} };
    let noticed = tokio::time::timeout(PATIENCE, noticed).await;
    noticed.expect("a changed file is noticed");
}
