//! A gateway's knowledge, a provider and a Redis, and what a test wants of them.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use gateway_core::verdict::Unknown;
use idp_token::ask::resolve::{Purpose, Question};
use idp_token::digest::TokenDigest;
use idp_token::filter::{FilterKey, FilterKeyId, FilterKeys};
use idp_token::lease::{Tolerance, Trust};
use idp_token::reference::{AbsoluteEnd, ReferenceToken};
use idp_token::seal::SealKey;
use idp_token::session::{Session, SessionId};
use idp_token::time::UnixSeconds;
use idp_token::value::jws::verify;
use idp_token::value::{KeySet, key_set};
use prometheus::Registry;
use tempfile::TempDir;
use tollgate_config::{Idp, Redis, RedisAddress};

use super::provider::{CREDENTIAL, ISSUER, Provider};
use super::redis_server::RedisServer;
use crate::clock;
use crate::identity::following::Following;
use crate::identity::sources::{Active, Found, Told};
use crate::metrics::SourceMetrics;

/// For what must come about at some time.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longer than a busy machine holds anything up.
pub(super) const LONG: Duration = Duration::from_secs(6);

pub(super) struct Site {
    pub(super) provider: Provider,
    pub(super) following: Following,
    registry: Registry,
    folder: TempDir,
}

impl Site {
    pub(super) async fn start(redis: Option<&RedisServer>, lease: Duration) -> Self {
        Self::start_after(redis, lease, |_| {}).await
    }

    /// With a provider that something was done to before.
    pub(super) async fn start_after(
        redis: Option<&RedisServer>,
        lease: Duration,
        prepare: impl FnOnce(&Provider),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = folder.path().join("redis");
        if let Some(redis) = redis {
            redis.take_over(&address);
        }
        let path = redis.is_some().then_some(address);
        let provider = Provider::start(path.clone()).await;
        prepare(&provider);
        let at = path.map(RedisAddress::Unix);
        Self::start_with(provider, folder, at, lease)
    }

    /// With a Redis that the provider knows nothing of, and beats nowhere itself.
    pub(super) async fn start_mute(redis: SocketAddr, lease: Duration) -> Self {
        let provider = Provider::start(None).await;
        provider.facts().is_mute = true;
        let folder = tempfile::tempdir().unwrap();
        Self::start_with(provider, folder, Some(RedisAddress::Tcp(redis)), lease)
    }

    fn start_with(
        provider: Provider,
        folder: TempDir,
        redis: Option<RedisAddress>,
        lease: Duration,
    ) -> Self {
        let key_file = folder.path().join("gateway.key");
        fs::write(&key_file, format!("{CREDENTIAL}\n")).unwrap();
        fs::set_permissions(&key_file, Permissions::from_mode(0o600)).unwrap();
        let idp = Idp {
            issuer: ISSUER.to_owned(),
            listen: provider.address,
            internal: provider.address,
            key_file,
            lease,
            grace: Duration::from_secs(60),
            redis: redis.map(|at| Redis {
                at,
                database: 0,
                username: None,
                password: None,
            }),
            audience: Vec::new(),
            cache_bytes: 1 << 20,
        };
        let registry = Registry::new();
        let metrics = SourceMetrics::registered(&registry).unwrap();
        let following = Following::start(&idp, &metrics).unwrap();
        Self {
            provider,
            following,
            registry,
            folder,
        }
    }

    /// Up, and trusted.
    pub(super) async fn start_fresh(redis: Option<&RedisServer>, lease: Duration) -> Self {
        let site = Self::start(redis, lease).await;
        site.until("it is trusted", |it| {
            it.is_fresh() && it.reads_redis() == redis.is_some()
        })
        .await;
        if redis.is_some() {
            // Nobody waits for that connection.
            let token = token(0);
            site.provider
                .facts()
                .sessions
                .insert(token.digest(), session(0));
            let mut looks = looks();
            loop {
                looks.tick().await;
                site.find(&token).await.unwrap();
                if site.metric("redis_lookups_total", "found") > 0.0 {
                    break;
                }
            }
            site.provider.facts().asked.clear();
        }
        site
    }

    /// Where Redis is reached.
    pub(super) fn redis_path(&self) -> PathBuf {
        self.folder.path().join("redis")
    }

    /// A token that the provider takes for good.
    pub(super) fn token(&self, number: u8) -> ReferenceToken {
        let token = token(number);
        let session = session(number);
        self.provider
            .facts()
            .sessions
            .insert(token.digest(), session);
        token
    }

    pub(super) async fn find(&self, token: &ReferenceToken) -> Result<Found, Unknown> {
        self.following.sources.find(question(token)).await
    }

    /// What a good token stands for.
    pub(super) async fn active(&self, token: &ReferenceToken) -> Active {
        match self.find(token).await.unwrap().told {
            Told::Active(active) => *active,
            Told::Inactive => panic!("inactive"),
        }
    }

    /// Whose value token that is; it is one of the provider's.
    pub(super) fn subject_of(&self, text: &str) -> String {
        let keys = KeySet::parse(key_set([&self.provider.world.signing]).as_bytes()).unwrap();
        let payload = verify(text, &keys).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        claims["sub"].as_str().unwrap().to_owned()
    }

    /// Who was asked about by how many calls since the last time.
    pub(super) fn asked(&self) -> Vec<TokenDigest> {
        let asked = std::mem::take(&mut self.provider.facts().asked);
        asked
            .into_iter()
            .flatten()
            .map(|(digest, _)| digest)
            .collect()
    }

    pub(super) fn trust(&self, tolerance: Tolerance) -> Trust {
        self.following.knowledge.trust(tolerance, clock::boot())
    }

    pub(super) fn is_fresh(&self) -> bool {
        self.trust(Tolerance::Strict) == Trust::Fresh
    }

    pub(super) fn applied(&self) -> u64 {
        self.following.knowledge.stamp().seq().0
    }

    /// Whether what was found of a session may still be believed.
    pub(super) fn holds(&self, found: &Found) -> bool {
        let Told::Active(active) = &found.told else {
            panic!("inactive");
        };
        let record = &active.record;
        let fence = self.following.knowledge.fence();
        let session = record.id.to_string();
        let marks = fence.marks(&session, &record.subject, &record.client_id, &record.tenant);
        fence.holds(found.stamp, &marks)
    }

    /// What a counter says that has this label, or a gauge that has none.
    pub(super) fn metric(&self, name: &str, label: &str) -> f64 {
        let name = format!("tollgate_identity_{name}");
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name);
        // What was never counted is not there.
        let found = family.and_then(|family| {
            family.get_metric().iter().find(|metric| {
                label.is_empty() || metric.get_label().iter().any(|it| it.value() == label)
            })
        });
        found.map_or(0.0, |metric| {
            metric.get_counter().get_value() + metric.get_gauge().get_value()
        })
    }

    pub(super) fn reads_redis(&self) -> bool {
        self.metric("log_reads_redis", "") > 0.0
    }

    /// Waits until something is so.
    pub(super) async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let waiting = async {
            let mut looks = looks();
            while !is_so(self) {
                looks.tick().await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(waited.is_ok(), "never: {what}");
    }

    /// Lets so much time pass, and looks at every moment of it whether something is so.
    pub(super) async fn always(&self, span: Duration, what: &str, is_so: impl Fn(&Self) -> bool) {
        let began = clock::boot();
        let mut looks = looks();
        while clock::boot().0 - began.0 < span {
            assert!(is_so(self), "not always: {what}");
            looks.tick().await;
        }
    }
}

/// Often enough to miss nothing, and seldom enough to hold nothing up.
fn looks() -> tokio::time::Interval {
    tokio::time::interval(Duration::from_millis(5))
}

pub(super) fn question(token: &ReferenceToken) -> Question {
    Question {
        key: SealKey::of(token),
        purpose: Purpose::Use,
    }
}

/// A token that nobody knows yet.
pub(super) fn token(number: u8) -> ReferenceToken {
    let keys = FilterKeys::new(FilterKey::new(FilterKeyId::FIRST, &[3; 32]));
    let end = AbsoluteEnd::new(UnixSeconds(4_000_000_000)).unwrap();
    ReferenceToken::mint(&keys, 0, end, [number; 16])
}

pub(super) fn session(number: u8) -> Session {
    Session {
        id: SessionId([number; 16]),
        subject: format!("user {number}"),
        client_id: "app".to_owned(),
        tenant: "bank".to_owned(),
        scope: "money.read".to_owned(),
        roles: vec!["payer".to_owned()],
        amr: Vec::new(),
        auth_time: None,
        began_at: UnixSeconds(1),
        ends_at: UnixSeconds(4_000_000_000),
        idle: Some(Duration::from_secs(900)),
        written_seq: idp_token::epoch::Seq::NONE,
        value_token: None,
    }
}
