//! The upstream's book: what reached it, in the order of the heads.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::entry::Deed;
use super::filling::Digest;

/// One request that reached the upstream, or the part of one that did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// `None` when it carries none, or was cut before it came.
    pub id: Option<String>,
    /// Empty when the head was cut or malformed; so is the target.
    pub method: String,
    pub target: String,
    pub endpoint: usize,
    /// Unique among all endpoints.
    pub connection: u64,
    /// Of what arrived.
    pub body: Digest,
    pub state: State,
    /// What was done with it.
    pub deed: Option<Deed>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Whole,
    /// The connection ended, or was ended, before the rest came.
    Cut,
    /// And why it is no request.
    Malformed(String),
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Whole => "whole",
            State::Cut => "cut",
            State::Malformed(why) => why,
        };
        write!(
            f,
            "endpoint {} connection {} ({state}, {}",
            self.endpoint, self.connection, self.body
        )?;
        match self.deed {
            Some(deed) => write!(f, ", {deed})"),
            None => f.write_str(")"),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Log(Arc<Mutex<Vec<Heard>>>);

impl Log {
    /// The place of the new line.
    pub(super) fn add(&self, heard: Heard) -> usize {
        let mut lines = self.lines();
        lines.push(heard);
        lines.len() - 1
    }

    pub(super) fn amend(&self, place: usize, amend: impl FnOnce(&mut Heard)) {
        if let Some(heard) = self.lines().get_mut(place) {
            amend(heard);
        }
    }

    pub(super) fn read(&self) -> Vec<Heard> {
        self.lines().clone()
    }

    fn lines(&self) -> MutexGuard<'_, Vec<Heard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
