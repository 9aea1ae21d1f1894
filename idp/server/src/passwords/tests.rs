use std::sync::mpsc;

use tokio::task::JoinSet;

use super::*;

/// As cheap as argon2id can be, where the price is not what is tested.
const CHEAP: Cost = Cost {
    memory_kib: 8,
    passes: 1,
};

fn limits(at_once: usize, waiting_max: usize) -> Limits {
    Limits {
        waiting_max,
        // Workers have the lowest priority: on a busy machine they may get no time for long.
        wait_max: Duration::from_secs(60),
        ..Limits::new(at_once)
    }
}

fn cheap(limits: Limits) -> Arc<Passwords> {
    Arc::new(Passwords::start_with(limits, CHEAP).unwrap())
}

fn password(text: &str) -> Password {
    Password::parse(Zeroizing::new(text.to_owned())).unwrap()
}

/// Computations that go on until they are let go.
struct Held {
    running: JoinSet<Result<(), Busy>>,
    let_go: Vec<mpsc::Sender<()>>,
}

impl Held {
    async fn start(passwords: &Arc<Passwords>, count: usize) -> Self {
        let mut held = Self {
            running: JoinSet::new(),
            let_go: Vec::new(),
        };
        for _ in 0..count {
            let (let_go, wait) = mpsc::channel();
            let (begun, has_begun) = oneshot::channel();
            let passwords = Arc::clone(passwords);
            held.running.spawn(async move {
                let wait = move |_: &mut Memory| {
                    let _ = begun.send(());
                    let _ = wait.recv();
                };
                passwords.run(wait).await
            });
            held.let_go.push(let_go);
            has_begun.await.unwrap();
        }
        held
    }

    async fn end(mut self) {
        self.let_go.clear();
        while let Some(ended) = self.running.join_next().await {
            ended.unwrap().unwrap();
        }
    }
}

/// Lets callers come as far as they can.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

async fn waiting(passwords: &Arc<Passwords>, count: usize) -> JoinSet<Result<PasswordHash, Busy>> {
    let mut waiting = JoinSet::new();
    for _ in 0..count {
        let passwords = Arc::clone(passwords);
        waiting.spawn(async move { passwords.hash(password("w")).await });
    }
    settle().await;
    waiting
}

#[tokio::test]
async fn a_password_matches_the_hash_that_was_made_of_it_and_no_other() {
    let passwords = cheap(limits(1, 1));
    let hash = passwords.hash(password("correct horse")).await.unwrap();
    for (text, verdict) in [
        ("correct horse", Verdict::Matches),
        ("correct horse ", Verdict::Differs),
        ("Correct horse", Verdict::Differs),
        ("c", Verdict::Differs),
    ] {
        let found = passwords.verify(hash.clone(), password(text)).await;
        assert_eq!(found, Ok(verdict), "{text}");
    }
    let again = passwords.hash(password("correct horse")).await.unwrap();
    assert_ne!(again, hash, "every hash has a salt of its own");
}

#[tokio::test]
async fn a_hash_is_made_with_the_parameters_that_are_recommended() {
    let limits = limits(1, 1);
    let passwords = Passwords::start(limits).unwrap();
    let hash = passwords.hash(password("p")).await.unwrap();
    let head = "$argon2id$v=19$m=19456,t=2,p=1$";
    assert!(hash.0.starts_with(head), "{}", hash.0);
    assert!(hash.0.len() <= idp_core::admin::PASSWORD_HASH_BYTES_MAX);
    let found = passwords.verify(hash, password("p")).await;
    assert_eq!(found, Ok(Verdict::Matches));
}

/// From the tests of the reference implementation.
#[tokio::test]
async fn a_hash_of_another_implementation_is_read() {
    let text =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    let hash = PasswordHash(text.to_owned());
    let passwords = cheap(limits(1, 1));
    let found = passwords.verify(hash.clone(), password("password")).await;
    assert_eq!(found, Ok(Verdict::Matches));
    let found = passwords.verify(hash, password("passwort")).await;
    assert_eq!(found, Ok(Verdict::Differs));
}

#[tokio::test]
async fn every_comparison_costs_one_computation_whomever_it_is_for() {
    let passwords = cheap(limits(1, 1));
    let hash = passwords.hash(password("theirs")).await.unwrap();
    let dummy = passwords.hash(password("nobody's")).await.unwrap();
    let text = |change: fn(&str) -> String| PasswordHash(change(&hash.0));
    let cases = [
        ("somebody", hash.clone(), "theirs", Verdict::Matches),
        ("somebody else", hash.clone(), "wrong", Verdict::Differs),
        ("nobody", dummy, "theirs", Verdict::Differs),
        ("empty", text(|_| String::new()), "theirs", Verdict::Differs),
        (
            "cut",
            text(|hash| hash[..40].to_owned()),
            "theirs",
            Verdict::Differs,
        ),
        (
            "argon2i",
            text(|hash| hash.replace("2id", "2i")),
            "theirs",
            Verdict::Differs,
        ),
        (
            "v16",
            text(|hash| hash.replace("v=19", "v=16")),
            "theirs",
            Verdict::Differs,
        ),
        (
            "no version",
            text(|hash| hash.replace("$v=19", "")),
            "theirs",
            Verdict::Differs,
        ),
        (
            "dear",
            text(|hash| hash.replace("m=8", "m=65537")),
            "theirs",
            Verdict::Differs,
        ),
        (
            "slow",
            text(|hash| hash.replace("t=1", "t=9")),
            "theirs",
            Verdict::Differs,
        ),
    ];
    for (case, hash, text, verdict) in cases {
        let before = passwords.computations();
        let found = passwords.verify(hash, password(text)).await;
        assert_eq!(found, Ok(verdict), "{case}");
        assert_eq!(passwords.computations() - before, 1, "{case}");
    }
}

#[test]
fn what_nobody_can_have_is_no_password() {
    let parse = |bytes: usize| Password::parse(Zeroizing::new("p".repeat(bytes))).is_some();
    assert_eq!([0, 1, 1024, 1025].map(parse), [false, true, true, false]);
    assert_eq!(format!("{:?}", password("secret")), "Password([redacted])");
}

#[tokio::test]
async fn as_many_are_computed_at_a_time_as_there_are_workers() {
    let passwords = cheap(limits(3, 100));
    let held = Held::start(&passwords, 3).await;
    let mut waiting = waiting(&passwords, 20).await;
    assert_eq!(passwords.computations(), 0, "a fourth would be under way");
    assert_eq!(passwords.idle.workers().len(), 0);
    held.end().await;
    while let Some(hashed) = waiting.join_next().await {
        hashed.unwrap().unwrap();
    }
    assert_eq!(passwords.computations(), 20);
}

#[tokio::test]
async fn callers_wait_up_to_the_limit_and_one_more_is_told_at_once() {
    let passwords = cheap(limits(1, 4));
    let held = Held::start(&passwords, 1).await;
    let mut waiting = waiting(&passwords, 4).await;
    assert_eq!(passwords.hash(password("p")).await, Err(Busy));
    held.end().await;
    while let Some(hashed) = waiting.join_next().await {
        assert!(hashed.unwrap().is_ok());
    }
    assert!(passwords.hash(password("p")).await.is_ok());
}

#[tokio::test]
async fn a_queue_of_no_places_still_lets_the_workers_work() {
    let passwords = cheap(limits(1, 0));
    assert!(passwords.hash(password("p")).await.is_ok());
    let held = Held::start(&passwords, 1).await;
    assert_eq!(passwords.hash(password("p")).await, Err(Busy));
    held.end().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_the_deadline() {
    let passwords = cheap(limits(1, 4));
    let held = Held::start(&passwords, 1).await;
    let begun = tokio::time::Instant::now();
    assert_eq!(passwords.hash(password("p")).await, Err(Busy));
    let waited = begun.elapsed();
    let wait_max = limits(1, 4).wait_max;
    assert!(waited >= wait_max && waited < wait_max * 2, "{waited:?}");
    held.end().await;
}

#[tokio::test]
async fn a_caller_that_leaves_while_it_waits_gives_its_place_back() {
    let passwords = cheap(limits(1, 4));
    let held = Held::start(&passwords, 1).await;
    let mut left = waiting(&passwords, 4).await;
    assert_eq!(passwords.hash(password("p")).await, Err(Busy));
    left.shutdown().await;

    let mut stayed = waiting(&passwords, 4).await;
    held.end().await;
    while let Some(hashed) = stayed.join_next().await {
        assert!(hashed.unwrap().is_ok());
    }
    assert_eq!(passwords.computations(), 4, "those who left cost nothing");
}

#[tokio::test]
async fn a_computation_whose_caller_left_keeps_its_turn_until_it_has_ended() {
    let passwords = cheap(limits(1, 0));
    let mut held = Held::start(&passwords, 1).await;
    held.running.shutdown().await;
    assert_eq!(passwords.hash(password("p")).await, Err(Busy));
    held.let_go.clear();
    let ended = passwords.turns.acquire().await.unwrap();
    drop(ended);
    assert!(passwords.hash(password("p")).await.is_ok());
}

#[test]
fn nothing_starts_without_a_worker() {
    assert!(Passwords::start(limits(0, 1)).is_err());
}

#[tokio::test]
async fn a_computation_that_panics_costs_no_worker() {
    let passwords = cheap(limits(1, 0));
    let panicked = passwords.run(|_| panic!("of its own accord")).await;
    assert_eq!(panicked, Err::<(), _>(Busy));
    let ended = passwords.turns.acquire().await.unwrap();
    drop(ended);
    assert!(passwords.hash(password("p")).await.is_ok());
}

#[tokio::test]
async fn workers_are_of_the_background_and_nobody_else_is() {
    let passwords = cheap(limits(1, 0));
    let ours = rustix::process::getpriority_process(None).unwrap();
    let theirs = passwords.run(|_| {
        let before = idp_background::offers();
        while idp_background::offers() == before {
            std::hint::spin_loop();
        }
        rustix::process::getpriority_process(None)
    });
    assert_eq!(theirs.await.unwrap().unwrap(), 19);
    assert_eq!(rustix::process::getpriority_process(None).unwrap(), ours);
}

#[tokio::test]
async fn a_start_waits_for_no_worker() {
    let passwords = cheap(limits(1, 0));
    let held = Held::start(&passwords, 1).await;
    assert_eq!(passwords.hash(password("p")).await, Err(Busy));
    let hash = passwords.hash_at_start(password("p")).await.unwrap();
    held.end().await;
    let found = passwords.verify(hash, password("p")).await;
    assert_eq!(found, Ok(Verdict::Matches));
}

#[test]
fn memory_grows_to_what_is_asked_for_and_is_given_back_whole() {
    let mut memory = Memory {
        blocks: Vec::new(),
        computations: Arc::default(),
    };
    assert_eq!(memory.blocks(8).len(), 8);
    assert_eq!(memory.blocks(4).len(), 8);
    memory.give_back();
    assert_eq!(memory.blocks.capacity(), 0);
}
