//! Promise: the scenarios that are shipped run against what `./dev up` runs, and nothing in them fails.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::stack::{SMALL, Tollgate, boot_pay, free_addresses, run, services, write_certificate};

/// Small services, so that starting takes no time.
const SIZES: [&str; 6] = ["--members", "300", "--banks", "40", "--remittances", "3000"];

/// Everything the built-in default runs, on addresses that are free.
struct Site {
    gateway: SocketAddr,
    provider: SocketAddr,
    folder: TempDir,
    _process: Tollgate,
}

impl Site {
    async fn up() -> Self {
        let addresses = free_addresses::<8>();
        let [gateway, provider, ..] = addresses;
        let ports = [8080, 8081, 8082, 9090, 8091, 8092, 8093, 8094];
        let mut text = tollgate_config::DEFAULT.to_owned();
        for (port, address) in ports.iter().zip(&addresses) {
            text = text.replace(&format!("127.0.0.1:{port}"), &address.to_string());
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tollgate.yaml");
        fs::write(&file, text).unwrap();
        let arguments = [
            "up",
            "--pay-admin",
            "127.0.0.1:0",
            "--config",
            file.to_str().unwrap(),
        ];
        let mut process = Tollgate::start(&[&arguments[..], &SIZES].concat());
        let is_ready = |process: &Tollgate| process.stdout().contains("ready in").then_some(());
        process.until("everything is up", is_ready).await;
        Self {
            gateway,
            provider,
            folder,
            _process: process,
        }
    }

    /// A scenario of this repository as it is here, for a second.
    fn scenario(&self, shipped: &Path) -> PathBuf {
        let text = fs::read_to_string(shipped).unwrap();
        let secret = self.folder.path().join("data/shop.secret");
        let changes = [
            ("http://127.0.0.1:8080", format!("http://{}", self.gateway)),
            ("http://127.0.0.1:8081", format!("http://{}", self.provider)),
            ("../../data/shop.secret", secret.display().to_string()),
            ("lasts: 30s", "lasts: 1s".to_owned()),
            ("lasts: 60s", "lasts: 1s".to_owned()),
            ("warm_up: 3s", "warm_up: 200ms".to_owned()),
            ("to: 10000 }", "to: 300 }".to_owned()),
            ("count: 2000", "count: 20".to_owned()),
            ("count: 500", "count: 20".to_owned()),
            ("rate: 1000", "rate: 100".to_owned()),
            ("to: 1000 }", "to: 100 }".to_owned()),
        ];
        let text = changes
            .iter()
            .fold(text, |text, (from, to)| text.replace(from, to));
        let file = self.folder.path().join(shipped.file_name().unwrap());
        fs::write(&file, text).unwrap();
        file
    }

    /// Runs it, and gives what it writes beside its page.
    fn load(&self, scenario: &Path) -> Value {
        let page = scenario.with_extension("html");
        let file = scenario.to_str().unwrap();
        let ran = run(&["load", file, "--report", page.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        let complained = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(ran.status.success(), "{file}: {said}{complained}");
        let html = fs::read_to_string(&page).unwrap();
        assert!(
            html.starts_with("<!doctype html>") && !html.contains("<script"),
            "{file}"
        );
        // No secret and no token gets into what is handed on.
        let figures = fs::read_to_string(page.with_extension("json")).unwrap();
        for written in [&html, &figures, &said, &complained] {
            assert!(!written.contains("tg_at_"), "{written}");
        }
        serde_json::from_str(&figures).unwrap()
    }
}

fn shipped() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let files = fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

#[tokio::test]
async fn every_scenario_that_is_shipped_runs_and_nothing_in_it_fails() {
    let site = Site::up().await;
    let files = shipped();
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        let report = site.load(&site.scenario(&file));
        let kinds = report["kinds"].as_array().unwrap();
        for kind in kinds {
            assert!(kind["answered"].as_u64() > Some(0), "{file:?}: {kind}");
        }
        assert_eq!(report["all"]["failed"], 0, "{file:?}");
        if file.ends_with("mixed.yaml") {
            let revocations = &report["revocations"];
            assert!(revocations["refused"].as_u64() > Some(0), "{revocations}");
            assert_eq!(
                (&revocations["late"], &revocations["failed"]),
                (&0.into(), &0.into())
            );
        }
        // Who listens at the target is this process, and was looked at.
        assert!(
            !report["watched"].as_array().unwrap().is_empty(),
            "{file:?}"
        );
    }
}

/// The gateway's own listeners, behind TLS and in HTTP/2.
#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_is_loaded_behind_tls_and_in_http2() {
    let pay = boot_pay(SMALL).await;
    let [secure, plain, admin] = free_addresses();
    let folder = tempfile::tempdir().unwrap();
    write_certificate(folder.path(), "shop", "shop.example");
    let text = format!(
        "listen:\n- {{ address: \"{secure}\", tls: {{ cert: shop.crt, key: shop.key }} }}\n\
         - {{ address: \"{plain}\", h2c: true }}\n\
         admin: {{ address: \"{admin}\" }}\nlog: {{ access: off }}\n{}\
         routes: [{{ match: \"/members/{{id}}\", to: membership }}]\n",
        services(&pay, "10s")
    );
    let file = folder.path().join("tollgate.yaml");
    fs::write(&file, text).unwrap();
    let mut process = Tollgate::start(&["gateway", "--config", file.to_str().unwrap()]);
    let is_ready = |process: &Tollgate| process.stderr().contains(" ready listen=[").then_some(());
    process.until("it is ready", is_ready).await;
    let tls = "tls: { ca: shop.crt, name: shop.example }\n";
    let cases = [
        format!("target: https://{secure}\n{tls}"),
        format!("target: https://{secure}\n{tls}protocol: h2\nstreams: 8\n"),
        format!("target: http://{plain}\nprotocol: h2\nstreams: 8\n"),
    ];
    for (place, target) in cases.iter().enumerate() {
        let scenario = folder.path().join(format!("{place}.yaml"));
        let text = format!(
            "{target}lasts: 1s\nrate: 200\nconnections: 4\nvalues: {{ member: {{ from: 1, to: 300 }} }}\n\
             requests: [{{ name: read, get: \"/members/{{member}}\", body_holds: memberId }}]\n"
        );
        fs::write(&scenario, &text).unwrap();
        let page = scenario.with_extension("html");
        let (scenario, page) = (scenario.to_str().unwrap(), page.to_str().unwrap());
        let ran = run(&["load", scenario, "--report", page]);
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success(), "{text}: {said}");
        assert!(said.contains(" 200 "), "{said}");
    }
}

#[tokio::test]
async fn a_scenario_with_mistakes_is_refused_with_all_of_them_and_nothing_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.yaml");
    let text = "target: nowhere\nlasts: 1\nrate: 1\nrequests: [{ name: a, get: a }]\nstopp: 1\n";
    fs::write(&file, text).unwrap();
    let ran = run(&["load", file.to_str().unwrap()]);
    assert_eq!(ran.status.code(), Some(64));
    let said = String::from_utf8_lossy(&ran.stderr);
    for place in [
        ":1:9: `target`",
        ":2:8: `lasts`",
        ":4:",
        ":5:1: `stopp`",
        "4 problems",
    ] {
        assert!(said.contains(place), "{place}: {said}");
    }
}
