//! Is it any use to ask a service at all?
//!
//! When half of at least twenty recent calls failed, or four fifths were slow, the breaker opens:
//! calls are refused before anything is sent, which spares the clients a wait and the service a
//! crowd. After five seconds (twice as long each time, up to a minute, and a little more by chance,
//! so that gateways do not come back together) a few probes go through: real calls, of which all
//! must go well for the breaker to close, and one that does not opens it again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::pace::{doubling, part_of};
use crate::window::Window;

/// Recent calls below which nothing is concluded.
pub const CALLS_MIN: u64 = 20;
pub const FAILED_PERCENT: u64 = 50;
pub const SLOW_PERCENT: u64 = 80;
pub const OPEN_FIRST: Duration = Duration::from_secs(5);
pub const OPEN_MAX: Duration = Duration::from_secs(60);
/// Calls that must go well for a breaker to close; no more than these are let through until then.
pub const PROBES: u32 = 3;
/// How long a breaker must stay closed for its past to be forgotten.
pub const GOOD_SPELL: Duration = Duration::from_secs(60);
/// When to come back while probes are under way.
const PROBES_TAKE: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    Closed,
    Open,
    HalfOpen,
}

/// How a call went, as far as the service is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Went {
    Well,
    Slowly,
    Wrong,
}

/// What a call that was noted did to the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Opened { lasts: Duration },
    Closed,
}

#[derive(Debug)]
pub struct Breaker {
    /// Whether calls may pass without a look at the circuit.
    is_closed: AtomicBool,
    calls: Window,
    failed: Window,
    slow: Window,
    circuit: Mutex<Circuit>,
}

#[derive(Debug)]
struct Circuit {
    phase: Phase,
    openings_in_row: u32,
    /// Of any half-open phase: a probe that takes long outlives its own.
    probes_out: u32,
    /// Tells the half-open phases apart.
    turn: u64,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Closed { since: Instant },
    Open { until: Instant },
    HalfOpen { went_well: u32, under_way: u32 },
}

/// A call that was let through. Dropping it says nothing of the service, and makes room for another.
#[derive(Debug)]
#[must_use]
pub struct Pass {
    /// `None` is the ordinary case: the breaker was closed.
    probe: Option<Probe>,
}

#[derive(Debug)]
struct Probe {
    breaker: Arc<Breaker>,
    turn: u64,
}

impl Breaker {
    #[must_use]
    pub fn new(now: Instant) -> Arc<Self> {
        Arc::new(Self {
            is_closed: AtomicBool::new(true),
            calls: Window::new(now),
            failed: Window::new(now),
            slow: Window::new(now),
            circuit: Mutex::new(Circuit {
                phase: Phase::Closed { since: now },
                openings_in_row: 0,
                probes_out: 0,
                turn: 0,
            }),
        })
    }

    #[must_use]
    pub fn state(&self) -> BreakerState {
        match self.circuit().phase {
            Phase::Closed { .. } => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Lets a call through, or says when to come back.
    pub fn admit(self: &Arc<Self>, now: Instant) -> Result<Pass, Duration> {
        if self.is_closed.load(Ordering::Relaxed) {
            return Ok(Pass { probe: None });
        }
        let mut circuit = self.circuit();
        match circuit.phase {
            Phase::Closed { .. } => return Ok(Pass { probe: None }),
            Phase::Open { until } if now < until => return Err(until - now),
            Phase::Open { .. } => circuit.half_open(),
            Phase::HalfOpen { .. } => {}
        }
        let turn = circuit.take_probe().ok_or(PROBES_TAKE)?;
        let breaker = Arc::clone(self);
        Ok(Pass {
            probe: Some(Probe { breaker, turn }),
        })
    }

    /// Takes note of how a call went; `random` is for the case that the breaker opens.
    pub fn note(&self, pass: Pass, went: Went, now: Instant, random: u64) -> Option<Change> {
        let Pass { probe } = pass;
        match &probe {
            Some(probe) => self.note_probe(probe.turn, went, now, random),
            None => self.note_call(went, now, random),
        }
    }

    fn note_call(&self, went: Went, now: Instant, random: u64) -> Option<Change> {
        self.calls.add(now);
        match went {
            // Only what went badly can open a breaker.
            Went::Well => return None,
            Went::Slowly => self.slow.add(now),
            Went::Wrong => self.failed.add(now),
        }
        self.look(now, random)
    }

    /// Takes note of a call that had gone well so far.
    pub fn note_late_failure(&self, now: Instant, random: u64) -> Option<Change> {
        self.failed.add(now);
        self.look(now, random)
    }

    /// Opens the breaker if recent calls give reason to.
    fn look(&self, now: Instant, random: u64) -> Option<Change> {
        let calls = self.calls.sum(now);
        let is_past = |bad: &Window, percent| bad.sum(now) * 100 >= calls * percent;
        let is_bad = is_past(&self.failed, FAILED_PERCENT) || is_past(&self.slow, SLOW_PERCENT);
        if calls < CALLS_MIN || !is_bad {
            return None;
        }
        let mut circuit = self.circuit();
        // A call may end long after the breaker opened; it changes nothing then.
        let Phase::Closed { since } = circuit.phase else {
            return None;
        };
        if now.saturating_duration_since(since) >= GOOD_SPELL {
            circuit.openings_in_row = 0;
        }
        Some(self.open(&mut circuit, now, random))
    }

    fn note_probe(&self, turn: u64, went: Went, now: Instant, random: u64) -> Option<Change> {
        let mut circuit = self.circuit();
        if circuit.turn != turn {
            return None;
        }
        let Phase::HalfOpen { went_well, .. } = &mut circuit.phase else {
            return None;
        };
        match went {
            Went::Well => {
                *went_well += 1;
                (*went_well == PROBES).then(|| self.close(&mut circuit, now))
            }
            Went::Slowly | Went::Wrong => Some(self.open(&mut circuit, now, random)),
        }
    }

    fn open(&self, circuit: &mut Circuit, now: Instant, random: u64) -> Change {
        let wait = doubling(OPEN_FIRST, circuit.openings_in_row, OPEN_MAX);
        let lasts = wait + part_of(wait / 4, random);
        circuit.phase = Phase::Open { until: now + lasts };
        circuit.openings_in_row = circuit.openings_in_row.saturating_add(1);
        self.is_closed.store(false, Ordering::Relaxed);
        Change::Opened { lasts }
    }

    fn close(&self, circuit: &mut Circuit, now: Instant) -> Change {
        for window in [&self.calls, &self.failed, &self.slow] {
            window.clear();
        }
        circuit.phase = Phase::Closed { since: now };
        self.is_closed.store(true, Ordering::Relaxed);
        Change::Closed
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Circuit {
    fn half_open(&mut self) {
        self.turn += 1;
        self.phase = Phase::HalfOpen {
            went_well: 0,
            under_way: 0,
        };
    }

    /// Makes a call a probe, if there is room; gives the turn it belongs to.
    fn take_probe(&mut self) -> Option<u64> {
        let Phase::HalfOpen {
            went_well,
            under_way,
        } = &mut self.phase
        else {
            return None;
        };
        if *went_well + *under_way >= PROBES || self.probes_out >= PROBES {
            return None;
        }
        *under_way += 1;
        self.probes_out += 1;
        Some(self.turn)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let mut circuit = self.breaker.circuit();
        circuit.probes_out -= 1;
        let is_of_this_turn = circuit.turn == self.turn;
        if let Phase::HalfOpen { under_way, .. } = &mut circuit.phase
            && is_of_this_turn
        {
            *under_way -= 1;
        }
    }
}

#[cfg(test)]
mod tests;
