//! A provider that does as the test says: real HTTP, real messages, and a relay that carries its log
//! to Redis as the real one does.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use idp_token::ask::keys::{ToldKey, ToldKeys};
use idp_token::ask::report::Report;
use idp_token::ask::resolve::{Active, Answer, Purpose, Question, read_questions, write_answers};
use idp_token::ask::uses::{Use, read_uses};
use idp_token::digest::{Alias, TokenDigest};
use idp_token::epoch::{Epochs, Seq};
use idp_token::filter::FilterKeyId;
use idp_token::log::{After, Beat, Change, Entry, Hello, Kind, LINES_MAX, Page, Target};
use idp_token::projection::{self, EPOCHS_KEY, Epoch, POSITION_FIELD, PUBLISH_MAX};
use idp_token::session::{Session, StoredValueToken};
use idp_token::value::{Algorithm, Claims, SigningKey, key_set};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use zeroize::Zeroizing;

use super::redis_server::{Link, Reply};
use crate::clock;
use crate::spawn::spawn;

pub(super) const CREDENTIAL: &str = "the-gateways-own";
pub(super) const ISSUER: &str = "https://idp.test";
const BEAT_EVERY: Duration = Duration::from_millis(100);
/// Numbers of beats: of the log over HTTP, and of that in Redis.
const RUNS: [u64; 2] = [1_000, 5_000_000];

pub(super) struct Provider {
    pub(super) address: SocketAddr,
    pub(super) world: Arc<World>,
    serving: Option<JoinHandle<()>>,
    relay: JoinHandle<()>,
}

/// What the provider knows and does.
pub(super) struct World {
    state: Mutex<Facts>,
    appended: watch::Sender<()>,
    pub(super) signing: SigningKey,
}

#[derive(Default)]
pub(super) struct Facts {
    pub(super) sessions: HashMap<TokenDigest, Session>,
    epochs: Vec<Epoch>,
    pub(super) log: Vec<Entry>,
    pub(super) seq: u64,
    pub(super) first: u64,
    pub(super) is_mute: bool,
    beats: [u64; 2],
    /// What is answered instead of an answer, by path.
    pub(super) instead: HashMap<&'static str, Instead>,
    pub(super) credential: String,
    pub(super) redis: Option<PathBuf>,
    link: Option<Link>,

    /// By call, what was asked.
    pub(super) asked: Vec<Vec<(TokenDigest, Purpose)>>,
    pub(super) uses: Vec<Vec<Use>>,
    pub(super) reports: Vec<Report>,
    pub(super) pages: usize,
    pub(super) key_calls: usize,
}

#[derive(Debug, Clone)]
pub(super) enum Instead {
    Status(u16),
    Body(&'static str),
    /// No answer at all.
    Nothing,
    /// The answer, when the test says so.
    Held(watch::Receiver<bool>),
}

impl Provider {
    pub(super) async fn start(redis: Option<PathBuf>) -> Self {
        let facts = Facts {
            first: 1,
            beats: RUNS,
            credential: CREDENTIAL.to_owned(),
            redis,
            ..Facts::default()
        };
        let world = Arc::new(World {
            state: Mutex::new(facts),
            appended: watch::channel(()).0,
            signing: draw_key(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = spawn("scripted-provider", serve(listener, router(&world)));
        let relay = spawn("scripted-relay", beat(Arc::clone(&world)));
        Self {
            address,
            world,
            serving: Some(serving),
            relay,
        }
    }

    /// Cuts every connection, and takes no more.
    pub(super) async fn cut(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            let _ = serving.await;
        }
    }

    /// Listens again where it did.
    pub(super) async fn mend(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        let router = router(&self.world);
        self.serving = Some(spawn("scripted-provider", serve(listener, router)));
    }

    pub(super) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.world.facts()
    }

    /// A change that is in the log from now on.
    pub(super) fn publish(&self, target: Target, kind: Kind) -> Seq {
        self.world.publish(target, kind)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.relay.abort();
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

impl World {
    pub(super) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.state.lock().unwrap()
    }

    fn publish(&self, target: Target, kind: Kind) -> Seq {
        let mut facts = self.facts();
        facts.seq += 1;
        let seq = Seq(facts.seq);
        facts.log.push(Entry::Change(Change {
            seq,
            target: target.clone(),
            kind,
            at: clock::unix_seconds(),
            until: None,
        }));
        facts.epochs.retain(|epoch| epoch.target != target);
        facts.epochs.push(Epoch {
            target,
            seq,
            until: None,
        });
        drop(facts);
        self.appended.send_replace(());
        seq
    }
}

impl Facts {
    /// As from a backup that is older than some of the changes.
    pub(super) fn put_back(&mut self, seq: u64) {
        self.seq = seq;
        self.log.retain(|entry| entry.seq().0 <= seq);
        self.epochs.retain(|epoch| epoch.seq.0 <= seq);
    }

    fn hello(&self) -> Hello {
        Hello {
            run: RUNS[0],
            first: Seq(self.first),
            next: Seq(self.seq + 1),
            has_more: false,
        }
    }

    /// What comes after; of beats nobody needs more than the newest.
    fn after(&self, after: After) -> Vec<Entry> {
        let known = after.beat.filter(|beat| (RUNS[0]..RUNS[1]).contains(beat));
        let is_new = |entry: &&Entry| match entry {
            Entry::Change(change) => change.seq > after.seq,
            Entry::Beat(beat) => {
                beat.seq > after.seq
                    || (beat.seq == after.seq && known.is_none_or(|known| beat.number > known))
            }
        };
        let new: Vec<_> = self.log.iter().filter(is_new).cloned().collect();
        let old_beats = match known {
            Some(_) => 0,
            None => new
                .iter()
                .take_while(|it| matches!(it, Entry::Beat(beat) if beat.seq == after.seq))
                .count()
                .saturating_sub(1),
        };
        new.into_iter().skip(old_beats).collect()
    }

    fn next_beat(&mut self, log: usize) -> Beat {
        let number = self.beats[log];
        self.beats[log] += 1;
        Beat {
            number,
            seq: Seq(self.seq),
        }
    }

    /// Brings Redis to where the log is, and beats there.
    fn project(&mut self) -> std::io::Result<()> {
        let Some(path) = self.redis.clone() else {
            return Ok(());
        };
        let mut link = match self.link.take() {
            Some(link) => link,
            None => Link::connect(&path)?,
        };
        let ask = ["HGET", EPOCHS_KEY, POSITION_FIELD].map(str::to_owned);
        let reply = link.send(&ask)?;
        let position = if let Reply::Text(text) = &reply {
            projection::read_position(Some(text))
        } else {
            None
        };
        match position {
            Some(position) if position.0 <= self.seq => {
                let changes: Vec<_> = self.changes_after(position).collect();
                let mut position = position;
                for changes in changes.chunks(PUBLISH_MAX) {
                    if let Some(call) = projection::publish(position, changes) {
                        link.run(&call)?;
                    }
                    position = changes.last().map_or(position, |change| change.seq);
                }
            }
            Some(_) | None => {
                link.run(&projection::clear(1))?;
                link.run(&projection::fill(1, &self.epochs))?;
                link.run(&projection::finish(1, Seq(self.seq)))?;
            }
        }
        let beat = self.next_beat(1);
        link.run(&projection::beat(beat, clock::unix_seconds()))?;
        self.link = Some(link);
        Ok(())
    }

    fn changes_after(&self, seq: Seq) -> impl Iterator<Item = Change> {
        let changes = self.log.iter().filter_map(|entry| match entry {
            Entry::Change(change) => Some(change.clone()),
            Entry::Beat(_) => None,
        });
        changes.filter(move |change| change.seq > seq)
    }

    fn epochs_of(&self, session: &Session) -> Epochs {
        let of = |target: Target| {
            let mut epochs = self.epochs.iter();
            let found = epochs.find(|epoch| epoch.target == target);
            found.map_or(Seq::NONE, |epoch| epoch.seq)
        };
        Epochs {
            session: of(Target::Session(session.id)),
            subject: of(Target::Subject(session.subject.clone())),
            client: of(Target::Client(session.client_id.clone())),
            tenant: of(Target::Tenant(session.tenant.clone())),
            global: of(Target::Realm),
        }
    }

    fn answer(&self, question: &Question, signing: &SigningKey) -> Answer {
        let digest = question.key.digest();
        let Some(session) = self.sessions.get(&digest) else {
            return Answer::Inactive;
        };
        let claims = claims(session, digest);
        let text = signing.sign(&claims).unwrap();
        let sealed = question.key.seal(&text, [1; 12]).unwrap();
        let value_token = StoredValueToken {
            sealed,
            renews_at: claims.renews_at(),
            expires_at: claims.expires_at,
        };
        let wants_one = question.purpose != Purpose::Check;
        Answer::Active(Box::new(Active {
            record: Session {
                written_seq: Seq(self.seq),
                value_token: wants_one.then_some(value_token),
                ..session.clone()
            },
            epochs: self.epochs_of(session),
            expires_at: session.ends_at,
        }))
    }

    /// As the real one does, after it has told.
    fn keep(&mut self, digest: TokenDigest, answer: &Answer) {
        let Answer::Active(active) = answer else {
            return;
        };
        let is_kept = active.record.value_token.is_some();
        let now = clock::unix_seconds();
        if let Some(call) = projection::store(digest, &active.record, active.expires_at, now)
            && is_kept
            && let Some(mut link) = self.link.take()
            && link.run(&call).is_ok()
        {
            self.link = Some(link);
        }
    }
}

pub(super) fn draw_key() -> SigningKey {
    let key = rcgen::KeyPair::generate().unwrap();
    SigningKey::from_pkcs8(Algorithm::Es256, key.serialized_der()).unwrap()
}

/// What a value token says that is made now.
pub(super) fn claims(session: &Session, digest: TokenDigest) -> Claims {
    let now = clock::unix_seconds();
    let second = u32::try_from(now.0).unwrap();
    Claims {
        issuer: ISSUER.to_owned(),
        audience: vec!["pay".to_owned()],
        subject: session.subject.clone(),
        session: Some(session.id.to_string()),
        client_id: session.client_id.clone(),
        scope: session.scope.clone(),
        roles: session.roles.clone(),
        auth_time: session.auth_time,
        amr: session.amr.clone(),
        issued_at: now,
        expires_at: now.after(Duration::from_secs(600)),
        id: Alias::of(&digest).value_token_id(second).to_string(),
    }
}

async fn beat(world: Arc<World>) {
    let mut ticks = tokio::time::interval(BEAT_EVERY);
    loop {
        ticks.tick().await;
        let mut facts = world.facts();
        if !facts.is_mute {
            let beat = facts.next_beat(0);
            facts.log.push(Entry::Beat(beat));
            if facts.project().is_err() {
                facts.link = None;
            }
        }
        drop(facts);
        world.appended.send_replace(());
    }
}

fn router(world: &Arc<World>) -> Router {
    Router::new()
        .route("/internal/log", get(log))
        .route("/internal/resolve", post(resolve))
        .route("/internal/uses", post(uses))
        .route("/internal/receipts", post(receipts))
        .route("/internal/filter-keys", get(filter_keys))
        .layer(middleware::from_fn_with_state(Arc::clone(world), check))
        .route("/jwks", get(jwks))
        .with_state(Arc::clone(world))
}

async fn serve(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let service = TowerToHyperService::new(router.clone());
        let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        // They end with whoever accepted them.
        connections.spawn(async move { drop(serving.await) });
    }
}

async fn check(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    request: Request,
    next: Next,
) -> Response {
    let (expected, instead) = {
        let facts = world.facts();
        let instead = facts.instead.get(request.uri().path()).cloned();
        (format!("Bearer {}", facts.credential), instead)
    };
    if headers
        .get("authorization")
        .is_none_or(|it| *it != expected)
    {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    match instead {
        None => next.run(request).await,
        Some(Instead::Status(status)) => StatusCode::from_u16(status).unwrap().into_response(),
        Some(Instead::Body(body)) => body.into_response(),
        Some(Instead::Nothing) => std::future::pending().await,
        Some(Instead::Held(mut until)) => {
            let answer = next.run(request).await;
            until.wait_for(|is_over| *is_over).await.unwrap();
            answer
        }
    }
}

async fn log(State(world): State<Arc<World>>, RawQuery(query): RawQuery) -> String {
    let query = query.unwrap();
    let after = After::parse(query.strip_prefix("after=").unwrap()).unwrap();
    let mut appended = world.appended.subscribe();
    world.facts().pages += 1;
    loop {
        appended.mark_unchanged();
        let mut page = {
            let facts = world.facts();
            Page {
                hello: facts.hello(),
                entries: facts.after(after),
            }
        };
        page.hello.has_more = page.entries.len() >= LINES_MAX;
        page.entries.truncate(LINES_MAX - 1);
        if !page.entries.is_empty() || after.seq >= page.hello.next {
            return page.write();
        }
        appended.changed().await.unwrap();
    }
}

async fn resolve(State(world): State<Arc<World>>, body: Bytes) -> String {
    let questions = read_questions(&body).unwrap();
    let mut facts = world.facts();
    let asked = questions.iter().map(|it| (it.key.digest(), it.purpose));
    facts.asked.push(asked.collect());
    let told: Vec<_> = questions
        .iter()
        .map(|question| {
            (
                question.key.digest(),
                facts.answer(question, &world.signing),
            )
        })
        .collect();
    for (digest, answer) in &told {
        facts.keep(*digest, answer);
    }
    write_answers(told.iter().map(|(digest, answer)| (*digest, answer)))
}

async fn jwks(State(world): State<Arc<World>>) -> String {
    key_set([&world.signing])
}

async fn uses(State(world): State<Arc<World>>, body: Bytes) -> StatusCode {
    world.facts().uses.push(read_uses(&body).unwrap());
    StatusCode::NO_CONTENT
}

async fn receipts(State(world): State<Arc<World>>, body: Bytes) -> StatusCode {
    world.facts().reports.push(Report::read(&body).unwrap());
    StatusCode::NO_CONTENT
}

async fn filter_keys(State(world): State<Arc<World>>) -> String {
    world.facts().key_calls += 1;
    let key = ToldKey {
        id: FilterKeyId::FIRST,
        secret: Zeroizing::new([3; 32]),
    };
    ToldKeys::new(key, None).unwrap().write().to_string()
}
