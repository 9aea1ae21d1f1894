//! Does a session end when it was not used for as long as it may lie idle, not earlier and not later?
//!
//! Gateways report uses now and then, and one that is killed has not reported the last of them. So the
//! end may be off by the time between two reports, and by no more.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::bench::BenchError;
use crate::closed::{Dialogue, Limits};
use crate::dice::Dice;
use crate::fleet::{Fleet, Gateway, Route};

use super::Case;

/// For how long sessions are used before they are left alone.
const IN_USE: Duration = Duration::from_secs(30);
/// Between two uses of a session.
const BETWEEN_MAX: Duration = Duration::from_secs(8);
/// What this test itself may be late by.
const SLACK: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, Default)]
pub struct Idleness {
    pub sessions: usize,
    pub kills: u64,
    /// Refused although they had not lain idle for long enough.
    pub early: u64,
    /// Let through although they had lain idle for too long.
    pub late: u64,
    pub notes: Vec<String>,
}

/// Uses so many sessions at random gateways, which are killed now and then; leaves them alone for
/// somewhat less or somewhat more than `idle`, and looks. `off_by_max` is the time between reports.
pub async fn slide(
    fleet: &mut Fleet,
    sessions: usize,
    (idle, off_by_max): (Duration, Duration),
    seed: u64,
) -> Result<Idleness, BenchError> {
    let cases = Case::issue(fleet, sessions, None).await?;
    let gateways: Arc<Vec<_>> = Arc::new(fleet.gateways.iter().map(|it| it.address).collect());
    let mut using = JoinSet::new();
    for (number, case) in cases.into_iter().enumerate() {
        let user = User {
            case,
            gateways: Arc::clone(&gateways),
            dice: Dice::of(seed, &["session", &number.to_string()]),
            is_early: number % 2 == 0,
        };
        using.spawn(user.run(idle, off_by_max));
    }
    let (stop, stopped) = watch::channel(false);
    let until = Instant::now() + IN_USE;
    let kills = kill(fleet, until, stopped, seed).await?;
    drop(stop);
    let mut sum = Idleness {
        sessions,
        kills,
        ..Idleness::default()
    };
    for ended in using.join_all().await {
        match ended {
            Ok(()) => {}
            Err(Wrong::Early(note)) => {
                sum.early += 1;
                sum.notes.push(note);
            }
            Err(Wrong::Late(note)) => {
                sum.late += 1;
                sum.notes.push(note);
            }
        }
    }
    Ok(sum)
}

/// Kills one gateway after the other and starts it again.
async fn kill(
    fleet: &mut Fleet,
    until: Instant,
    stopped: watch::Receiver<bool>,
    seed: u64,
) -> Result<u64, BenchError> {
    let mut dice = Dice::of(seed, &["kills"]);
    let mut count = 0;
    while Instant::now() < until && !*stopped.borrow() {
        sleep(dice.duration(BETWEEN_MAX)).await;
        let place = dice.below(fleet.gateways.len());
        if let Some(gateway) = fleet.gateways.get_mut(place) {
            gateway.member.kill();
            gateway.member.restart().await?;
            count += 1;
        }
    }
    Ok(count)
}

enum Wrong {
    Early(String),
    Late(String),
}

struct User {
    case: Case,
    gateways: Arc<Vec<std::net::SocketAddr>>,
    dice: Dice,
    /// Whether it looks before the session should be over, or after.
    is_early: bool,
}

impl User {
    async fn run(mut self, idle: Duration, off_by_max: Duration) -> Result<(), Wrong> {
        let until = Instant::now() + IN_USE;
        // Issuing it was its first use.
        let mut last_use = Instant::now();
        while Instant::now() < until {
            sleep(self.dice.duration(BETWEEN_MAX)).await;
            if self.use_once().await == Some(200) {
                last_use = Instant::now();
            }
        }
        if self.is_early {
            sleep_until(last_use + idle - off_by_max - SLACK).await;
        } else {
            sleep_until(last_use + idle + off_by_max + SLACK).await;
        }
        let mut status = self.use_once().await;
        while !matches!(status, Some(200 | 401 | 429)) {
            sleep(SLACK / 10).await;
            status = self.use_once().await;
        }
        let lay = last_use.elapsed();
        match (self.is_early, status) {
            (true, Some(401 | 429)) => Err(Wrong::Early(format!("refused after {lay:?}"))),
            (false, Some(200)) => Err(Wrong::Late(format!("let through after {lay:?}"))),
            _ => Ok(()),
        }
    }

    /// `None` if the gateway was just killed.
    async fn use_once(&mut self) -> Option<u16> {
        let gateway = *self.gateways.get(self.dice.below(self.gateways.len()))?;
        let request = Gateway::request(Route::Strict, &self.case.token.text);
        let mut dialogue = Dialogue::new(gateway, Limits::default());
        let answer = dialogue.ask(&request).await.ok()?;
        Some(answer.status)
    }
}
