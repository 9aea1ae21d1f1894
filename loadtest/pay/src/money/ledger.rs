//! The books: every movement of money is one entry, and the balances are what the entries make.
//!
//! One mutex guards all accounts. A transfer touches two of them and a batch of balances a hundred,
//! each has to be one step, and a step takes well under a microsecond: far below what it costs to
//! read a request.
//!
//! At most `entries_max` entries are kept. Past that the oldest one is carried forward into the
//! opening balances, as at the end of a year: the books stay complete, only the detail goes, and
//! with it the memory of the entry's reference.

mod audit;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use self::audit::Audit;
use crate::clock::Timestamp;
use crate::decimal::Decimal;
use crate::ids::MemberId;
use crate::problem::Refusal;
use crate::seed::{CURRENCY, Seed};

#[derive(Debug)]
pub(crate) struct Ledger {
    books: Mutex<Books>,
    entries_max: usize,
}

/// What somebody wants to have booked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Transfer {
        from: MemberId,
        to: MemberId,
        amount: Decimal,
    },
    Charge {
        from: MemberId,
        amount: Decimal,
        reference: Option<Arc<str>>,
    },
    Reversal {
        reference: Arc<str>,
    },
}

/// What was booked. An end that is not a member is settlement.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    #[serde(serialize_with = "as_text")]
    entry_id: u64,
    kind: Kind,
    key: Arc<str>,
    from: Option<MemberId>,
    to: Option<MemberId>,
    amount: Decimal,
    currency: &'static str,
    reference: Option<Arc<str>>,
    at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Transfer,
    Charge,
    Reversal,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Balance {
    member_id: MemberId,
    amount: Decimal,
    currency: &'static str,
    /// One at first, and one more with every entry of the account.
    version: u64,
}

fn as_text<S: serde::Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

#[derive(Debug)]
struct Books {
    /// Of member `n` at place `n - 1`.
    accounts: Vec<Account>,
    settlement: Account,
    endowment: Decimal,
    entries: VecDeque<Entry>,
    carried: u64,
    references: HashMap<Arc<str>, Reference>,
}

#[derive(Debug, Default)]
struct Account {
    /// What the kept entries start from.
    opening: Decimal,
    balance: Decimal,
    version: u64,
}

#[derive(Clone, Debug)]
enum Reference {
    Charged { from: MemberId, amount: Decimal },
    Reversed,
}

impl Ledger {
    pub(crate) fn new(seed: &Seed, entries_max: usize) -> Self {
        let members = (1..=seed.sizes().members).map(MemberId::from_number);
        let accounts: Vec<Account> = members
            .map(|member| seed.opening_balance(member))
            .map(|opening| Account {
                balance: opening.clone(),
                opening,
                version: 1,
            })
            .collect();
        let endowment = sum(accounts.iter().map(|account| &account.balance));
        let books = Books {
            accounts,
            settlement: Account::default(),
            endowment,
            entries: VecDeque::new(),
            carried: 0,
            references: HashMap::new(),
        };
        Self {
            books: Mutex::new(books),
            entries_max,
        }
    }

    pub(crate) fn book(
        &self,
        order: &Order,
        key: &Arc<str>,
        at: Timestamp,
    ) -> Result<Entry, Refusal> {
        let mut books = self.books();
        let (kind, from, to, amount, reference) = books.judge(order)?;
        let entry_id = books.carried + books.entries.len() as u64 + 1;
        let (key, currency) = (Arc::clone(key), CURRENCY);
        let entry = Entry {
            entry_id,
            kind,
            key,
            from,
            to,
            amount,
            currency,
            reference,
            at,
        };
        books.enter(entry.clone())?;
        if books.entries.len() > self.entries_max {
            books.carry_oldest_forward();
        }
        Ok(entry)
    }

    /// The balances of those who have an account, all of the same moment.
    pub(crate) fn balances(&self, members: impl Iterator<Item = MemberId>) -> Vec<Balance> {
        let books = self.books();
        let found = members.filter_map(|member_id| {
            let account = books.accounts.get(place(member_id)?)?;
            let (amount, version) = (account.balance.clone(), account.version);
            Some(Balance {
                member_id,
                amount,
                currency: CURRENCY,
                version,
            })
        });
        found.collect()
    }

    /// The entries after one of them, oldest first.
    pub(crate) fn entries_after(&self, entry_id: u64, limit: usize) -> Vec<Entry> {
        let books = self.books();
        let known = entry_id.saturating_sub(books.carried);
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        books
            .entries
            .iter()
            .skip(known)
            .take(limit)
            .cloned()
            .collect()
    }

    pub(crate) fn entries_of_key(&self, key: &str, limit: usize) -> Vec<Entry> {
        let books = self.books();
        let entries = books.entries.iter().filter(|entry| &*entry.key == key);
        entries.take(limit).cloned().collect()
    }

    /// Books every kept entry again. Nothing else is booked meanwhile, so the answer is exact.
    pub(crate) fn audit(&self) -> Audit {
        Audit::of(&self.books())
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Kind, payer, payee, amount and reference of an entry that may be made.
type Judged = (
    Kind,
    Option<MemberId>,
    Option<MemberId>,
    Decimal,
    Option<Arc<str>>,
);

impl Books {
    fn judge(&self, order: &Order) -> Result<Judged, Refusal> {
        match order {
            Order::Transfer { from, to, amount } => {
                self.check_account(*from, "the payer")?;
                self.check_account(*to, "the payee")?;
                Ok((Kind::Transfer, Some(*from), Some(*to), amount.clone(), None))
            }
            Order::Charge {
                from,
                amount,
                reference,
            } => {
                self.check_account(*from, "the payer")?;
                match reference
                    .as_ref()
                    .and_then(|reference| self.references.get(reference))
                {
                    Some(Reference::Charged { .. }) => return Err(Refusal::ReferenceCharged),
                    Some(Reference::Reversed) => return Err(Refusal::ReferenceReversed),
                    None => {}
                }
                Ok((
                    Kind::Charge,
                    Some(*from),
                    None,
                    amount.clone(),
                    reference.clone(),
                ))
            }
            Order::Reversal { reference } => {
                let (to, amount) = match self.references.get(reference) {
                    Some(Reference::Charged { from, amount }) => (Some(*from), amount.clone()),
                    Some(Reference::Reversed) => return Err(Refusal::ReferenceReversed),
                    None => (None, Decimal::default()),
                };
                Ok((
                    Kind::Reversal,
                    None,
                    to,
                    amount,
                    Some(Arc::clone(reference)),
                ))
            }
        }
    }

    fn check_account(&self, member: MemberId, who: &'static str) -> Result<(), Refusal> {
        let found = place(member).and_then(|place| self.accounts.get(place));
        found.map(|_| ()).ok_or(Refusal::NoAccount(who))
    }

    fn enter(&mut self, entry: Entry) -> Result<(), Refusal> {
        let payer = self
            .account_mut(entry.from)
            .ok_or(Refusal::NoAccount("the payer"))?;
        payer.balance = payer
            .balance
            .minus(&entry.amount)
            .ok_or(Refusal::InsufficientFunds)?;
        payer.version += 1;
        if let Some(payee) = self.account_mut(entry.to) {
            payee.balance = payee.balance.plus(&entry.amount);
            payee.version += 1;
        }
        if let Some(reference) = entry.reference.clone() {
            let (from, amount) = (entry.from, entry.amount.clone());
            let charged = from.map(|from| Reference::Charged { from, amount });
            self.references
                .insert(reference, charged.unwrap_or(Reference::Reversed));
        }
        self.entries.push_back(entry);
        Ok(())
    }

    fn carry_oldest_forward(&mut self) {
        let Some(entry) = self.entries.pop_front() else {
            return;
        };
        self.carried += 1;
        if let Some(payer) = self.account_mut(entry.from) {
            // It was paid from this very balance when it was booked.
            let left = payer.opening.minus(&entry.amount);
            payer.opening = left.expect("invariant: the oldest entry was covered");
        }
        if let Some(payee) = self.account_mut(entry.to) {
            payee.opening = payee.opening.plus(&entry.amount);
        }
        let Some(reference) = entry.reference else {
            return;
        };
        let is_reversed = matches!(self.references.get(&reference), Some(Reference::Reversed));
        // The reversal of a charge is a later entry, which still needs the reference.
        if is_reversed == (entry.kind == Kind::Reversal) {
            self.references.remove(&reference);
        }
    }

    fn account_mut(&mut self, member: Option<MemberId>) -> Option<&mut Account> {
        match member {
            Some(member) => self.accounts.get_mut(place(member)?),
            None => Some(&mut self.settlement),
        }
    }
}

fn place(member: MemberId) -> Option<usize> {
    usize::try_from(member.number()).ok()?.checked_sub(1)
}

fn sum<'a>(amounts: impl Iterator<Item = &'a Decimal>) -> Decimal {
    amounts.fold(Decimal::default(), |sum, amount| sum.plus(amount))
}
