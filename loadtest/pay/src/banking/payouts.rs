//! What was paid out for remittances, and what never will be.
//!
//! A payout is named by its remittance, so asking twice pays once. A cancelled payout stays
//! cancelled: a request to pay that was under way when it was cancelled comes too late. An answer
//! with an error status means that nothing was paid out; only a missing answer leaves it open.
//!
//! At most `payouts_max` are remembered, the oldest are forgotten first.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;
use crate::ids::{BankCode, MemberId, RemittanceId};
use crate::problem::Refusal;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Payout {
    pub(crate) receiver_id: MemberId,
    pub(crate) bank_code: BankCode,
    pub(crate) amount: Decimal,
    pub(crate) currency: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum PayoutState {
    Accepted,
    Cancelled,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PayoutView {
    remittance_id: RemittanceId,
    state: PayoutState,
    payout: Option<Payout>,
}

#[derive(Debug)]
pub(crate) struct Payouts {
    known: Mutex<Known>,
    payouts_max: usize,
}

#[derive(Debug, Default)]
struct Known {
    by_remittance: HashMap<RemittanceId, (PayoutState, Option<Payout>)>,
    /// Oldest first.
    order: VecDeque<RemittanceId>,
}

impl Payouts {
    pub(crate) fn new(payouts_max: usize) -> Self {
        Self {
            known: Mutex::default(),
            payouts_max,
        }
    }

    pub(crate) fn accept(&self, id: RemittanceId, payout: Payout) -> Result<PayoutView, Refusal> {
        let mut known = self.known();
        match known.by_remittance.entry(id) {
            Entry::Occupied(entry) => match entry.get() {
                (PayoutState::Cancelled, _) => return Err(Refusal::PayoutCancelled),
                (PayoutState::Accepted, Some(accepted)) if *accepted == payout => {}
                (PayoutState::Accepted, _) => return Err(Refusal::PayoutDiffers),
            },
            Entry::Vacant(entry) => {
                entry.insert((PayoutState::Accepted, Some(payout.clone())));
                known.order.push_back(id);
            }
        }
        known.forget_beyond(self.payouts_max);
        Ok(PayoutView::accepted(id, payout))
    }

    pub(crate) fn cancel(&self, id: RemittanceId) -> PayoutView {
        let mut known = self.known();
        let payout = match known.by_remittance.entry(id) {
            Entry::Occupied(mut entry) => {
                entry.get_mut().0 = PayoutState::Cancelled;
                entry.get().1.clone()
            }
            Entry::Vacant(entry) => {
                entry.insert((PayoutState::Cancelled, None));
                known.order.push_back(id);
                None
            }
        };
        known.forget_beyond(self.payouts_max);
        PayoutView {
            remittance_id: id,
            state: PayoutState::Cancelled,
            payout,
        }
    }

    pub(crate) fn find(&self, id: RemittanceId) -> Option<PayoutView> {
        let known = self.known();
        let (state, payout) = known.by_remittance.get(&id)?;
        Some(PayoutView {
            remittance_id: id,
            state: *state,
            payout: payout.clone(),
        })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PayoutView {
    pub(super) fn accepted(id: RemittanceId, payout: Payout) -> Self {
        Self {
            remittance_id: id,
            state: PayoutState::Accepted,
            payout: Some(payout),
        }
    }
}

impl Known {
    fn forget_beyond(&mut self, payouts_max: usize) {
        while self.order.len() > payouts_max {
            let oldest = self.order.pop_front();
            oldest.and_then(|id| self.by_remittance.remove(&id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payout(amount: &str) -> Payout {
        Payout {
            receiver_id: MemberId::from_number(1),
            bank_code: BankCode::from_number(1),
            amount: amount.parse().unwrap(),
            currency: "USD".to_owned(),
        }
    }

    #[test]
    fn a_payout_is_made_once_and_never_after_it_was_cancelled() {
        let (payouts, id) = (Payouts::new(10), RemittanceId::from_number(1));
        assert!(payouts.accept(id, payout("1")).is_ok());
        assert!(payouts.accept(id, payout("1.00")).is_ok());
        assert_eq!(
            payouts.accept(id, payout("2")).unwrap_err(),
            Refusal::PayoutDiffers
        );
        assert_eq!(payouts.cancel(id).state, PayoutState::Cancelled);
        assert_eq!(
            payouts.accept(id, payout("1")).unwrap_err(),
            Refusal::PayoutCancelled
        );

        let late = RemittanceId::from_number(2);
        payouts.cancel(late);
        assert_eq!(
            payouts.accept(late, payout("1")).unwrap_err(),
            Refusal::PayoutCancelled
        );
    }

    #[test]
    fn the_oldest_payout_is_forgotten_past_the_limit() {
        let payouts = Payouts::new(2);
        for number in 1..=3 {
            payouts
                .accept(RemittanceId::from_number(number), payout("1"))
                .unwrap();
        }
        assert!(payouts.find(RemittanceId::from_number(1)).is_none());
        assert!(payouts.find(RemittanceId::from_number(2)).is_some());
    }
}
