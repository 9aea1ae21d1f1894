//! Routes that lead to no service: their answers are composed of several, in this process.
//!
//! To the rest of the gateway the composer is one more service, called `composer`, with no endpoint of
//! its own. Its calls go to the services of the same snapshot, so that what is composed and what is
//! passed on share breakers, budgets and the calls under way.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use composer_core::Plan;
use composer_core::plan::EndpointId;
use composer_engine::{Asker, Engine, Reply, SecondLevel, Setup, paths};
use gateway_core::forward::Identity;
use gateway_core::head::Head;
use gateway_upstream::{Policy, Protocol, Timeouts};
use http::header::IF_NONE_MATCH;
use http::{HeaderMap, HeaderValue};
use idp_token::fence::Era;
use tollgate_config as config;

use crate::identity::connection_info;
use crate::metrics::Metrics;
use crate::snapshot::Upstream;

const NAME: &str = "composer";
/// Longer than the budget of any endpoint.
const DEADLINE: Duration = Duration::from_secs(300);

/// The composer of one snapshot.
#[derive(Debug)]
pub(crate) struct Composer {
    pub(crate) engine: Arc<Engine>,
    /// What stands for it where an exchange has a service.
    pub(crate) upstream: Arc<Upstream>,
    /// What is shared with other gateways, as it is declared and as it runs.
    second_level: Option<(config::SecondLevel, Arc<SecondLevel>)>,
}

/// What is asked of it.
pub(crate) struct Wish {
    engine: Arc<Engine>,
    endpoint: EndpointId,
    params: Vec<String>,
    query: Option<String>,
    conditions: HeaderMap,
    asker: Asker,
    deadline: Instant,
}

impl Composer {
    /// Nothing where nothing is composed. What did not change goes on with what it knows.
    pub(crate) fn build(
        (plan, level): (&Arc<Plan>, Option<&config::SecondLevel>),
        services: &[Arc<Upstream>],
        before: Option<&Self>,
        metrics: &Metrics,
    ) -> Option<Self> {
        if plan.endpoints.is_empty() {
            return None;
        }
        let find = |name: &str| {
            let policy = |upstream: &&Arc<Upstream>| *upstream.service.policy().name == *name;
            let found = services.iter().find(policy)?;
            Some(Arc::clone(&found.service))
        };
        let named = plan.services.iter().map(|source| find(&source.name));
        let known = before.and_then(|before| before.second_level.as_ref());
        let second_level = level.and_then(|level| share(level, known, metrics));
        let setup = Setup {
            plan: Arc::clone(plan),
            services: named.collect::<Option<_>>()?,
            clock: composer_engine::Clock::default(),
            metrics: metrics.composer.clone(),
            second_level: second_level.as_ref().map(|(_, level)| Arc::clone(level)),
        };
        let engine = Engine::build(setup, before.map(|before| &*before.engine)).ok()?;
        let upstream = match before {
            Some(before) => Arc::clone(&before.upstream),
            None => Arc::new(Upstream::build(&policy(), metrics)),
        };
        Some(Self {
            engine,
            upstream,
            second_level,
        })
    }

    /// What a head asks of an endpoint. `None` never comes about: a route leads here by its path.
    pub(crate) fn wish(
        &self,
        endpoint: EndpointId,
        head: &Head<'_>,
        asker: Asker,
        began: Instant,
    ) -> Option<Wish> {
        let declared = self.engine.plan().endpoint(endpoint)?;
        let params = paths::params(declared, &head.path)?;
        let mut conditions = HeaderMap::new();
        for value in head.values(IF_NONE_MATCH.as_str()) {
            if let Ok(value) = HeaderValue::from_bytes(value) {
                conditions.append(IF_NONE_MATCH, value);
            }
        }
        Some(Wish {
            engine: Arc::clone(&self.engine),
            endpoint,
            params: params.into_iter().map(str::to_owned).collect(),
            query: head.query.map(str::to_owned),
            conditions,
            asker,
            deadline: began + DEADLINE,
        })
    }
}

impl Wish {
    pub(crate) async fn answer(&self, id: &str) -> Reply {
        let params: Vec<_> = self.params.iter().map(String::as_str).collect();
        let request = composer_engine::Request {
            endpoint: self.endpoint,
            params: &params,
            query: self.query.as_deref(),
            asker: &self.asker,
            deadline: self.deadline,
            id: Some(id),
        };
        self.engine.answer(&request, &self.conditions).await
    }
}

/// Who asks, as far as the gateway asked them. What is private is kept for one token, as long as it
/// stands for the same rights and the log says nothing new that may bear on its holder; the value token
/// goes to the services that judge it.
pub(crate) fn asker(told: Option<&Identity<'_>>, era: Option<(Era, bool)>) -> Asker {
    let Some(told) = told else {
        return Asker::new(&[], None);
    };
    let caller = told.caller;
    let rights = &caller.rights;
    let tid = caller.tid.to_string();
    let named = [
        &*tid,
        &*caller.subject,
        rights.client(),
        rights.tenant(),
        rights.scope(),
        told.issuer.unwrap_or_default(),
    ];
    let mut scope = Vec::with_capacity(192);
    scope.push(u8::from(era.is_some()));
    if let Some((era, is_current)) = era {
        scope.extend_from_slice(&era.to_bytes());
        scope.push(u8::from(is_current));
    }
    for part in named.into_iter().chain(rights.roles()) {
        // With its length, so that no two callers are spelled the same.
        scope.extend_from_slice(&part.len().to_be_bytes());
        scope.extend_from_slice(part.as_bytes());
    }
    let credential = told.value_token.map(|token| [b"Bearer ", token].concat());
    let credential = credential.and_then(|text| HeaderValue::try_from(text).ok());
    Asker::new(&scope, credential)
}

/// Not the query, nor who asks.
impl fmt::Debug for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wish")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// The second level of the snapshot before, where nothing was changed about it.
fn share(
    level: &config::SecondLevel,
    known: Option<&(config::SecondLevel, Arc<SecondLevel>)>,
    metrics: &Metrics,
) -> Option<(config::SecondLevel, Arc<SecondLevel>)> {
    if let Some(same) = known.filter(|(known, _)| known == level) {
        return Some(same.clone());
    }
    let opened = connection_info(&level.redis)
        .and_then(|at| SecondLevel::open(at, level.timeout, &metrics.composer));
    match opened {
        Ok(opened) => Some((level.clone(), opened)),
        Err(error) => {
            // Everything is answered without it.
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "there is no second level");
            None
        }
    }
}

fn policy() -> Policy {
    Policy {
        name: NAME.into(),
        endpoints: Vec::new(),
        protocol: Protocol::H1,
        timeouts: Timeouts {
            exchange: DEADLINE,
            ..Timeouts::default()
        },
        probe: None,
        in_flight_max: usize::MAX,
        has_breaker: false,
    }
}
