//! Certificates that change under a running gateway.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use gateway_server::Reloader;
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;
use tokio::time::timeout;
use tollgate_config::{Environment, load};

use super::metric;
use crate::client::Client;
use crate::edge::{Edge, everything_to};
use crate::site::Site;
use crate::socket::{Socket, shake_hands};
use crate::upstream::{Upstream, ok};

const PATIENCE: Duration = Duration::from_secs(10);
/// The first look is taken at once.
const AT_ONCE: Duration = Duration::from_millis(50);
const SWAPS: usize = 20;
/// Requests that are answered before the next swap.
const BETWEEN: u64 = 5;

/// A gateway with its file on disk, as the binary runs it.
struct House {
    edge: Edge,
    reloader: Reloader,
    file: PathBuf,
    rest: String,
    _folder: TempDir,
}

impl House {
    async fn new(site: Site, files: &[&str]) -> Self {
        let service = Upstream::start([ok("fine")]).await;
        let rest = everything_to(&[service.address]);
        let edge = Edge::secure(site, files, &rest).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tollgate.yaml");
        fs::write(&file, edge.text(&rest)).unwrap();
        let environment = Environment::of([], 2);
        let seen = load(&file, &environment).unwrap().files;
        let gateway = Arc::clone(&edge.running);
        Self {
            reloader: Reloader::new(file.clone(), seen, environment, gateway),
            edge,
            file,
            rest,
            _folder: folder,
        }
    }

    fn site(&self) -> &Site {
        self.edge.site.as_ref().unwrap()
    }

    async fn shown(&self) -> CertificateDer<'static> {
        let visit = self.site().visit(Site::FIRST);
        let stream = shake_hands(self.edge.address(), visit).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].clone()
    }

    /// Waits as the process does, then reloads as it does.
    async fn notice(&mut self) -> Result<Vec<&'static str>, String> {
        let noticed = timeout(PATIENCE, self.reloader.changed()).await;
        noticed.expect("a change is noticed");
        let applied = self.reloader.reload().await;
        applied
            .map(|applied| applied.needs_restart)
            .map_err(|error| error.to_string())
    }
}

/// Points `live` at another folder in one step, as Kubernetes does.
fn point(site: &Site, folder: &str) {
    let link = site.path("live", "next");
    symlink(site.path(folder, "x").with_extension(""), &link).unwrap();
    fs::rename(&link, site.path("live", "x").with_extension("")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_swapped_under_load_without_a_failed_request() {
    let site = Site::new();
    for folder in ["one", "two"] {
        site.write(&format!("{folder}/edge"), &[Site::FIRST]);
    }
    point(&site, "one");
    let mut house = House::new(site, &["live/edge"]).await;
    let mut old = house.edge.connect().await;

    let answers = Arc::new(AtomicU64::new(0));
    let is_over = Arc::new(AtomicBool::new(false));
    let visit = house.site().visit(Site::FIRST);
    let load = {
        let (address, answers, is_over) = (
            house.edge.address(),
            Arc::clone(&answers),
            Arc::clone(&is_over),
        );
        gateway_server::spawn("load", async move {
            while !is_over.load(Ordering::Relaxed) {
                let stream = shake_hands(address, visit.clone()).await.unwrap();
                let mut client = Client::on(Socket::Tls(Box::new(stream)));
                for _ in 0..3 {
                    assert_eq!(client.get("/").await.text(), "fine");
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
    };
    for turn in 0..SWAPS {
        let folder = ["two", "one"][turn % 2];
        point(house.site(), folder);
        assert_eq!(house.notice().await, Ok(vec![]));
        let expected = house.site().certificate(&format!("{folder}/edge"));
        assert_eq!(house.shown().await, expected, "{turn}");
        assert_eq!(old.get("/").await.text(), "fine", "{turn}");
        let before = answers.load(Ordering::Relaxed);
        while answers.load(Ordering::Relaxed) < before + BETWEEN && !load.is_finished() {
            tokio::task::yield_now().await;
        }
    }
    is_over.store(true, Ordering::Relaxed);
    load.await.expect("no request fails");
}

#[tokio::test]
async fn a_broken_certificate_is_refused_and_the_old_one_goes_on() {
    let mut house = House::new(Site::new(), &["first"]).await;
    let before = house.shown().await;

    fs::write(house.site().path("first", "crt"), "nothing\n").unwrap();
    let refused = house.notice().await.unwrap_err();
    assert!(
        refused.contains("there is no certificate in this file"),
        "{refused}"
    );
    assert_eq!(house.shown().await, before);
    // What was refused is not tried again before it changes.
    let again = timeout(AT_ONCE, house.reloader.changed()).await;
    assert!(again.is_err());
    assert_eq!(
        metric(&house.edge, "reloads_total{result=\"refused\"}").await,
        1
    );

    // The half of a renewal that came first fits nobody; with the other half all is well.
    house.site().write("second", &[Site::FIRST]);
    let copy = |kind: &str| {
        let (from, to) = (
            house.site().path("second", kind),
            house.site().path("first", kind),
        );
        fs::copy(from, to).unwrap();
    };
    copy("crt");
    let reloader = &mut house.reloader;
    timeout(PATIENCE, reloader.changed()).await.unwrap();
    let refused = reloader.reload().await.unwrap_err().to_string();
    assert!(refused.contains("this key does not belong"), "{refused}");
    fs::copy(
        house.site().path("second", "key"),
        house.site().path("first", "key"),
    )
    .unwrap();
    assert_eq!(house.notice().await, Ok(vec![]));
    assert_eq!(house.shown().await, house.site().certificate("second"));
}

#[tokio::test]
async fn a_certificate_that_comes_later_than_the_file_that_names_it_is_waited_for() {
    let mut house = House::new(Site::new(), &["first"]).await;
    let listener = house.site().listener(&["second"]);
    let text = house.edge.text(&house.rest);
    let before = house.site().listener(&["first"]);
    fs::write(&house.file, text.replace(&before, &listener)).unwrap();
    let refused = house.notice().await.unwrap_err();
    assert!(refused.contains("this file cannot be read"), "{refused}");

    house.site().write("second", &[Site::FIRST]);
    // The key may come a moment after the certificate.
    while house.notice().await.is_err() {}
    assert_eq!(house.shown().await, house.site().certificate("second"));
}

#[tokio::test]
async fn an_expired_certificate_is_shown_all_the_same_and_its_end_is_told() {
    let mut house = House::new(Site::new(), &["first"]).await;
    let name = format!(
        "tls_certificate_expiry_unix_seconds{{listener=\"{}\"}}",
        house.edge.address()
    );
    assert_eq!(metric(&house.edge, &name).await, 3_786_912_000);

    house.site().write_for("first", &[Site::FIRST], 2000..2025);
    while house.notice().await.is_err() {}
    assert_eq!(metric(&house.edge, &name).await, 1_735_689_600);
    let visit = house.site().visit(Site::FIRST);
    let refused = shake_hands(house.edge.address(), visit).await.unwrap_err();
    assert!(refused.to_string().contains("expired"), "{refused}");
}

#[tokio::test]
async fn all_of_a_listener_but_its_certificates_holds_until_the_next_start() {
    let service = Upstream::start([ok("fine")]).await;
    let rest = everything_to(&[service.address]);
    let site = Site::new();
    site.write("second", &[Site::FIRST]);
    let edge = Edge::secure(site, &["first"], &rest).await;
    let site = edge.site.as_ref().unwrap();
    let (first, second) = (site.listener(&["first"]), site.listener(&["second"]));
    let with = |listeners: &str| {
        let text = edge.text(&rest).replace(&first, listeners);
        let environment = Environment::of([], 2);
        let loaded = tollgate_config::compile("t.yaml", text.as_bytes(), &environment);
        loaded
            .unwrap_or_else(|problems| panic!("{problems}"))
            .gateway
            .unwrap()
    };
    let elsewhere = second.replace("127.0.0.1:0", "127.0.0.2:0");
    #[rustfmt::skip]
    let cases = [
        (second.clone(),                             vec![],         "second"),
        ("{ address: 127.0.0.1:0 }".to_owned(),      vec!["listen"], "second"),
        (first.clone(),                              vec![],         "first"),
        (elsewhere.clone(),                          vec!["listen"], "first"),
        (format!("{elsewhere}, {second}"),           vec!["listen"], "second"),
        (format!("{first}, {second}"),               vec!["listen"], "first"),
    ];
    for (listeners, needs_restart, shown) in cases {
        let applied = edge.running.apply(&with(&listeners));
        assert_eq!(applied.needs_restart, needs_restart, "{listeners}");
        let stream = shake_hands(edge.address(), site.visit(Site::FIRST))
            .await
            .unwrap();
        let found = &stream.get_ref().1.peer_certificates().unwrap()[0];
        assert_eq!(*found, site.certificate(shown), "{listeners}");
    }
}
