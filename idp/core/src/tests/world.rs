//! A small world: two tenants, some clients, two people, a clock that is set by hand.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;

use idp_token::digest::{TokenDigest, TokenName};
use idp_token::filter::{FilterKey, FilterKeyId, FilterKeys};
use idp_token::reference::{AbsoluteEnd, ReferenceToken};
use idp_token::refresh::RefreshKey;
use idp_token::session::SessionId;
use idp_token::time::UnixSeconds;

use crate::admin::{self, NewUser, Order};
use crate::authorize::{self, Person};
use crate::change::Target;
use crate::client::{Client, Consents, Grant, Introspects, Lifetimes, SecretKey, Secrets};
use crate::decision::{Decided, Decision, Random};
use crate::handle::Handle;
use crate::id::{ClientId, Generation, LoginId, TenantId, UserId, Username};
use crate::introspect::{self, Answer};
use crate::login::{self, Claimant, NotSignedIn, SignedIn, Verdict};
use crate::provider::{LoginLifetimes, Provider};
use crate::record::{PasswordHash, Record, Session, Standing};
use crate::refusal::Refusal;
use crate::resolve::{self, Resolved};
use crate::revoke;
use crate::scope::Scopes;
use crate::session;
use crate::store::memory::Memory;
use crate::store::{CommitError, Key, Kind, Range, Stored, Transaction};
use crate::token::{self, Asking, Issued};
use crate::view::{Need, Shelf, View};

pub(super) const ADA: UserId = UserId([0xad; 16]);
pub(super) const EVE: UserId = UserId([0xee; 16]);
pub(super) const START: u64 = 1_000_000;
pub(super) const SECRET: &str = "a-secret-of-256-bits";
/// From RFC 7636, appendix B.
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(super) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(super) const CALLBACK: &str = "https://web.example/callback";

pub(super) struct World {
    pub(super) store: Arc<Memory>,
    pub(super) provider: Provider,
    now: Cell<u64>,
    draws: Cell<u64>,
    /// Whether every rule is run beside a shelf as well.
    tries_shelves: bool,
}

/// What a decision comes to, whichever way it was come to.
fn shown<A: Debug>(decision: &Decision<A>) -> (String, BTreeSet<String>) {
    let rests_on = decision.transaction.expectations().iter();
    let rests_on = rests_on.map(|expectation| format!("{expectation:?}"));
    let writes = decision.transaction.writes().iter();
    let writes = writes.map(|write| format!("{write:?}"));
    let answer = format!("{:?} {:?}", decision.answer, decision.audit);
    (answer, rests_on.chain(writes).collect())
}

impl World {
    pub(super) fn new() -> Self {
        Self::furnished(true)
    }

    /// Where worlds are made by the thousand, rules are not run twice.
    pub(super) fn one_of_many() -> Self {
        Self::furnished(false)
    }

    fn furnished(tries_shelves: bool) -> Self {
        let world = Self::empty(tries_shelves);
        for tenant in ["bank", "other"] {
            let order = Order::SetTenant {
                id: tenant_id(tenant),
                is_enabled: true,
            };
            world.order(order);
        }
        for client in world.clients() {
            world.order(Order::SetClient(Box::new(client)));
        }
        for (id, tenant, name) in [(ADA, "bank", "ada"), (EVE, "other", "eve")] {
            world.order(Order::CreateUser(NewUser {
                id,
                tenant: tenant_id(tenant),
                name: Username::parse(name).unwrap(),
                password: PasswordHash(format!("hash of {name}")),
                roles: vec!["teller".to_owned()],
            }));
        }
        world
    }

    fn empty(tries_shelves: bool) -> Self {
        let filter_key = FilterKey::new(FilterKeyId::new(1).unwrap(), &[1; 32]);
        Self {
            store: Arc::default(),
            provider: Provider {
                issuer: "https://id.example".to_owned(),
                partition: 0,
                filter_keys: FilterKeys::new(filter_key),
                refresh_key: RefreshKey::new([2; 32]),
                secret_key: SecretKey::new(&[3; 32]),
                dummy_password: PasswordHash("hash of nobody".to_owned()),
                logins: LoginLifetimes::PAYMENT,
            },
            now: Cell::new(START),
            draws: Cell::new(0),
            tries_shelves,
        }
    }

    /// `web` is the operator's own and public; `partner` is somebody else's and confidential;
    /// `robot` acts for itself; `service` may ask about tokens of its tenant; `foreign` is of
    /// another one.
    fn clients(&self) -> Vec<Client> {
        let public = Client {
            id: client_id("web"),
            tenant: tenant_id("bank"),
            secrets: Secrets::Public,
            redirect_uris: vec![CALLBACK.to_owned()],
            logout_uris: vec!["https://web.example/bye".to_owned()],
            backchannel_logout_uri: Some("https://web.example/told".to_owned()),
            grants: BTreeSet::from([Grant::AuthorizationCode, Grant::RefreshToken]),
            scopes: scopes("money.read money.write openid"),
            roles: Vec::new(),
            audience: vec!["https://money.example".to_owned()],
            consents: Consents::Implied,
            introspects: Introspects::Own,
            lifetimes: Lifetimes::PAYMENT,
            is_enabled: true,
            generation: Generation::default(),
        };
        let secret = self.provider.secret_key.digest(SECRET.as_bytes());
        let partner = Client {
            id: client_id("partner"),
            secrets: Secrets::Confidential(vec![secret]),
            redirect_uris: vec!["https://partner.example/cb?from=bank".to_owned()],
            consents: Consents::Asked,
            ..public.clone()
        };
        let robot = Client {
            id: client_id("robot"),
            redirect_uris: Vec::new(),
            grants: BTreeSet::from([Grant::ClientCredentials]),
            scopes: scopes("money.read money.write"),
            roles: vec!["settler".to_owned()],
            lifetimes: Lifetimes::MACHINE,
            ..partner.clone()
        };
        let service = Client {
            id: client_id("service"),
            grants: BTreeSet::new(),
            introspects: Introspects::Tenant,
            ..robot.clone()
        };
        let foreign = Client {
            id: client_id("foreign"),
            tenant: tenant_id("other"),
            ..service.clone()
        };
        vec![public, partner, robot, service, foreign]
    }

    pub(super) fn client(&self, id: &str) -> Client {
        let clients = self.clients().into_iter();
        clients
            .into_iter()
            .find(|client| client.id.as_str() == id)
            .unwrap()
    }

    pub(super) fn now(&self) -> UnixSeconds {
        UnixSeconds(self.now.get())
    }

    pub(super) fn pass(&self, seconds: u64) {
        self.now.set(self.now.get() + seconds);
    }

    pub(super) fn draw(&self) -> Random {
        let draw = self.draws.get() + 1;
        self.draws.set(draw);
        let mut bytes = [0; Random::BYTES];
        for (at, part) in (0_u8..).zip(bytes.chunks_exact_mut(16)) {
            part[0] = at;
            part[8..].copy_from_slice(&draw.to_be_bytes());
        }
        Random::new(bytes)
    }

    /// Runs a rule to its end, as a server does. Beside a shelf it must come to the same, at once.
    pub(super) fn run<A: Debug>(&self, rule: impl Fn(&View, &Random) -> Decided<A>) -> Decision<A> {
        for _ in 0..8 {
            let random = self.draw();
            let decision = self.see(|view| rule(view, &random));
            if self.tries_shelves {
                let shelf = Arc::clone(&self.store) as Arc<dyn Shelf>;
                let beside = self.see_from(View::beside(shelf), |view| rule(view, &random));
                assert_eq!(shown(&beside), shown(&decision));
            }
            let transaction = decision.transaction.clone();
            if transaction.is_empty() || self.commit(&transaction).is_ok() {
                return decision;
            }
        }
        panic!("nobody else commits here");
    }

    /// Reads for as long as something is needed.
    pub(super) fn see<A>(&self, look: impl Fn(&View) -> Result<A, Need>) -> A {
        self.see_from(View::default(), look)
    }

    fn see_from<A>(&self, mut view: View, look: impl Fn(&View) -> Result<A, Need>) -> A {
        for _ in 0..16 {
            match look(&view) {
                Ok(seen) => return seen,
                Err(Need(keys)) => {
                    assert!(!keys.is_empty(), "a need of nothing");
                    let stored = self.store.read_now(&keys);
                    view.add(keys, stored);
                }
            }
        }
        panic!("a rule that never has enough");
    }

    /// Every commit of every test is held to the law: no session ends in silence.
    pub(super) fn commit(&self, transaction: &Transaction) -> Result<(), CommitError> {
        let before = self.live_sessions();
        assert_each_key_is_written_once(transaction);
        self.store.commit_now(transaction)?;
        let after = self.live_sessions();
        for session in before
            .iter()
            .filter(|it| !after.iter().any(|after| after.id == it.id))
        {
            let announced = transaction.changes().iter().any(|change| {
                change.kind == crate::change::Kind::Ended && covers(&change.target, session)
            });
            assert!(announced, "{session:?} ended in silence: {transaction:?}");
        }
        Ok(())
    }

    pub(super) fn stored(&self, kind: Kind) -> Vec<Stored> {
        self.store.scan_now(&Range::of(kind), None, usize::MAX)
    }

    pub(super) fn live_sessions(&self) -> Vec<Session> {
        let stored = self.stored(Kind::Session).into_iter();
        let sessions = stored.filter_map(|stored| {
            let Record::Session(session) = stored.record else {
                return None;
            };
            Some(session)
        });
        sessions
            .filter(|session| {
                self.see(|view| session::check(view, session, self.now()))
                    .is_ok()
            })
            .collect()
    }

    pub(super) fn session(&self, id: SessionId) -> Session {
        let found = self.store.read_now(&[Key::Session(id)]).remove(0);
        let Some(Record::Session(session)) = found.map(|stored| stored.record) else {
            panic!("no session");
        };
        session
    }

    pub(super) fn is_over(&self, id: SessionId) -> bool {
        self.session(id).standing != Standing::Live
    }

    pub(super) fn order(&self, order: impl std::borrow::Borrow<Order>) {
        let order = order.borrow();
        let now = self.now();
        let decision = self.run(|view, _| admin::carry_out(view, order, "root", now));
        assert_eq!(decision.answer, Ok(()), "{order:?}");
    }

    pub(super) fn sign_in(&self, name: &str, verdict: Verdict) -> Result<SignedIn, NotSignedIn> {
        let tenant = if name == "eve" { "other" } else { "bank" };
        let claimant = Claimant {
            tenant: tenant_id(tenant),
            name: Username::parse(name),
        };
        let challenge = self.see(|view| login::ask(view, &self.provider, &claimant));
        let now = self.now();
        let tried = |view: &View, random: &Random| {
            login::sign_in(view, &self.provider, (&challenge, verdict), now, random)
        };
        self.run(tried).answer
    }

    pub(super) fn login(&self) -> LoginId {
        self.sign_in("ada", Verdict::Matches).unwrap().login
    }

    pub(super) fn authorize(&self, query: &str, person: Person) -> authorize::Outcome {
        let now = self.now();
        let asked = (query.as_bytes(), person);
        self.run(|view, random| authorize::authorize(view, &self.provider, asked, now, random))
            .answer
    }

    /// A code of `web`, for whoever is signed in.
    pub(super) fn code(&self, login: LoginId) -> String {
        let outcome = self.authorize(&query(&[]), person(login));
        let authorize::Outcome::Redirect(to) = outcome else {
            panic!("{outcome:?}");
        };
        parameter(to.as_str(), "code").unwrap_or_else(|| panic!("{}", to.as_str()))
    }

    pub(super) fn ask(&self, body: &str) -> Result<Issued, Refusal> {
        self.ask_as(None, body)
    }

    pub(super) fn ask_as(&self, secret: Option<&str>, body: &str) -> Result<Issued, Refusal> {
        let field = secret.map(basic);
        let asking = asking(field.as_deref(), body);
        let now = self.now();
        self.run(|view, random| token::grant(view, &self.provider, &asking, now, random))
            .answer
    }

    pub(super) fn redeem(&self, code: &str) -> Result<Issued, Refusal> {
        self.ask(&redemption(code))
    }

    /// A session of `web` with its tokens.
    pub(super) fn begin(&self) -> Issued {
        let code = self.code(self.login());
        self.redeem(&code).unwrap()
    }

    pub(super) fn refresh(&self, token: &str) -> Result<Issued, Refusal> {
        self.ask(&renewal(token))
    }

    /// `robot` or `service` or `foreign` asks about a token.
    pub(super) fn introspect(&self, asker: &str, token: &str) -> Result<Answer, Refusal> {
        let field = basic(&format!("{asker}:{SECRET}"));
        let body = format!("token={token}");
        let asking = asking(Some(&field), &body);
        let now = self.now();
        self.run(|view, _| introspect::introspect(view, &self.provider, &asking, now))
            .answer
            .map(|answered| answered.answer)
    }

    pub(super) fn is_active(&self, token: &str) -> bool {
        self.introspect("service", token) != Ok(Answer::Inactive)
    }

    /// What a gateway asks about a token by, which may be none or over.
    pub(super) fn name(&self, token: &str) -> TokenName {
        let keys = &self.provider.filter_keys;
        let parsed = ReferenceToken::parse(token.as_bytes(), keys, UnixSeconds(0));
        parsed.map_or_else(
            |_| TokenName {
                digest: TokenDigest::of(token.as_bytes()),
                end: AbsoluteEnd::new(self.now()).unwrap(),
            },
            |token| token.name(),
        )
    }

    pub(super) fn resolve(&self, token: &str) -> Resolved {
        let (name, now) = (self.name(token), self.now());
        self.see(|view| resolve::resolve(view, &self.provider, name, now))
    }

    pub(super) fn revoke(&self, body: &str) -> Result<revoke::Revoked, Refusal> {
        let asking = asking(None, body);
        let now = self.now();
        self.run(|view, _| revoke::revoke(view, &self.provider, &asking, now))
            .answer
    }
}

fn assert_each_key_is_written_once(transaction: &Transaction) {
    let mut keys: Vec<_> = transaction
        .writes()
        .iter()
        .map(|write| match write {
            crate::store::Write::Put(record) => record.key().encode(),
            crate::store::Write::Remove(key) => key.encode(),
            crate::store::Write::Raise(last) => Key::LastUse(last.session).encode(),
        })
        .collect();
    let count = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), count, "{transaction:?}");
}

fn covers(target: &Target, session: &Session) -> bool {
    match target {
        Target::Session(id) => *id == session.id,
        Target::Subject(id) => *id == session.subject(),
        Target::Client(id) => *id == session.client,
        Target::Tenant(id) => *id == session.tenant,
        Target::Realm => true,
    }
}

pub(super) fn tenant_id(text: &str) -> TenantId {
    TenantId::parse(text).unwrap()
}

pub(super) fn client_id(text: &str) -> ClientId {
    ClientId::parse(text).unwrap()
}

pub(super) fn scopes(text: &str) -> Scopes {
    Scopes::parse(text).unwrap()
}

pub(super) fn person(login: LoginId) -> Person {
    Person {
        login: Some(login),
        has_just_signed_in: false,
        answer: None,
    }
}

pub(super) const NOBODY: Person = Person {
    login: None,
    has_just_signed_in: false,
    answer: None,
};

/// The good query of `web`, with some of its parameters replaced, or left out where they are empty.
pub(super) fn query(changes: &[(&str, &str)]) -> String {
    let good = [
        ("client_id", "web"),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "money.read openid"),
        ("state", "a state"),
        ("nonce", "n-0S6"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    spell(&good, changes)
}

fn spell(good: &[(&str, &str)], changes: &[(&str, &str)]) -> String {
    let replaced = |name: &str| changes.iter().any(|(changed, _)| *changed == name);
    let kept = good.iter().filter(|(name, _)| !replaced(name));
    let mut out = String::new();
    for (name, value) in kept.chain(changes).filter(|(_, value)| !value.is_empty()) {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(name);
        out.push('=');
        crate::parameters::escape(value, &mut out);
    }
    out
}

pub(super) fn redemption(code: &str) -> String {
    redemption_with(code, &[])
}

pub(super) fn redemption_with(code: &str, changes: &[(&str, &str)]) -> String {
    let good = [
        ("grant_type", "authorization_code"),
        ("client_id", "web"),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("code", code),
    ];
    spell(&good, changes)
}

pub(super) fn renewal(token: &str) -> String {
    format!("grant_type=refresh_token&client_id=web&refresh_token={token}")
}

pub(super) fn asking(field: Option<&str>, body: &str) -> Asking {
    Asking::read(field.map(str::as_bytes), body.as_bytes())
}

/// `name:secret` as an `Authorization` field.
pub(super) fn basic(pair: &str) -> String {
    use base64::Engine;

    let text = base64::engine::general_purpose::STANDARD.encode(pair);
    format!("Basic {text}")
}

/// What a parameter of a location says.
pub(super) fn parameter(location: &str, name: &str) -> Option<String> {
    let (_, query) = location.split_once('?')?;
    let parameters = crate::parameters::Parameters::parse(query.as_bytes()).unwrap();
    parameters.find(name).map(str::to_owned)
}

pub(super) fn refresh_of(issued: &Issued) -> String {
    issued.refresh_token.as_ref().unwrap().as_str().to_owned()
}

/// The 16 bytes of a token that nobody can guess, if it is spelled in base64url.
pub(super) fn decoded(body: &str) -> Vec<u8> {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    let bytes = URL_SAFE_NO_PAD.decode(body).unwrap_or_default();
    match bytes.len() {
        // A reference token: behind its head.
        33 => bytes[7..23].to_vec(),
        // A refresh token: its tag.
        39 => bytes[23..].to_vec(),
        16 => bytes,
        _ => body.as_bytes().to_vec(),
    }
}

pub(super) const ALL_KINDS: [Kind; 18] = [
    Kind::Realm,
    Kind::Tenant,
    Kind::Client,
    Kind::User,
    Kind::Username,
    Kind::Lockout,
    Kind::Consent,
    Kind::Login,
    Kind::Code,
    Kind::Session,
    Kind::SessionOf,
    Kind::LastUse,
    Kind::Access,
    Kind::Refresh,
    Kind::Relay,
    Kind::Epoch,
    Kind::Published,
    Kind::Keyring,
];

pub(super) fn cookie_of(handle: &Handle) -> Option<LoginId> {
    LoginId::of_cookie(handle.as_str())
}
