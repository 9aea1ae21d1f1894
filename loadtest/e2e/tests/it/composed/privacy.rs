//! Several callers ask a gateway for the same composed lists, many at once, and whatever names one of
//! them in what another is told is counted.
//!
//! Every mode of caching is declared: nothing kept, answers and records kept for one caller, records
//! asked for by their versions, records and answers kept for all, and a table. Services say how long
//! what they say may be kept, each time something else, and fail now and then. Callers give up, ask
//! whether what they have is still so, and ask that about what another has; an operator has things
//! forgotten.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::Method;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tollgate::{Plan, Stack};
use tollgate_config::Environment;

use super::service::{MARK, Service, mix};
use crate::stack::{Answer, Client};

const WORKERS: u64 = 32;
const LISTS_FILE: &str = include_str!("lists.yaml");
const LISTS: u64 = 6;
const KINDS: [&str; 4] = ["asked", "kept", "nested", "open"];
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// By what the caches find what they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    AsTheyAre,
    /// What is a caller's own is declared to be everybody's, so that no key says whose it is.
    WithoutTheCaller,
}

#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) requests: u64,
    /// Answers that name another caller, or say of another's that it is still so.
    pub(crate) crossed: u64,
    pub(crate) whole: u64,
    pub(crate) partial: u64,
    pub(crate) unchanged: u64,
    pub(crate) failed: u64,
    pub(crate) given_up: u64,
    /// Of services.
    pub(crate) calls: u64,
    /// Calls that a composer would have made as well that shares nothing, at five for an answer.
    pub(crate) calls_for_others: u64,
    /// Credentials that a service saw which is sent none.
    pub(crate) shown_to_open: u64,
}

/// Somebody with a token.
struct Caller {
    authorization: String,
    /// What services call them.
    name: String,
}

struct Site {
    stack: Stack,
    service: Service,
    client: Client,
    callers: Vec<Caller>,
    _folder: TempDir,
}

pub(crate) async fn run(keys: Keys, requests: u64) -> Told {
    let site = Arc::new(Box::pin(Site::start(keys)).await);
    let next = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        workers.spawn(work(Arc::clone(&site), Arc::clone(&next), requests));
    }
    let mut told = Told::default();
    for worker in workers.join_all().await {
        told.add(&worker);
    }
    let heard = &site.service.heard;
    told.calls = heard.calls.load(Ordering::Relaxed);
    told.shown_to_open = heard.shown_to_open.load(Ordering::Relaxed);
    told.calls_for_others = (told.requests * 5).saturating_sub(told.calls);
    told
}

fn file(keys: Keys, service: &Service) -> String {
    let scope = match keys {
        Keys::AsTheyAre => "",
        Keys::WithoutTheCaller => ", shared: true, shared_despite_auth: true",
    };
    let kept = format!("{{ ttl: 1s, stale_while_revalidate: 1s, stale_if_error: 5s{scope} }}");
    LISTS_FILE
        .replace("OWN", &service.own.to_string())
        .replace("OPEN", &service.open.to_string())
        .replace("KEPT", &kept)
}

impl Site {
    async fn start(keys: Keys) -> Self {
        let service = Service::start().await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tollgate.yaml");
        fs::write(&path, file(keys, &service)).unwrap();
        let loaded = tollgate_config::load(&path, &Environment::of([], 2));
        let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}"));
        let stack = Stack::boot(Plan {
            gateway: loaded.gateway,
            provider: loaded.provider,
            ..Plan::default()
        });
        let stack = stack.await.unwrap();
        let mut site = Self {
            stack,
            service,
            client: Client::new(),
            callers: Vec::new(),
            _folder: folder,
        };
        // Two clients, one of them with other rights as well, and one with two tokens of the same rights.
        for (client, scope) in [
            ("shop", "see"),
            ("shop", "see more"),
            ("till", "see"),
            ("till", "see"),
        ] {
            let caller = site.caller(client, scope).await;
            site.callers.push(caller);
        }
        site
    }

    async fn caller(&self, client: &str, scope: &str) -> Caller {
        let secret = self._folder.path().join(format!("{client}.secret"));
        let secret = fs::read_to_string(secret).unwrap();
        let scope = scope.replace(' ', "+");
        let form = format!(
            "grant_type=client_credentials&client_id={client}&client_secret={}&scope={scope}",
            secret.trim()
        );
        let idp = self.stack.idp().unwrap().addresses().public;
        let answer = self
            .client
            .send(Method::POST, (idp, "/token"), &[FORM], form)
            .await;
        let token = answer.unwrap().ok()["access_token"]
            .as_str()
            .unwrap()
            .to_owned();
        let authorization = format!("Bearer {token}");
        let who = loop {
            let asked = self.ask("/who", &authorization, None).await.unwrap();
            if asked.status == 200 {
                break asked.json();
            }
        };
        Caller {
            authorization,
            name: who["owner"].as_str().unwrap().to_owned(),
        }
    }

    fn gateway(&self) -> SocketAddr {
        self.stack.gateway().unwrap().addresses().listen[0]
    }

    async fn ask(&self, path: &str, who: &str, has: Option<&str>) -> Result<Answer, String> {
        let mut fields = vec![("authorization", who)];
        fields.extend(has.map(|tag| ("if-none-match", tag)));
        self.client
            .send(Method::GET, (self.gateway(), path), &fields, "")
            .await
    }

    async fn forget(&self, chance: u64) {
        let admin = self.stack.gateway().unwrap().addresses().admin;
        let order = match chance % 3 {
            0 => "{\"all\":true}".to_owned(),
            1 => "{\"lookup\":\"kept\"}".to_owned(),
            _ => format!("{{\"lookup\":\"versioned\",\"key\":\"{}\"}}", chance % 12),
        };
        let to = (admin, "/internal/invalidate");
        let sent = self.client.send(Method::POST, to, &[], order).await;
        assert!(sent.unwrap().status.is_success());
    }
}

/// Asks until so many were asked by all.
async fn work(site: Arc<Site>, next: Arc<AtomicU64>, requests: u64) -> Told {
    let mut told = Told::default();
    // The last tag of each list, whoever it was told, with their place.
    let mut tags: HashMap<String, (usize, String)> = HashMap::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= requests {
            return told;
        }
        told.requests += 1;
        let mut chance = mix(number);
        let mut draw = |below: u64| {
            chance = mix(chance);
            chance % below
        };
        let place = usize::try_from(draw(site.callers.len() as u64)).unwrap();
        let kind = KINDS[usize::try_from(draw(KINDS.len() as u64)).unwrap()];
        let path = format!("/lists/{}/{kind}", draw(LISTS));
        let has = tags.get(&path).filter(|_| number.is_multiple_of(3));
        let asking = site.ask(
            &path,
            &site.callers[place].authorization,
            has.map(|(_, tag)| tag.as_str()),
        );
        if draw(12) == 0 {
            let patience = Duration::from_micros(draw(3_000));
            if tokio::time::timeout(patience, asking).await.is_err() {
                told.given_up += 1;
            }
            continue;
        }
        let answer = asking.await.unwrap();
        told.see(
            &answer,
            &site.callers[place].name,
            has.is_none_or(|(of, _)| *of == place),
        );
        let tag = answer.header("etag").to_owned();
        if !tag.is_empty() {
            tags.insert(path, (place, tag));
        }
        if draw(400) == 0 {
            site.forget(draw(1_000)).await;
        }
    }
}

impl Told {
    fn see(&mut self, answer: &Answer, name: &str, has_own: bool) {
        let body = String::from_utf8_lossy(&answer.body);
        let named = body.split('"').filter(|text| text.starts_with(MARK));
        let mut is_crossed = named.into_iter().any(|named| named != name);
        match answer.status.as_u16() {
            200 if answer.header("composition-status").starts_with("partial") => self.partial += 1,
            200 => self.whole += 1,
            304 => {
                self.unchanged += 1;
                is_crossed |= !has_own;
            }
            502..=504 => self.failed += 1,
            other => panic!("{other}: {body}"),
        }
        self.crossed += u64::from(is_crossed);
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.crossed += other.crossed;
        self.whole += other.whole;
        self.partial += other.partial;
        self.unchanged += other.unchanged;
        self.failed += other.failed;
        self.given_up += other.given_up;
    }
}
