//! Does a family of refresh tokens survive its own client, and nobody else?

use hyper::StatusCode;

use crate::server::Server;

mod families;

use families::{begin, refresh};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_refreshes_at_once_give_one_successor_and_kill_no_family() {
    families::try_families(8).await;
}

/// However old: the counter of a family tells every one of its tokens from what was never issued.
#[tokio::test]
async fn the_first_token_of_a_long_family_still_ends_it() {
    let server = Server::start().await;
    let (mut visitor, landed) = server.guest().await;
    let first = begin(&mut visitor, &landed).await;
    let mut newest = first.clone();
    for _ in 0..50 {
        newest = refresh(&visitor, &newest).await.unwrap();
    }
    assert_eq!(
        refresh(&visitor, &first).await,
        Err(StatusCode::BAD_REQUEST)
    );
    assert_eq!(
        refresh(&visitor, &newest).await,
        Err(StatusCode::BAD_REQUEST)
    );
}
