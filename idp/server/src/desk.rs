//! Where rules are run: a request comes in, an answer goes out, and in between lies the disk.
//!
//! A rule is run on one snapshot of the store until it needs nothing more. What it decides is
//! committed before anybody is told, and decided anew if something else was committed in between.
//! Whatever keeps an answer from being given ends in [`Unanswerable`], which is a 503: nobody is
//! ever told that a token is bad because the disk was.

use std::error::Error as _;
use std::sync::Arc;

use arc_swap::ArcSwap;
use idp_core::audit::{About, Act, Entry, Event};
use idp_core::decision::{Decided, Decision, Random};
use idp_core::provider::Provider;
use idp_core::store::{CommitError, Store as _, StoreError};
use idp_core::view::{Need, Shelf, View};
use idp_token::time::UnixSeconds;
use tokio::sync::Notify;

use crate::audit::Audit;
use crate::clock;
use crate::credential::Credential;
use crate::farewell::Farewells;
use crate::keys::{Ring, Schedule};
use crate::metrics::Metrics;
use crate::passwords::Passwords;
use crate::random::{self, NoRandom};
use crate::receipts::Receipts;
use crate::relay::{Records, Tail};
use crate::store::{EmbeddedStore, Snapshot};

/// Each conflict means that somebody else was served; so many in a row mean that something is wrong.
const ATTEMPTS_MAX: u32 = 64;
/// No rule asks for records more often than there are kinds of them.
const NEEDS_MAX: u32 = 32;

#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) store: EmbeddedStore,
    /// Whole, and replaced when a key is.
    pub(crate) ring: ArcSwap<Ring>,
    pub(crate) schedule: Schedule,
    pub(crate) audit: Audit,
    pub(crate) passwords: Passwords,
    pub(crate) administrator: Credential,
    pub(crate) gateway: Credential,
    pub(crate) farewells: Farewells,
    /// Told after every commit that gateways must hear of.
    pub(crate) has_changes: Notify,
    /// What gateways read, as far as it is new.
    pub(crate) tail: Tail,
    /// What they have read.
    pub(crate) receipts: Receipts,
    /// Where records go; none without Redis.
    pub(crate) records: Option<Records>,
    pub(crate) metrics: Metrics,
}

/// What a rule is given.
pub(crate) struct Case<'a> {
    pub(crate) view: &'a View,
    pub(crate) provider: &'a Provider,
    pub(crate) now: UnixSeconds,
    pub(crate) random: &'a Random,
}

/// Nobody can tell at the moment.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswerable {
    #[error("the store could not be asked")]
    Store(#[from] StoreError),
    #[error("too much else was committed meanwhile, {ATTEMPTS_MAX} times in a row")]
    Crowded,
    #[error("a rule went on asking for records")]
    Endless,
    #[error(transparent)]
    Random(#[from] NoRandom),
}

/// What was decided and is on disk.
pub(crate) struct Settled<A> {
    pub(crate) answer: A,
    pub(crate) audit: Option<Entry>,
    /// Whether gateways must hear of it.
    has_changes: bool,
}

impl Desk {
    /// Decides, commits, and only then answers.
    pub(crate) async fn decide<A: Send>(
        &self,
        rule: impl Fn(&Case<'_>) -> Decided<A> + Send + Sync,
    ) -> Result<A, Unanswerable> {
        let settled = settle(&self.store, self.with_provider(rule)).await?;
        if settled.has_changes {
            self.has_changes.notify_one();
        }
        if let Some(entry) = settled.audit {
            self.audit.log(entry).await;
        }
        Ok(settled.answer)
    }

    /// Answers by a rule that changes nothing and draws nothing, though it may be written down.
    pub(crate) async fn tell<A: Send>(
        &self,
        rule: impl Fn(&View, &Provider, UnixSeconds) -> Decided<A> + Send,
    ) -> Result<A, Unanswerable> {
        let decision = {
            let ring = self.ring.load();
            let snapshot = self.store.snapshot()?;
            // After the snapshot was taken, as ever.
            let now = clock::now();
            let decided = run(&snapshot, |view| rule(view, &ring.provider, now))?;
            decided.ok_or(Unanswerable::Endless)?
        };
        if let Some(entry) = decision.audit {
            self.audit.log(entry).await;
        }
        Ok(decision.answer)
    }

    /// What an administrator did that is no decision of a rule.
    pub(crate) async fn write_down(&self, act: Act, actor: &str) {
        let entry = Entry {
            at: clock::now(),
            event: Event::Administered(act),
            about: About {
                actor: Some(actor.to_owned()),
                ..About::default()
            },
        };
        self.audit.log(entry).await;
    }

    /// For rules that change nothing.
    pub(crate) fn look<A>(
        &self,
        rule: impl Fn(&Case<'_>) -> Result<A, Need>,
    ) -> Result<A, Unanswerable> {
        consider(&self.store, self.with_provider(rule))
    }

    /// Keys may change while it is decided; one decision is taken with one set of them.
    fn with_provider<R>(
        &self,
        rule: impl Fn(&Case<'_>) -> R,
    ) -> impl Fn(&View, UnixSeconds, &Random) -> R {
        let ring = self.ring.load_full();
        move |view, now, random| {
            rule(&Case {
                view,
                provider: &ring.provider,
                now,
                random,
            })
        }
    }
}

/// Logs an error with its causes, of which nothing is told outside.
pub(crate) fn complain(error: &Unanswerable) {
    let mut chain = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        chain.push_str(": ");
        chain.push_str(&error.to_string());
        cause = error.source();
    }
    tracing::error!("a request could not be answered: {chain}");
}

/// Decides and commits. What came of it is to be announced and written down by the caller.
pub(crate) async fn settle<A: Send>(
    store: &EmbeddedStore,
    rule: impl Fn(&View, UnixSeconds, &Random) -> Decided<A> + Send + Sync,
) -> Result<Settled<A>, Unanswerable> {
    for _ in 0..ATTEMPTS_MAX {
        let Decision {
            answer,
            transaction,
            audit,
        } = consider(store, &rule)?;
        let settled = Settled {
            answer,
            audit,
            has_changes: !transaction.changes().is_empty(),
        };
        if transaction.is_empty() {
            return Ok(settled);
        }
        match store.commit(transaction).await {
            Ok(()) => return Ok(settled),
            Err(CommitError::Conflict) => {}
            Err(CommitError::Store(error)) => return Err(error.into()),
        }
    }
    Err(Unanswerable::Crowded)
}

/// Runs a rule on one snapshot.
pub(crate) fn consider<R>(
    store: &EmbeddedStore,
    rule: impl Fn(&View, UnixSeconds, &Random) -> Result<R, Need>,
) -> Result<R, Unanswerable> {
    let random = random::draw()?;
    let snapshot = store.snapshot()?;
    // After the snapshot was taken: no record in it is of a time that is yet to come.
    let now = clock::now();
    let considered = run(&snapshot, |view| rule(view, now, &random))?;
    considered.ok_or(Unanswerable::Endless)
}

/// Runs a rule until it has all it needs; none if that never happens.
pub(crate) fn run<R>(
    snapshot: &Arc<Snapshot>,
    rule: impl Fn(&View) -> Result<R, Need>,
) -> Result<Option<R>, StoreError> {
    let mut view = View::beside(Arc::clone(snapshot) as Arc<dyn Shelf>);
    for _ in 0..NEEDS_MAX {
        match rule(&view) {
            Ok(decided) => return Ok(Some(decided)),
            Err(Need(keys)) => {
                let stored = snapshot.read(&keys)?;
                view.add(keys, stored);
            }
        }
    }
    Ok(None)
}
