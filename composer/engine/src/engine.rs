//! A plan with all it needs to be carried out: services, what is known, tables kept up to date.

use std::sync::Arc;

use composer_core::Plan;
use composer_core::plan::{EndpointId, Lookup, LookupId, LookupSource, ServiceId, StepId};
use gateway_upstream::Service;
use tokio::task::JoinHandle;

use crate::answers::Answers;
use crate::client::Upstream;
use crate::clock::Clock;
use crate::metrics::{EndpointMetrics, Metrics, set};
use crate::records::Records;
use crate::second_level::{SecondLevel, Share};
use crate::spawn::spawn;
use crate::table::{Table, Terms};

/// What an engine is built of.
#[derive(Debug)]
pub struct Setup {
    pub plan: Arc<Plan>,
    /// In the order of the plan's services, and the same ones that proxied traffic goes to.
    pub services: Vec<Arc<Service>>,
    pub clock: Clock,
    pub metrics: Metrics,
    /// What lookups share with other composers that say so.
    pub second_level: Option<Arc<SecondLevel>>,
}

/// Why there is no engine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the plan asks services that it does not name")]
pub struct Incomplete;

/// Carries out the endpoints of one plan. Dropped, it stops keeping its tables up to date.
#[derive(Debug)]
pub struct Engine {
    plan: Arc<Plan>,
    pub(crate) lookups: Vec<Source>,
    pub(crate) endpoints: Vec<Course>,
    pub(crate) clock: Clock,
    metrics: Metrics,
}

/// Where the records of a lookup come from.
#[derive(Debug)]
pub(crate) enum Source {
    Records(Arc<Records>),
    Table(Arc<Kept>),
}

/// A table and the task that keeps it up to date.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) table: Arc<Table>,
    keeper: JoinHandle<()>,
}

/// What an endpoint needs besides its plan.
#[derive(Debug)]
pub(crate) struct Course {
    /// In the order of its steps.
    pub(crate) steps: Vec<Arc<Answers>>,
    pub(crate) metrics: EndpointMetrics,
}

impl Engine {
    /// Builds an engine and begins to read its tables; call it within a runtime. What did not change
    /// since the engine before is taken over with all that is known.
    pub fn build(setup: Setup, before: Option<&Self>) -> Result<Arc<Self>, Incomplete> {
        let Setup {
            plan,
            services,
            clock,
            metrics,
            second_level,
        } = setup;
        let upstreams: Vec<_> = services
            .into_iter()
            .map(|service| {
                before
                    .and_then(|before| before.upstream(&service))
                    .unwrap_or_else(|| Arc::new(Upstream::new(service, clock.clone())))
            })
            .collect();
        let site = Site {
            plan: &plan,
            upstreams: &upstreams,
            clock: &clock,
            metrics: &metrics,
            second_level: second_level.as_ref(),
            before,
        };
        let lookups = (0..plan.lookups.len()).map(|place| site.lookup(LookupId(place)));
        let lookups = lookups.collect::<Result<_, _>>()?;
        let endpoints = (0..plan.endpoints.len()).map(|place| site.endpoint(EndpointId(place)));
        let endpoints = endpoints.collect::<Result<_, _>>()?;
        Ok(Arc::new(Self {
            lookups,
            endpoints,
            clock,
            metrics,
            plan,
        }))
    }

    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Waits until every table was read.
    pub async fn ready(&self) {
        for source in &self.lookups {
            if let Source::Table(kept) = source {
                kept.table.read().await;
            }
        }
    }

    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.lookups.iter().all(|source| match source {
            Source::Records(_) => true,
            Source::Table(kept) => kept.table.snapshot().is_some(),
        })
    }

    /// Everything that is composed, described for clients that are generated.
    #[must_use]
    pub fn openapi(&self) -> String {
        composer_core::openapi(&self.plan).to_string()
    }

    /// Brings the figures up to date that are not counted but looked at.
    pub fn measure(&self) {
        for (lookup, source) in self.plan.lookups.iter().zip(&self.lookups) {
            let name = [&*lookup.name];
            match source {
                Source::Records(records) => {
                    if let Some(cache) = records.cache() {
                        cache.settle(self.clock.now());
                        set(
                            &self.metrics.cache_bytes.with_label_values(&name),
                            cache.bytes(),
                        );
                        set(
                            &self.metrics.cache_entries.with_label_values(&name),
                            cache.count(),
                        );
                    }
                }
                Source::Table(kept) => {
                    let snapshot = kept.table.snapshot();
                    let (rows, bytes) =
                        snapshot.map_or((0, 0), |snapshot| (snapshot.len(), snapshot.bytes()));
                    set(
                        &self.metrics.table_rows.with_label_values(&name),
                        rows as u64,
                    );
                    set(
                        &self.metrics.cache_bytes.with_label_values(&name),
                        bytes as u64,
                    );
                    let is_alarmed = u64::from(kept.table.is_alarmed());
                    set(
                        &self.metrics.table_alarms.with_label_values(&name),
                        is_alarmed,
                    );
                }
            }
        }
    }

    /// The connections to a service, where it is the very same.
    fn upstream(&self, service: &Arc<Service>) -> Option<Arc<Upstream>> {
        let of_lookups = self.lookups.iter().map(Source::upstream);
        let steps = self.endpoints.iter().flat_map(|endpoint| &endpoint.steps);
        let mut all = of_lookups.chain(steps.map(|step| step.upstream()));
        all.find(|upstream| Arc::ptr_eq(upstream.service(), service))
            .cloned()
    }
}

impl Source {
    pub(crate) fn invalidate_all(&self) {
        match self {
            Self::Records(records) => records.invalidate_all(),
            Self::Table(kept) => kept.table.invalidate(),
        }
    }

    /// Whether it is shared with other composers there, or nowhere and nothing is.
    fn shares_in(&self, level: Option<&Arc<SecondLevel>>) -> bool {
        match self {
            Self::Records(records) => match (records.share(), level) {
                (Some(share), Some(level)) => Arc::ptr_eq(share.level(), level),
                (share, level) => share.is_none() && level.is_none(),
            },
            Self::Table(_) => true,
        }
    }

    fn upstream(&self) -> &Arc<Upstream> {
        match self {
            Self::Records(records) => records.upstream(),
            Self::Table(kept) => kept.table.upstream(),
        }
    }
}

impl Clone for Source {
    fn clone(&self) -> Self {
        match self {
            Self::Records(records) => Self::Records(Arc::clone(records)),
            Self::Table(kept) => Self::Table(Arc::clone(kept)),
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// What is at hand while an engine is built.
struct Site<'a> {
    plan: &'a Arc<Plan>,
    upstreams: &'a [Arc<Upstream>],
    clock: &'a Clock,
    metrics: &'a Metrics,
    second_level: Option<&'a Arc<SecondLevel>>,
    before: Option<&'a Engine>,
}

impl Site<'_> {
    fn upstream(&self, service: ServiceId) -> Result<(Arc<Upstream>, bool), Incomplete> {
        let upstream = self.upstreams.get(service.0).ok_or(Incomplete)?;
        let source = self.plan.service(service).ok_or(Incomplete)?;
        Ok((Arc::clone(upstream), source.is_sent_credential))
    }

    fn lookup(&self, id: LookupId) -> Result<Source, Incomplete> {
        let lookup = self.plan.lookup(id).ok_or(Incomplete)?;
        let (upstream, is_sent_credential) = self.upstream(lookup.call.service)?;
        if let Some(known) = self.known_lookup(id, &upstream) {
            return Ok(known);
        }
        let metrics = self.metrics.lookup(&lookup.name);
        let part = Arc::new(lookup.clone());
        match &lookup.source {
            LookupSource::Batch { .. } => {
                let (share, clock) = (self.share(&part), self.clock.clone());
                Records::new(part, (upstream, is_sent_credential), share, clock, metrics)
                    .map(Source::Records)
                    .ok_or(Incomplete)
            }
            LookupSource::Table { .. } => {
                let terms = Terms::of(lookup).ok_or(Incomplete)?;
                let table = Table::new((part, terms), upstream, self.clock.clone(), metrics);
                let kept = Arc::clone(&table);
                let keeper = spawn("composer table", async move { kept.keep_up().await });
                Ok(Source::Table(Arc::new(Kept { table, keeper })))
            }
        }
    }

    fn known_lookup(&self, id: LookupId, upstream: &Arc<Upstream>) -> Option<Source> {
        let before = self.before?;
        let lookup = self.plan.lookup(id)?;
        let mut known = before.plan.lookups.iter().zip(&before.lookups);
        let (_, source) = known
            .find(|(known, source)| *known == lookup && Arc::ptr_eq(source.upstream(), upstream))?;
        let level = self.second_level.filter(|_| lookup.is_in_second_level);
        source.shares_in(level).then(|| source.clone())
    }

    /// What a lookup shares with other composers. Where one of the same name owed Redis something,
    /// this one does.
    fn share(&self, lookup: &Arc<Lookup>) -> Option<Arc<Share>> {
        let metrics = self.metrics.shared(&lookup.name);
        let of = (&**self.plan, Arc::clone(lookup));
        let share = Share::new(self.second_level?, of, self.clock.clone(), metrics)?;
        let before = self.before.iter();
        let known = before.flat_map(|before| before.plan.lookups.iter().zip(&before.lookups));
        for (_, source) in known.filter(|(known, _)| known.name == lookup.name) {
            if let Source::Records(records) = source
                && let Some(before) = records.share()
            {
                share.inherit(before);
            }
        }
        Some(share)
    }

    fn endpoint(&self, id: EndpointId) -> Result<Course, Incomplete> {
        let endpoint = self.plan.endpoint(id).ok_or(Incomplete)?;
        let steps = (0..endpoint.steps.len()).map(|place| self.step(id, StepId(place)));
        Ok(Course {
            steps: steps.collect::<Result<_, _>>()?,
            metrics: self.metrics.endpoint(&endpoint.name),
        })
    }

    fn step(&self, id: EndpointId, step: StepId) -> Result<Arc<Answers>, Incomplete> {
        let endpoint = self.plan.endpoint(id).ok_or(Incomplete)?;
        let step = endpoint.step(step).ok_or(Incomplete)?;
        let (upstream, is_sent_credential) = self.upstream(step.call.service)?;
        let metrics = self
            .metrics
            .source(&format!("{} {}", endpoint.name, step.name));
        let clock = self.clock.clone();
        Ok(Answers::new(
            step,
            (upstream, is_sent_credential),
            clock,
            metrics,
        ))
    }
}
