//! How does a thread compute for long without anybody waiting for it?
//!
//! It has the lowest priority there is, and while it computes it offers its processor to whoever wants
//! it, twice in a millisecond. The idle class of Linux alone is not enough: a thread of that class that
//! has once been given a processor can keep it until the next tick, 4 ms with 250 ticks a second, while
//! threads of ordinary priority are ready to run. A computation in somebody else's code cannot offer
//! anything, so a timer interrupts it, and the handler of its signal does.
//!
//! That handler is the only `unsafe` in the workspace, and the reason why this is a crate by itself.

use std::marker::PhantomData;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc::c_int;
use nix::sys::signal::{SaFlags, SigAction, SigEvent, SigHandler, SigSet, SigevNotify, Signal};
use nix::sys::time::TimeSpec;
use nix::sys::timer::{Expiration, Timer, TimerSetTimeFlags};
use nix::time::ClockId;
use nix::unistd::gettid;
use thread_priority::ThreadPriority;
use thread_priority::unix::{
    NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};

/// What is nice to others: the lowest priority there is.
const NICE: i32 = 19;
/// How long somebody else waits at most. To offer the processor costs a few microseconds.
const TURN: Duration = Duration::from_micros(500);
/// Ignored where nobody handles it, so that one that comes late does no harm.
const SIGNAL: Signal = Signal::SIGURG;

static OFFERS: AtomicU64 = AtomicU64::new(0);

/// A thread that has stepped back. It stays with that thread.
#[derive(Debug)]
pub struct Background {
    /// None if the system has none to give; then its classes have to do.
    timer: Option<Timer>,
    /// The timer interrupts the thread that made it and no other.
    stays: PhantomData<*const ()>,
}

impl Background {
    /// Makes the calling thread one of the background, for good.
    #[must_use]
    pub fn enter() -> Self {
        lower_priority();
        let timer = Timer::new(
            ClockId::CLOCK_MONOTONIC,
            SigEvent::new(SigevNotify::SigevThreadId {
                signal: SIGNAL,
                thread_id: gettid().as_raw(),
                si_value: 0,
            }),
        );
        let timer = handle().and(timer).inspect_err(|error| {
            tracing::warn!(%error, "a long computation can hold up others until the next tick");
        });
        Self {
            timer: timer.ok(),
            stays: PhantomData,
        }
    }

    /// Computes, and offers the processor all the while.
    pub fn compute<T>(&mut self, computation: impl FnOnce() -> T) -> T {
        let _offering = self.timer.as_mut().map(Offering::begin);
        computation()
    }
}

/// How often the threads of this process have offered their processor so far.
#[must_use]
pub fn offers() -> u64 {
    OFFERS.load(Ordering::Relaxed)
}

/// The timer runs. It stops also if the computation panics.
struct Offering<'a>(&'a mut Timer);

impl<'a> Offering<'a> {
    fn begin(timer: &'a mut Timer) -> Self {
        set(timer, Expiration::Interval(TURN.into()));
        Self(timer)
    }
}

impl Drop for Offering<'_> {
    fn drop(&mut self) {
        set(self.0, Expiration::OneShot(TimeSpec::from(Duration::ZERO)));
    }
}

fn set(timer: &mut Timer, expiration: Expiration) {
    if let Err(error) = timer.set(expiration, TimerSetTimeFlags::empty()) {
        tracing::warn!(%error, "the timer of a long computation cannot be set");
    }
}

fn lower_priority() {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    let stepped = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle);
    if let Err(error) = stepped {
        tracing::debug!(?error, "the system has no idle class for long computations");
    }
    // On Linux this is the priority of the calling thread alone.
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::warn!(%error, "long computations have the priority of everything else");
    }
}

/// Has the signal handled, once for the process.
fn handle() -> Result<(), Errno> {
    static HANDLED: OnceLock<Result<(), Errno>> = OnceLock::new();
    *HANDLED.get_or_init(|| {
        // What is interrupted while it waits in the system goes on waiting.
        let handler = SigHandler::Handler(offer);
        let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
        #[expect(unsafe_code, reason = "there is no other way to handle a signal")]
        // SAFETY: the handler makes one system call and adds to an atomic number. Both may be done
        // wherever a thread is interrupted: nothing is allocated, locked or changed behind its back,
        // `errno` included, since the call cannot fail. Nobody else in this process handles the signal.
        let replaced = unsafe { nix::sys::signal::sigaction(SIGNAL, &action) };
        replaced.map(drop)
    })
}

extern "C" fn offer(_signal: c_int) {
    rustix::thread::sched_yield();
    OFFERS.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::thread;

    use super::*;

    /// Computes until it has offered its processor so often.
    fn until_offered(times: u64) {
        let enough = offers() + times;
        while offers() < enough {
            std::hint::spin_loop();
        }
    }

    fn is_stopped(background: &Background) -> bool {
        let timer = background.timer.as_ref().unwrap();
        timer.get().unwrap().is_none()
    }

    #[test]
    fn a_computation_offers_its_processor_again_and_again() {
        let mut background = Background::enter();
        assert_eq!(background.compute(|| (until_offered(3), 7).1), 7);
        assert!(is_stopped(&background));
    }

    #[test]
    fn the_timer_stops_with_a_computation_that_panics() {
        let mut background = Background::enter();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            background.compute(|| -> () { panic!("on purpose") })
        }));
        assert!(panicked.is_err());
        assert!(is_stopped(&background));
    }

    #[test]
    fn every_thread_is_interrupted_by_its_own_timer() {
        let threads = [(); 2].map(|()| {
            thread::spawn(|| {
                let mut background = Background::enter();
                background.compute(|| until_offered(2));
                is_stopped(&background)
            })
        });
        for thread in threads {
            assert!(thread.join().unwrap());
        }
    }

    #[test]
    fn a_thread_of_the_background_is_idle_and_nice() {
        thread::spawn(|| {
            let _background = Background::enter();
            let policy = thread_priority::unix::thread_schedule_policy().unwrap();
            let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
            assert_eq!(policy, idle);
            assert_eq!(rustix::process::nice(0).unwrap(), NICE);
        })
        .join()
        .unwrap();
    }
}
