//! What is acknowledged is there, whatever becomes of the process.

pub(crate) mod rounds;

use crate::world::child;

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_half_done_when_the_process_is_killed() {
    let (mut killed, mut acknowledged) = (0, 0);
    for _ in 0..3 {
        let told = rounds::run(10, &|folder| {
            child(
                "kills::the_process_that_is_killed_writes_until_then",
                folder,
            )
        });
        killed += told.kills;
        acknowledged += told.acknowledged;
    }
    assert_eq!(killed, 30);
    assert!(acknowledged > 100, "only {acknowledged} acknowledged");
}

/// Does nothing unless it is told where, as the test above tells it.
#[test]
fn the_process_that_is_killed_writes_until_then() {
    if let Some(folder) = crate::world::told_folder() {
        rounds::write(&folder);
    }
}
