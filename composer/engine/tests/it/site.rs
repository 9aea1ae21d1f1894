//! An engine for a declaration that is written as briefly as a test can bear.

use std::net::SocketAddr;
use std::ops::RangeBounds;
use std::sync::Arc;
use std::time::Duration;

use composer_core::declaration::{self, Declaration, LookupSource, Rows, StepCache, Target, Text};
use composer_core::keys::ChunkMax;
use composer_core::plan::{Cache, Scope};
use composer_core::{Json, Plan};
use composer_engine::{Asker, Clock, Engine, Metrics, Reply, Request, SecondLevel, Setup};
use gateway_upstream::{Policy, Protocol, Service, Timeouts};
use http::{HeaderMap, HeaderValue};
use redis::ConnectionInfo;

/// No test waits as long as this for anything that comes.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// A declaration and the services it speaks of.
#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) declaration: Declaration,
    pub(crate) policies: Vec<Policy>,
    /// Where entities are shared with other engines, and how long a question there may take.
    pub(crate) second_level: Option<(ConnectionInfo, Duration)>,
}

pub(crate) struct Site {
    pub(crate) engine: Arc<Engine>,
    pub(crate) clock: Clock,
    pub(crate) services: Vec<Arc<Service>>,
    /// A mount that takes everybody for the same one: what tests of privacy must catch.
    pub(crate) forgets_who_asks: bool,
}

pub(crate) fn text(text: &str) -> Text {
    Text {
        text: text.to_owned(),
        ..Text::default()
    }
}

pub(crate) fn texts(names: &[&str]) -> Vec<Text> {
    names.iter().map(|name| text(name)).collect()
}

pub(crate) fn value(of: &str) -> Target {
    Target::Value(text(of))
}

pub(crate) fn rows(each: &str, keep: &[&str], join: &[(&str, &str)]) -> Target {
    Target::Rows(Rows {
        each: text(each),
        rows_max: 500,
        is_cut: false,
        keep: texts(keep),
        join: join
            .iter()
            .map(|(name, of)| (text(name), text(of)))
            .collect(),
    })
}

/// Kept for ten seconds, and whatever the test adds.
pub(crate) fn cache() -> Cache {
    Cache {
        ttl: Duration::from_secs(10),
        missing: Duration::from_secs(10),
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        bytes_max: 4 << 20,
    }
}

pub(crate) fn batch(name: &str, call: &str, key: &str) -> declaration::Lookup {
    declaration::Lookup {
        name: text(name),
        call: text(call),
        source: LookupSource::Batch {
            max: ChunkMax {
                keys: 100,
                url_bytes: 4096,
            },
            cache: Some(cache()),
        },
        key: Some(text(key)),
        items: None,
        version: None,
        scope: Scope::Shared,
        shared_place: None,
        is_shared_despite_auth: true,
        second_level_place: None,
    }
}

pub(crate) fn table(name: &str, call: &str, key: &str) -> declaration::Lookup {
    declaration::Lookup {
        source: LookupSource::Table {
            refresh: Duration::from_millis(20),
            reload: Duration::from_secs(3600),
            bytes_max: 1 << 20,
            deleted: text("deleted"),
        },
        ..batch(name, call, key)
    }
}

pub(crate) fn step(name: &str, call: &str) -> declaration::Step {
    declaration::Step {
        name: text(name),
        call: text(call),
        timeout: None,
        is_required: true,
        otherwise: None,
        cache: None,
    }
}

/// A step that may fail, and is `null` then.
pub(crate) fn optional(name: &str, call: &str) -> declaration::Step {
    declaration::Step {
        is_required: false,
        otherwise: Some((Json::null(), declaration::Place::default())),
        ..step(name, call)
    }
}

pub(crate) fn kept(scope: Scope, cache: Cache) -> StepCache {
    StepCache {
        scope,
        shared_place: None,
        is_shared_despite_auth: true,
        cache,
    }
}

pub(crate) fn endpoint(
    name: &str,
    steps: Vec<declaration::Step>,
    answer: Vec<(&str, Target)>,
) -> declaration::Endpoint {
    let answer = answer.into_iter();
    declaration::Endpoint {
        name: text(name),
        budget: LONG,
        calls_max: 20,
        steps,
        answer: answer.map(|(name, target)| (text(name), target)).collect(),
        answer_place: declaration::Place::default(),
    }
}

pub(crate) fn policy(name: &str, endpoints: &[SocketAddr]) -> Policy {
    Policy {
        name: name.into(),
        endpoints: endpoints.to_vec(),
        protocol: Protocol::H1,
        timeouts: Timeouts {
            connect: LONG,
            ..Timeouts::default()
        },
        probe: None,
        in_flight_max: 10_000,
        has_breaker: true,
    }
}

impl Draft {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn service(self, name: &str, endpoints: &[SocketAddr]) -> Self {
        self.service_of(policy(name, endpoints), true, LONG)
    }

    /// A service that is not told who asks.
    pub(crate) fn open_service(self, name: &str, endpoints: &[SocketAddr]) -> Self {
        self.service_of(policy(name, endpoints), false, LONG)
    }

    pub(crate) fn service_of(
        mut self,
        policy: Policy,
        is_sent_credential: bool,
        timeout: Duration,
    ) -> Self {
        self.declaration.services.push(declaration::Service {
            name: policy.name.to_string(),
            is_sent_credential,
            timeout,
            http2_place: None,
        });
        self.policies.push(policy);
        self
    }

    pub(crate) fn lookup(mut self, lookup: declaration::Lookup) -> Self {
        self.declaration.lookups.push(lookup);
        self
    }

    pub(crate) fn endpoint(mut self, endpoint: declaration::Endpoint) -> Self {
        self.declaration.endpoints.push(endpoint);
        self
    }

    pub(crate) fn plan(&self) -> Arc<Plan> {
        match composer_core::compile(&self.declaration) {
            Ok(plan) => Arc::new(plan),
            Err(faults) => panic!("{faults:#?}"),
        }
    }

    pub(crate) fn build(self) -> Site {
        let clock = Clock::default();
        let now = clock.now();
        let policies = self.policies.iter().cloned();
        let services: Vec<_> = policies.map(|policy| Service::new(policy, now)).collect();
        let metrics = Metrics::new().unwrap();
        let second_level = self.second_level.clone();
        let second_level =
            second_level.map(|(at, timeout)| SecondLevel::open(at, timeout, &metrics).unwrap());
        let setup = Setup {
            plan: self.plan(),
            services: services.clone(),
            clock: clock.clone(),
            metrics,
            second_level,
        };
        Site {
            engine: Engine::build(setup, None).unwrap(),
            clock,
            services,
            forgets_who_asks: false,
        }
    }

    /// The engine once its tables were read.
    pub(crate) async fn ready(self) -> Site {
        let site = self.build();
        let ready = tokio::time::timeout(LONG, site.engine.ready()).await;
        ready.expect("every table can be read");
        site
    }
}

impl Site {
    /// Asks for the first endpoint.
    pub(crate) async fn get(&self, params: &[&str], who: &str) -> Answered {
        self.get_with(params, None, who).await
    }

    pub(crate) async fn get_with(
        &self,
        params: &[&str],
        query: Option<&str>,
        who: &str,
    ) -> Answered {
        self.ask(0, (params, query), who, &HeaderMap::new()).await
    }

    pub(crate) async fn ask(
        &self,
        endpoint: usize,
        (params, query): (&[&str], Option<&str>),
        who: &str,
        headers: &HeaderMap,
    ) -> Answered {
        let asker = self.asker(who);
        let request = Request {
            endpoint: composer_core::plan::EndpointId(endpoint),
            params,
            query,
            asker: &asker,
            deadline: self.clock.now() + LONG,
            id: None,
        };
        Answered(self.engine.answer(&request, headers).await)
    }

    /// Somebody who is known by this name, with a credential of the same name.
    fn asker(&self, name: &str) -> Asker {
        let credential = HeaderValue::from_str(&format!("Bearer {name}")).unwrap();
        let scope = if self.forgets_who_asks {
            "anybody"
        } else {
            name
        };
        Asker::new(scope.as_bytes(), Some(credential))
    }

    /// Waits until a figure is in these bounds.
    pub(crate) async fn until(&self, name: &str, bounds: impl RangeBounds<f64>) {
        let looking = async {
            while !bounds.contains(&self.figure(name)) {
                tokio::task::yield_now().await;
            }
        };
        let seen = tokio::time::timeout(LONG, looking).await;
        assert!(seen.is_ok(), "{name} is {}", self.figure(name));
    }

    /// A figure by its whole name, labels and all.
    pub(crate) fn figure(&self, name: &str) -> f64 {
        self.engine.measure();
        let families = self.engine.metrics().registry().gather();
        let text = prometheus::TextEncoder::new()
            .encode_to_string(&families)
            .unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let line = line.unwrap_or_else(|| panic!("no figure {name} in\n{text}"));
        line.trim().parse().unwrap()
    }
}

#[derive(Debug)]
pub(crate) struct Answered(pub(crate) Reply);

impl Answered {
    pub(crate) fn status(&self) -> u16 {
        self.0.status.as_u16()
    }

    pub(crate) fn body(&self) -> &str {
        std::str::from_utf8(&self.0.body).unwrap()
    }

    pub(crate) fn field(&self, name: &str) -> &str {
        let value = self.0.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }
}
