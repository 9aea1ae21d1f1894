//! An identity provider that does as the test says: real HTTP, real messages, signed value tokens.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use http::StatusCode;
use idp_token::ask::keys::{ToldKey, ToldKeys};
use idp_token::ask::report::Report;
use idp_token::ask::resolve::{
    Active, Answer, Purpose, Question, VALUE_PATH, read_questions, write_answers,
};
use idp_token::ask::uses::{Use, read_uses};
use idp_token::digest::{Alias, TokenDigest};
use idp_token::epoch::{Epochs, Seq};
use idp_token::filter::{FilterKey, FilterKeyId, FilterKeys};
use idp_token::log::{After, Beat, Change, Entry, Hello, Kind, Page, Target};
use idp_token::reference::{AbsoluteEnd, ReferenceToken};
use idp_token::session::{Session, SessionId, StoredValueToken};
use idp_token::time::UnixSeconds;
use idp_token::value::{
    Algorithm, Claims, Expectations, KeySet, LIFETIME_MAX, SigningKey, Verifier, key_set,
};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use zeroize::Zeroizing;

pub(crate) const CREDENTIAL: &str = "the-gateways-own";
pub(crate) const ISSUER: &str = "http://idp.test";
const BEAT_EVERY: Duration = Duration::from_millis(50);
const SECRET: [u8; 32] = [3; 32];

pub(crate) struct Provider {
    pub(crate) address: SocketAddr,
    world: Arc<World>,
    serving: Option<JoinHandle<()>>,
    relay: JoinHandle<()>,
}

struct World {
    facts: Mutex<Facts>,
    appended: watch::Sender<()>,
    signing: SigningKey,
}

pub(crate) struct Facts {
    pub(crate) sessions: HashMap<TokenDigest, Session>,
    /// Whose value tokens are good no more.
    pub(crate) ended: HashSet<SessionId>,
    log: Vec<Entry>,
    seq: u64,
    beat: u64,
    /// Whether nothing is published or vouched for.
    pub(crate) is_mute: bool,
    /// How long value tokens live.
    pub(crate) value_life: Duration,
    pub(crate) instead: HashMap<&'static str, Instead>,
    pub(crate) asked: Vec<(TokenDigest, Purpose)>,
    pub(crate) uses: Vec<Use>,
}

#[derive(Debug, Clone)]
pub(crate) enum Instead {
    Status(u16),
    /// The answer, when the test says so.
    Held(watch::Receiver<bool>),
    /// The answer, so much later.
    Late(Duration),
}

/// The wall clock, as tokens have it.
#[expect(clippy::disallowed_methods, reason = "a test makes tokens of now")]
pub(crate) fn now() -> UnixSeconds {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UnixSeconds(since.as_secs())
}

/// A token that is tagged as the provider's, of the holder with this number.
pub(crate) fn token(number: u8, lives: Duration) -> ReferenceToken {
    let end = AbsoluteEnd::new(now().after(lives)).unwrap();
    ReferenceToken::mint(&filter_keys(&SECRET), 0, end, [number; 16])
}

/// One that somebody else tagged.
pub(crate) fn forged(number: u8) -> String {
    let end = AbsoluteEnd::new(now().after(Duration::from_secs(60))).unwrap();
    let token = ReferenceToken::mint(&filter_keys(&[9; 32]), 0, end, [number; 16]);
    token.spell().as_str().to_owned()
}

fn filter_keys(secret: &[u8; 32]) -> FilterKeys {
    FilterKeys::new(FilterKey::new(FilterKeyId::FIRST, secret))
}

pub(crate) fn subject(number: u8) -> String {
    SessionId([number; 16]).to_string()
}

pub(crate) fn session(number: u8) -> Session {
    Session {
        id: SessionId([number ^ 0x80; 16]),
        subject: subject(number),
        client_id: "shop".to_owned(),
        tenant: "default".to_owned(),
        scope: "read write".to_owned(),
        roles: vec!["member".to_owned()],
        amr: vec!["pwd".to_owned()],
        auth_time: Some(now()),
        began_at: now(),
        ends_at: now().after(Duration::from_secs(3600)),
        idle: None,
        written_seq: Seq::NONE,
        value_token: None,
    }
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let facts = Facts {
            sessions: HashMap::new(),
            ended: HashSet::new(),
            log: Vec::new(),
            seq: 0,
            beat: 1000,
            is_mute: false,
            value_life: Duration::from_secs(600),
            instead: HashMap::new(),
            asked: Vec::new(),
            uses: Vec::new(),
        };
        let key = rcgen::KeyPair::generate().unwrap();
        let signing = SigningKey::from_pkcs8(Algorithm::Es256, key.serialized_der()).unwrap();
        let world = Arc::new(World {
            facts: Mutex::new(facts),
            appended: watch::channel(()).0,
            signing,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = gateway_server::spawn("provider", serve(listener, router(&world)));
        let relay = gateway_server::spawn("relay", beat(Arc::clone(&world)));
        Self {
            address,
            world,
            serving: Some(serving),
            relay,
        }
    }

    /// Cuts every connection, and takes no more.
    pub(crate) async fn cut(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            // It was ended, which is all there is to know.
            let _ = serving.await;
        }
    }

    pub(crate) async fn mend(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        let router = router(&self.world);
        self.serving = Some(gateway_server::spawn("provider", serve(listener, router)));
    }

    pub(crate) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.world.facts.lock().unwrap()
    }

    /// A token of a session that is good.
    pub(crate) fn issue(&self, number: u8) -> String {
        self.issue_for(number, session(number))
    }

    pub(crate) fn issue_for(&self, number: u8, session: Session) -> String {
        let token = token(number, Duration::from_secs(3600));
        self.facts().sessions.insert(token.digest(), session);
        token.spell().as_str().to_owned()
    }

    /// Ends a session, so that the log tells of it.
    pub(crate) fn end(&self, number: u8) {
        let id = session(number).id;
        self.end_in_silence(number);
        self.publish(Target::Session(id), Kind::Ended);
    }

    /// Ends a session of which no gateway that starts later hears.
    pub(crate) fn end_in_silence(&self, number: u8) {
        let id = session(number).id;
        let mut facts = self.facts();
        facts.sessions.retain(|_, session| session.id != id);
        facts.ended.insert(id);
    }

    pub(crate) fn publish(&self, target: Target, kind: Kind) {
        let mut facts = self.facts();
        facts.seq += 1;
        let change = Change {
            seq: Seq(facts.seq),
            target,
            kind,
            at: now(),
            until: None,
        };
        facts.log.push(Entry::Change(change));
        drop(facts);
        self.world.appended.send_replace(());
    }

    /// How many questions were asked about tokens.
    pub(crate) fn asked(&self) -> usize {
        self.facts().asked.len()
    }

    /// The value token that a client of this session could have been given.
    pub(crate) fn value_token(&self, number: u8) -> String {
        let digest = token(number, Duration::from_secs(3600)).digest();
        let life = self.facts().value_life;
        let claims = claims(&session(number), digest, life);
        self.world.signing.sign(&claims).unwrap()
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

fn claims(session: &Session, digest: TokenDigest, life: Duration) -> Claims {
    let second = u32::try_from(now().0).unwrap();
    Claims {
        issuer: ISSUER.to_owned(),
        audience: match &*session.client_id {
            "partner" => vec!["partner".to_owned()],
            "both" => vec!["partner".to_owned(), "pay".to_owned()],
            _ => vec!["pay".to_owned()],
        },
        subject: session.subject.clone(),
        session: Some(session.id.to_string()),
        client_id: session.client_id.clone(),
        scope: session.scope.clone(),
        roles: session.roles.clone(),
        auth_time: session.auth_time,
        amr: session.amr.clone(),
        issued_at: now(),
        expires_at: now().after(life),
        id: Alias::of(&digest).value_token_id(second).to_string(),
    }
}

impl World {
    fn answer(&self, facts: &Facts, question: &Question) -> Answer {
        let digest = question.key.digest();
        let Some(session) = facts.sessions.get(&digest) else {
            return Answer::Inactive;
        };
        let claims = claims(session, digest, facts.value_life);
        let text = self.signing.sign(&claims).unwrap();
        let value_token = StoredValueToken {
            sealed: question.key.seal(&text, [1; 12]).unwrap(),
            renews_at: claims.renews_at(),
            expires_at: claims.expires_at,
        };
        Answer::Active(Box::new(Active {
            record: Session {
                written_seq: Seq(facts.seq),
                value_token: (question.purpose != Purpose::Check).then_some(value_token),
                ..session.clone()
            },
            epochs: Epochs::default(),
            expires_at: session.ends_at,
        }))
    }

    /// What a value token is still good for.
    fn answer_value(&self, facts: &Facts, text: &str) -> Answer {
        let keys = KeySet::parse(key_set([&self.signing]).as_bytes()).unwrap();
        let expectations = Expectations {
            issuer: ISSUER.to_owned(),
            audience: "pay".to_owned(),
            leeway: Duration::ZERO,
            lifetime_max: LIFETIME_MAX,
        };
        let claims = Verifier::new(expectations, keys).verify(text, now());
        let claims = claims.unwrap();
        let id = SessionId::parse(claims.session.as_deref().unwrap()).unwrap();
        if facts.ended.contains(&id) {
            return Answer::Inactive;
        }
        Answer::Active(Box::new(Active {
            record: Session {
                id,
                subject: claims.subject,
                scope: claims.scope,
                roles: claims.roles,
                written_seq: Seq(facts.seq),
                ..session(0)
            },
            epochs: Epochs::default(),
            expires_at: claims.expires_at,
        }))
    }
}

async fn beat(world: Arc<World>) {
    let mut ticks = tokio::time::interval(BEAT_EVERY);
    loop {
        ticks.tick().await;
        let mut facts = world.facts.lock().unwrap();
        if !facts.is_mute {
            facts.beat += 1;
            let beat = Beat {
                number: facts.beat,
                seq: Seq(facts.seq),
            };
            facts.log.retain(|entry| matches!(entry, Entry::Change(_)));
            facts.log.push(Entry::Beat(beat));
        }
        drop(facts);
        world.appended.send_replace(());
    }
}

fn router(world: &Arc<World>) -> Router {
    Router::new()
        .route("/internal/log", get(log))
        .route("/internal/resolve", post(resolve))
        .route(VALUE_PATH, post(value))
        .route("/internal/uses", post(uses))
        .route("/internal/receipts", post(receipts))
        .route("/internal/filter-keys", get(told_keys))
        .layer(middleware::from_fn_with_state(Arc::clone(world), check))
        .route("/jwks", get(jwks))
        .with_state(Arc::clone(world))
}

async fn serve(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let service = hyper_util::service::TowerToHyperService::new(router.clone());
        let stream = hyper_util::rt::TokioIo::new(stream);
        let serving = hyper::server::conn::http1::Builder::new().serve_connection(stream, service);
        // They end with whoever accepted them.
        connections.spawn(async move { drop(serving.await) });
    }
}

async fn check(State(world): State<Arc<World>>, request: Request, next: Next) -> Response {
    let shown = request.headers().get("authorization");
    if shown.is_none_or(|it| *it != format!("Bearer {CREDENTIAL}")) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let instead = {
        let facts = world.facts.lock().unwrap();
        facts.instead.get(request.uri().path()).cloned()
    };
    match instead {
        None => next.run(request).await,
        Some(Instead::Status(status)) => StatusCode::from_u16(status).unwrap().into_response(),
        Some(Instead::Held(mut until)) => {
            let answer = next.run(request).await;
            until.wait_for(|is_over| *is_over).await.unwrap();
            answer
        }
        Some(Instead::Late(by)) => {
            let answer = next.run(request).await;
            // sleeps: it is what is late.
            tokio::time::sleep(by).await;
            answer
        }
    }
}

async fn log(State(world): State<Arc<World>>, RawQuery(query): RawQuery) -> String {
    let query = query.unwrap();
    let after = After::parse(query.strip_prefix("after=").unwrap()).unwrap();
    let mut appended = world.appended.subscribe();
    loop {
        appended.mark_unchanged();
        let page = {
            let facts = world.facts.lock().unwrap();
            let is_new = |entry: &&Entry| match entry {
                Entry::Change(change) => change.seq > after.seq,
                Entry::Beat(beat) => after.beat.is_none_or(|known| beat.number > known),
            };
            Page {
                hello: Hello {
                    run: 1000,
                    first: Seq(1),
                    next: Seq(facts.seq + 1),
                    has_more: false,
                },
                entries: facts.log.iter().filter(is_new).cloned().collect(),
            }
        };
        if !page.entries.is_empty() {
            return page.write();
        }
        appended.changed().await.unwrap();
    }
}

async fn resolve(State(world): State<Arc<World>>, body: Bytes) -> String {
    let questions = read_questions(&body).unwrap();
    let mut facts = world.facts.lock().unwrap();
    let asked = questions.iter().map(|it| (it.key.digest(), it.purpose));
    facts.asked.extend(asked);
    let told: Vec<_> = questions
        .iter()
        .map(|question| (question.key.digest(), world.answer(&facts, question)))
        .collect();
    write_answers(told.iter().map(|(digest, answer)| (*digest, answer)))
}

async fn value(State(world): State<Arc<World>>, text: String) -> String {
    let digest = TokenDigest::of(text.as_bytes());
    let mut facts = world.facts.lock().unwrap();
    facts.asked.push((digest, Purpose::Check));
    let answer = world.answer_value(&facts, &text);
    write_answers([(digest, &answer)])
}

async fn uses(State(world): State<Arc<World>>, body: Bytes) -> StatusCode {
    let mut facts = world.facts.lock().unwrap();
    facts.uses.extend(read_uses(&body).unwrap());
    StatusCode::NO_CONTENT
}

async fn receipts(body: Bytes) -> StatusCode {
    Report::read(&body).unwrap();
    StatusCode::NO_CONTENT
}

async fn told_keys() -> String {
    let key = ToldKey {
        id: FilterKeyId::FIRST,
        secret: Zeroizing::new(SECRET),
    };
    ToldKeys::new(key, None).unwrap().write().to_string()
}

async fn jwks(State(world): State<Arc<World>>) -> Response {
    let fails = world.facts.lock().unwrap().instead.contains_key("/jwks");
    match fails {
        true => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        false => key_set([&world.signing]).into_response(),
    }
}
