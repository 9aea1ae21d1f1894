//! What is this password's hash, and is it the one that was set?
//!
//! argon2id with the parameters that OWASP recommends (19 MiB, two passes, one lane; RFC 9106). It
//! is made to be slow, and must not make anything else slow:
//!
//! - so many computations at a time as there are workers, threads of the background, which get the
//!   time that nobody else wants;
//! - so many callers wait as there are places, and none of them longer than the deadline. Who finds
//!   no place or waits in vain is told that we are [`Busy`], and may come back;
//! - a caller that leaves while it waits gives its place back at once.
//!
//! Every comparison costs one computation, also with a hash that cannot be read: how long it takes
//! says nothing about whom it was for. The memory of a worker is kept while there is work and given
//! back when there is none for a while.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use argon2::password_hash::phc::{Output, ParamsString, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, PasswordHash as Phc, Version};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use idp_background::Background;
use idp_core::login::Verdict;
use idp_core::record::PasswordHash;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use zeroize::{Zeroize, Zeroizing};

const SALT_BYTES: usize = 16;
/// How long a worker without work keeps its memory.
const MEMORY_IDLE: Duration = Duration::from_secs(5);

/// What one computation costs.
const OWASP: Cost = Cost {
    memory_kib: 19 * 1024,
    passes: 2,
};
/// A hash that asks for more than this was not made here.
const COST_MAX: Cost = Cost {
    memory_kib: 64 * 1024,
    passes: 8,
};

#[derive(Debug, Clone, Copy)]
struct Cost {
    memory_kib: u32,
    passes: u32,
}

/// How much may go on at a time.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Computations at a time; at least one.
    pub at_once: usize,
    /// Callers that wait for one to end.
    pub waiting_max: usize,
    /// How long each of them waits at most.
    pub wait_max: Duration,
}

impl Limits {
    /// The usual queue in front of so many computations.
    #[must_use]
    pub const fn new(at_once: usize) -> Self {
        Self {
            at_once,
            waiting_max: 256,
            wait_max: Duration::from_secs(5),
        }
    }
}

/// Too many passwords are being looked at. It is to be answered with 503 and `Retry-After`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being looked at")]
pub struct Busy;

/// Something that can be a password. It is wiped when it is no longer needed, and never shown.
pub struct Password(Zeroizing<String>);

impl Password {
    pub const BYTES_MAX: usize = 1024;

    /// Nothing if nobody can have this password, which is the same for everybody.
    #[must_use]
    pub fn parse(text: Zeroizing<String>) -> Option<Self> {
        (1..=Self::BYTES_MAX)
            .contains(&text.len())
            .then_some(Self(text))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password([redacted])")
    }
}

/// The workers and those who wait for them.
#[derive(Debug)]
pub struct Passwords {
    places: Semaphore,
    turns: Arc<Semaphore>,
    idle: Arc<Idle>,
    wait_max: Duration,
    computations: Arc<AtomicU64>,
    cost: Cost,
}

impl Passwords {
    /// Starts the workers; they end when this is dropped.
    pub fn start(limits: Limits) -> io::Result<Self> {
        Self::start_with(limits, OWASP)
    }

    fn start_with(limits: Limits, cost: Cost) -> io::Result<Self> {
        let at_once = limits.at_once;
        if at_once == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let idle = Arc::<Idle>::default();
        let computations = Arc::<AtomicU64>::default();
        for _ in 0..at_once {
            let (give, jobs) = sync_channel(1);
            let memory = Memory {
                blocks: Vec::new(),
                computations: Arc::clone(&computations),
            };
            std::thread::Builder::new()
                .name("passwords".to_owned())
                .spawn(move || work(&jobs, memory))?;
            idle.put(give);
        }
        Ok(Self {
            places: Semaphore::new(limits.waiting_max),
            turns: Arc::new(Semaphore::new(at_once)),
            idle,
            wait_max: limits.wait_max,
            computations,
            cost,
        })
    }

    /// How many computations there were.
    #[must_use]
    pub fn computations(&self) -> u64 {
        self.computations.load(Ordering::Relaxed)
    }

    /// Hashes a password that is being set.
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, Busy> {
        let cost = self.cost;
        let hash = self
            .run(move |memory| hash(cost, &password, memory))
            .await?;
        hash.ok_or(Busy)
    }

    /// The same before anybody is served: there is nobody whom it could hold up, and on a processor that
    /// others keep busy the background would keep the start waiting.
    pub async fn hash_at_start(&self, password: Password) -> Result<PasswordHash, Busy> {
        let cost = self.cost;
        let mut memory = Memory {
            blocks: Vec::new(),
            computations: Arc::clone(&self.computations),
        };
        let hashing = tokio::task::spawn_blocking(move || hash(cost, &password, &mut memory));
        hashing.await.ok().flatten().ok_or(Busy)
    }

    /// Compares a password with the hash of the one that was set, or with one that nobody has.
    pub async fn verify(&self, hash: PasswordHash, password: Password) -> Result<Verdict, Busy> {
        let cost = self.cost;
        self.run(move |memory| verify(cost, &hash, &password, memory))
            .await
    }

    async fn run<T: Send + 'static>(
        &self,
        compute: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let permit = self.turn().await?;
        let worker = self.idle.take().ok_or(Busy)?;
        let turn = Turn {
            worker: worker.clone(),
            idle: Arc::clone(&self.idle),
            _permit: permit,
        };
        let (answer, computed) = oneshot::channel();
        let job: Job = Box::new(move |memory| {
            let found = compute(memory);
            drop(turn);
            // A caller that has left wants no answer.
            let _ = answer.send(found);
        });
        worker.try_send(job).map_err(|_| Busy)?;
        computed.await.map_err(|_| Busy)
    }

    /// Waits for a worker to be free, in the order of arrival.
    async fn turn(&self) -> Result<OwnedSemaphorePermit, Busy> {
        let turns = Arc::clone(&self.turns);
        if let Ok(turn) = Arc::clone(&turns).try_acquire_owned() {
            return Ok(turn);
        }
        let _place = self.places.try_acquire().map_err(|_| Busy)?;
        let turn = tokio::time::timeout(self.wait_max, turns.acquire_owned());
        turn.await.map_err(|_| Busy)?.map_err(|_| Busy)
    }
}

/// One computation.
type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// A worker that is taken until the computation has ended, whether or not anybody still waits for
/// it. The worker is free again before the next caller has its turn.
struct Turn {
    worker: SyncSender<Job>,
    idle: Arc<Idle>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.idle.put(self.worker.clone());
    }
}

/// The workers that wait for a job. The last one that came is the first to go, since its memory is
/// at hand.
#[derive(Default)]
struct Idle(Mutex<Vec<SyncSender<Job>>>);

impl Idle {
    fn take(&self) -> Option<SyncSender<Job>> {
        self.workers().pop()
    }

    fn put(&self, worker: SyncSender<Job>) {
        self.workers().push(worker);
    }

    fn workers(&self) -> MutexGuard<'_, Vec<SyncSender<Job>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Idle({})", self.workers().len())
    }
}

fn work(jobs: &Receiver<Job>, mut memory: Memory) {
    let mut background = Background::enter();
    loop {
        let job = match jobs.recv_timeout(MEMORY_IDLE) {
            Ok(job) => Ok(job),
            Err(RecvTimeoutError::Timeout) => {
                memory.give_back();
                jobs.recv()
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let Ok(compute) = job else {
            return;
        };
        let computing = || background.compute(|| compute(&mut memory));
        let computed = catch_unwind(AssertUnwindSafe(computing));
        if computed.is_err() {
            tracing::error!("a password computation panicked");
        }
    }
}

/// What a worker computes in. It is wiped before it is given back, for what is left there of a
/// password would be cheaper to guess from than its hash.
struct Memory {
    blocks: Vec<Block>,
    /// How often it was taken, by all workers together.
    computations: Arc<AtomicU64>,
}

impl Memory {
    fn blocks(&mut self, count: usize) -> &mut [Block] {
        self.computations.fetch_add(1, Ordering::Relaxed);
        if self.blocks.len() < count {
            self.blocks.resize(count, Block::new());
        }
        &mut self.blocks
    }

    fn give_back(&mut self) {
        self.blocks.iter_mut().for_each(Zeroize::zeroize);
        self.blocks = Vec::new();
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl Cost {
    fn params(self) -> Option<Params> {
        let output = Some(Params::DEFAULT_OUTPUT_LEN);
        Params::new(self.memory_kib, self.passes, Params::DEFAULT_P_COST, output).ok()
    }

    fn covers(self, params: &Params) -> bool {
        params.m_cost() <= self.memory_kib
            && params.t_cost() <= self.passes
            && params.p_cost() == Params::DEFAULT_P_COST
    }
}

fn hash(cost: Cost, password: &Password, memory: &mut Memory) -> Option<PasswordHash> {
    let mut salt = [0; SALT_BYTES];
    SystemRandom::new().fill(&mut salt).ok()?;
    let params = cost.params()?;
    let written = ParamsString::try_from(&params).ok()?;
    let output = compute(params, &salt, password, memory)?;
    let phc = Phc {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: written,
        salt: Some(Salt::new(&salt).ok()?),
        hash: Some(output),
    };
    Some(PasswordHash(phc.to_string()))
}

fn verify(cost: Cost, hash: &PasswordHash, password: &Password, memory: &mut Memory) -> Verdict {
    let set = Set::read(&hash.0);
    if set.is_none() {
        tracing::error!("a password hash cannot be read: nobody can sign in with it");
    }
    let (params, salt) = match &set {
        Some(set) => (Some(set.params.clone()), set.salt.as_ref()),
        None => (cost.params(), [0; SALT_BYTES].as_slice()),
    };
    let found = params.and_then(|params| compute(params, salt, password, memory));
    // Outputs are compared in constant time.
    let is_same = found
        .zip(set)
        .is_some_and(|(found, set)| found == set.output);
    if is_same {
        Verdict::Matches
    } else {
        Verdict::Differs
    }
}

/// A hash in its parts.
struct Set {
    params: Params,
    salt: Salt,
    output: Output,
}

impl Set {
    fn read(text: &str) -> Option<Self> {
        let phc = Phc::new(text).ok()?;
        let params = Params::try_from(&phc).ok()?;
        let is_ours = phc.algorithm == ARGON2ID_IDENT
            && phc.version == Some(Version::V0x13.into())
            && phc.hash?.len() == Params::DEFAULT_OUTPUT_LEN
            && COST_MAX.covers(&params);
        is_ours.then_some(Self {
            params,
            salt: phc.salt?,
            output: phc.hash?,
        })
    }
}

fn compute(
    params: Params,
    salt: &[u8],
    password: &Password,
    memory: &mut Memory,
) -> Option<Output> {
    let blocks = memory.blocks(params.block_count());
    let mut output = Zeroizing::new([0; Params::DEFAULT_OUTPUT_LEN]);
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2
        .hash_password_into_with_memory(password.0.as_bytes(), salt, output.as_mut(), blocks)
        .ok()?;
    Output::new(output.as_ref()).ok()
}

#[cfg(test)]
mod tests;
