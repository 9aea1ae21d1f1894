//! One request on its way through a plan: what may begin, what came back, what is still missing.
//!
//! Whoever carries it out asks for [`Composition::tasks`], does them all at once, tells what became
//! of each, and asks again, until [`Composition::is_done`]. Nothing here waits.

use std::sync::Arc;

use crate::cause::{Cause, Failure};
use crate::freshness::Reuse;
use crate::json::Json;
use crate::keys::{Key, Keys};
use crate::plan::{Endpoint, EndpointId, Join, LookupId, Needs, Otherwise, Plan, StepId};
use crate::status::Tally;

pub use request::Refused;
pub(crate) use rows::Rows;
pub(crate) use see::Seen;

mod request;
mod rows;
mod see;

#[cfg(test)]
mod tests;

/// A composed answer in the making.
#[derive(Debug)]
pub struct Composition {
    pub(crate) plan: Arc<Plan>,
    pub(crate) id: EndpointId,
    params: Vec<String>,
    queries: Vec<Option<String>>,
    steps: Vec<StepState>,
    joins: Vec<JoinState>,
    /// By the place of the list in the plan, once its step was answered.
    rows: Vec<Option<Rows>>,
    /// By the place of the lookup in the plan.
    finds: Vec<Finds>,
    pub(crate) reuse: Reuse,
    /// By what was asked, in the order in which it answered first.
    pub(crate) tallies: Vec<(Part, Tally)>,
    pub(crate) duplicates: u64,
    end: Option<Refused>,
}

/// Something to be done for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Send the call of this step.
    Step { step: StepId, target: String },
    /// Find the records of these keys, which differ.
    Find { lookup: LookupId, keys: Vec<Key> },
}

/// What a part of an answer is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    Step(StepId),
    Lookup(LookupId),
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Answered(Json),
    /// The answer is an old one, since a new one cannot be had for this cause.
    Stale(Json, Cause),
    Failed(Cause),
}

/// What is known of the record of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Record(Json),
    /// The record is an old one, since a new one cannot be had for this cause.
    Stale(Json, Cause),
    Absent,
    Failed(Cause),
}

/// What comes with something that was fetched or remembered.
#[derive(Debug, Clone, Copy)]
pub struct Provenance {
    /// How the whole may be used again as far as this part is concerned.
    pub reuse: Reuse,
    pub tally: Tally,
}

#[derive(Debug, Default)]
enum StepState {
    #[default]
    Waiting,
    Begun,
    Answered {
        body: Json,
        stale: Option<Cause>,
    },
    /// What stands in for an answer.
    Replaced {
        body: Json,
        cause: Cause,
    },
}

#[derive(Debug, Default)]
struct JoinState {
    has_begun: bool,
    /// Which key each row has, or the only one where there is no list.
    slots: Vec<Slot>,
}

#[derive(Debug, Clone, Copy)]
enum Slot {
    /// A place among the keys of the lookup.
    Key(usize),
    /// The same, by what an old record said.
    StaleKey(usize, Failure<Part>),
    /// There is nothing to look up.
    Null,
    Failed(Failure<Part>),
}

/// The keys of a lookup that this request asks for, and what was found of each.
#[derive(Debug, Default)]
struct Finds {
    keys: Keys,
    found: Vec<Option<Found>>,
}

impl Composition {
    /// Begins with the parameters of the path, as they were sent, and the query.
    pub fn begin(
        plan: Arc<Plan>,
        id: EndpointId,
        params: &[&str],
        query: Option<&str>,
    ) -> Result<Self, Refused> {
        let endpoint = plan.endpoint(id).ok_or(Refused::NoEndpoint)?;
        let request = request::read(endpoint, params, query)?;
        let mut steps = Vec::new();
        steps.resize_with(endpoint.steps.len(), StepState::default);
        let mut joins = Vec::new();
        joins.resize_with(endpoint.joins.len(), JoinState::default);
        let mut rows = Vec::new();
        rows.resize_with(endpoint.lists.len(), || None);
        let mut finds = Vec::new();
        finds.resize_with(plan.lookups.len(), Finds::default);
        Ok(Self {
            id,
            params: request.params,
            queries: request.queries,
            steps,
            joins,
            rows,
            finds,
            reuse: Reuse::default(),
            tallies: Vec::new(),
            duplicates: 0,
            end: None,
            plan,
        })
    }

    /// Everything that can begin now and has not begun; nothing once the request is refused.
    pub fn tasks(&mut self) -> Vec<Task> {
        let plan = Arc::clone(&self.plan);
        let Some(endpoint) = plan.endpoint(self.id) else {
            return Vec::new();
        };
        let mut tasks = Vec::new();
        // What needs no call, or can make none, may let something else begin.
        while self.end.is_none()
            && (self.begin_steps(endpoint, &mut tasks) || self.begin_joins(endpoint, &mut tasks))
        {
        }
        if self.end.is_some() {
            tasks.clear();
        }
        tasks
    }

    /// Whether nothing more can come of what is under way: all of it is there, or the request is
    /// refused and the rest can be given up.
    pub fn is_done(&self) -> bool {
        let is_settled = |step| {
            matches!(
                step,
                &StepState::Answered { .. } | &StepState::Replaced { .. }
            )
        };
        let are_found = || (0..self.joins.len()).all(|join| self.is_found(join));
        self.end.is_some() || self.steps.iter().all(is_settled) && are_found()
    }

    /// Tells what became of a step.
    pub fn settle(&mut self, step: StepId, outcome: Outcome, from: Provenance) {
        self.note(Part::Step(step), from);
        match outcome {
            Outcome::Answered(body) => self.step_answered(step, body, None),
            Outcome::Stale(body, cause) => self.step_answered(step, body, Some(cause)),
            Outcome::Failed(cause) => self.step_failed(step, cause),
        }
    }

    /// Tells what was found of some keys, in one go or one after the other.
    pub fn found(
        &mut self,
        lookup: LookupId,
        records: impl IntoIterator<Item = (Key, Found)>,
        from: Provenance,
    ) {
        self.note(Part::Lookup(lookup), from);
        let Some(finds) = self.finds.get_mut(lookup.0) else {
            return;
        };
        let mut next = 0;
        for (key, found) in records {
            let Some(place) = finds.keys.place_of(&key, next) else {
                continue;
            };
            next = place + 1;
            if let Some(slot) = finds.found.get_mut(place) {
                *slot = Some(found);
            }
        }
    }

    /// Why there will be no answer, if so.
    pub fn refused(&self) -> Option<&Refused> {
        self.end.as_ref()
    }

    /// Fails all that is missing, for this cause: there is no more time for it.
    pub fn give_up(&mut self, cause: Cause) {
        // Every round settles all that has begun, and lets something begin that waited for it.
        for _ in 0..=self.steps.len() + self.joins.len() {
            let left: Vec<StepId> = (0..self.steps.len())
                .filter(|step| matches!(self.steps.get(*step), Some(StepState::Begun)))
                .map(StepId)
                .collect();
            for step in left {
                self.step_failed(step, cause);
            }
            for finds in &mut self.finds {
                finds.found.iter_mut().for_each(|found| {
                    found.get_or_insert(Found::Failed(cause));
                });
            }
            if self.tasks().is_empty() && self.is_done() {
                return;
            }
        }
    }

    /// One call for each step, and for each row of each join.
    pub(crate) fn calls_naive(&self) -> u64 {
        let keys = self.joins.iter().flat_map(|join| &join.slots);
        let joined = keys.filter(|slot| slot.place().is_some()).count();
        u64::try_from(self.steps.len() + joined).unwrap_or(u64::MAX)
    }

    fn note(&mut self, part: Part, from: Provenance) {
        self.reuse = self.reuse.with(from.reuse);
        match self.tallies.iter_mut().find(|(known, _)| *known == part) {
            Some((_, tally)) => tally.add(from.tally),
            None => self.tallies.push((part, from.tally)),
        }
    }

    fn step_answered(&mut self, step: StepId, body: Json, stale: Option<Cause>) {
        match self.read_rows(step, &body) {
            Ok(()) => self.set_step(step, StepState::Answered { body, stale }),
            Err(rows::Unread::NoArray) => self.step_failed(step, Cause::Shape),
            Err(rows::Unread::TooMany { rows_max }) => {
                self.end = Some(Refused::TooManyRows { rows_max });
            }
        }
    }

    fn step_failed(&mut self, step: StepId, cause: Cause) {
        let plan = Arc::clone(&self.plan);
        let declared = plan.endpoint(self.id).and_then(|it| it.step(step));
        match declared.map(|step| &step.otherwise) {
            Some(Otherwise::Value(body)) => {
                // Rows in what stands in are as good as any; where there are none there is no list.
                if let Err(rows::Unread::TooMany { rows_max }) = self.read_rows(step, body) {
                    self.end = Some(Refused::TooManyRows { rows_max });
                }
                let body = body.clone();
                self.set_step(step, StepState::Replaced { body, cause });
            }
            Some(Otherwise::Fail) | None => {
                self.end.get_or_insert(Refused::Step { step, cause });
            }
        }
    }

    /// Reads the rows of every list that this step brings.
    fn read_rows(&mut self, step: StepId, body: &Json) -> Result<(), rows::Unread> {
        let plan = Arc::clone(&self.plan);
        let lists = plan.endpoint(self.id).map_or(&[][..], |it| &it.lists);
        let mut read = Vec::new();
        for (place, list) in lists.iter().enumerate() {
            if list.step == step {
                read.push((place, Rows::read(list, body, &mut self.duplicates)?));
            }
        }
        for (place, rows) in read {
            if let Some(slot) = self.rows.get_mut(place) {
                *slot = Some(rows);
            }
        }
        Ok(())
    }

    fn set_step(&mut self, step: StepId, state: StepState) {
        if let Some(slot) = self.steps.get_mut(step.0) {
            *slot = state;
        }
    }

    fn begin_steps(&mut self, endpoint: &Endpoint, tasks: &mut Vec<Task>) -> bool {
        let mut has_begun = false;
        for (place, step) in endpoint.steps.iter().enumerate() {
            let is_waiting = matches!(self.steps.get(place), Some(StepState::Waiting));
            if !is_waiting || !self.are_settled(&step.needs) {
                continue;
            }
            has_begun = true;
            let id = StepId(place);
            match self.target(&step.call) {
                Ok(target) => {
                    self.set_step(id, StepState::Begun);
                    tasks.push(Task::Step { step: id, target });
                }
                Err(_) => self.step_failed(id, Cause::Input),
            }
        }
        has_begun
    }

    fn begin_joins(&mut self, endpoint: &Endpoint, tasks: &mut Vec<Task>) -> bool {
        let mut has_begun = false;
        for (place, join) in endpoint.joins.iter().enumerate() {
            let is_begun = self.joins.get(place).is_none_or(|it| it.has_begun);
            if is_begun || !self.are_settled(&join.needs) {
                continue;
            }
            has_begun = true;
            let finds = self.finds.get_mut(join.lookup.0);
            let mut keys = finds
                .map(|finds| std::mem::take(&mut finds.keys))
                .unwrap_or_default();
            let asked = keys.len();
            let slots = self.collect(join, &mut keys);
            add_keys(tasks, join.lookup, keys.after(asked));
            if let Some(finds) = self.finds.get_mut(join.lookup.0) {
                finds.found.resize(keys.len(), None);
                finds.keys = keys;
            }
            if let Some(state) = self.joins.get_mut(place) {
                state.has_begun = true;
                state.slots = slots;
            }
        }
        has_begun
    }

    /// The key of each row, which is added to the keys of its lookup.
    fn collect(&self, join: &Join, keys: &mut Keys) -> Vec<Slot> {
        let list = join.list.map(|list| self.rows.get(list.0));
        let count = match list {
            None => 1,
            Some(rows) => rows.and_then(Option::as_ref).map_or(0, |rows| rows.count),
        };
        keys.reserve(count);
        let slots = (0..count).map(|row| {
            let seen = self.see(&join.key, row);
            // Most keys are read as they are written.
            if let Seen::Value(value) = seen
                && let Some(place) = keys.add_plain(value)
            {
                return Slot::Key(place);
            }
            match seen.key_text() {
                Ok(None) => Slot::Null,
                Ok(Some(text)) => match (keys.add(&text), seen) {
                    (Ok(place), Seen::Stale(_, failure)) => Slot::StaleKey(place, failure),
                    (Ok(place), _) => Slot::Key(place),
                    (Err(_), _) => Slot::no_key(join.lookup),
                },
                Err(Some(failure)) => Slot::Failed(failure),
                Err(None) => Slot::no_key(join.lookup),
            }
        });
        slots.collect()
    }

    fn are_settled(&self, needs: &Needs) -> bool {
        let is_settled = |step: &StepId| {
            let state = self.steps.get(step.0);
            matches!(
                state,
                Some(StepState::Answered { .. } | StepState::Replaced { .. })
            )
        };
        needs.steps.iter().all(is_settled) && needs.joins.iter().all(|join| self.is_found(join.0))
    }

    /// Whether something is known of every key of a join.
    fn is_found(&self, join: usize) -> bool {
        let plan = self.plan.endpoint(self.id);
        let lookup = plan.and_then(|it| it.joins.get(join)).map(|it| it.lookup);
        let finds = lookup.and_then(|lookup| self.finds.get(lookup.0));
        let is_known = |slot: &Slot| match (slot.place(), finds) {
            (Some(place), Some(finds)) => finds.found.get(place).is_some_and(Option::is_some),
            (Some(_), None) => false,
            (None, _) => true,
        };
        self.joins
            .get(join)
            .is_some_and(|it| it.has_begun && it.slots.iter().all(is_known))
    }
}

impl Slot {
    fn place(&self) -> Option<usize> {
        match self {
            Self::Key(place) | Self::StaleKey(place, _) => Some(*place),
            Self::Null | Self::Failed(_) => None,
        }
    }

    fn no_key(lookup: LookupId) -> Self {
        Self::Failed(Failure {
            source: Part::Lookup(lookup),
            cause: Cause::Key,
        })
    }
}

/// What is wanted of one lookup at one time is one task.
fn add_keys(tasks: &mut Vec<Task>, wanted: LookupId, new: &[Key]) {
    if new.is_empty() {
        return;
    }
    let found = tasks.iter_mut().find_map(|task| match task {
        Task::Find { lookup, keys } if *lookup == wanted => Some(keys),
        Task::Find { .. } | Task::Step { .. } => None,
    });
    match found {
        Some(keys) => keys.extend_from_slice(new),
        None => tasks.push(Task::Find {
            lookup: wanted,
            keys: new.to_vec(),
        }),
    }
}
