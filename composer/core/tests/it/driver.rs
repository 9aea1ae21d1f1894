//! Carries a composition out on a [`World`], in batches and in any order.

use std::sync::Arc;

use bytes::Bytes;
use composer_core::compose::{Composition, Found, Outcome, Provenance, Refused, Task};
use composer_core::freshness::Reuse;
use composer_core::keys::{self, Key, Wanted};
use composer_core::plan::{EndpointId, LookupId, LookupSource, Plan};
use composer_core::records::{self, Fetched};
use composer_core::status::Tally;
use composer_core::{Answer, Cause, Json};

use crate::chance::Chance;
use crate::world::World;

pub(crate) struct Driver<'d> {
    pub(crate) world: &'d World,
    pub(crate) plan: Arc<Plan>,
    pub(crate) chance: Chance,
    /// One in so many chunks of a batch fails.
    pub(crate) chunk_faults: usize,
}

impl Driver<'_> {
    pub(crate) fn answer(&mut self, params: &[&str], query: &str) -> Result<Answer, Refused> {
        let plan = Arc::clone(&self.plan);
        let mut composition = Composition::begin(plan, EndpointId(0), params, Some(query))?;
        let mut tasks = composition.tasks();
        while !composition.is_done() {
            assert!(
                !tasks.is_empty(),
                "nothing is left to do and something is missing"
            );
            self.chance.shuffle(&mut tasks);
            let task = tasks.pop().unwrap();
            self.carry_out(&mut composition, task);
            tasks.extend(composition.tasks());
        }
        composition.answer()
    }

    fn carry_out(&mut self, composition: &mut Composition, task: Task) {
        match task {
            Task::Step { step, target } => {
                let outcome = match self.world.step(&target) {
                    Ok(body) => Outcome::Answered(json(&body)),
                    Err(()) => Outcome::Failed(Cause::Timeout),
                };
                composition.settle(step, outcome, provenance());
            }
            Task::Find { lookup, keys } => {
                for (keys, found) in self.find(lookup, keys) {
                    composition.found(lookup, keys.into_iter().zip(found), provenance());
                }
            }
        }
    }

    fn find(&mut self, lookup: LookupId, keys: Vec<Key>) -> Vec<(Vec<Key>, Vec<Found>)> {
        let plan = Arc::clone(&self.plan);
        let lookup = plan.lookup(lookup).unwrap();
        let max = match &lookup.source {
            LookupSource::Batch { max, .. } => *max,
            LookupSource::Table { .. } => {
                let body = json(&self.world.table(&lookup.call.table_target(None)));
                let rows = records::of_table(&body, lookup).unwrap().rows;
                let find = |key: &Key| {
                    let row = rows.iter().rfind(|(own, _)| own == key);
                    row.and_then(|(_, json)| json.clone())
                        .map_or(Found::Absent, Found::Record)
                };
                let found = keys.iter().map(find).collect();
                return vec![(keys, found)];
            }
        };
        let split = keys::chunks(&lookup.call, keys.into_iter().map(Wanted::from), max);
        let failed = vec![Found::Failed(Cause::Key); split.too_long.len()];
        let mut parts = vec![(split.too_long, failed)];
        for chunk in split.chunks {
            let keys: Vec<Key> = chunk.iter().map(|want| want.key.clone()).collect();
            if self.chunk_faults > 0 && self.chance.one_in(self.chunk_faults) {
                let failed = vec![Found::Failed(Cause::Unreachable); keys.len()];
                parts.push((keys, failed));
                continue;
            }
            let body = json(&self.world.batch(&lookup.call.batch_target(&chunk)));
            let brought = records::of_batch(&body, lookup, &chunk).unwrap();
            let found = brought
                .records
                .into_iter()
                .map(|(_, fetched)| match fetched {
                    Fetched::Record(record) => Found::Record(record.json),
                    Fetched::Absent => Found::Absent,
                    Fetched::Unchanged => unreachable!("no version was sent"),
                });
            parts.push((keys, found.collect()));
        }
        self.chance.shuffle(&mut parts);
        parts
    }
}

fn provenance() -> Provenance {
    Provenance {
        reuse: Reuse::default(),
        tally: Tally::default(),
    }
}

fn json(text: &str) -> Json {
    Json::parse(&Bytes::copy_from_slice(text.as_bytes())).unwrap()
}
