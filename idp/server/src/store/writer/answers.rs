//! How a whole group is told with one wake-up.
//!
//! To wake a task from a thread outside of the runtime costs a lock and often a system call, and a
//! thread of the runtime that wakes up for the first answer goes to sleep again before the second.
//! So one of the group is told, with the answers of all others in its hand, and passes them on from
//! within the runtime. However its own answer ends, taken or thrown away, the others are told.

use idp_core::store::StoreError;
use tokio::sync::oneshot;

use super::Outcome;

/// Who is told what.
pub(super) type Tried = (oneshot::Sender<Answer>, Result<Outcome, StoreError>);

#[derive(Debug)]
pub(in crate::store) struct Answer {
    pub(in crate::store) outcome: Result<Outcome, StoreError>,
    /// Told when this is dropped.
    others: Others,
}

#[derive(Debug)]
struct Others(Vec<Tried>);

impl Drop for Others {
    fn drop(&mut self) {
        for (reply, outcome) in self.0.drain(..) {
            let others = Self(Vec::new());
            // Whoever went away meanwhile learns it from the store.
            let _ = reply.send(Answer { outcome, others });
        }
    }
}

pub(super) fn tell(mut group: Vec<Tried>) {
    let Some((reply, outcome)) = group.pop() else {
        return;
    };
    let others = Others(group);
    let _ = reply.send(Answer { outcome, others });
}

impl Answer {
    /// Passes on what the others are to be told.
    pub(in crate::store) fn into_outcome(self) -> Result<Outcome, StoreError> {
        drop(self.others);
        self.outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Waiting = Vec<oneshot::Receiver<Answer>>;

    fn group(count: usize) -> (Vec<Tried>, Waiting) {
        let both = (0..count).map(|_| {
            let (reply, waiting) = oneshot::channel();
            ((reply, Ok(Outcome::Done)), waiting)
        });
        both.unzip()
    }

    fn told(waiting: Waiting) -> usize {
        let answers = waiting.into_iter().map(|mut it| it.try_recv());
        answers
            .filter(|answer| matches!(answer, Ok(Answer { outcome: Ok(_), .. })))
            .count()
    }

    #[test]
    fn all_are_told_by_whoever_is_told_first() {
        let (tried, mut waiting) = group(5);
        tell(tried);
        let mut last = waiting.pop().unwrap();
        assert!(waiting.iter_mut().all(|it| it.try_recv().is_err()));
        let outcome = last.try_recv().unwrap().into_outcome();
        assert!(matches!(outcome, Ok(Outcome::Done)));
        assert_eq!(told(waiting), 4);
    }

    #[test]
    fn all_are_told_although_the_first_went_away() {
        for is_told_before in [true, false] {
            let (tried, mut waiting) = group(5);
            let last = waiting.pop().unwrap();
            if is_told_before {
                tell(tried);
                drop(last);
            } else {
                drop(last);
                tell(tried);
            }
            assert_eq!(told(waiting), 4, "{is_told_before}");
        }
    }
}
