//! What many packed sessions have in common, kept once.
//!
//! A shape has a number that is never given again. Where there are too many of them the oldest is
//! dropped, and the sessions that had it are not there any more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwapOption, Guard};
use gateway_core::caller::Rights;
use idp_token::fence::Mark;

use super::form::Form;

/// Of one shape, beyond its texts.
const OVERHEAD_BYTES: usize = 512;
/// A shape with longer texts is not worth it.
pub(super) const SHAPE_BYTES_MAX: usize = 4096;
/// Copies of what is counted by reference, so that threads do not count in the same place.
const COPIES: usize = 8;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Common {
    pub(super) form: Form,
    pub(super) rights: Rights,
    /// That of a client that acts for itself; the others have each their own.
    pub(super) subject: Option<Box<str>>,
    pub(super) has_auth_time: bool,
    /// How long sessions may go unused, and how long a use may be kept to oneself.
    pub(super) idle: Option<(Duration, Duration)>,
}

#[derive(Debug)]
pub(super) struct Shape {
    number: u32,
    pub(super) common: Arc<Common>,
    pub(super) client: Mark,
    pub(super) tenant: Mark,
    /// Of the common subject.
    pub(super) subject: Mark,
    rights: [Arc<Rights>; COPIES],
}

pub(super) struct Shapes {
    places: Box<[ArcSwapOption<Shape>]>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    numbers: HashMap<Arc<Common>, u32>,
    last: u32,
}

impl Shapes {
    pub(super) fn new(count_max: usize) -> Self {
        Self {
            places: (0..count_max.max(1))
                .map(|_| ArcSwapOption::empty())
                .collect(),
            known: Mutex::default(),
        }
    }

    /// The shape of this number, if it is still there.
    pub(super) fn find(&self, number: u32) -> Option<Guard<Option<Arc<Shape>>>> {
        let shape = self.place(number)?.load();
        let is_same = shape.as_ref().is_some_and(|shape| shape.number == number);
        is_same.then_some(shape)
    }

    /// The number of the shape that is like this; none if there can be no more in this process.
    pub(super) fn share(&self, common: Common, marks: [Mark; 3]) -> Option<u32> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = known.numbers.get(&common) {
            return Some(*number);
        }
        let number = known.last.checked_add(1)?;
        known.last = number;
        let common = Arc::new(common);
        let [client, tenant, subject] = marks;
        let shape = Shape {
            number,
            client,
            tenant,
            subject,
            rights: std::array::from_fn(|_| Arc::new(common.rights.clone())),
            common: Arc::clone(&common),
        };
        if let Some(oldest) = self.place(number)?.swap(Some(Arc::new(shape))) {
            known.numbers.remove(&oldest.common);
        }
        known.numbers.insert(common, number);
        Some(number)
    }

    fn place(&self, number: u32) -> Option<&ArcSwapOption<Shape>> {
        let at = usize::try_from(number).ok()? % self.places.len();
        self.places.get(at)
    }
}

impl Shape {
    /// What this thread may count by.
    pub(super) fn rights(&self) -> Arc<Rights> {
        let [first, ..] = &self.rights;
        let copy = self.rights.get(crate::stripe::of_this_thread() % COPIES);
        Arc::clone(copy.unwrap_or(first))
    }
}

impl Common {
    pub(super) fn bytes(&self) -> usize {
        let subject = self.subject.as_ref().map_or(0, |subject| subject.len());
        self.form.bytes() + subject + OVERHEAD_BYTES
    }
}
