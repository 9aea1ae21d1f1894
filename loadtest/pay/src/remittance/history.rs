//! Every remittance there is: the seeded ones, worked out when asked for, and those made since.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::clock::Timestamp;
use crate::decimal::Decimal;
use crate::ids::{BankCode, MemberId, RemittanceId};
use crate::problem::Refusal;
use crate::remittance::Wish;
use crate::request::{self, Page};
use crate::seed::{CURRENCY, Seed};

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Remittance {
    pub(crate) remittance_id: RemittanceId,
    sender_id: MemberId,
    receiver_id: MemberId,
    bank_code: BankCode,
    amount: Decimal,
    currency: &'static str,
    pub(crate) state: State,
    created_at: Timestamp,
    sent_at: Option<Timestamp>,
}

/// How far a remittance has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// Nothing has been taken from the sender yet.
    Pending,
    /// The sender has paid.
    Charged,
    /// The bank has it. The end, as it should be.
    Sent,
    /// It cannot be sent, and what was taken has still to be given back.
    Compensating,
    /// It could not be sent, and the sender has the money again. The end.
    Compensated,
    /// It could not be sent, and nothing was taken. The end.
    Failed,
}

#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    items: Vec<Remittance>,
    next: Option<String>,
}

#[derive(Debug)]
pub(crate) struct History {
    seed: Seed,
    /// The seeded remittances of member `n` at place `n - 1`, oldest first.
    seeded: Vec<Vec<u32>>,
    made: Mutex<Made>,
    made_max: usize,
}

#[derive(Debug, Default)]
struct Made {
    remittances: Vec<Remittance>,
    by_sender: HashMap<MemberId, Vec<RemittanceId>>,
}

impl History {
    pub(crate) fn new(seed: Seed, made_max: usize) -> Self {
        let sizes = seed.sizes();
        let mut seeded = vec![Vec::new(); sizes.members as usize];
        for number in 1..=sizes.remittances {
            let sender = seed.sender(RemittanceId::from_number(number.into()));
            if let Some(sent) = seeded.get_mut(sender.number() as usize - 1) {
                sent.push(number);
            }
        }
        Self {
            seed,
            seeded,
            made: Mutex::default(),
            made_max,
        }
    }

    pub(crate) fn make(&self, wish: &Wish, now: Timestamp) -> Result<Remittance, Refusal> {
        let mut made = self.made();
        if made.remittances.len() >= self.made_max {
            return Err(Refusal::StoreFull);
        }
        let number = self.seeded_count() + made.remittances.len() as u64 + 1;
        let remittance_id = RemittanceId::from_number(number);
        let remittance = Remittance {
            remittance_id,
            sender_id: wish.sender_id,
            receiver_id: wish.receiver_id,
            bank_code: wish.bank_code.clone(),
            amount: wish.amount.clone(),
            currency: CURRENCY,
            state: State::Pending,
            created_at: now,
            sent_at: None,
        };
        made.remittances.push(remittance.clone());
        made.by_sender
            .entry(wish.sender_id)
            .or_default()
            .push(remittance_id);
        Ok(remittance)
    }

    /// Moves a remittance on and returns what it is now.
    pub(crate) fn advance(
        &self,
        id: RemittanceId,
        to: State,
        now: Timestamp,
    ) -> Option<Remittance> {
        let mut made = self.made();
        let place = self.place(id)?;
        let remittance = made.remittances.get_mut(place)?;
        remittance.state = to;
        remittance.sent_at = (to == State::Sent).then_some(now);
        Some(remittance.clone())
    }

    pub(crate) fn find(&self, id: RemittanceId) -> Option<Remittance> {
        match self.place(id) {
            Some(place) => self.made().remittances.get(place).cloned(),
            None => self.seeded(id),
        }
    }

    /// What a member sent, newest first. Newer remittances come before the first page and move
    /// nothing on the later ones.
    pub(crate) fn page(&self, sender: MemberId, page: Page) -> Listed {
        let before = page.after.unwrap_or(u64::MAX);
        let wanted = page.limit + 1;
        let mut items = self.made_before(sender, before, wanted);
        let place = (sender.number() as usize).wrapping_sub(1);
        let seeded = self.seeded.get(place).map_or(&[][..], Vec::as_slice);
        let end = seeded.partition_point(|number| u64::from(*number) < before);
        let older = seeded.iter().take(end).rev().take(wanted - items.len());
        let older = older.map(|number| RemittanceId::from_number(u64::from(*number)));
        items.extend(older.filter_map(|id| self.seeded(id)));

        let has_more = items.len() > page.limit;
        items.truncate(page.limit);
        let last = items
            .last()
            .map(|last| request::cursor(last.remittance_id.number()));
        Listed {
            items,
            next: last.filter(|_| has_more),
        }
    }

    fn made_before(&self, sender: MemberId, before: u64, wanted: usize) -> Vec<Remittance> {
        let made = self.made();
        let ids = made.by_sender.get(&sender).map_or(&[][..], Vec::as_slice);
        let end = ids.partition_point(|id| id.number() < before);
        let newest = ids.iter().take(end).rev().take(wanted);
        let rows = newest.filter_map(|id| made.remittances.get(self.place(*id)?));
        rows.cloned().collect()
    }

    fn seeded(&self, id: RemittanceId) -> Option<Remittance> {
        let seeded = self.seed.remittance(id)?;
        let state = if seeded.was_sent {
            State::Sent
        } else {
            State::Compensated
        };
        Some(Remittance {
            remittance_id: id,
            sender_id: self.seed.sender(id),
            receiver_id: seeded.receiver,
            bank_code: seeded.bank_code,
            amount: seeded.amount,
            currency: CURRENCY,
            state,
            created_at: seeded.created_at,
            sent_at: seeded.was_sent.then(|| seeded.created_at.plus_seconds(1)),
        })
    }

    /// Where a remittance that was made since is kept; nothing for a seeded one.
    fn place(&self, id: RemittanceId) -> Option<usize> {
        let place = id.number().checked_sub(self.seeded_count() + 1)?;
        usize::try_from(place).ok()
    }

    fn seeded_count(&self) -> u64 {
        self.seed.sizes().remittances.into()
    }

    fn made(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
