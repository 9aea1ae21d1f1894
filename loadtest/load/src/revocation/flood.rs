//! What does a flood of tokens that nobody issued cost those who have good ones, and what does it
//! reach behind the gateway?
//!
//! Strangers and customers send at a fixed pace, so that neither is slowed down by the other. First many
//! strangers come at once, and what is counted is what they reach. Then three things take turns: customers
//! alone, beside strangers who send bad tokens in a field that nobody reads, and beside strangers who show
//! the same tokens. The latter two send as many bytes and are answered 401 alike, so that they differ in
//! nothing but what the gateway does about a token.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::{oneshot, watch};
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
/// In a phase nothing is timed before all connections are there.
const SETTLE: Duration = Duration::from_millis(300);

#[derive(Clone, Copy, Debug)]
pub struct FloodSettings {
    /// The first ones, all with bad tokens.
    pub mass: Pace,
    /// The phases take turns so many times, each at this pace of strangers.
    pub rounds: u32,
    pub each: Pace,
    /// Each has an address of its own.
    pub strangers: u32,
    /// Whether strangers get only what time of a CPU the others leave, as if they were elsewhere.
    pub gives_way: bool,
    /// Requests of customers.
    pub good_per_second: u32,
    pub seed: u64,
}

/// So many requests, and how fast.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub requests: u64,
    pub per_second: u32,
}

/// What was seen in one span of time.
#[derive(Clone, Debug, Default)]
pub struct Phase {
    pub lasted: Duration,
    /// What the gateway had of its CPU.
    pub cpu: Duration,
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

/// The phases; those that took turns in the order of their rounds.
#[derive(Clone, Debug, Default)]
pub struct Flood {
    pub mass: Phase,
    pub quiet: Vec<Phase>,
    /// Beside tokens in a field that nobody reads.
    pub unread: Vec<Phase>,
    pub forged: Vec<Phase>,
    /// Of the gateway, before the mass of strangers and after it.
    pub rss_kib_before: u64,
    pub rss_kib_after: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strangers {
    None,
    Unread,
    Forged,
}

impl Strangers {
    /// Both are spelled with as many letters.
    const fn field(self) -> &'static str {
        match self {
            Self::None | Self::Unread => "Authorisation",
            Self::Forged => "Authorization",
        }
    }
}

/// Floods the first gateway of the fleet.
pub async fn flood(fleet: &Fleet, settings: FloodSettings) -> Result<Flood, BenchError> {
    let town = Town::settle(fleet, settings).await?;
    let Pace {
        requests,
        per_second,
    } = settings.mass;
    let warm_up = |requests| Pace {
        requests,
        per_second,
    };
    let warming = WARM_UP_MAX.min(requests / 4);
    town.live(Strangers::Unread, warm_up(warming / 2)).await?;
    town.live(Strangers::Forged, warm_up(warming)).await?;
    let rss_kib_before = town.gateway.member.rss_kib()?;
    let mut flood = Flood {
        mass: town.live(Strangers::Forged, settings.mass).await?,
        rss_kib_before,
        rss_kib_after: town.gateway.member.rss_kib()?,
        ..Flood::default()
    };
    for round in 0..settings.rounds {
        let mut order = [Strangers::None, Strangers::Unread, Strangers::Forged];
        if round % 2 == 1 {
            order.reverse();
        }
        for strangers in order {
            let phase = town.live(strangers, settings.each).await?;
            match strangers {
                Strangers::None => flood.quiet.push(phase),
                Strangers::Unread => flood.unread.push(phase),
                Strangers::Forged => flood.forged.push(phase),
            }
        }
    }
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
    async fn live(&self, kind: Strangers, pace: Pace) -> Result<Phase, BenchError> {
        let before = Counts::read(self.fleet, self.gateway).await?;
        let cpu_before = self.gateway.member.cpu_time()?;
        let began = Instant::now();
        let stop = watch::Sender::new(false);
        let mut living = JoinSet::new();
        self.send_customers(&mut living, &stop);
        let mut sum = if kind == Strangers::None {
            let per_second = f64::from(pace.per_second.max(1));
            sleep(Duration::from_secs_f64(pace.requests as f64 / per_second)).await;
            Phase::default()
        } else {
            self.send_strangers(kind, pace).await?
        };
        let lasted = began.elapsed();
        let cpu = self.gateway.member.cpu_time()?.saturating_sub(cpu_before);
        stop.send_replace(true);
        for phase in living.join_all().await {
            sum.add(&phase);
        }
        let after = Counts::read(self.fleet, self.gateway).await?;
        Ok(Phase {
            lasted,
            cpu,
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

    async fn send_strangers(&self, kind: Strangers, pace: Pace) -> Result<Phase, BenchError> {
        let count = self.settings.strangers.max(1);
        let every = Duration::from_secs(1) * count / pace.per_second.max(1);
        let strangers = (0..count).map(|number| {
            let [_, _, high, low] = number.to_be_bytes();
            let source = IpAddr::V4(Ipv4Addr::new(127, 2, high, low));
            let limits = Limits::default();
            Stranger {
                dialogue: Dialogue::new(self.gateway.address, limits).from(source),
                field: kind.field(),
                models: Arc::clone(&self.models),
                dice: Dice::of(self.settings.seed, &["stranger", &number.to_string()]),
                first: every * number / count,
                pace: every,
            }
        });
        let strangers: Vec<_> = strangers.collect();
        let each = pace.requests.div_ceil(u64::from(count));
        let gives_way = self.settings.gives_way;
        let (tell, told) = oneshot::channel();
        let thread = thread::Builder::new().name("strangers".to_owned());
        let started = thread.spawn(move || {
            // Whoever waits for it may have given up.
            let _ = tell.send(come_from_elsewhere(strangers, each, gives_way));
        });
        started.map_err(BenchError::io("cannot start the thread of strangers"))?;
        let told = told.await;
        told.map_err(|_| super::lag::wrong("the thread of strangers broke".to_owned()))?
    }
}

/// Sends what strangers send from this thread.
fn come_from_elsewhere(
    strangers: Vec<Stranger>,
    each: u64,
    gives_way: bool,
) -> Result<Phase, BenchError> {
    if gives_way {
        give_way()?;
    }
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(BenchError::io("cannot start a runtime"))?;
    Ok(runtime.block_on(async {
        let coming: JoinSet<_> = strangers.into_iter().map(|it| it.come(each)).collect();
        let mut sum = Phase::default();
        for phase in coming.join_all().await {
            sum.add(&phase);
        }
        sum
    }))
}

/// Has this thread run only where no other wants to.
fn give_way() -> Result<(), BenchError> {
    let own = fs::read_link("/proc/thread-self");
    let own = own.map_err(BenchError::io("cannot tell the number of a thread"))?;
    let number = own.file_name().unwrap_or_default();
    let output = Command::new("chrt")
        .args(["--idle", "--pid", "0"])
        .arg(number)
        .output()
        .map_err(BenchError::io("cannot start chrt"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(BenchError::Failed {
        program: "chrt",
        said,
    })
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
        let timed_from = Instant::now() + SETTLE;
        let mut ticks = interval_at(Instant::now() + self.first, self.pace);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !*stopped.borrow() {
            ticks.tick().await;
            let began = Instant::now();
            match self.dialogue.ask(&self.request).await {
                Ok(answer) if answer.status == 200 => {
                    if began >= timed_from {
                        seen.good.record(began.elapsed());
                    }
                }
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
    /// Where it says its tokens.
    field: &'static str,
    models: Arc<Models>,
    dice: Dice,
    first: Duration,
    pace: Duration,
}

impl Stranger {
    async fn come(mut self, requests: u64) -> Phase {
        let mut seen = Phase::default();
        // One that was held up makes up for it.
        let mut ticks = interval_at(Instant::now() + self.first, self.pace);
        for number in 0..requests {
            ticks.tick().await;
            let token = self.token(number).unwrap_or_default();
            let request = Request::get(Route::Strict.path());
            let request = request.header(self.field, format!("Bearer {token}"));
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
        let models = &self.models;
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
