use std::fs::{self, File, OpenOptions};
use std::future::poll_fn;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;
use std::pin::Pin;
use std::task::Poll;

use idp_core::audit::{About, Act};
use idp_core::id::{ClientId, TenantId, UserId};
use idp_core::refusal::Refusal;
use idp_token::digest::{Tid, TokenDigest};
use idp_token::session::SessionId;
use idp_token::time::UnixSeconds;
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use tempfile::TempDir;

use super::*;

fn entry(event: Event, actor: &str) -> Entry {
    Entry {
        at: UnixSeconds(1_735_689_599),
        event,
        about: About {
            actor: Some(actor.to_owned()),
            ..About::default()
        },
    }
}

fn ordinary(actor: &str) -> Entry {
    entry(Event::TokenIssued, actor)
}

fn administrative(actor: &str) -> Entry {
    entry(Event::Administered(Act::UserDisabled), actor)
}

fn open(path: &Path) -> Audit {
    Audit::open(&Target::File(path.to_owned())).unwrap()
}

fn actors(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["actor"].as_str().unwrap().to_owned()
    });
    lines.collect()
}

#[tokio::test]
async fn an_entry_is_one_line_with_what_is_known_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.log");
    let log = open(&path);
    let about = About {
        user: Some(UserId([0x0a; 16])),
        client: ClientId::parse("shop"),
        tenant: TenantId::parse("main"),
        session: Some(SessionId([0x0b; 16])),
        token: Some(Tid::of(&TokenDigest::of(b"abc"))),
        actor: Some("key \"1\"\n".to_owned()),
    };
    let refused = Event::Refused(Refusal::InvalidGrant);
    let at = UnixSeconds(1_735_689_599);
    for (event, about) in [(refused, about), (Event::SignedIn, About::default())] {
        log.log(Entry { at, event, about }).await;
    }
    log.close().await;
    let user = "0a".repeat(16);
    let session = "0b".repeat(16);
    let expected = format!(
        concat!(
            r#"{{"time":"2024-12-31T23:59:59Z","event":"refused","reason":"invalid_grant","user":"{user}","#,
            r#""client":"shop","tenant":"main","session":"{session}","token":"4edd9997df85cbcd","#,
            r#""actor":"key \"1\"\n"}}"#,
            "\n",
            r#"{{"time":"2024-12-31T23:59:59Z","event":"signed_in"}}"#,
            "\n",
        ),
        user = user,
        session = session,
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    assert_eq!(log.lost(), 0);
}

#[tokio::test]
async fn the_log_is_its_owners_alone_and_what_is_there_stays() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.log");
    for actor in ["first", "second"] {
        let log = open(&path);
        log.log(administrative(actor)).await;
        log.close().await;
    }
    assert_eq!(
        actors(&fs::read_to_string(&path).unwrap()),
        ["first", "second"]
    );
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn all_that_was_logged_is_written_in_order_before_the_log_is_closed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.log");
    let log = open(&path);
    let wanted: Vec<String> = (0..QUEUE_MAX * 3).map(|n| n.to_string()).collect();
    for actor in &wanted {
        log.log(administrative(actor)).await;
    }
    log.close().await;
    assert_eq!(actors(&fs::read_to_string(&path).unwrap()), wanted);
    assert_eq!(log.lost(), 0);

    log.log(administrative("late")).await;
    log.log(ordinary("later")).await;
    log.reopen().await;
    log.close().await;
    assert_eq!(log.lost(), 2);
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error_at_once() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("none").join("audit.log");
    assert!(Audit::open(&Target::File(path)).is_err());
    assert!(Audit::open(&Target::File(folder.path().to_owned())).is_err());
}

#[tokio::test]
async fn after_a_rotation_lines_go_to_the_new_file() {
    let folder = TempDir::new().unwrap();
    let (path, old) = (folder.path().join("audit.log"), folder.path().join("old"));
    let log = open(&path);
    log.log(ordinary("before")).await;
    fs::rename(&path, &old).unwrap();
    log.log(ordinary("between")).await;
    log.reopen().await;
    log.log(ordinary("after")).await;
    log.close().await;
    let found = [old, path].map(|path| actors(&fs::read_to_string(path).unwrap()));
    assert_eq!(found, [vec!["before", "between"], vec!["after"]]);
}

#[tokio::test]
async fn a_file_that_cannot_be_reopened_leaves_the_old_one_in_use() {
    let folder = TempDir::new().unwrap();
    let (path, old) = (folder.path().join("audit.log"), folder.path().join("old"));
    let log = open(&path);
    fs::rename(&path, &old).unwrap();
    fs::create_dir(&path).unwrap();
    log.reopen().await;
    log.log(ordinary("after")).await;
    log.close().await;
    assert_eq!(actors(&fs::read_to_string(old).unwrap()), ["after"]);
    assert_eq!(log.lost(), 0);
}

#[tokio::test]
async fn what_a_full_disk_does_not_take_is_counted_and_a_new_file_goes_on() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.log");
    symlink("/dev/full", &path).unwrap();
    let log = open(&path);
    log.log(ordinary("lost")).await;
    log.log(administrative("lost")).await;
    fs::remove_file(&path).unwrap();
    log.reopen().await;
    log.log(administrative("kept")).await;
    log.close().await;
    assert_eq!(actors(&fs::read_to_string(&path).unwrap()), ["kept"]);
    assert_eq!(log.lost(), 2);
}

/// A pipe that takes nothing until it is read from; what it holds already are line feeds.
fn stuck_pipe(path: &Path) -> File {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    // With both ends in one hand neither opening waits for the other.
    let reading = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut filling = OpenOptions::new()
        .write(true)
        .custom_flags(i32::try_from(OFlags::NONBLOCK.bits()).unwrap())
        .open(path)
        .unwrap();
    while filling.write(b"\n").is_ok() {}
    reading
}

/// The actors of all lines up to the one that ends it.
fn read_up_to(pipe: File, last: &str) -> Vec<String> {
    let mut found = Vec::new();
    let lines = BufReader::new(pipe).lines().map(Result::unwrap);
    for line in lines.filter(|line| !line.is_empty()) {
        found.extend(actors(&line));
        if found.last().is_some_and(|found| found == last) {
            break;
        }
    }
    found
}

#[tokio::test]
async fn with_a_full_queue_what_matters_waits_and_the_rest_is_counted() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.log");
    let pipe = stuck_pipe(&path);
    let log = open(&path);
    let mut dropped = 0;
    // The writer holds one batch that it cannot write, and the queue is full behind it: for good only once
    // it has gathered all that goes into the batch.
    let waiting = loop {
        while log.lost() == dropped {
            log.log(ordinary("rest")).await;
        }
        dropped += 1;
        if !is_pending(&mut Box::pin(log.log(administrative("left")))).await {
            continue;
        }
        dropped += 1;
        assert_eq!(
            log.lost(),
            dropped,
            "a caller that left while it waited is counted"
        );
        let mut waiting = Box::pin(log.log(entry(Event::SignedOut, "waited")));
        if is_pending(&mut waiting).await {
            break waiting;
        }
    };
    let reading = std::thread::spawn(move || read_up_to(pipe, "last"));
    waiting.await;
    log.log(administrative("last")).await;
    log.close().await;
    let found = reading.join().unwrap();
    assert!(
        found.ends_with(&["waited".to_owned(), "last".to_owned()]),
        "{found:?}"
    );
    assert_eq!(log.lost(), dropped);
}

async fn is_pending(future: &mut (impl Future<Output = ()> + Unpin)) -> bool {
    poll_fn(|context| Poll::Ready(Pin::new(&mut *future).poll(context).is_pending())).await
}

#[test]
fn what_matters_is_waited_for_and_what_administrators_do_is_synced() {
    use idp_core::audit::KeysAct;

    for (event, weight) in [
        (Event::TokenIssued, Weight::Ordinary),
        (Event::SignInFailed, Weight::Ordinary),
        (Event::Refused(Refusal::InvalidGrant), Weight::Ordinary),
        (Event::SignedOut, Weight::SessionEnded),
        (Event::TokenRevoked, Weight::SessionEnded),
        (Event::CodeReplayed, Weight::SessionEnded),
        (Event::RefreshReused, Weight::SessionEnded),
        (Event::ConsentWithdrawn, Weight::SessionEnded),
        (
            Event::Administered(Act::UserCreated),
            Weight::Administrative,
        ),
        (
            Event::Keys(KeysAct::SigningReplaced),
            Weight::Administrative,
        ),
    ] {
        assert_eq!(Weight::of(event), weight, "{event:?}");
    }
}
