//! Promise: what the identity provider acknowledged is there, whatever becomes of its process, and a
//! backup is of the moment that it names.

mod backups;
mod kills;
mod site;

use site::Site;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_over_http_is_there_after_a_kill() {
    let told = kills::run(Site::new(), 6).await;
    assert_eq!(told.kills, 6);
    assert!(told.acknowledged > 60, "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_is_put_back_is_of_the_moment_that_it_names() {
    backups::compare_quiet(Site::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_holds_all_from_before_it_and_nothing_from_after() {
    backups::compare_busy(Site::new()).await;
}
