//! Whether the books are right, found out by booking everything once more.

use std::collections::HashSet;
use std::sync::Arc;

use serde::Serialize;

use super::{Books, Entry, place, sum};
use crate::decimal::Decimal;
use crate::ids::MemberId;

/// How much of what is wrong an audit lists.
const FINDINGS_MAX: usize = 100;

/// What an auditor finds who books everything again from the opening balances.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Audit {
    /// Nothing was created, lost or executed twice.
    pub(super) balanced: bool,
    /// What was there at the start, in all accounts together.
    endowment: Decimal,
    /// What is there now, settlement included.
    total: Decimal,
    settlement: Decimal,
    pub(super) entries: usize,
    pub(super) carried: u64,
    pub(super) wrong_balances: Vec<MemberId>,
    pub(super) repeated_keys: Vec<Arc<str>>,
}

impl Audit {
    pub(super) fn of(books: &Books) -> Self {
        let mut rebooked = Rebooked::new(books);
        let mut keys = HashSet::new();
        let mut repeated = Vec::new();
        for entry in &books.entries {
            rebooked.enter(entry);
            if !keys.insert(&entry.key) && repeated.len() < FINDINGS_MAX {
                repeated.push(Arc::clone(&entry.key));
            }
        }
        let wrong_balances = rebooked.wrong(books);
        let balances = books.accounts.iter().map(|account| &account.balance);
        let total = sum(balances).plus(&books.settlement.balance);
        let is_settled = rebooked.settlement.as_ref() == Some(&books.settlement.balance);
        let is_sound = wrong_balances.is_empty() && repeated.is_empty() && is_settled;
        Self {
            balanced: is_sound && total == books.endowment,
            endowment: books.endowment.clone(),
            total,
            settlement: books.settlement.balance.clone(),
            entries: books.entries.len(),
            carried: books.carried,
            wrong_balances,
            repeated_keys: repeated,
        }
    }
}

/// The balances as the entries make them; nothing where they would have gone below zero.
struct Rebooked {
    accounts: Vec<Option<Decimal>>,
    settlement: Option<Decimal>,
}

impl Rebooked {
    fn new(books: &Books) -> Self {
        let accounts = books
            .accounts
            .iter()
            .map(|account| Some(account.opening.clone()));
        Self {
            accounts: accounts.collect(),
            settlement: Some(books.settlement.opening.clone()),
        }
    }

    fn enter(&mut self, entry: &Entry) {
        if let Some(payer) = self.account_mut(entry.from) {
            *payer = payer
                .as_ref()
                .and_then(|balance| balance.minus(&entry.amount));
        }
        if let Some(payee) = self.account_mut(entry.to) {
            *payee = payee.as_ref().map(|balance| balance.plus(&entry.amount));
        }
    }

    fn account_mut(&mut self, member: Option<MemberId>) -> Option<&mut Option<Decimal>> {
        match member {
            Some(member) => self.accounts.get_mut(place(member)?),
            None => Some(&mut self.settlement),
        }
    }

    fn wrong(&self, books: &Books) -> Vec<MemberId> {
        let pairs = (1..).zip(self.accounts.iter().zip(&books.accounts));
        let wrong = pairs.filter(|(_, (rebooked, kept))| rebooked.as_ref() != Some(&kept.balance));
        wrong
            .map(|(number, _)| MemberId::from_number(number))
            .take(FINDINGS_MAX)
            .collect()
    }
}
