//! Promise: what is composed for one caller holds nothing of another's, however it was fetched, shared,
//! kept, forgotten or given up.

mod privacy;
mod service;

use privacy::Keys;

/// `./dev soak` makes a million.
const REQUESTS: u64 = 20_000;
/// A broken key shows within the first few.
const FEW: u64 = 400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_byte_of_a_composed_answer_is_another_callers() {
    let told = privacy::run(Keys::AsTheyAre, REQUESTS).await;
    assert_eq!(told.crossed, 0, "{told:?}");
    assert_eq!(told.shown_to_open, 0, "{told:?}");
    // All that is to be tried was tried.
    let seen = [told.whole, told.partial, told.unchanged, told.given_up];
    assert!(seen.iter().all(|count| *count > 10), "{told:?}");
    assert!(told.calls_for_others > 0, "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cache_whose_keys_do_not_say_for_whom_is_caught() {
    let told = privacy::run(Keys::WithoutTheCaller, FEW).await;
    assert!(told.crossed > 0, "{told:?}");
}
