//! The books: every movement of money is one entry, and the balances are what the entries make.
//!
//! One mutex guards all accounts. A transfer touches two of them and a batch of balances a hundred,
//! each has to be one step, and a step takes well under a microsecond: far below what it costs to
//! read a request.
//!
//! At most `entries_max` entries are kept. Past that the oldest one is carried forward into the
//! opening balances, as at the end of a year: the books stay complete, only the detail goes, and
//! with it the memory of the entry's reference.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::clock::Timestamp;
use crate::decimal::Decimal;
use crate::ids::MemberId;
use crate::problem::Refusal;
use crate::seed::{CURRENCY, Seed};

/// How much of what is wrong an audit lists.
const FINDINGS_MAX: usize = 100;

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

/// What an auditor finds who books everything again from the opening balances.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Audit {
    /// Nothing was created, lost or executed twice.
    balanced: bool,
    /// What was there at the start, in all accounts together.
    endowment: Decimal,
    /// What is there now, settlement included.
    total: Decimal,
    settlement: Decimal,
    entries: usize,
    carried: u64,
    wrong_balances: Vec<MemberId>,
    repeated_keys: Vec<Arc<str>>,
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
        self.books().audit()
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
            payer.opening = payer.opening.minus(&entry.amount).unwrap_or_default();
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

    fn audit(&self) -> Audit {
        let mut rebooked = Rebooked::new(self);
        let mut keys = HashSet::new();
        let mut repeated = Vec::new();
        for entry in &self.entries {
            rebooked.enter(entry);
            if !keys.insert(&entry.key) && repeated.len() < FINDINGS_MAX {
                repeated.push(Arc::clone(&entry.key));
            }
        }
        let wrong_balances = rebooked.wrong(self);
        let balances = self.accounts.iter().map(|account| &account.balance);
        let total = sum(balances).plus(&self.settlement.balance);
        let is_settled = rebooked.settlement.as_ref() == Some(&self.settlement.balance);
        let is_sound = wrong_balances.is_empty() && repeated.is_empty() && is_settled;
        Audit {
            balanced: is_sound && total == self.endowment,
            endowment: self.endowment.clone(),
            total,
            settlement: self.settlement.balance.clone(),
            entries: self.entries.len(),
            carried: self.carried,
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

fn place(member: MemberId) -> Option<usize> {
    usize::try_from(member.number()).ok()?.checked_sub(1)
}

fn sum<'a>(amounts: impl Iterator<Item = &'a Decimal>) -> Decimal {
    amounts.fold(Decimal::default(), |sum, amount| sum.plus(amount))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Sizes;

    fn ledger(entries_max: usize) -> Ledger {
        let sizes = Sizes {
            members: 3,
            banks: 1,
            remittances: 0,
        };
        Ledger::new(&Seed::new(1, sizes), entries_max)
    }

    fn member(number: u32) -> MemberId {
        MemberId::from_number(number)
    }

    fn book(ledger: &Ledger, key: &str, order: &Order) -> Result<Entry, Refusal> {
        ledger.book(order, &key.into(), Timestamp::default())
    }

    fn transfer(from: u32, to: u32, amount: &str) -> Order {
        let amount = amount.parse().unwrap();
        Order::Transfer {
            from: member(from),
            to: member(to),
            amount,
        }
    }

    fn charge(amount: &str, reference: &str) -> Order {
        let (amount, reference) = (amount.parse().unwrap(), Some(reference.into()));
        Order::Charge {
            from: member(1),
            amount,
            reference,
        }
    }

    fn reversal(reference: &str) -> Order {
        Order::Reversal {
            reference: reference.into(),
        }
    }

    fn amount(ledger: &Ledger, number: u32) -> Decimal {
        let balances = ledger.balances(std::iter::once(member(number)));
        balances.first().unwrap().amount.clone()
    }

    #[test]
    fn the_last_cent_can_be_spent_and_not_one_more() {
        let ledger = ledger(10);
        let all = amount(&ledger, 1);
        let more = all.plus(&"0.000000000000000000000000000001".parse().unwrap());
        let order = Order::Transfer {
            from: member(1),
            to: member(2),
            amount: more,
        };
        assert_eq!(
            book(&ledger, "a", &order).unwrap_err(),
            Refusal::InsufficientFunds
        );
        let order = Order::Transfer {
            from: member(1),
            to: member(2),
            amount: all,
        };
        assert!(book(&ledger, "b", &order).is_ok());
        assert!(amount(&ledger, 1).is_zero());
        assert!(ledger.audit().balanced);
    }

    #[test]
    fn an_account_that_does_not_exist_takes_and_gives_nothing() {
        let ledger = ledger(10);
        for order in [
            transfer(4, 1, "1"),
            transfer(1, 4, "1"),
            transfer(0, 1, "1"),
        ] {
            assert!(matches!(
                book(&ledger, "a", &order),
                Err(Refusal::NoAccount(_))
            ));
        }
        let audit = ledger.audit();
        assert!(audit.balanced && audit.entries == 0);
    }

    #[test]
    fn a_reversal_gives_back_what_was_charged_and_bars_what_was_not() {
        let ledger = ledger(10);
        let before = amount(&ledger, 1);
        book(&ledger, "a", &charge("7.5", "r-1")).unwrap();
        assert_eq!(
            book(&ledger, "b", &charge("7.5", "r-1")).unwrap_err(),
            Refusal::ReferenceCharged
        );
        assert_eq!(
            book(&ledger, "c", &reversal("r-1"))
                .unwrap()
                .amount
                .to_string(),
            "7.50"
        );
        assert_eq!(
            book(&ledger, "d", &reversal("r-1")).unwrap_err(),
            Refusal::ReferenceReversed
        );
        assert_eq!(amount(&ledger, 1), before);

        book(&ledger, "e", &reversal("r-2")).unwrap();
        assert_eq!(
            book(&ledger, "f", &charge("1", "r-2")).unwrap_err(),
            Refusal::ReferenceReversed
        );
        assert_eq!(amount(&ledger, 1), before);
        assert!(ledger.audit().balanced);
    }

    #[test]
    fn the_books_stay_complete_when_old_entries_are_carried_forward() {
        let ledger = ledger(2);
        book(&ledger, "a", &charge("1", "r-1")).unwrap();
        book(&ledger, "b", &reversal("r-1")).unwrap();
        book(&ledger, "c", &transfer(1, 2, "3")).unwrap();
        assert_eq!(
            book(&ledger, "d", &charge("1", "r-1")).unwrap_err(),
            Refusal::ReferenceReversed
        );
        book(&ledger, "e", &transfer(2, 3, "4")).unwrap();
        book(&ledger, "f", &transfer(3, 1, "5")).unwrap();
        let audit = ledger.audit();
        assert!(audit.balanced, "{audit:?}");
        assert_eq!((audit.entries, audit.carried), (2, 3));
        assert!(ledger.books().references.is_empty());
        let ids = |after| {
            ledger
                .entries_after(after, 9)
                .iter()
                .map(|e| e.entry_id)
                .collect::<Vec<_>>()
        };
        assert_eq!((ids(0), ids(4), ids(5)), (vec![4, 5], vec![5], vec![]));
    }

    #[test]
    fn an_audit_sees_a_wrong_balance_and_a_key_that_was_executed_twice() {
        let ledger = ledger(10);
        book(&ledger, "a", &transfer(1, 2, "3")).unwrap();
        book(&ledger, "a", &transfer(1, 2, "3")).unwrap();
        let audit = ledger.audit();
        assert!(!audit.balanced);
        assert_eq!(audit.repeated_keys, ["a".into()]);

        ledger.books().accounts.get_mut(2).unwrap().balance = "1".parse().unwrap();
        assert_eq!(ledger.audit().wrong_balances, [member(3)]);
    }
}
