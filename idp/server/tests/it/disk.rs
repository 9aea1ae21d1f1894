//! The disk refuses, and nothing is lost.

use std::path::Path;
use std::process::{Command, Stdio};

use idp_core::store::{CommitError, Kind, StoreError};
use idp_server::store::EmbeddedStore;

use crate::world::{carry_out, child, create_tenant, new_user, open, scan, told_folder};

const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
const USERS_MAX: u16 = 4000;

/// The process may not let a file grow past a limit, which the kernel enforces as it would a full
/// disk. It is told so by an error and not by a signal.
#[test]
fn a_full_disk_loses_nothing_and_writing_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let limited = child("disk::the_process_with_little_room_fills_it", folder.path());
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

async fn fill(folder: &Path) {
    let store = open(folder);
    create_tenant(&store, "bank").await;
    let stored = fill_up(&store).await;
    assert!(stored > 10, "only {stored}");

    // Readers have their snapshot again after a moment, with all that was acknowledged.
    let held = loop {
        let range = idp_core::store::Range::of(Kind::User);
        match idp_core::store::Store::scan(&store, &range, None, usize::MAX).await {
            Ok(held) => break held.len(),
            Err(StoreError::Unavailable(_)) => tokio::task::yield_now().await,
            Err(error) => panic!("{error:?}"),
        }
    };
    let stored = usize::from(stored);
    assert!(held == stored || held == stored + 1, "{held} of {stored}");

    make_room(folder);
    let last = USERS_MAX + 1;
    while carry_out(&store, &new_user(last)).await.is_err() {}
    drop(store);
    let store = open(folder);
    assert_eq!(scan(&store, Kind::User).await.len(), held + 1);
    assert_eq!(scan(&store, Kind::Username).await.len(), held + 1);
}

/// How many users there was room for.
async fn fill_up(store: &EmbeddedStore) -> u16 {
    for number in 0..USERS_MAX {
        match carry_out(store, &new_user(number)).await {
            Ok(()) => {}
            Err(CommitError::Store(StoreError::Unavailable(_))) => return number,
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("there was room for all");
}

/// Whichever of the two it was that there was none for.
fn make_room(folder: &Path) {
    let ballast = folder.join("ballast");
    if ballast.exists() {
        std::fs::remove_file(ballast).unwrap();
        return;
    }
    let own = std::process::id().to_string();
    let raised = Command::new("prlimit")
        .args(["--pid", &own, "--fsize=unlimited"])
        .status()
        .unwrap();
    assert!(raised.success());
}
