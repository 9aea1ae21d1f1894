use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use super::*;

fn digest(number: usize) -> TokenDigest {
    TokenDigest::of(&number.to_be_bytes())
}

fn at(seconds: u64) -> BootTime {
    BootTime(Duration::from_secs(seconds))
}

const ANY: BootTime = BootTime(Duration::ZERO);

/// A look-up that waits for a word and then tells how many were begun.
struct Slow {
    begun: Arc<AtomicUsize>,
    word: Arc<Notify>,
}

impl Slow {
    fn new() -> Self {
        Self {
            begun: Arc::default(),
            word: Arc::default(),
        }
    }

    fn look_up(&self) -> impl Future<Output = Result<usize, Unknown>> + Send + 'static {
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let word = Arc::clone(&self.word);
        async move {
            word.notified().await;
            Ok(number)
        }
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn all_who_wait_for_a_token_share_one_look_up() {
    let (flights, slow) = (Flights::new(), Slow::new());
    let join = || flights.join(digest(1), (at(5), ANY), || slow.look_up());
    let word = async {
        tokio::task::yield_now().await;
        slow.word.notify_one();
    };
    let (first, second, third, ()) = tokio::join!(join(), join(), join(), word);
    assert_eq!([first, second, third], [Ok(1); 3]);
    assert_eq!(slow.begun(), 1);
    assert!(flights.lock().flights.is_empty());
}

#[tokio::test]
async fn those_who_joined_hear_the_outcome_though_the_first_gave_up() {
    let (flights, slow) = (Flights::new(), Slow::new());
    let join = || flights.join(digest(1), (at(5), ANY), || slow.look_up());
    let mut first = Box::pin(join());
    let mut second = Box::pin(join());
    assert!(futures_poll(first.as_mut()).await);
    assert!(futures_poll(second.as_mut()).await);
    drop(first);
    slow.word.notify_one();
    assert_eq!((second.await, slow.begun()), (Ok(1), 1));
}

/// Polls once; true if it is not done.
async fn futures_poll<F: Future + ?Sized>(mut future: Pin<&mut F>) -> bool {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(future.as_mut().poll(context).is_pending())
    })
    .await
}

#[tokio::test]
async fn whoever_wants_newer_news_than_are_under_way_begins_anew() {
    let (flights, slow) = (Flights::new(), Slow::new());
    let mut old = Box::pin(flights.join(digest(1), (at(5), ANY), || slow.look_up()));
    assert!(futures_poll(old.as_mut()).await);
    let mut same = Box::pin(flights.join(digest(1), (at(6), at(5)), || slow.look_up()));
    assert!(futures_poll(same.as_mut()).await);
    assert_eq!(slow.begun(), 1);
    let mut new = Box::pin(flights.join(digest(1), (at(7), at(6)), || slow.look_up()));
    assert!(futures_poll(new.as_mut()).await);
    assert_eq!(slow.begun(), 2);
    tokio::task::yield_now().await;
    slow.word.notify_waiters();
    assert_eq!((old.await, same.await, new.await), (Ok(1), Ok(1), Ok(2)));
    assert!(flights.lock().flights.is_empty());
}

#[tokio::test]
async fn past_the_bound_nobody_is_asked() {
    let (flights, slow) = (Flights::new(), Slow::new());
    let mut waiting: Vec<Pin<Box<dyn Future<Output = _>>>> = Vec::new();
    for number in 0..FLIGHTS_MAX {
        let mut join = Box::pin(flights.join(digest(number), (at(5), ANY), || slow.look_up()));
        assert!(futures_poll(join.as_mut()).await);
        waiting.push(join);
    }
    let one_more = flights.join(digest(FLIGHTS_MAX), (at(5), ANY), || slow.look_up());
    assert_eq!(one_more.await, Err(Unknown::Overloaded));
    assert_eq!(slow.begun(), FLIGHTS_MAX);

    for _ in FLIGHTS_MAX..WAITING_MAX {
        let mut join = Box::pin(flights.join(digest(0), (at(5), ANY), || slow.look_up()));
        assert!(futures_poll(join.as_mut()).await);
        waiting.push(join);
    }
    let one_more = flights.join(digest(0), (at(5), ANY), || slow.look_up());
    assert_eq!(one_more.await, Err(Unknown::Overloaded));
    drop(waiting);
    let next = flights.join(digest(0), (at(5), ANY), || slow.look_up());
    assert!(
        futures_poll(Box::pin(next).as_mut()).await,
        "there is room again"
    );
}

#[tokio::test]
async fn a_look_up_that_breaks_off_is_told_to_those_who_wait() {
    let flights = Flights::<usize>::new();
    let broken = || async { panic!("a fault") };
    let outcome = flights.join(digest(1), (at(5), ANY), broken).await;
    assert_eq!(outcome, Err(Unknown::Unreachable));
    assert!(flights.lock().flights.is_empty());
}
