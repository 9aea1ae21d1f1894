//! Tokens that are taken back while everybody else goes on: each is used, ended, and must be refused.
//!
//! They are tokens of their own, so that a refusal is never mistaken for a failure of the load.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tokio::time::Instant;

use super::caller::Caller;
use super::scenario::{Revocations, Scenario, encode};
use super::values::Turn;
use crate::closed::Histogram;

/// What a gateway says of a token that was ended.
const REFUSED: u16 = 401;
/// A thread looks this often whether it is to stop, and whether a token is refused by now.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// No run wants more in its report.
const NOTES_MAX: usize = 5;

/// What became of the tokens that were taken back.
#[derive(Clone, Debug, Default)]
pub struct Revoked {
    /// Refused in time.
    pub refused: u64,
    /// From the answer to the order to the beginning of the request that was refused.
    pub took: Histogram,
    /// Still good when they had to be refused.
    pub late: u64,
    /// Not got, not good to begin with, or not taken back.
    pub failed: u64,
    /// The first few of what went wrong, in words.
    pub notes: Vec<String>,
}

enum Fate {
    Refused(Duration),
    Late(String),
    Failed(String),
}

/// Goes on until it is told to stop.
pub(super) fn revoke(
    scenario: &Scenario,
    revocations: &Revocations,
    (began, stop): (Instant, &AtomicBool),
) -> Revoked {
    let mut revoked = Revoked::default();
    let mut errand = Errand::new(scenario, revocations);
    let every = Duration::from_secs_f64(1.0 / revocations.per_second);
    let mut due = every;
    loop {
        while began.elapsed() < due && !stop.load(Ordering::Relaxed) {
            thread::sleep(due.saturating_sub(began.elapsed()).min(LOOK_EVERY));
        }
        if due > scenario.rate.lasts || stop.load(Ordering::Relaxed) {
            return revoked;
        }
        due += every;
        match errand.run() {
            Fate::Refused(took) => {
                revoked.refused += 1;
                revoked.took.record(took);
            }
            Fate::Late(why) => {
                revoked.late += 1;
                revoked.note(why);
            }
            Fate::Failed(why) => {
                revoked.failed += 1;
                revoked.note(why);
            }
        }
    }
}

impl Revoked {
    fn note(&mut self, why: String) {
        if self.notes.len() < NOTES_MAX && !self.notes.contains(&why) {
            self.notes.push(why);
        }
    }
}

struct Errand<'a> {
    scenario: &'a Scenario,
    revocations: &'a Revocations,
    provider: Caller,
    revoker: Caller,
    gateway: Caller,
    values: super::values::Values,
    number: u64,
}

impl<'a> Errand<'a> {
    fn new(scenario: &'a Scenario, revocations: &'a Revocations) -> Self {
        let caller = |target| Caller::new(target, scenario.timeout);
        let probe = scenario.requests.get(revocations.probe);
        let place = probe.map_or(0, |it| it.target);
        let target = scenario.targets.get(place);
        let target = target.unwrap_or(&revocations.target);
        Self {
            scenario,
            revocations,
            provider: caller(revocations.login.target.clone()),
            revoker: caller(revocations.target.clone()),
            gateway: caller(target.without_h2()),
            values: scenario.values.clone(),
            number: 0,
        }
    }

    fn run(&mut self) -> Fate {
        let login = &self.revocations.login;
        let token = match login.token(&mut self.provider, self.revocations.within) {
            Ok(token) => token,
            Err(error) => return Fate::Failed(error.to_string()),
        };
        let line = Box::from(token.as_str());
        self.values.set_lines(&login.value, vec![line]);
        let expected = self.scenario.requests.get(self.revocations.probe);
        match self.probe() {
            Ok(status) if expected.is_some_and(|it| it.expect.contains(&status)) => {}
            Ok(status) => return Fate::Failed(format!("a fresh token is answered {status}")),
            Err(why) => return Fate::Failed(why),
        }
        let form = format!("token={}", encode(&token));
        let path = &self.revocations.path;
        match self.revoker.post(path, &login.authorization.0, &form) {
            Ok(said) if said.status == 200 => {}
            Ok(said) => return Fate::Failed(format!("the revocation is answered {}", said.status)),
            Err(error) => return Fate::Failed(format!("no answer to a revocation: {error}")),
        }
        self.watch()
    }

    /// Asks again and again until it is refused, or should have been.
    fn watch(&mut self) -> Fate {
        let ordered = Instant::now();
        loop {
            let asked = ordered.elapsed();
            match self.probe() {
                Ok(REFUSED) => return Fate::Refused(asked),
                Ok(status) if asked > self.revocations.within => {
                    return Fate::Late(format!("a token that was taken back is answered {status}"));
                }
                Err(why) => return Fate::Failed(why),
                Ok(_) => thread::sleep(LOOK_EVERY),
            }
        }
    }

    fn probe(&mut self) -> Result<u16, String> {
        let kind = self.revocations.probe;
        let requests = &self.scenario.requests;
        let probe = requests.get(kind).ok_or("there is no such request")?;
        // Turns of its own, behind those of the load.
        let turn = Turn {
            kind: kind + requests.len(),
            number: self.number,
        };
        self.number += 1;
        let (mut request, mut body) = (Vec::new(), Vec::new());
        probe
            .template
            .fill(&self.values, turn, (&mut request, &mut body));
        let said = self.gateway.ask(&request, probe.is_head);
        let said = said.map_err(|error| format!("no answer to a probe: {error}"))?;
        Ok(said.status)
    }
}
