//! What does a flood of tokens that nobody issued cost those who have good ones, and what does it
//! reach behind the gateway?
//!
//! Strangers and customers send at a fixed pace, so that neither is slowed down by the other. Three
//! things take turns: customers alone, beside as many strangers *without* a token, and beside
//! strangers with forged, bit-flipped and expired ones. A gateway that does no more for a bad token
//! than for none shows in the second pair; what strangers cost anyhow shows in the first.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use crate::bench::BenchError;
use crate::closed::{Answer, Dialogue, Histogram, Limits, Request};
use crate::dice::Dice;
use crate::fleet::{BRIEF_LIFE, Fleet, Gateway, Route, Token};

use super::lag::{dialogue, meet};
use super::{Case, forgery};

/// Tokens that are over, and customers, each with a token and a connection.
const EXPIRED: usize = 16;
const CUSTOMERS: u32 = 16;
/// Connections are opened, and their buffers taken, before memory is looked at.
const WARM_UP_MAX: u64 = 4000;

#[derive(Clone, Copy, Debug)]
pub struct FloodSettings {
    /// Requests with bad tokens, in all.
    pub forged: u64,
    /// The phases take turns so many times.
    pub rounds: u32,
    /// Requests of strangers, each from an address of its own.
    pub per_second: u32,
    pub strangers: u32,
    /// Requests of customers.
    pub good_per_second: u32,
    pub seed: u64,
}

/// What was seen in one span of time.
#[derive(Clone, Debug, Default)]
pub struct Phase {
    pub lasted: Duration,
    /// Of requests with good tokens, from sending to the whole answer.
    pub good: Histogram,
    /// Good ones that were not answered 200.
    pub good_failed: u64,
    pub unauthorized: u64,
    /// 429: a client that had its share of refusals.
    pub limited: u64,
    /// Requests of strangers that were answered anything else, or not at all.
    pub odd: u64,
    /// Tokens that the gateway looked up in Redis, and asked the identity provider about.
    pub lookups: u64,
    pub questions: u64,
    /// Whatever Redis carried out, for everybody and in scripts.
    pub redis_commands: u64,
    pub notes: Vec<String>,
}

/// The phases, in the order in which they took turns.
#[derive(Clone, Debug, Default)]
pub struct Flood {
    pub quiet: Vec<Phase>,
    pub anonymous: Vec<Phase>,
    pub forged: Vec<Phase>,
    /// Of the gateway, before the first phase and after the last.
    pub rss_kib_before: u64,
    pub rss_kib_after: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strangers {
    None,
    Anonymous,
    Forged,
}

/// Floods the first gateway of the fleet.
pub async fn flood(fleet: &Fleet, settings: FloodSettings) -> Result<Flood, BenchError> {
    let town = Town::settle(fleet, settings).await?;
    let warm_up = WARM_UP_MAX.min(settings.forged / 4);
    town.live((Strangers::Anonymous, warm_up / 2)).await?;
    town.live((Strangers::Forged, warm_up)).await?;
    let mut flood = Flood {
        rss_kib_before: town.gateway.member.rss_kib()?,
        ..Flood::default()
    };
    let forged = settings.forged.div_ceil(u64::from(settings.rounds.max(1)));
    for _ in 0..settings.rounds {
        let shorter = forged / 2;
        flood
            .quiet
            .push(town.live((Strangers::None, shorter)).await?);
        let anonymous = town.live((Strangers::Anonymous, shorter)).await?;
        flood.anonymous.push(anonymous);
        flood
            .forged
            .push(town.live((Strangers::Forged, forged)).await?);
    }
    flood.rss_kib_after = town.gateway.member.rss_kib()?;
    Ok(flood)
}

struct Town<'a> {
    fleet: &'a Fleet,
    gateway: &'a Gateway,
    settings: FloodSettings,
    customers: Vec<Token>,
    models: Arc<Models>,
}

/// What bad tokens are made from.
#[derive(Debug)]
struct Models {
    good: Vec<String>,
    expired: Vec<String>,
}

impl<'a> Town<'a> {
    async fn settle(fleet: &'a Fleet, settings: FloodSettings) -> Result<Self, BenchError> {
        let gateway = fleet.gateways.first();
        let gateway = gateway.ok_or_else(|| super::lag::wrong("there is no gateway".to_owned()))?;
        let mut operator = fleet.operator()?;
        let mut expired = Vec::new();
        for _ in 0..EXPIRED {
            expired.push(operator.issue_brief().await?.text);
        }
        sleep(BRIEF_LIFE + Duration::from_secs(1)).await;
        let cases = Case::issue(fleet, CUSTOMERS as usize, None).await?;
        let customers: Vec<_> = cases.into_iter().map(|case| case.token).collect();
        let mut dialogue = dialogue(gateway);
        for token in &customers {
            meet(&mut dialogue, token).await?;
        }
        let good = customers.iter().map(|token| token.text.clone()).collect();
        Ok(Self {
            fleet,
            gateway,
            settings,
            customers,
            models: Arc::new(Models { good, expired }),
        })
    }

    /// For as long as so many requests of strangers take, whether there are strangers or not.
    async fn live(&self, (kind, requests): (Strangers, u64)) -> Result<Phase, BenchError> {
        let before = Counts::read(self.fleet, self.gateway).await?;
        let began = Instant::now();
        let stop = watch::Sender::new(false);
        let mut living = JoinSet::new();
        self.send_customers(&mut living, &stop);
        if kind == Strangers::None {
            let pace = f64::from(self.settings.per_second.max(1));
            sleep(Duration::from_secs_f64(requests as f64 / pace)).await;
        } else {
            let mut coming = JoinSet::new();
            self.send_strangers(&mut coming, kind, requests);
            for phase in coming.join_all().await {
                living.spawn(async move { phase });
            }
        }
        let lasted = began.elapsed();
        stop.send_replace(true);
        let mut sum = Phase::default();
        for phase in living.join_all().await {
            sum.add(&phase);
        }
        let after = Counts::read(self.fleet, self.gateway).await?;
        Ok(Phase {
            lasted,
            lookups: after.lookups - before.lookups,
            questions: (after.asked - before.asked).max(after.answered - before.answered),
            redis_commands: after.redis - before.redis,
            ..sum
        })
    }

    fn send_customers(&self, living: &mut JoinSet<Phase>, stop: &watch::Sender<bool>) {
        let pace = Duration::from_secs(1) * CUSTOMERS / self.settings.good_per_second.max(1);
        for (number, token) in (0..).zip(&self.customers) {
            let customer = Customer {
                dialogue: dialogue(self.gateway),
                request: Gateway::request(Route::Strict, &token.text),
                // Not all at the same time.
                first: pace * number / CUSTOMERS,
                pace,
            };
            living.spawn(customer.come(stop.subscribe()));
        }
    }

    fn send_strangers(&self, coming: &mut JoinSet<Phase>, kind: Strangers, requests: u64) {
        let FloodSettings {
            strangers,
            per_second,
            seed,
            ..
        } = self.settings;
        let strangers = strangers.max(1);
        let pace = Duration::from_secs(1) * strangers / per_second.max(1);
        for number in 0..strangers {
            let [_, _, high, low] = number.to_be_bytes();
            let source = IpAddr::V4(Ipv4Addr::new(127, 2, high, low));
            let limits = Limits::default();
            let stranger = Stranger {
                dialogue: Dialogue::new(self.gateway.address, limits).from(source),
                models: (kind == Strangers::Forged).then(|| Arc::clone(&self.models)),
                dice: Dice::of(seed, &["stranger", &number.to_string()]),
                first: pace * number / strangers,
                pace,
            };
            coming.spawn(stranger.come(requests.div_ceil(u64::from(strangers))));
        }
    }
}

struct Customer {
    dialogue: Dialogue,
    request: Request,
    first: Duration,
    pace: Duration,
}

impl Customer {
    async fn come(mut self, stopped: watch::Receiver<bool>) -> Phase {
        let mut seen = Phase::default();
        let mut ticks = interval_at(Instant::now() + self.first, self.pace);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !*stopped.borrow() {
            ticks.tick().await;
            let began = Instant::now();
            match self.dialogue.ask(&self.request).await {
                Ok(answer) if answer.status == 200 => seen.good.record(began.elapsed()),
                Ok(answer) => {
                    seen.good_failed += 1;
                    seen.note(&answer);
                }
                Err(failure) => {
                    seen.good_failed += 1;
                    seen.notes.push(failure.to_string());
                }
            }
        }
        seen
    }
}

struct Stranger {
    dialogue: Dialogue,
    /// None shows no token at all.
    models: Option<Arc<Models>>,
    dice: Dice,
    first: Duration,
    pace: Duration,
}

impl Stranger {
    async fn come(mut self, requests: u64) -> Phase {
        let mut seen = Phase::default();
        let mut ticks = interval_at(Instant::now() + self.first, self.pace);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for number in 0..requests {
            ticks.tick().await;
            let request = match self.token(number) {
                Some(token) => Gateway::request(Route::Strict, &token),
                None => Request::get(Route::Strict.path()),
            };
            match self.dialogue.ask(&request).await {
                Ok(answer) if answer.status == 401 => seen.unauthorized += 1,
                Ok(answer) if answer.status == 429 => seen.limited += 1,
                Ok(answer) => {
                    seen.odd += 1;
                    seen.note(&answer);
                }
                Err(failure) => {
                    seen.odd += 1;
                    seen.notes.push(failure.to_string());
                }
            }
        }
        seen
    }

    /// Forged, flipped and expired in turn.
    fn token(&mut self, number: u64) -> Option<String> {
        let models = self.models.as_ref()?;
        let model = models.good.get(self.dice.below(models.good.len()))?;
        match number % 3 {
            0 => Some(forgery::forge(model, &mut self.dice)),
            1 => Some(forgery::flip(model, &mut self.dice)),
            _ => {
                let place = self.dice.below(models.expired.len());
                models.expired.get(place).cloned()
            }
        }
    }
}

impl Phase {
    fn add(&mut self, other: &Self) {
        self.good.add(&other.good);
        self.good_failed += other.good_failed;
        self.unauthorized += other.unauthorized;
        self.limited += other.limited;
        self.odd += other.odd;
        self.notes.extend(other.notes.iter().cloned());
        self.notes.truncate(NOTES_MAX);
    }

    fn note(&mut self, answer: &Answer) {
        if self.notes.len() < NOTES_MAX {
            let body = String::from_utf8_lossy(&answer.body);
            self.notes.push(format!("{} {body}", answer.status));
        }
    }
}

/// Remembered in words, so that a failed test says what it saw.
const NOTES_MAX: usize = 8;

#[derive(Debug)]
struct Counts {
    lookups: u64,
    /// What the gateway says of it, and what the identity provider does: nobody is to be asked by a
    /// way that one of them does not know of.
    asked: u64,
    answered: u64,
    redis: u64,
}

impl Counts {
    async fn read(fleet: &Fleet, gateway: &Gateway) -> Result<Self, BenchError> {
        let lookups = gateway
            .metric("tollgate_identity_redis_lookups_total")
            .await?;
        let redis = match &fleet.redis {
            Some(redis) => redis.calls().await?.values().sum(),
            None => 0,
        };
        Ok(Self {
            lookups,
            asked: gateway.metric("tollgate_identity_questions_sum").await?,
            answered: fleet.idp.metric("tollgate_idp_resolved_").await?,
            redis,
        })
    }
}
