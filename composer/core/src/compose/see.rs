//! What an expression comes to with what is there so far.

use std::borrow::Cow;

use super::{Composition, Found, Part, Slot, StepState};
use crate::call::{Call, Unfit};
use crate::cause::Failure;
use crate::json::{Name, Value};
use crate::keys::text_of;
use crate::plan::{JoinId, ListId, StepId, Value as Source};

/// An answer may leave out most of what its steps brought.
const BYTES_EXPECTED_MAX: usize = 64 * 1024;

/// What an expression comes to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Seen<'c> {
    Value(Value<'c>),
    /// What was said in the request.
    Text(&'c str),
    Nothing,
    /// A value that may have changed since; there is nothing where an old record has none.
    Stale(Option<Value<'c>>, Failure<Part>),
    Failed(Failure<Part>),
}

impl Composition {
    /// What a value is, for a row where it is about rows.
    pub(crate) fn see(&self, source: &Source, row: usize) -> Seen<'_> {
        match source {
            Source::Param(place) => self
                .params
                .get(*place)
                .map_or(Seen::Nothing, |it| Seen::Text(it)),
            Source::Query(place) => {
                let text = self.queries.get(*place).and_then(Option::as_deref);
                text.map_or(Seen::Nothing, Seen::Text)
            }
            Source::Step { step, path } => self.see_step(*step, path),
            Source::Row { list, member, path } => {
                let rows = self.list(*list);
                let cell = rows.and_then(|rows| rows.cell(row, *member));
                Seen::of(cell.and_then(|value| value.follow(path, &mut 0)))
            }
            Source::Joined { join, path } => self.see_joined(*join, path, row),
        }
    }

    /// About what the answer will measure, so that it does not grow from little: what its rows measure
    /// that are passed on.
    pub(crate) fn bytes_expected(&self) -> usize {
        let bodies = self.steps.iter().map(|step| match step {
            StepState::Answered { body, .. } => body.bytes().len(),
            StepState::Waiting | StepState::Begun | StepState::Replaced { .. } => 0,
        });
        bodies.sum::<usize>().clamp(512, BYTES_EXPECTED_MAX)
    }

    pub(crate) fn list(&self, list: ListId) -> Option<&super::Rows> {
        self.rows.get(list.0).and_then(Option::as_ref)
    }

    /// Why a step failed that something stands in for, or why its answer is old.
    pub(crate) fn trouble(&self, step: StepId) -> Option<(crate::Cause, bool)> {
        match self.steps.get(step.0)? {
            StepState::Replaced { cause, .. } => Some((*cause, false)),
            StepState::Answered { stale, .. } => stale.map(|cause| (cause, true)),
            StepState::Waiting | StepState::Begun => None,
        }
    }

    fn see_step(&self, step: StepId, path: &[Name]) -> Seen<'_> {
        match self.steps.get(step.0) {
            Some(StepState::Answered { body, .. } | StepState::Replaced { body, .. }) => {
                Seen::of(body.follow(path, &mut 0))
            }
            Some(StepState::Waiting | StepState::Begun) | None => Seen::Nothing,
        }
    }

    fn see_joined(&self, join: JoinId, path: &[Name], row: usize) -> Seen<'_> {
        let declared = self.plan.endpoint(self.id).and_then(|it| it.join(join));
        let Some((declared, state)) = declared.zip(self.joins.get(join.0)) else {
            return Seen::Nothing;
        };
        let row = if declared.list.is_some() { row } else { 0 };
        let (place, stale) = match state.slots.get(row) {
            Some(Slot::Key(place)) => (*place, None),
            Some(Slot::StaleKey(place, failure)) => (*place, Some(*failure)),
            Some(Slot::Failed(failure)) => return Seen::Failed(*failure),
            Some(Slot::Null) | None => return Seen::Nothing,
        };
        let found = self
            .finds
            .get(declared.lookup.0)
            .and_then(|finds| finds.found.get(place));
        let failure = |cause| Failure {
            source: Part::Lookup(declared.lookup),
            cause,
        };
        match found.and_then(Option::as_ref) {
            Some(Found::Record(json)) => {
                let value = json.follow(path, &mut 0);
                stale.map_or(Seen::of(value), |failure| Seen::Stale(value, failure))
            }
            Some(Found::Stale(json, cause)) => {
                Seen::Stale(json.follow(path, &mut 0), failure(*cause))
            }
            Some(Found::Failed(cause)) => Seen::Failed(failure(*cause)),
            Some(Found::Absent) | None => stale.map_or(Seen::Nothing, |it| Seen::Stale(None, it)),
        }
    }

    /// The target of a call, once all that it needs is settled.
    pub(super) fn target(&self, call: &Call) -> Result<String, Unfit> {
        call.target(|source| match self.see(source, 0) {
            Seen::Text(text) => Ok(Some(Cow::Borrowed(text))),
            Seen::Value(value) | Seen::Stale(Some(value), _) if value.is_null() => Ok(None),
            Seen::Value(value) | Seen::Stale(Some(value), _) => {
                value.text().map(Some).ok_or(Unfit::Unusable)
            }
            Seen::Nothing | Seen::Stale(None, _) => Ok(None),
            Seen::Failed(_) => Err(Unfit::Missing),
        })
    }
}

impl<'c> Seen<'c> {
    fn of(value: Option<Value<'c>>) -> Self {
        value.map_or(Self::Nothing, Self::Value)
    }

    /// The key that this is, none where it is nothing; why it is none otherwise, where there is
    /// somebody to blame for it.
    pub(super) fn key_text(self) -> Result<Option<Cow<'c, str>>, Option<Failure<Part>>> {
        match self {
            Self::Text(text) => Ok(Some(Cow::Borrowed(text))),
            Self::Value(value) | Self::Stale(Some(value), _) => text_of(value).map_err(|_| None),
            Self::Nothing | Self::Stale(None, _) => Ok(None),
            Self::Failed(failure) => Err(Some(failure)),
        }
    }
}
