//! When do the halves of the journal take turns, and what if the database refuses?
//!
//! What one half holds is filed while the other takes frames. If nothing can be filed, because the disk
//! is full or fails, writing goes on until that half is full too; then nothing is written until there
//! is room. Nothing is lost by it: all that was acknowledged lies in the journal, and in memory.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use idp_token::time::BootTime;

use super::{FRAME_BYTES_MAX, PAUSE, Writer, half_bytes};
use crate::clock;
use crate::store::journal::{self, Journal};
use crate::store::layers::Filed;
use crate::store::layout;
use crate::store::reading::Snapshot;
use crate::store::recent::Recent;
use crate::store::volume::{Refused, failed};

impl Writer {
    /// Shows what was committed, before anybody is told.
    pub(super) fn show(&self, wrote_hot: bool) {
        let layers = self.layers.clone();
        self.volume.show(|sealing, before| {
            let hot = before.filter(|_| !wrote_hot);
            let hot = hot.map_or_else(Arc::default, |before| Arc::clone(before.hot()));
            Snapshot::new(layers, sealing, hot)
        });
    }

    /// Makes sure that there is room for a frame.
    pub(super) fn make_way(&mut self) -> Result<(), Refused> {
        self.volume.check_room()?;
        let Some(journal) = &self.journal else {
            let begun = self.begin_journal();
            return self.note(begun);
        };
        if !self.is_held && journal.room() >= FRAME_BYTES_MAX {
            return Ok(());
        }
        while self.layers.filing.is_some() {
            self.look_after_filing(PAUSE)?;
        }
        match &self.journal {
            Some(journal) if journal.room() >= FRAME_BYTES_MAX => Ok(()),
            Some(_) | None => self.turn(),
        }
    }

    fn begin_journal(&mut self) -> Result<(), Refused> {
        // The same at every attempt: the database may name it although it seemed to fail.
        let id = match self.journal_id {
            Some(id) => id,
            None => *self
                .journal_id
                .insert(journal::draw().map_err(Refused::journal)?),
        };
        let half_bytes = half_bytes(self.volume.options());
        let journal = Journal::create(&self.store, id, half_bytes).map_err(Refused::journal)?;
        // From here on the store is not opened without it.
        self.volume
            .with(|database| layout::name_journal(database, Some(id)).map_err(failed))?;
        self.journal = Some(journal);
        Ok(())
    }

    /// Between groups.
    pub(super) fn keep_filing(&mut self) {
        // An error is told to whoever needs the room.
        let looked = self.look_after_filing(Duration::ZERO);
        let is_due = self.layers.filing.is_none()
            && !self.layers.recent.is_empty()
            && since(self.since) >= self.volume.options().file_after;
        if looked.is_ok() && is_due {
            let _ = self.turn();
        }
    }

    /// The other half takes frames from now on, and what this one holds is filed. Only while nothing
    /// else is.
    fn turn(&mut self) -> Result<(), Refused> {
        if let Some(journal) = &mut self.journal {
            journal.turn().map_err(Refused::journal)?;
        }
        if !self.layers.recent.is_empty() {
            // As many will come again, most likely.
            let next = Recent::like(&self.layers.recent);
            self.layers.filing = Some(mem::replace(&mut self.layers.recent, Arc::new(next)));
            self.filing_to = self.layers.moment;
            self.show(false);
            self.begin_filing();
        }
        Ok(())
    }

    fn begin_filing(&mut self) {
        if let Some(recent) = &self.layers.filing
            && !self.is_filing
        {
            self.is_filing = true;
            self.filing.begin(Arc::clone(recent), self.filing_to);
        }
    }

    /// Takes note of what became of what is being filed.
    fn look_after_filing(&mut self, patience: Duration) -> Result<(), Refused> {
        if let Some((failed_at, refused)) = &self.failed {
            if since(*failed_at) < PAUSE {
                return Err(refused.clone());
            }
            self.failed = None;
        }
        if self.layers.filed.is_none() {
            self.volume.reopen();
            let opened = self.read_filed();
            self.note(opened)?;
        }
        self.begin_filing();
        if !self.is_filing {
            return Ok(());
        }
        let Some(outcome) = self.filing.outcome(patience) else {
            return Ok(());
        };
        self.is_filing = false;
        let reading = outcome.and_then(|()| self.volume.begin_read());
        let done = reading.and_then(Filed::new).map(|filed| {
            self.layers.filed = Some(Arc::new(filed));
            let filed = self.layers.filing.take();
            self.is_held = false;
            self.show(false);
            if let Some(filed) = filed {
                self.filing.let_go(filed);
            }
        });
        self.note(done)
    }

    fn read_filed(&mut self) -> Result<(), Refused> {
        let filed = self.volume.begin_read().and_then(Filed::new)?;
        self.layers.filed = Some(Arc::new(filed));
        self.show(true);
        Ok(())
    }

    fn note(&mut self, done: Result<(), Refused>) -> Result<(), Refused> {
        if let Err(refused) = &done {
            if self.failed.is_none() {
                let error = refused as &dyn std::error::Error;
                tracing::error!(error, "what was acknowledged stays in the journal for now");
            }
            self.recover(refused);
            self.failed = Some((clock::boot(), refused.clone()));
        }
        done
    }

    /// The database answers nothing after an error until it is opened again.
    pub(super) fn recover(&mut self, refused: &Refused) {
        if !matches!(refused, Refused::Failed(_)) {
            return;
        }
        // The old one first: its buffers must not outlive it.
        self.layers.filed = None;
        self.show(true);
        self.volume.reopen();
        if let Err(refused) = self.read_filed() {
            let error = &refused as &dyn std::error::Error;
            tracing::error!(error, "the database of the store cannot be read yet");
        }
    }

    /// Files everything, so that the database alone is the store.
    pub(super) fn end(&mut self) {
        if let Err(refused) = self.file_all() {
            let error = &refused as &dyn std::error::Error;
            tracing::warn!(error, "what is in the journal is filed with the next start");
        }
    }

    fn file_all(&mut self) -> Result<(), Refused> {
        loop {
            while self.layers.filing.is_some() {
                self.look_after_filing(PAUSE)?;
            }
            if self.layers.recent.is_empty() {
                break;
            }
            self.turn()?;
        }
        let Some(journal) = self.journal.take() else {
            return Ok(());
        };
        self.volume
            .with(|database| layout::name_journal(database, None).map_err(failed))?;
        journal.remove().map_err(Refused::journal)
    }
}

pub(super) fn since(moment: BootTime) -> Duration {
    clock::boot().0.saturating_sub(moment.0)
}
