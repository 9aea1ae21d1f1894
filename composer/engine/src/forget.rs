//! What is not so any more is forgotten: here at once, and in the second level before whoever said so
//! is told that it is done.

use std::sync::Arc;

use composer_core::Key;

use crate::engine::{Engine, Source};
use crate::second_level::Share;

/// What is to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stale {
    Everything,
    /// All of a lookup.
    Lookup(String),
    /// One record of a lookup, for whomever it is held.
    Key(String, String),
}

/// Nobody has a lookup of this name, or this can be no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unforgettable {
    #[error("there is no such lookup")]
    NoLookup,
    #[error("this can be no key")]
    NoKey,
}

impl Engine {
    /// Forgets what is known, and what is being asked for now as far as those are concerned who ask
    /// from now on: all of it, or nothing where something cannot be forgotten.
    pub async fn invalidate(&self, orders: &[Stale]) -> Result<(), Unforgettable> {
        for order in orders {
            self.check(order)?;
        }
        orders
            .iter()
            .try_for_each(|order| self.forget_here(order))?;
        let mut shares = Vec::new();
        let mut names = Vec::new();
        for order in orders {
            self.name_behind(order, &mut shares, &mut names);
        }
        let Some(level) = shares.first().map(|share| Arc::clone(share.level())) else {
            return Ok(());
        };
        if !level.forget(&names).await {
            shares.iter().for_each(|share| share.owe());
        }
        // What was read there meanwhile may be of before.
        orders.iter().try_for_each(|order| self.forget_here(order))
    }

    /// Whether there is such a thing to be forgotten.
    pub(crate) fn check(&self, stale: &Stale) -> Result<(), Unforgettable> {
        match stale {
            Stale::Everything => Ok(()),
            Stale::Lookup(name) => self.source(name).map(drop),
            Stale::Key(name, key) => {
                self.source(name)?;
                Key::parse(key).map(drop).map_err(|_| Unforgettable::NoKey)
            }
        }
    }

    fn forget_here(&self, stale: &Stale) -> Result<(), Unforgettable> {
        match stale {
            Stale::Everything => {
                self.lookups.iter().for_each(Source::invalidate_all);
                let steps = self.endpoints.iter().flat_map(|endpoint| &endpoint.steps);
                steps.for_each(|step| step.invalidate_all());
            }
            Stale::Lookup(name) => self.source(name)?.invalidate_all(),
            Stale::Key(name, key) => {
                let key = Key::parse(key).map_err(|_| Unforgettable::NoKey)?;
                match self.source(name)? {
                    Source::Records(records) => records.invalidate(&key),
                    Source::Table(kept) => kept.table.invalidate(),
                }
            }
        }
        Ok(())
    }

    /// The names that are to go from the second level, and whose they are.
    fn name_behind(&self, stale: &Stale, shares: &mut Vec<Arc<Share>>, names: &mut Vec<String>) {
        let mut add = |source: &Source, key: Option<&Key>| {
            if let Source::Records(records) = source
                && let Some(share) = records.share()
            {
                names.extend(match key {
                    Some(key) => records.shared_key(key).map(|key| share.name(Some(&key))),
                    None => Some(share.name(None)),
                });
                if !shares.iter().any(|known| Arc::ptr_eq(known, share)) {
                    shares.push(Arc::clone(share));
                }
            }
        };
        match stale {
            Stale::Everything => self.lookups.iter().for_each(|source| add(source, None)),
            Stale::Lookup(name) => {
                if let Ok(source) = self.source(name) {
                    add(source, None);
                }
            }
            Stale::Key(name, key) => {
                if let (Ok(source), Ok(key)) = (self.source(name), Key::parse(key)) {
                    add(source, Some(&key));
                }
            }
        }
    }

    fn source(&self, name: &str) -> Result<&Source, Unforgettable> {
        let lookups = self.plan().lookups.iter();
        let place = lookups.into_iter().position(|it| *it.name == *name);
        place
            .and_then(|place| self.lookups.get(place))
            .ok_or(Unforgettable::NoLookup)
    }
}
