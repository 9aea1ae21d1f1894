//! Start, reload, stop.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gateway_server::{Reloader, Running, StartError};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tollgate_config::{Environment, Files};

use crate::edge::{Edge, everything_to};
use crate::upstream::{Step, Upstream, ok};

const STOPS: usize = 8;

#[tokio::test]
async fn a_taken_port_is_a_clear_error_at_start() {
    let service = Upstream::start([ok("fine")]).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let text = format!(
        "listen: [{{ address: \"{address}\" }}]\nadmin: {{ address: \"127.0.0.1:0\" }}\n{}",
        everything_to(&[service.address])
    );
    let loaded =
        tollgate_config::compile("t.yaml", text.as_bytes(), &Environment::of([], 1)).unwrap();
    let error = Running::start(loaded.gateway.unwrap()).await.unwrap_err();
    assert!(
        matches!(error, StartError::Bind { address: at, .. } if at == address),
        "{error}"
    );
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn a_reload_changes_routes_for_connections_that_are_open() {
    let (old, new) = (
        Upstream::start([ok("old")]).await,
        Upstream::start([ok("new")]).await,
    );
    let edge = Edge::before(old.address).await;
    let mut client = edge.connect().await;
    assert_eq!(client.get("/").await.text(), "old");

    let applied = edge
        .running
        .apply(&edge.compile(&everything_to(&[new.address])));
    assert!(applied.needs_restart.is_empty());
    assert_eq!(client.get("/").await.text(), "new");
}

#[tokio::test]
async fn what_only_a_restart_can_change_is_named() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = Edge::before(service.address).await;
    let mut config = edge.compile(&everything_to(&[service.address]));
    config.threads += 1;
    assert_eq!(edge.running.apply(&config).needs_restart, ["threads"]);
}

#[tokio::test]
async fn an_identity_provider_beside_a_gateway_takes_a_restart_to_change() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = Edge::before(service.address).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tollgate.yaml");
    let gateway = edge.text(&everything_to(&[service.address]));
    let with = |provider: &str| std::fs::write(&path, format!("{gateway}{provider}")).unwrap();
    with("\nprovider: {}\n");
    let started_with = tollgate_config::load(&path, &Environment::of([], 2)).unwrap();
    let mut reloader = reloader(&path, &edge).beside(started_with.provider);

    let cases = [
        ("\nprovider: {}\n", vec![]),
        (
            "\nprovider: { login: { idle: 1m } }\n",
            vec!["provider.login"],
        ),
        ("", vec!["provider"]),
    ];
    for (provider, expected) in cases {
        with(provider);
        let applied = reloader.reload().await.unwrap();
        assert_eq!(applied.needs_restart, expected, "{provider}");
    }
}

#[tokio::test]
async fn a_file_without_a_gateway_is_refused_by_one_that_runs() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = Edge::before(service.address).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tollgate.yaml");
    std::fs::write(&path, "provider: {}\n").unwrap();
    let error = reloader(&path, &edge).reload().await.unwrap_err();
    assert!(error.to_string().contains("at least one route"), "{error}");
    assert_eq!(edge.connect().await.get("/").await.text(), "fine");
}

fn reloader(path: &Path, edge: &Edge) -> Reloader {
    let environment = Environment::of([], 2);
    let gateway = Arc::clone(&edge.running);
    Reloader::new(path.to_owned(), Files::of(path), environment, gateway)
}

#[tokio::test]
async fn a_broken_file_leaves_the_old_configuration_serving() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = Edge::before(service.address).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tollgate.yaml");
    std::fs::write(&path, everything_to(&[service.address])).unwrap();
    let mut reloader = reloader(&path, &edge);

    reloader.reload().await.unwrap();
    std::fs::write(&path, "routes: [{ macth: x }]").unwrap();
    let error = reloader.reload().await.unwrap_err().to_string();
    assert!(
        error.contains("tollgate.yaml:1:12") && error.contains("match"),
        "{error}"
    );
    assert_eq!(edge.get("/").await.text(), "fine");

    let (_, metrics) = edge.admin("/metrics").await;
    assert!(
        metrics.contains("tollgate_reloads_total{result=\"applied\"} 1"),
        "{metrics}"
    );
    assert!(
        metrics.contains("tollgate_reloads_total{result=\"refused\"} 1"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_changed_file_is_noticed_also_when_it_is_replaced() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = Edge::before(service.address).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tollgate.yaml");
    std::fs::write(&path, everything_to(&[service.address])).unwrap();
    let mut reloader = reloader(&path, &edge);

    let next = folder.path().join("next.yaml");
    std::fs::write(&next, everything_to(&[service.address])).unwrap();
    std::fs::rename(&next, &path).unwrap();
    let noticed = tokio::time::timeout(Duration::from_secs(10), reloader.changed()).await;
    noticed.expect("a replaced file is noticed");
}

#[tokio::test]
async fn a_stop_lets_requests_under_way_end_and_says_so() {
    let word = Arc::new(Notify::new());
    let service = Upstream::start([Step::Wait(Arc::clone(&word)), ok("late")]).await;
    let edge = Edge::before(service.address).await;
    assert_eq!(edge.admin("/readyz").await.0, 200);

    let mut busy = edge.connect().await;
    busy.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let (busy, stopped) = tokio::join!(
        async {
            while service.heard().is_empty() {
                tokio::task::yield_now().await;
            }
            while edge.admin("/readyz").await.0 == 200 {}
            let (status, why) = edge.admin("/readyz").await;
            assert_eq!(status, 503);
            assert!(why.contains("stopping"), "{why}");
            assert_eq!(edge.admin("/livez").await.0, 200);
            word.notify_one();
            let answer = busy.hear().await;
            assert_eq!(
                (answer.text().as_str(), answer.field("connection")),
                ("late", Some("close"))
            );
            busy
        },
        edge.running.stop(Some(Duration::from_millis(100))),
    );
    drop(busy);
    assert!(stopped);
    assert!(TcpStream::connect(edge.address()).await.is_err());
}

#[tokio::test]
async fn a_lame_duck_still_serves_new_connections_and_ends_them() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = Edge::before(service.address).await;
    let mut old = edge.connect().await;
    assert_eq!(old.get("/").await.field("connection"), Some("keep-alive"));

    let (stopped, ()) = tokio::join!(edge.running.stop(Some(Duration::from_millis(300))), async {
        while edge.admin("/readyz").await.0 == 200 {}
        let answer = old.get("/").await;
        assert_eq!(
            (answer.status, answer.field("connection")),
            (200, Some("close"))
        );
        let mut new = edge.connect().await;
        let answer = new.get("/nothing").await;
        assert_eq!(answer.field("connection"), Some("close"));
        assert!(new.is_closed().await);
    });
    assert!(stopped);
}

#[tokio::test]
async fn a_request_on_its_way_when_the_drain_begins_is_answered() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = Edge::before(service.address).await;
    let mut used = edge.connect().await;
    assert_eq!(used.get("/").await.status, 200);
    let mut new = edge.connect().await;
    while !edge.admin("/metrics").await.1.contains("connections 2") {}

    let (stopped, ()) = tokio::join!(edge.running.stop(Some(Duration::ZERO)), async {
        while !edge.admin("/readyz").await.1.contains("under way") {}
        for client in [&mut used, &mut new] {
            let answer = client.get("/").await;
            assert_eq!(
                (answer.status, answer.field("connection")),
                (200, Some("close"))
            );
        }
    });
    assert!(stopped);
}

/// Whoever has just connected may be slow to say why.
#[tokio::test]
async fn a_connection_that_had_no_request_yet_is_kept_longer_than_one_that_had() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = Edge::before(service.address).await;
    let mut used = edge.connect().await;
    assert_eq!(used.get("/").await.status, 200);
    let mut new = edge.connect().await;
    while !edge.admin("/metrics").await.1.contains("connections 2") {}

    let (stopped, ()) = tokio::join!(edge.running.stop(Some(Duration::ZERO)), async {
        assert!(used.is_closed().await);
        assert_eq!(new.get("/").await.status, 200);
    });
    assert!(stopped);
}

#[tokio::test]
async fn the_drain_deadline_ends_what_does_not_end() {
    let service = Upstream::start([Step::Hang]).await;
    let config = everything_to(&[service.address]);
    let edge = Edge::start(&format!("deadlines: {{ drain: 100ms }}\n{config}")).await;
    let mut client = edge.connect().await;
    client.say("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    while service.heard().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(!edge.running.stop(Some(Duration::ZERO)).await);
}

/// Nothing is said to whoever comes too late, until the listener is closed: a connection that came
/// about at that moment would be reset.
#[tokio::test]
async fn no_connection_begins_any_more_once_the_drain_has_begun() {
    let service = Upstream::start([ok("fine")]).await;
    let edge = Edge::before(service.address).await;
    let connect = || {
        let connecting = TcpStream::connect(edge.address());
        tokio::time::timeout(Duration::from_millis(50), connecting)
    };
    let until_it_fails = async {
        loop {
            match connect().await {
                Ok(Ok(_)) => {}
                Ok(Err(refused)) => return Err(refused),
                Err(silence) => return Ok(silence),
            }
        }
    };
    let stop = edge.running.stop(Some(Duration::from_millis(20)));
    let (stopped, failed) = tokio::join!(stop, until_it_fails);
    assert!(stopped && failed.is_ok(), "{failed:?}");
}

/// Whoever connects while the listener closes is refused, or answered; nothing in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_gets_a_connection_amidst_a_stop_gets_an_answer() {
    let service = Upstream::start([ok("fine")]).await;
    let mut answers = 0;
    for _ in 0..STOPS {
        let edge = Edge::before(service.address).await;
        let address = edge.address();
        // Threads of their own: they connect at any moment of the gateway's.
        let clients = (0..4).map(|_| std::thread::spawn(move || ask_until_refused(address)));
        let clients: Vec<_> = clients.collect();
        assert!(edge.running.stop(Some(Duration::from_millis(20))).await);
        for client in clients {
            answers += client.join().unwrap();
        }
    }
    assert!(answers > 0);
}

fn ask_until_refused(address: SocketAddr) -> usize {
    let mut answers = 0;
    while let Ok(mut stream) = std::net::TcpStream::connect(address) {
        let sent = stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        let mut answer = Vec::new();
        let heard = sent.and_then(|()| stream.read_to_end(&mut answer));
        assert!(
            answer.ends_with(b"fine"),
            "lost after {answers} answers: {heard:?}"
        );
        answers += 1;
    }
    answers
}
