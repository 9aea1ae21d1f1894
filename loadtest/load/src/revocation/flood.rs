//! What does a flood of tokens that nobody issued cost those who have good ones, and what does it
//! reach behind the gateway?
//!
//! Strangers and customers send at a fixed pace, so that neither is slowed down by the other. First many
//! strangers come at once, and what is counted is what they reach. Then three things take turns: customers
//! alone, beside strangers who send bad tokens in a field that nobody reads, and beside strangers who show
//! such tokens. The latter two send as many bytes and are answered 401 alike, so that they differ in
//! nothing but what the gateway does about a token.

mod crowd;
mod turns;

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use std::{fs, io};

use tokio::runtime;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use crate::bench::BenchError;
use crate::closed::{Answer, Dialogue, Histogram, Limits, Request};
use crate::dice::Dice;
use crate::fleet::{BRIEF_LIFE, Fleet, Gateway, Route, Token};

pub use turns::{Block, Turn, Turns};

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
    /// How long there are customers alone, before.
    pub quiet: Duration,
    pub turns: Turns,
    /// Each has an address of its own.
    pub strangers: u32,
    /// Whether strangers get only what time of a CPU the others leave, as if they were elsewhere.
    pub gives_way: bool,
    /// Requests of customers beside the mass of strangers, and before it.
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

#[derive(Clone, Debug, Default)]
pub struct Flood {
    pub quiet: Phase,
    pub mass: Phase,
    pub blocks: Vec<Block>,
    /// While turns were taken.
    pub lookups: u64,
    pub questions: u64,
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
    // Right after connections were opened: in a pause the allocator gives memory back, to take it again.
    let rss_kib_before = town.gateway.member.rss_kib()?;
    let nobody = async {
        sleep(settings.quiet).await;
        Ok(Phase::default())
    };
    let quiet = town.watch(nobody).await?;
    let mass = town.live(Strangers::Forged, settings.mass).await?;
    let rss_kib_after = town.gateway.member.rss_kib()?;
    let before = Counts::read(fleet, town.gateway).await?;
    let blocks = town.take_turns(settings.turns).await?;
    let after = Counts::read(fleet, town.gateway).await?;
    Ok(Flood {
        quiet,
        mass,
        blocks,
        lookups: after.lookups - before.lookups,
        questions: after.questions_since(&before),
        rss_kib_before,
        rss_kib_after,
    })
}

/// The address of one of the strangers.
fn stranger_address(number: u32) -> IpAddr {
    let [_, _, high, low] = number.to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(127, 2, high, low))
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

    /// Customers beside so many requests of strangers.
    async fn live(&self, kind: Strangers, pace: Pace) -> Result<Phase, BenchError> {
        self.watch(self.send_strangers(kind, pace)).await
    }

    /// Customers, for as long as something takes.
    async fn watch(
        &self,
        beside: impl Future<Output = Result<Phase, BenchError>>,
    ) -> Result<Phase, BenchError> {
        let before = Counts::read(self.fleet, self.gateway).await?;
        let began = Instant::now();
        let stop = watch::Sender::new(false);
        let mut living = JoinSet::new();
        self.send_customers(&mut living, &stop);
        let mut sum = beside.await?;
        let lasted = began.elapsed();
        stop.send_replace(true);
        for phase in living.join_all().await {
            sum.add(&phase);
        }
        let after = Counts::read(self.fleet, self.gateway).await?;
        Ok(Phase {
            lasted,
            lookups: after.lookups - before.lookups,
            questions: after.questions_since(&before),
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
            let limits = Limits::default();
            let dialogue = Dialogue::new(self.gateway.address, limits);
            Stranger {
                dialogue: dialogue.from(stranger_address(number)),
                field: kind.field(),
                models: Arc::clone(&self.models),
                dice: Dice::of(self.settings.seed, &["stranger", &number.to_string()]),
                first: every * number / count,
                pace: every,
            }
        });
        let strangers: Vec<_> = strangers.collect();
        let each = pace.requests.div_ceil(u64::from(count));
        let told = start_thread("strangers", self.settings.gives_way, move || {
            come_from_elsewhere(strangers, each)
        });
        let told = told?.await;
        let told = told.map_err(|_| super::lag::wrong("the strangers broke".to_owned()))?;
        told.map_err(BenchError::io("cannot send what strangers send"))
    }
}

/// Sends what strangers send from this thread.
fn come_from_elsewhere(strangers: Vec<Stranger>, each: u64) -> io::Result<Phase> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(async {
        let coming: JoinSet<_> = strangers.into_iter().map(|it| it.come(each)).collect();
        let mut sum = Phase::default();
        for phase in coming.join_all().await {
            sum.add(&phase);
        }
        sum
    }))
}

/// Does something on a thread of its own, and tells what came of it.
fn start_thread<T: Send + 'static>(
    name: &str,
    gives_way: bool,
    deed: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<oneshot::Receiver<io::Result<T>>, BenchError> {
    let (tell, told) = oneshot::channel();
    let thread = thread::Builder::new().name(name.to_owned());
    let started = thread.spawn(move || {
        let ready = if gives_way { give_way() } else { Ok(()) };
        // Whoever waits for it may have given up.
        let _ = tell.send(ready.and_then(|()| deed()));
    });
    started.map_err(BenchError::io("cannot start a thread"))?;
    Ok(told)
}

/// Has this thread run only where no other wants to.
fn give_way() -> io::Result<()> {
    let own = fs::read_link("/proc/thread-self")?;
    let number = own.file_name().unwrap_or_default();
    let output = Command::new("chrt")
        .args(["--idle", "--pid", "0"])
        .arg(number)
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(io::Error::other(format!("chrt: {said}")))
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
            let token = self.models.bad(number, &mut self.dice).unwrap_or_default();
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
}

impl Models {
    /// Forged, flipped and expired in turn.
    fn bad(&self, number: u64, dice: &mut Dice) -> Option<String> {
        let model = self.good.get(dice.below(self.good.len()))?;
        match number % 3 {
            0 => Some(forgery::forge(model, dice)),
            1 => Some(forgery::flip(model, dice)),
            _ => self.expired.get(dice.below(self.expired.len())).cloned(),
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
    fn questions_since(&self, before: &Self) -> u64 {
        (self.asked - before.asked).max(self.answered - before.answered)
    }

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
