//! Deadlines of calls, without a timer for each.
//!
//! A timer that is due before every other one wakes the thread that waits for events, only to have it
//! wait for less long; and the deadline of a call is such a timer nearly always. So an alarm outlives the
//! call that it was set for. It then goes off before the deadline of a later one, which sets it to that:
//! once in the time that a call may take, and not once for each.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::time::{Instant, Sleep, sleep_until};

/// More calls than these are under way to one service rarely enough to begin with an alarm of their own.
const SPARE_MAX: usize = 256;

type Alarm = Pin<Box<Sleep>>;

/// Those that no call waits with.
#[derive(Debug, Default)]
pub(super) struct Alarms(Mutex<Vec<Alarm>>);

impl Alarms {
    /// Waits for something until then, and no longer.
    pub(super) async fn wait_until<F: Future>(
        &self,
        deadline: Instant,
        awaited: F,
    ) -> Option<F::Output> {
        let mut awaited = pin!(awaited);
        let mut alarm: Option<Alarm> = None;
        let output = poll_fn(|context| {
            if let Poll::Ready(output) = awaited.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            let alarm = alarm.get_or_insert_with(|| self.take(deadline));
            is_past(alarm, deadline, context).map(|()| None)
        })
        .await;
        if let Some(alarm) = alarm {
            self.put(alarm);
        }
        output
    }

    /// One that goes off at this moment or before.
    fn take(&self, deadline: Instant) -> Alarm {
        let Some(mut alarm) = self.lock().pop() else {
            return Box::pin(sleep_until(deadline));
        };
        if alarm.deadline() > deadline {
            alarm.as_mut().reset(deadline);
        }
        alarm
    }

    fn put(&self, mut alarm: Alarm) {
        // Whoever waited with it is not to be woken by it, nor kept in memory.
        let mut nobody = Context::from_waker(Waker::noop());
        let _ = alarm.as_mut().poll(&mut nobody);
        let mut spare = self.lock();
        if spare.len() < SPARE_MAX {
            spare.push(alarm);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Alarm>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether it is later than this. One that went off before its time is set to it.
fn is_past(alarm: &mut Alarm, deadline: Instant, context: &mut Context<'_>) -> Poll<()> {
    while alarm.as_mut().poll(context).is_ready() {
        if alarm.deadline() >= deadline {
            return Poll::Ready(());
        }
        alarm.as_mut().reset(deadline);
    }
    Poll::Pending
}

#[cfg(test)]
mod tests;
