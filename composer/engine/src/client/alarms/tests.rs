use std::future::{pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::advance;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

impl Alarms {
    fn spare(&self) -> Vec<Instant> {
        self.lock().iter().map(|alarm| alarm.deadline()).collect()
    }
}

/// How long something is waited for that never comes.
async fn waited(alarms: &Alarms, at_most: Duration) -> Duration {
    let began = clock();
    assert_eq!(
        alarms.wait_until(began + at_most, pending::<()>()).await,
        None
    );
    clock() - began
}

/// Of the runtime, whose time stands still save where a test waits.
fn clock() -> Instant {
    Instant::now()
}

/// Whether a wait ended when it was to end; timers tick in milliseconds.
fn is_about(waited: Duration, meant: Duration) -> bool {
    waited >= meant && waited <= meant + Duration::from_millis(2)
}

#[tokio::test(start_paused = true)]
async fn an_alarm_of_an_earlier_call_ends_no_later_one_before_its_time() {
    let alarms = Alarms::default();
    let short = alarms.wait_until(clock() + SECOND, tokio::task::yield_now());
    assert_eq!(short.await, Some(()));
    assert_eq!(alarms.spare(), [clock() + SECOND]);
    advance(SECOND / 2).await;
    let took = waited(&alarms, 3 * SECOND).await;
    assert!(is_about(took, 3 * SECOND), "{took:?}");
    assert_eq!(alarms.spare().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_alarm_that_went_off_unused_ends_no_later_call() {
    let alarms = Alarms::default();
    let short = alarms.wait_until(clock() + SECOND, tokio::task::yield_now());
    assert_eq!(short.await, Some(()));
    advance(5 * SECOND).await;
    let took = waited(&alarms, 3 * SECOND).await;
    assert!(is_about(took, 3 * SECOND), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_alarm_that_is_set_too_late_is_set_to_the_earlier_deadline() {
    let alarms = Alarms::default();
    let long = alarms.wait_until(clock() + 60 * SECOND, tokio::task::yield_now());
    assert_eq!(long.await, Some(()));
    let took = waited(&alarms, SECOND).await;
    assert!(is_about(took, SECOND), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn calls_at_once_have_an_alarm_each_and_end_each_in_its_time() {
    let alarms = Alarms::default();
    for _ in 0..3 {
        let (one, two, three) = tokio::join!(
            waited(&alarms, 2 * SECOND),
            waited(&alarms, SECOND),
            waited(&alarms, 3 * SECOND)
        );
        for (took, meant) in [(one, 2 * SECOND), (two, SECOND), (three, 3 * SECOND)] {
            assert!(is_about(took, meant), "{took:?} rather than {meant:?}");
        }
    }
    assert_eq!(alarms.spare().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_there_at_once_takes_no_alarm_and_what_came_is_told_past_the_deadline_too() {
    let alarms = Alarms::default();
    assert_eq!(alarms.wait_until(clock() - SECOND, ready(7)).await, Some(7));
    assert_eq!(alarms.spare(), []);
    let (told, hears) = oneshot::channel();
    let waiting = alarms.wait_until(clock() + SECOND, hears);
    let (heard, _) = tokio::join!(waiting, async { told.send(7) });
    assert_eq!(heard, Some(Ok(7)));
}

#[tokio::test(start_paused = true)]
async fn no_more_alarms_are_kept_than_may_be() {
    let alarms = Alarms::default();
    for _ in 0..SPARE_MAX + 1 {
        // sleeps: time is paused, and nobody waits.
        alarms.put(Box::pin(sleep_until(clock() + SECOND)));
    }
    assert_eq!(alarms.spare().len(), SPARE_MAX);
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waited_with_an_alarm_is_neither_woken_by_it_afterwards_nor_kept() {
    let alarms = Alarms::default();
    let woken = Arc::new(Woken::default());
    let (told, hears) = oneshot::channel();
    {
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        let mut call = pin!(alarms.wait_until(clock() + SECOND, hears));
        assert_eq!(call.as_mut().poll(&mut context), Poll::Pending);
        told.send(7).unwrap();
        assert_eq!(call.poll(&mut context), Poll::Ready(Some(Ok(7))));
    }
    assert_eq!(Arc::strong_count(&woken), 1);
    advance(2 * SECOND).await;
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
}
