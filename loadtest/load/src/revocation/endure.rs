//! What is seen while something is broken, and how soon all is well again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::bench::BenchError;
use crate::closed::{Dialogue, Limits};
use crate::dice::Dice;
use crate::fleet::{Fleet, Gateway, Operator, Route, Token, Wait};

use super::breakage::{break_it, complain, mend};
use super::lag::dialogue;
use super::{Breakage, Case, Cases, Findings, Watch, WatchSettings, forgery};

/// Tokens in use from the beginning, and tokens that come up only while something is broken.
const KNOWN: usize = 150;
const FRESH: usize = 50;
const FORGED: usize = 50;
/// Between two sessions that are ended.
const REVOKE_EVERY: Duration = Duration::from_millis(40);
/// Between two requests on a connection: enough of them to see, and the machine is not the limit.
const REST: Duration = Duration::from_millis(10);
/// Nobody waits longer for everything to be well again.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(10);
const RELOAD_EVERY: Duration = Duration::from_millis(100);
const COMPLAINTS_MAX: usize = 8;

/// For how long what goes on.
#[derive(Clone, Copy, Debug)]
pub struct Spell {
    /// Before something breaks, and after all is well.
    pub steady: Duration,
    /// How long it stays broken.
    pub hold: Duration,
    pub lease: Duration,
}

/// What was seen while something was broken, and how soon all was well again.
#[derive(Clone, Debug)]
pub struct Endured {
    pub breakage: Breakage,
    pub findings: Findings,
    pub revocations: u64,
    /// From the mending until every gateway lets a good token through and refuses a bad one.
    pub recovered: Duration,
    /// Whatever else was not as it must be.
    pub complaints: Vec<String>,
}

impl Endured {
    /// Nobody was let through or refused who must not be, and all was well again soon enough.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.findings.are_right()
            && self.findings.accepted > 0
            && self.complaints.is_empty()
            && self.recovered <= self.breakage.recovers_within()
    }
}

/// Breaks something for a while, under load and with sessions being ended all the time.
pub async fn endure(
    fleet: &mut Fleet,
    breakage: Breakage,
    spell: Spell,
    seed: u64,
) -> Result<Endured, BenchError> {
    let known: Cases = Arc::new(Case::issue(fleet, KNOWN, None).await?);
    let fresh: Cases = Arc::new(Case::issue(fleet, FRESH, None).await?);
    let models: Vec<_> = known.iter().map(|case| &*case.token.text).collect();
    let forged: Cases = Arc::new(forgery::cases(&models, FORGED, seed));
    let settings = WatchSettings {
        gateways: fleet.gateways.iter().map(|it| it.address).collect(),
        connections: 1,
        routes: vec![Route::Strict, Route::Tolerant],
        lease: spell.lease,
        grace: Duration::from_secs(60) + spell.lease,
        pause: REST,
        seed,
        are_forged: false,
        gateways_start: breakage.starts_gateways(),
        service_may_fail: breakage.is_of_service() || breakage.delays_gateways(),
    };
    let forgeries = WatchSettings {
        are_forged: true,
        ..settings.clone()
    };
    let mut watches = vec![
        Watch::keep(&settings, &known),
        Watch::keep(&forgeries, &forged),
    ];
    let revoking = Revoking::begin(fleet.operator()?, &known, seed);
    sleep(spell.steady).await;

    let broken = break_it(fleet, breakage).await?;
    watches.push(Watch::keep(&settings, &fresh));
    stay(fleet, breakage, breakage.lasts(spell.hold)).await;
    let complaint = complain(fleet, breakage, &broken).await?;
    let mended = Instant::now();
    mend(fleet, breakage).await?;
    drop(broken);
    let good = known.last().map(|case| case.token.clone());
    let recovered = recover(fleet, good.as_ref(), mended).await?;

    sleep(spell.steady).await;
    let revocations = revoking.end().await;
    let mut findings = Findings::default();
    for watch in watches {
        findings.add(&watch.end().await);
    }
    let mut complaints: Vec<_> = complaint.into_iter().collect();
    if !breakage.is_of_service() {
        sleep(spell.lease).await;
        complaints.extend(close_books(fleet, known.iter().chain(fresh.iter())).await);
    }
    Ok(Endured {
        breakage,
        findings,
        revocations,
        recovered,
        complaints,
    })
}

/// Lets it be broken for so long.
async fn stay(fleet: &Fleet, breakage: Breakage, hold: Duration) {
    let until = Instant::now() + hold;
    while Instant::now() < until {
        if breakage == Breakage::GatewaysReloaded {
            fleet.gateways.iter().for_each(|it| it.member.hang_up());
        }
        sleep(RELOAD_EVERY.min(hold)).await;
    }
}

/// Nothing is lost: every token whose end nobody asked for is good, and every acknowledged end holds.
async fn close_books(fleet: &Fleet, cases: impl Iterator<Item = &Case>) -> Vec<String> {
    let mut dialogues: Vec<_> = fleet.gateways.iter().map(dialogue).collect();
    let mut wrong = Vec::new();
    for (place, case) in cases.enumerate() {
        let count = dialogues.len().max(1);
        let Some(gateway) = dialogues.get_mut(place % count) else {
            break;
        };
        let request = Gateway::request(Route::Strict, &case.token.text);
        let status = gateway.ask(&request).await.map(|answer| answer.status);
        let is_right = match (case.asked(), case.acknowledged()) {
            (None, _) => matches!(status, Ok(200)),
            (Some(_), Some(_)) => matches!(status, Ok(401 | 429)),
            // It was asked for, and nobody said whether it was done.
            (Some(_), None) => matches!(status, Ok(200 | 401 | 429)),
        };
        if !is_right && wrong.len() < COMPLAINTS_MAX {
            let end = (case.asked().is_some(), case.acknowledged().is_some());
            wrong.push(format!(
                "at the end {status:?}, end asked for and acknowledged: {end:?}"
            ));
        }
    }
    wrong
}

/// Waits until every gateway tells good from bad again, by a token that is ended for this.
async fn recover(
    fleet: &Fleet,
    good: Option<&Token>,
    since: Instant,
) -> Result<Duration, BenchError> {
    let mut operator = fleet.operator()?;
    let bad = bad_token(&mut operator, since).await?;
    let cases: [(_, &[u16]); 2] = [(good, &[200]), (bad.as_ref(), &[401, 429])];
    for gateway in &fleet.gateways {
        for (token, statuses) in cases {
            let Some(token) = token else { continue };
            await_answer(gateway, (token, statuses), since).await;
        }
    }
    Ok(since.elapsed())
}

/// Tries until it is answered so, or for as long as anybody waits.
async fn await_answer(gateway: &Gateway, (token, statuses): (&Token, &[u16]), since: Instant) {
    while since.elapsed() < PATIENCE && !is_answered(gateway, token, statuses).await {
        sleep(LOOK_EVERY).await;
    }
}

/// `None` if the identity provider does not come back in time.
async fn bad_token(operator: &mut Operator, since: Instant) -> Result<Option<Token>, BenchError> {
    while since.elapsed() < PATIENCE {
        let issued = operator.issue(None).await;
        let Ok(token) = issued else {
            sleep(LOOK_EVERY).await;
            continue;
        };
        if operator
            .end_session(&token.session, Wait::None)
            .await
            .is_ok()
        {
            return Ok(Some(token));
        }
    }
    Ok(None)
}

async fn is_answered(gateway: &Gateway, token: &Token, statuses: &[u16]) -> bool {
    let mut dialogue = Dialogue::new(gateway.address, Limits::default());
    let request = Gateway::request(Route::Strict, &token.text);
    let answered = timeout(PATIENCE, dialogue.ask(&request)).await;
    matches!(answered, Ok(Ok(answer)) if statuses.contains(&answer.status))
}

/// Ends one session after the other, all but the last.
struct Revoking {
    stop: watch::Sender<bool>,
    ending: JoinSet<u64>,
}

impl Revoking {
    fn begin(mut operator: Operator, cases: &Cases, seed: u64) -> Self {
        let (stop, stopped) = watch::channel(false);
        let cases = Arc::clone(cases);
        let mut dice = Dice::of(seed, &["revoking"]);
        let mut ending = JoinSet::new();
        ending.spawn(async move {
            let mut count = 0;
            let but_the_last = cases.len().saturating_sub(1);
            while !*stopped.borrow() {
                sleep(REVOKE_EVERY).await;
                let Some(case) = cases.get(dice.below(but_the_last)) else {
                    break;
                };
                if case.acknowledged().is_none() {
                    // Nobody may be there to be asked: then it is over or not.
                    count += u64::from(case.end(&mut operator, Wait::None).await.is_ok());
                }
            }
            count
        });
        Self { stop, ending }
    }

    async fn end(self) -> u64 {
        self.stop.send_replace(true);
        self.ending.join_all().await.iter().sum()
    }
}
