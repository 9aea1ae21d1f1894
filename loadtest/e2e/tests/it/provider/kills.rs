//! Rounds in which the process is killed at a random moment while it is asked for changes, and what
//! the next one says is held against what was acknowledged.
//!
//! Some take tokens and give half of them back, some give somebody roles that are numbered. After
//! each kill, over HTTP:
//!
//! 1. a token that was acknowledged is there; good, unless it was given back;
//! 2. the roles are the last acknowledged ones, or those after that;
//! 3. the log goes on where it stood, without a hole, and tells of every session that is over and
//!    of none that lives.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::site::{Asker, Running, Site};

const TAKERS: usize = 4;
const CHANGERS: usize = 2;
const ACKNOWLEDGED_MAX: u64 = 120;
const PAUSE_MAX: Duration = Duration::from_millis(20);
const LOOK_EVERY: Duration = Duration::from_millis(1);

#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) kills: usize,
    pub(crate) acknowledged: u64,
    /// Found although nobody was told.
    pub(crate) unacknowledged: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Good,
    /// It was being given back when the process was killed.
    Either,
    GivenBack,
}

/// Somebody whose roles are numbered.
#[derive(Debug, Clone)]
struct Person {
    id: String,
    said: u64,
}

/// What is known of the log from before the last kill.
#[derive(Debug, Default)]
struct Log {
    seq: u64,
    ended: HashSet<String>,
}

/// Kills so many processes, one after the other, on one site.
pub(crate) async fn run(site: Site, kills: usize) -> Told {
    let mut told = Told::default();
    let mut log = Log::default();
    let mut running = site.start().await;
    let mut people = create(&running.asker).await;
    for _ in 0..kills {
        let (tokens, asked) = kill_once(running, &people, &mut told).await;
        people = asked;
        running = site.start().await;
        told.kills += 1;
        told.unacknowledged += check(&running.asker, &tokens, &mut people, &mut log).await;
    }
    running.stop().await;
    told
}

async fn create(asker: &Asker) -> Vec<Person> {
    let mut people = Vec::new();
    for number in 0..CHANGERS {
        let wanted = json!({ "name": format!("person-{number}"), "roles": ["0"] });
        let created = asker.admin(Method::POST, "/admin/users", &wanted).await;
        let Ok(created) = created else {
            panic!("nobody was created");
        };
        assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
        let id = created.json()["id"].as_str().unwrap().to_owned();
        people.push(Person { id, said: 0 });
    }
    people
}

type Tokens = Vec<(String, Standing)>;

/// Asks for changes until the process is killed, and returns what was said until then.
async fn kill_once(running: Running, people: &[Person], told: &mut Told) -> (Tokens, Vec<Person>) {
    let acknowledged = Arc::new(AtomicU64::new(0));
    let mut taking = JoinSet::new();
    for _ in 0..TAKERS {
        taking.spawn(take(running.asker.clone(), Arc::clone(&acknowledged)));
    }
    let mut changing = JoinSet::new();
    for person in people {
        let (asker, person) = (running.asker.clone(), person.clone());
        changing.spawn(change(asker, person, Arc::clone(&acknowledged)));
    }
    let wait_for = draw() % ACKNOWLEDGED_MAX;
    while acknowledged.load(Ordering::Relaxed) < wait_for {
        // sleeps: the moment of the kill is drawn, so nothing is to be waited on
        sleep(LOOK_EVERY).await;
    }
    // sleeps: the moment of the kill must not be one of an acknowledgement
    sleep(PAUSE_MAX.mul_f64((draw() % 1000) as f64 / 1000.0)).await;
    running.kill().await;
    let tokens = taking.join_all().await.concat();
    let people = changing.join_all().await;
    told.acknowledged += acknowledged.load(Ordering::Relaxed);
    (tokens, people)
}

fn draw() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Takes tokens, and gives every other one back.
async fn take(asker: Asker, acknowledged: Arc<AtomicU64>) -> Tokens {
    let mut tokens = Vec::new();
    while let Ok(token) = asker.issue().await {
        acknowledged.fetch_add(1, Ordering::Relaxed);
        let is_kept = tokens.len() % 2 == 0;
        let standing = if is_kept {
            Standing::Good
        } else if asker.revoke(&token).await.is_ok() {
            acknowledged.fetch_add(1, Ordering::Relaxed);
            Standing::GivenBack
        } else {
            Standing::Either
        };
        tokens.push((token, standing));
    }
    tokens
}

/// Gives somebody the next roles, again and again.
async fn change(asker: Asker, mut person: Person, acknowledged: Arc<AtomicU64>) -> Person {
    let path = format!("/admin/users/{}/roles", person.id);
    loop {
        let next = person.said + 1;
        let wanted = json!({ "roles": [next.to_string()] });
        match asker.admin(Method::PUT, &path, &wanted).await {
            Ok(answer) => assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}"),
            Err(_) => return person,
        }
        person.said = next;
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
}

/// Returns how much was found that nobody was told.
async fn check(
    asker: &Asker,
    tokens: &[(String, Standing)],
    people: &mut Vec<Person>,
    log: &mut Log,
) -> usize {
    let mut unacknowledged = 0;
    for person in people {
        let told = asker.ask(&format!("/admin/users/{}", person.id)).await;
        let found: u64 = told["roles"][0].as_str().unwrap().parse().unwrap();
        let said = person.said;
        assert!(found == said || found == said + 1, "{found} after {said}");
        unacknowledged += usize::from(found > said);
        person.said = found;
    }
    log.read_on(asker).await;
    for (token, standing) in tokens {
        let (is_good, session) = asker
            .inspect(token)
            .await
            .expect("a token that was acknowledged");
        match standing {
            Standing::Good => assert!(is_good, "a token is not good any more"),
            Standing::GivenBack => assert!(!is_good, "a token came back"),
            Standing::Either => unacknowledged += usize::from(!is_good),
        }
        let is_told = log.ended.contains(&session);
        assert_eq!(is_told, !is_good, "the log says it of a session");
    }
    unacknowledged
}

impl Log {
    /// Reads what there is after the last change that is known, up to the first beat.
    async fn read_on(&mut self, asker: &Asker) {
        loop {
            let (hello, lines) = asker.log(self.seq).await;
            assert!(hello["first"].as_u64().unwrap() <= self.seq + 1, "{hello}");
            assert!(hello["next"].as_u64().unwrap() > self.seq, "{hello}");
            let mut has_beat = false;
            for line in &lines {
                has_beat |= self.take(line);
            }
            if has_beat {
                return;
            }
        }
    }

    /// Whether it was a beat: nothing from before it is missing.
    fn take(&mut self, line: &Value) -> bool {
        let seq = line["seq"].as_u64().unwrap();
        if line.get("beat").is_some() {
            assert_eq!(seq, self.seq, "a beat names the change before it");
            return true;
        }
        assert_eq!(seq, self.seq + 1, "the log has no hole");
        self.seq = seq;
        if line["on"] == "session" {
            assert_eq!(line["kind"], "ended");
            let id = line["id"].as_str().unwrap().to_owned();
            assert!(self.ended.insert(id), "a session ends once");
        }
        false
    }
}
