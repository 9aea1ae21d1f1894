//! What a worker waits on: its connections, and the moment when the next request is due.
//!
//! That moment is kept by a timer of the kernel, to the microsecond: the time that `epoll_wait` takes
//! is rounded to milliseconds, and a hundred requests may be due in one.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// So many at a time; what is left comes with the next look.
const EVENTS: usize = 256;
/// To set a timer and to be woken costs about as much as to look again for so long.
const WAIT_MIN: Duration = Duration::from_micros(5);
/// What an event of the timer is told by.
const TIMER: u64 = u64::MAX;

/// The edges that a connection is told of, from its first moment to its last.
pub(crate) const EDGES: EventFlags = EventFlags::IN
    .union(EventFlags::OUT)
    .union(EventFlags::RDHUP)
    .union(EventFlags::ET);

pub(crate) struct Poll {
    epoll: OwnedFd,
    timer: OwnedFd,
    events: Vec<Event>,
    /// When the timer goes off, since the beginning of the run.
    armed: Option<Duration>,
}

/// Something happened to a connection.
#[derive(Clone, Copy)]
pub(crate) struct Edge {
    pub(crate) key: u64,
    pub(crate) may_write: bool,
    /// The other side sends no more.
    pub(crate) is_ending: bool,
    pub(crate) is_broken: bool,
}

impl Poll {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        // By its edge, so that it never has to be read.
        let edge = EventFlags::IN | EventFlags::ET;
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), edge)?;
        Ok(Self {
            epoll,
            timer,
            events: Vec::with_capacity(EVENTS),
            armed: None,
        })
    }

    pub(crate) fn add(&self, connection: impl AsFd, key: u64) -> io::Result<()> {
        let data = EventData::new_u64(key);
        Ok(epoll::add(&self.epoll, connection, data, EDGES)?)
    }

    /// Waits until something happens, and not much longer than to `until`.
    pub(crate) fn wait(&mut self, now: Duration, until: Duration) -> io::Result<()> {
        let left = until.saturating_sub(now);
        let nothing = Timespec::default();
        let timeout = if left < WAIT_MIN {
            Some(&nothing)
        } else {
            self.arm(until, left)?;
            None
        };
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), timeout) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn arm(&mut self, until: Duration, left: Duration) -> io::Result<()> {
        if self.armed == Some(until) {
            return Ok(());
        }
        let setting = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec {
                tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            },
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &setting)?;
        self.armed = Some(until);
        Ok(())
    }

    /// One after the other, what the last wait brought.
    pub(crate) fn next(&mut self) -> Option<Edge> {
        loop {
            let Event { flags, data } = self.events.pop()?;
            let key = data.u64();
            if key == TIMER {
                self.armed = None;
                continue;
            }
            return Some(Edge {
                key,
                may_write: flags.contains(EventFlags::OUT),
                is_ending: flags.intersects(EventFlags::RDHUP.union(EventFlags::HUP)),
                is_broken: flags.intersects(EventFlags::ERR),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[test]
    fn it_never_wakes_early_when_nothing_happens() {
        let mut poll = Poll::new().unwrap();
        let began = Instant::now();
        for micros in [0, 10, 50, 300, 1500] {
            let now = began.elapsed();
            let until = now + Duration::from_micros(micros);
            poll.wait(now, until).unwrap();
            assert!(poll.next().is_none());
            let early = until.saturating_sub(began.elapsed());
            assert!(early < WAIT_MIN, "{micros} µs: early by {early:?}");
        }
    }
}
