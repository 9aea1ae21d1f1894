//! The disk refuses, and nothing is lost.

use std::path::Path;
use std::process::{Command, Stdio};

use idp_core::store::{CommitError, Kind, Range, Store as _, StoreError};
use idp_server::store::EmbeddedStore;

use crate::journal::{left_by, open_unfiled};
use crate::world::{carry_out, child, contents, create_tenant, new_user, open, scan, told_folder};

const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
const USERS_MAX: u16 = 4000;
const ATTEMPTS_MAX: usize = 20_000;

/// The process may not let a file grow past a limit, which the kernel enforces as it would a full
/// disk. It is told so by an error and not by a signal.
#[test]
fn a_full_disk_loses_nothing_and_writing_goes_on_when_there_is_room() {
    runs_with_little_room("disk::the_process_with_little_room_fills_it");
}

/// As above, but where it is the journal that there is no room for.
#[test]
fn what_was_refused_for_lack_of_room_is_nowhere() {
    runs_with_little_room("disk::the_process_whose_journal_has_little_room_fills_it");
}

fn runs_with_little_room(test: &str) {
    let folder = tempfile::tempdir().unwrap();
    let limited = child(test, folder.path());
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg("trap '' XFSZ; exec prlimit --fsize=\"$0\": -- \"$@\"")
        .arg(FILE_BYTES_MAX.to_string())
        .arg(limited.get_program())
        .args(limited.get_args())
        .stdin(Stdio::null());
    let output = shell.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("there was no room, and then there was"),
        "{said}"
    );
}

/// Does nothing unless it is told where, as the test above tells it.
#[test]
fn the_process_with_little_room_fills_it() {
    let Some(folder) = told_folder() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(fill(&folder));
    println!("there was no room, and then there was");
}

/// Does nothing unless it is told where, as a test above tells it.
#[test]
fn the_process_whose_journal_has_little_room_fills_it() {
    let Some(folder) = told_folder() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(fill_journal(&folder));
    println!("there was no room, and then there was");
}

async fn fill_journal(folder: &Path) {
    let store = open_unfiled(folder).unwrap();
    create_tenant(&store, "bank").await;
    let stored = fill_up(&store).await;
    assert!(
        10 < stored && stored < USERS_MAX,
        "{stored} before it was full"
    );
    make_room(folder);
    write_when_there_is_room(&store).await;
    let left = left_by(folder);
    assert_eq!(contents(&open(left.path())).await, contents(&store).await);
}

async fn fill(folder: &Path) {
    let store = open(folder);
    create_tenant(&store, "bank").await;
    let stored = fill_up(&store).await;
    assert!(
        10 < stored && stored < USERS_MAX,
        "{stored} before it was full"
    );

    // Readers have their snapshot again after a moment, with all that was acknowledged.
    let range = Range::of(Kind::User);
    let mut held = None;
    for _ in 0..ATTEMPTS_MAX {
        match store.scan(&range, None, usize::MAX).await {
            Ok(users) => held = Some(users.len()),
            Err(error) => assert!(is_unavailable(&Err(error.into()))),
        }
        if held.is_some() {
            break;
        }
    }
    let held = held.expect("a read although the disk is full");
    let stored = usize::from(stored);
    assert!(held == stored || held == stored + 1, "{held} of {stored}");

    make_room(folder);
    write_when_there_is_room(&store).await;
    drop(store);
    let store = open(folder);
    assert_eq!(scan(&store, Kind::User).await.len(), held + 1);
    assert_eq!(scan(&store, Kind::Username).await.len(), held + 1);
}

async fn write_when_there_is_room(store: &EmbeddedStore) {
    let last = USERS_MAX + 1;
    let mut attempts = 0;
    while carry_out(store, &new_user(last)).await.is_err() {
        attempts += 1;
        assert!(attempts < ATTEMPTS_MAX, "it does not recover");
    }
}

/// How many users there was room for.
async fn fill_up(store: &EmbeddedStore) -> u16 {
    for number in 0..USERS_MAX {
        let outcome = carry_out(store, &new_user(number)).await;
        if outcome.is_err() {
            assert!(is_unavailable(&outcome));
            return number;
        }
    }
    USERS_MAX
}

fn is_unavailable(outcome: &Result<(), CommitError>) -> bool {
    matches!(outcome, Err(CommitError::Store(StoreError::Unavailable(_))))
}

/// Whichever of the two it was that there was none for.
fn make_room(folder: &Path) {
    let ballast = folder.join("ballast");
    if ballast.exists() {
        std::fs::remove_file(ballast).expect("a ballast");
        return;
    }
    let own = std::process::id().to_string();
    let raised = Command::new("prlimit")
        .args(["--pid", &own, "--fsize=unlimited"])
        .status()
        .expect("prlimit");
    assert!(raised.success());
}
