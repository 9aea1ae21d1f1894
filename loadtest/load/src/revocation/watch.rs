//! Tries tokens at gateways without end, and judges every answer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::closed::{Answer, Dialogue, Limits};
use crate::dice::Dice;
use crate::fleet::{Gateway, Route};

use super::{Case, Cases};

/// Remembered in words, so that a failed test says what it saw.
const NOTES_MAX: usize = 8;
/// Longer than any process is held in a test.
const ANSWER: Duration = Duration::from_secs(20);
const REST_AFTER_FAILURE: Duration = Duration::from_millis(5);

#[derive(Clone, Debug)]
pub struct WatchSettings {
    pub gateways: Vec<SocketAddr>,
    /// Connections to each gateway, for each route.
    pub connections: usize,
    pub routes: Vec<Route>,
    /// How long after its acknowledged end a token may still be let through on a strict route.
    pub lease: Duration,
    /// The same on a tolerant route.
    pub grace: Duration,
    /// Time a connection rests between an answer and the next request.
    pub pause: Duration,
    pub seed: u64,
    /// Whether no token of these was ever issued: each is refused, whatever is broken.
    pub are_forged: bool,
    /// Whether a gateway is started meanwhile, which has no keys to tell a forged token by at first.
    pub gateways_start: bool,
    /// Whether 502 and 504 are put up with.
    pub service_may_fail: bool,
}

/// What became of requests.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    pub accepted: u64,
    pub refused: u64,
    /// 503: nobody could tell.
    pub unknown: u64,
    pub unanswered: u64,
    /// 502 and 504: the service could not be asked, or did not answer.
    pub failed: u64,
    /// Forged tokens that were refused.
    pub forged: u64,
    /// Answers that nothing here can bring about.
    pub odd: u64,
    /// Let through although its end was acknowledged longer ago than is allowed.
    pub late: u64,
    /// Refused although nobody had asked for its end.
    pub false_refusals: u64,
    /// The longest time after an acknowledged end at which a request was begun that was let through.
    pub latest: Duration,
    pub codes: BTreeMap<String, u64>,
    pub notes: Vec<String>,
}

/// A watch that is kept until it is ended.
#[derive(Debug)]
pub struct Watch {
    keeping: JoinSet<Findings>,
    stop: watch::Sender<bool>,
}

impl Watch {
    #[must_use]
    pub fn keep(settings: &WatchSettings, cases: &Cases) -> Self {
        let stop = watch::Sender::new(false);
        let settings = Arc::new(settings.clone());
        let mut keeping = JoinSet::new();
        for (place, gateway) in settings.gateways.iter().enumerate() {
            for route in &settings.routes {
                for connection in 0..settings.connections {
                    let words = [place, connection].map(|number| number.to_string());
                    let words = [&*words[0], &*words[1], route.path()];
                    let watchman = Watchman {
                        gateway: *gateway,
                        route: *route,
                        cases: Arc::clone(cases),
                        settings: Arc::clone(&settings),
                        dice: Dice::of(settings.seed, &words),
                        stopped: stop.subscribe(),
                        findings: Findings::default(),
                    };
                    keeping.spawn(watchman.keep());
                }
            }
        }
        Self { keeping, stop }
    }

    pub async fn end(self) -> Findings {
        self.stop.send_replace(true);
        let mut sum = Findings::default();
        for findings in self.keeping.join_all().await {
            sum.add(&findings);
        }
        sum
    }
}

struct Watchman {
    gateway: SocketAddr,
    route: Route,
    cases: Cases,
    settings: Arc<WatchSettings>,
    dice: Dice,
    stopped: watch::Receiver<bool>,
    findings: Findings,
}

impl Watchman {
    async fn keep(mut self) -> Findings {
        let limits = Limits {
            answer: ANSWER,
            ..Limits::default()
        };
        let mut dialogue = Dialogue::new(self.gateway, limits);
        let cases = Arc::clone(&self.cases);
        while !*self.stopped.borrow() {
            let place = self.dice.below(cases.len());
            let Some(case) = cases.get(place) else { break };
            let request = Gateway::request(self.route, &case.token.text);
            let began = Instant::now();
            match dialogue.ask(&request).await {
                Ok(answer) => {
                    self.judge(case, began, &answer);
                    if answer.status >= 400 {
                        self.findings.note_code(&answer.body);
                    }
                    if !self.settings.pause.is_zero() {
                        sleep(self.settings.pause).await;
                    }
                }
                Err(_) => {
                    self.findings.unanswered += 1;
                    sleep(REST_AFTER_FAILURE).await;
                }
            }
        }
        self.findings
    }

    fn judge(&mut self, case: &Case, began: Instant, answer: &Answer) {
        let found = &mut self.findings;
        match answer.status {
            401 | 429 if self.settings.are_forged => found.forged += 1,
            503 if self.settings.gateways_start && says_when_to_come_back(answer) => {
                found.unknown += 1;
            }
            _ if self.settings.are_forged => self.note_odd(answer),
            200 => {
                found.accepted += 1;
                let over = case
                    .acknowledged()
                    .map_or(Duration::ZERO, |at| began.saturating_duration_since(at));
                found.latest = found.latest.max(over);
                let allowed = match self.route {
                    Route::Strict => self.settings.lease,
                    Route::Tolerant => self.settings.grace,
                    Route::Open => Duration::MAX,
                };
                if over > allowed {
                    found.late += 1;
                    found.note(format!(
                        "{} let a session through {over:?} after its end",
                        self.gateway
                    ));
                }
            }
            401 | 429 => {
                found.refused += 1;
                // Whoever asks for an end says so before; and what was answered before that is early.
                if case.asked().is_none() {
                    found.false_refusals += 1;
                    found.note(format!("{} refused a good token", self.gateway));
                }
            }
            503 if says_when_to_come_back(answer) => found.unknown += 1,
            502 | 504 if self.settings.service_may_fail => found.failed += 1,
            _ => self.note_odd(answer),
        }
    }

    fn note_odd(&mut self, answer: &Answer) {
        self.findings.odd += 1;
        let body = String::from_utf8_lossy(&answer.body);
        let said = format!("{} answered {} {body}", self.gateway, answer.status);
        self.findings.note(said);
    }
}

/// Nobody is told 503 without a time to try again, and a word about what is the matter.
fn says_when_to_come_back(answer: &Answer) -> bool {
    answer.header("retry-after").is_some() && code(&answer.body).is_some()
}

fn code(body: &[u8]) -> Option<String> {
    let told: serde_json::Value = serde_json::from_slice(body).ok()?;
    told.get("code")?.as_str().map(str::to_owned)
}

impl Findings {
    /// Nobody was let through too late, nobody was refused too early, and nothing odd was answered.
    #[must_use]
    pub fn are_right(&self) -> bool {
        self.late == 0 && self.false_refusals == 0 && self.odd == 0
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.unknown += other.unknown;
        self.unanswered += other.unanswered;
        self.failed += other.failed;
        self.forged += other.forged;
        self.odd += other.odd;
        self.late += other.late;
        self.false_refusals += other.false_refusals;
        self.latest = self.latest.max(other.latest);
        for (code, count) in &other.codes {
            *self.codes.entry(code.clone()).or_default() += count;
        }
        for note in &other.notes {
            self.note(note.clone());
        }
    }

    fn note(&mut self, note: String) {
        if self.notes.len() < NOTES_MAX {
            self.notes.push(note);
        }
    }

    /// Counts the code of a problem.
    fn note_code(&mut self, body: &[u8]) {
        let code = code(body).unwrap_or_else(|| "none".to_owned());
        *self.codes.entry(code).or_default() += 1;
    }
}
