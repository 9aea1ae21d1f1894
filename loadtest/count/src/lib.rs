//! What does one call of pure code cost?
//!
//! A [`Book`] is the `main` of a benchmark. Without arguments it tells nanoseconds per call, the least
//! of many rounds, beside a yardstick from the same run. `report FOLDER` counts instructions as well,
//! under valgrind, and writes them there; `check FOLDER` holds them against what was written.
//!
//! With the name of a case and a count it makes so many calls and says nothing, so that an instruction
//! counter tells what one call costs: the difference of two runs over the difference of their counts.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::env;
use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

mod count;

const ROUNDS: usize = 200;
const CALLS_PER_ROUND: u32 = 2_000;

/// One call, over and over with the same arguments.
pub struct Case {
    name: &'static str,
    /// What it is in a report.
    what: &'static str,
    call: Box<dyn Fn()>,
}

/// Cases that are told together.
#[derive(Debug)]
pub struct Book {
    /// Of its report: `tokens` for `tokens.md` and `tokens.json`.
    pub name: &'static str,
    pub title: &'static str,
    /// What times are told beside. It is not counted.
    pub yardstick: Case,
    pub cases: Vec<Case>,
    /// How it is measured again: `-p idp-token --bench refuse`.
    pub bench: &'static str,
}

impl Case {
    pub fn new(name: &'static str, what: &'static str, call: impl Fn() + 'static) -> Self {
        let call = Box::new(call);
        Self { name, what, call }
    }

    fn call_times(&self, count: u32) {
        for _ in 0..count {
            (self.call)();
        }
    }

    /// Nanoseconds of a call, without what only happens now and then.
    fn time(&self) -> f64 {
        let round = || {
            let start = Instant::now();
            self.call_times(CALLS_PER_ROUND);
            start.elapsed()
        };
        let least = (0..ROUNDS).map(|_| round()).min();
        nanoseconds(least.unwrap_or_default()) / f64::from(CALLS_PER_ROUND)
    }
}

fn nanoseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}

/// Not the call: there is nothing to see of it.
impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Book {
    /// Does what the arguments of the process ask for.
    pub fn open(&self) -> Result<(), Box<dyn Error>> {
        let arguments: Vec<_> = env::args().skip(1).filter(|it| it != "--bench").collect();
        let words: Vec<_> = arguments.iter().map(String::as_str).collect();
        match words.as_slice() {
            [] => self.tell_times(),
            ["report", folder] => count::report(self, folder.as_ref())?,
            ["check", folder] => count::check(self, folder.as_ref())?,
            [name, count] => {
                let case = self.cases.iter().find(|case| case.name == *name);
                let case = case.ok_or_else(|| format!("there is no case `{name}`"))?;
                case.call_times(count.parse()?);
            }
            _ => return Err("which? nothing | report FOLDER | check FOLDER | CASE COUNT".into()),
        }
        Ok(())
    }

    fn tell_times(&self) {
        let base = self.yardstick.time();
        println!("{:<16} {base:>8.0} ns", self.yardstick.name);
        for case in &self.cases {
            let (spent, name) = (case.time(), case.name);
            let (ratio, yardstick) = (spent / base, self.yardstick.name);
            println!("{name:<16} {spent:>8.0} ns {ratio:>6.2} × {yardstick}");
        }
    }
}
