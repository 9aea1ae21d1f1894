//! Does every change get to the gateways, once, in order and at once? And is there silence when it
//! cannot?

use std::collections::HashSet;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use hyper::{Method, StatusCode};
use idp_core::change::Kind as CoreKind;
use idp_core::store::Store as _;
use idp_server::store::{EmbeddedStore, KeySource, Sweep, Swept};
use idp_token::epoch::Seq;
use idp_token::fence::Fence;
use idp_token::follow::{Followed, Follower};
use idp_token::lease::{Tolerance, Trust};
use idp_token::log::{After, Entry, Gap, Kind, Target};
use idp_token::time::{BootTime, UnixSeconds};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::gateway::{Reader, START, in_time};
use crate::server::{Server, Wishes};
use crate::world::OPTIONS;

const REVOCATIONS: usize = 1000;
const AT_ONCE: usize = 100;

async fn tokens(server: &Arc<Server>, count: usize) -> Vec<String> {
    let mut asking = JoinSet::new();
    for _ in 0..AT_ONCE {
        let server = Arc::clone(server);
        asking.spawn(async move {
            let mut tokens = Vec::new();
            for _ in 0..count / AT_ONCE {
                tokens.push(server.token().await);
            }
            tokens
        });
    }
    asking.join_all().await.concat()
}

fn revoke_all(server: &Arc<Server>, tokens: &[String]) -> JoinSet<()> {
    let mut revoking = JoinSet::new();
    for part in tokens.chunks(tokens.len() / AT_ONCE) {
        let (server, part) = (Arc::clone(server), part.to_vec());
        revoking.spawn(async move {
            for token in part {
                server.revoke(&token).await;
            }
        });
    }
    revoking
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_read_once_and_in_order_by_all_who_follow() {
    let server = Arc::new(Server::start().await);
    let tokens = tokens(&server, REVOCATIONS).await;
    let mut reading = JoinSet::new();
    for _ in 0..8 {
        let server = Arc::clone(&server);
        reading.spawn(async move {
            let mut reader = Reader::new(START);
            reader.read_until_seq(&server, REVOCATIONS as u64).await;
            reader
        });
    }
    revoke_all(&server, &tokens).join_all().await;
    // Whoever comes late reads the same.
    let mut late = Reader::new(START);
    late.read_until_seq(&server, REVOCATIONS as u64).await;
    for reader in reading.join_all().await.into_iter().chain([late]) {
        assert_eq!(reader.changes.len(), REVOCATIONS);
        assert!(reader.is_without_holes());
        let ended = reader.changes.iter().map(|change| {
            assert_eq!(change.kind, Kind::Ended);
            let Target::Session(id) = &change.target else {
                panic!("{change:?}");
            };
            *id
        });
        assert_eq!(ended.collect::<HashSet<_>>().len(), REVOCATIONS);
    }
}

#[tokio::test]
async fn a_follower_that_comes_again_goes_on_where_it_stood_even_after_a_restart() {
    let mut server = Server::start().await;
    let mut reader = Reader::new(START);
    for round in 1..=3 {
        for _ in 0..5 {
            let token = server.token().await;
            server.revoke(&token).await;
        }
        reader.read_until_seq(&server, round * 5 - 2).await;
        server = server.restart().await;
    }
    reader.read_until_seq(&server, 15).await;
    assert_eq!(reader.changes.len(), 15);
    assert!(reader.is_without_holes());
}

/// The relay is woken, and does not look around at every beat alone. With that there would be a beat
/// for every change that is waited for.
#[tokio::test]
async fn a_change_is_in_the_log_before_the_next_beat_is_due() {
    const ROUNDS: usize = 20;
    let server = Server::start().await;
    let mut tokens = Vec::new();
    for _ in 0..ROUNDS {
        tokens.push(server.token().await);
    }
    let mut reader = Reader::new(START);
    reader.read(&server).await;
    let before = server.metric("beats_total").await;
    for (token, seq) in tokens.iter().zip(1..) {
        server.revoke(token).await;
        reader.read_until_seq(&server, seq).await;
    }
    let beats = server.metric("beats_total").await - before;
    assert!(beats < 16.0, "{beats} beats for {ROUNDS} changes");
}

#[tokio::test]
async fn beats_are_numbered_by_one_and_a_new_relay_does_not_continue_them() {
    let server = Server::start().await;
    let mut reader = Reader::new(START);
    let page = reader.read(&server).await;
    reader
        .read_until(&server, |reader| reader.beats.len() >= 4)
        .await;
    assert!(reader.beats[0] >= page.hello.run);
    let last = *reader.beats.last().unwrap();
    assert!(reader.beats.is_sorted_by(|one, next| next - one == 1));

    let server = server.restart().await;
    let mut reader = Reader::new(reader.after);
    reader
        .read_until(&server, |reader| reader.beats.len() >= 2)
        .await;
    assert_ne!(reader.beats[0], last + 1);
    assert!(reader.beats.is_sorted_by(|one, next| next - one == 1));
}

pub(crate) fn now() -> BootTime {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    BootTime(Duration::try_from(now).unwrap())
}

/// With the gateway's own judgement.
#[tokio::test]
async fn a_gateway_becomes_fresh_and_then_knows_what_was_acknowledged_before() {
    let server = Server::start().await;
    let token = server.token().await;
    let session = server.record(&token).await;
    let fence = Fence::new(&[1; 16], 1 << 10, 16, Seq::NONE);
    let mut follower = Follower::new(Duration::from_secs(1));
    let id = session.id.to_string();
    let marks = fence.marks(&id, &session.subject, &session.client_id, &session.tenant);
    let stamp = fence.stamp();
    let mut after = START;
    let follow = async |follower: &mut Follower, after: &mut After| {
        let sent = now();
        let page = server.page(*after).await;
        assert_eq!(
            follower.read_page(&fence, sent, &page),
            Ok(Followed::InOrder)
        );
        let mut reader = Reader::new(*after);
        page.entries.iter().for_each(|entry| reader.take(entry));
        *after = reader.after;
    };
    let growing_fresh = async {
        while follower.lease().trust(Tolerance::Strict, now()) != Trust::Fresh {
            follow(&mut follower, &mut after).await;
        }
    };
    in_time("a fresh lease", growing_fresh).await;
    assert!(fence.holds(stamp, &marks));

    server.revoke(&token).await;
    let acknowledged = now();
    let growing_fresh = async {
        while follower
            .lease()
            .fresh_at()
            .is_none_or(|at| at <= acknowledged)
        {
            follow(&mut follower, &mut after).await;
        }
    };
    in_time("a lease that began later", growing_fresh).await;
    assert!(!fence.holds(stamp, &marks));
}

#[tokio::test]
async fn a_follower_that_was_away_for_too_long_is_told_of_the_gap() {
    let server = Server::start().await;
    for _ in 0..3 {
        let token = server.token().await;
        server.revoke(&token).await;
    }
    Reader::new(START).read_until_seq(&server, 3).await;
    let folder = server.stop().await;
    let key = KeySource::File(folder.path().join("idp.key"));
    let store = EmbeddedStore::open(&folder.path().join("idp.redb"), &key, OPTIONS).unwrap();
    forget_all(&store).await;
    drop(store);

    let server = Server::start_in(folder, Wishes::default()).await;
    let page = server.page(START).await;
    assert_eq!(
        page.hello.check(Seq::NONE),
        Err(Gap::Forgotten { first: Seq(4) })
    );
    // Whoever knows the last one lacks nothing.
    let at = |seq| After {
        seq: Seq(seq),
        beat: None,
    };
    assert_eq!(server.page(at(3)).await.hello.check(Seq(3)), Ok(()));
    // Whoever knows more is told at once that this is not the log they read.
    let page = server.page(at(9)).await;
    assert_eq!(page.hello.check(Seq(9)), Err(Gap::Ahead { next: Seq(4) }));
    assert_eq!(page.entries, []);
}

#[tokio::test]
async fn a_follower_is_told_from_where_on_the_log_is_kept_if_some_of_it_is_gone() {
    // More than one page of a sweep.
    const COUNT: usize = 300;
    let server = Arc::new(Server::start().await);
    let tokens = tokens(&server, COUNT).await;
    revoke_all(&server, &tokens).join_all().await;
    let mut reader = Reader::new(START);
    reader.read_until_seq(&server, COUNT as u64).await;
    let server = Arc::into_inner(server).unwrap();
    let folder = server.stop().await;
    let key = KeySource::File(folder.path().join("idp.key"));
    let store = EmbeddedStore::open(&folder.path().join("idp.redb"), &key, OPTIONS).unwrap();
    let mut sweep = Sweep::default();
    let published = async || crate::world::scan(&store, idp_core::store::Kind::Published).await;
    while published().await.len() == COUNT {
        sweep.step(&store, UnixSeconds(u64::MAX)).await.unwrap();
    }
    let gone = (COUNT - published().await.len()) as u64;
    assert!(0 < gone && gone < COUNT as u64);
    drop(store);

    let server = Server::start_in(folder, Wishes::default()).await;
    let first = Seq(gone + 1);
    let page = server.page(START).await;
    assert_eq!(page.hello.check(Seq::NONE), Err(Gap::Forgotten { first }));
    assert_eq!(page.entries.first().map(Entry::seq), Some(first));
    assert!(page.hello.has_more);
    let mut rest = Reader::new(After {
        seq: Seq(gone),
        beat: None,
    });
    rest.read_until_seq(&server, COUNT as u64).await;
    assert_eq!(rest.changes.len() as u64, COUNT as u64 - gone);
}

async fn forget_all(store: &EmbeddedStore) {
    let mut sweep = Sweep::default();
    let later = UnixSeconds(u64::MAX);
    while sweep.step(store, later).await.unwrap() != Swept::All {}
    let kept = crate::world::scan(store, idp_core::store::Kind::Published).await;
    assert_eq!(kept.len(), 0);
}

#[tokio::test]
async fn a_relay_that_cannot_empty_the_outbox_is_silent_and_not_ready() {
    let server = silent_server().await;
    server.until_metric("looks_failed_total", 5.0).await;
    assert_eq!(server.metric("beats_total").await, 0.0);
    assert_eq!(server.metric("published_seq").await, 0.0);
    let ready = server.inside(Method::GET, "/readyz", None, "").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);

    let server = Server::start_in(server.stop().await, Wishes::default()).await;
    let mut reader = Reader::new(START);
    reader
        .read_until(&server, |reader| !reader.beats.is_empty())
        .await;
    assert_eq!(reader.changes.len(), 1);
    let ready = server.inside(Method::GET, "/readyz", None, "").await;
    assert_eq!(ready.status, StatusCode::OK);
}

/// Ends a session where there is no relay.
async fn leave_a_row(folder: &tempfile::TempDir, session: idp_token::session::SessionId) {
    let key = KeySource::File(folder.path().join("idp.key"));
    let store = EmbeddedStore::open(&folder.path().join("idp.redb"), &key, OPTIONS).unwrap();
    let order = idp_core::admin::Order::EndSession(session);
    crate::world::carry_out(&store, &order).await.unwrap();
    let rows = store.outbox(10).await.unwrap();
    assert_eq!(rows[0].change.kind, CoreKind::Ended);
}

#[tokio::test]
async fn without_room_for_more_there_are_beats_as_long_as_nothing_is_to_be_told() {
    let folder = Server::start().await.stop().await;
    let full = Wishes {
        disk_free_bytes_min: Some(u64::MAX),
        ..Wishes::default()
    };
    let server = Server::start_in(folder, full).await;
    let refused = server
        .post("/token", Some("robot"), "grant_type=client_credentials")
        .await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    server.until_metric("beats_total", 3.0).await;
    assert_eq!(server.metric("looks_failed_total").await, 0.0);
}

#[tokio::test]
async fn whoever_waits_for_the_log_is_sent_away_when_the_process_stops() {
    let server = silent_server().await;
    let mut stream = TcpStream::connect(server.internal()).await.unwrap();
    stream.write_all(ask(&server).as_bytes()).await.unwrap();
    server.until_metric("log_followers", 0.0).await;
    server.stop().await;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// A request for the log from its beginning.
pub(crate) fn ask(server: &Server) -> String {
    let key = server.secret("gateway.key");
    format!(
        "GET /internal/log?after=0 HTTP/1.1\r\nhost: idp\r\nauthorization: Bearer {key}\r\n\r\n"
    )
}

/// It has something to tell and cannot: there is no room for anything.
pub(crate) async fn silent_server() -> Server {
    let server = Server::start().await;
    let token = server.token().await;
    let session = server.record(&token).await.id;
    let folder = server.stop().await;
    leave_a_row(&folder, session).await;
    let full = Wishes {
        disk_free_bytes_min: Some(u64::MAX),
        ..Wishes::default()
    };
    Server::start_in(folder, full).await
}

/// It asks on and on, and takes none of the answers.
#[tokio::test]
async fn a_follower_that_takes_nothing_is_cut_off_and_may_come_again() {
    let server = Arc::new(Server::start().await);
    let tokens = tokens(&server, AT_ONCE).await;
    revoke_all(&server, &tokens).join_all().await;
    let mut reader = Reader::new(START);
    reader.read_until_seq(&server, AT_ONCE as u64).await;
    let ask = ask(&server);
    let mut stream = TcpStream::connect(server.internal()).await.unwrap();
    let asking = async { while stream.write_all(ask.as_bytes()).await.is_ok() {} };
    in_time("to be cut off", asking).await;

    let mut again = Reader::new(START);
    again.read_until_seq(&server, AT_ONCE as u64).await;
    assert_eq!(again.changes, reader.changes);
}

#[tokio::test]
async fn a_backup_that_is_put_back_gives_no_number_again() {
    let server = Server::start().await;
    server.revoke(&server.token().await).await;
    let backup = server.path("backup");
    server.back_up(&backup).await;
    server.revoke(&server.token().await).await;
    let mut reader = Reader::new(START);
    reader.read_until_seq(&server, 2).await;

    let folder = server.stop().await;
    fs::rename(&backup, folder.path().join("idp.redb")).unwrap();
    let server = Server::start_in(folder, Wishes::default()).await;
    server.revoke(&server.token().await).await;
    let page = server.page(reader.after).await;
    let told = page.hello.check(reader.after.seq);
    assert!(matches!(told, Err(Gap::Forgotten { .. })), "{told:?}");
    let next = page.hello.next;
    assert!(next > Seq(1 << 32), "{next:?}");

    let server = server.restart().await;
    let again = server.page(reader.after).await.hello.next;
    // The last change may not have had its number yet.
    assert!(again <= next.next(), "once is enough: {next:?}, {again:?}");
}
