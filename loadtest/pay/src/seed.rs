//! The data the services start with: everything follows from one number and an index.
//!
//! Nothing but the senders of remittances is laid out in memory. A member, an account, a bank or a
//! remittance is worked out when it is asked for, so a service with millions of rows starts at
//! once, and two services that speak of the same member agree without having talked.

mod names;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::decimal::Decimal;
use crate::ids::{BankCode, MemberId, RemittanceId};

/// The one currency of the sample data.
pub(crate) const CURRENCY: &str = "USD";

/// 2023-01-01T00:00:00Z: no seeded moment is earlier.
const EPOCH: Timestamp = Timestamp::from_seconds(1_672_531_200);
const YEAR_SECONDS: u64 = 31_536_000;

/// How much data there is to start with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub members: u32,
    pub banks: u32,
    pub remittances: u32,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            members: 10_000,
            banks: 1_000,
            remittances: 200_000,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there can be {least} to {most} {what} to start with, not {given}")]
pub struct SizesError {
    what: &'static str,
    least: u32,
    most: u32,
    given: u32,
}

impl Sizes {
    pub(crate) fn check(self) -> Result<(), SizesError> {
        for (what, given, least, most) in [
            ("members", self.members, 1, 5_000_000),
            ("banks", self.banks, 1, 9_000),
            ("remittances", self.remittances, 0, 20_000_000),
        ] {
            if !(least..=most).contains(&given) {
                return Err(SizesError {
                    what,
                    least,
                    most,
                    given,
                });
            }
        }
        Ok(())
    }
}

/// The source of all that is there before anybody writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed {
    number: u64,
    sizes: Sizes,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Member {
    pub(crate) member_id: MemberId,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) phone: String,
    pub(crate) country: &'static str,
    pub(crate) status: Status,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    /// One at first, and one more with every change.
    pub(crate) version: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Active,
    Suspended,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Bank {
    pub(crate) bank_code: BankCode,
    pub(crate) name: String,
    pub(crate) country: String,
    pub(crate) changed_at: Timestamp,
    pub(crate) version: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Account {
    account_id: String,
    member_id: MemberId,
    pub(crate) bank_code: BankCode,
    number: String,
    currency: &'static str,
}

#[derive(Clone, Debug)]
pub(crate) struct SeededRemittance {
    pub(crate) receiver: MemberId,
    pub(crate) bank_code: BankCode,
    pub(crate) amount: Decimal,
    pub(crate) created_at: Timestamp,
    pub(crate) was_sent: bool,
}

/// What a random number is for: two purposes never see the same one.
#[derive(Clone, Copy)]
enum Purpose {
    Given = 1,
    Family,
    Phone,
    Country,
    Status,
    Joined,
    Accounts,
    AccountBank,
    AccountNumber,
    Bank,
    BankCountry,
    BankChanged,
    SenderCeiling,
    Sender,
    Receiver,
    ReceiverAccount,
    Amount,
    Precision,
    Outcome,
    Balance,
}

impl Seed {
    pub(crate) fn new(number: u64, sizes: Sizes) -> Self {
        Self { number, sizes }
    }

    pub(crate) fn sizes(&self) -> Sizes {
        self.sizes
    }

    pub(crate) fn has_member(&self, id: MemberId) -> bool {
        (1..=self.sizes.members).contains(&id.number())
    }

    pub(crate) fn member(&self, id: MemberId) -> Option<Member> {
        if !self.has_member(id) {
            return None;
        }
        let n = u64::from(id.number());
        let given = self.choose(Purpose::Given, n, &names::GIVEN);
        let family = self.choose(Purpose::Family, n, &names::FAMILY);
        let created_at = EPOCH.plus_seconds(self.below(Purpose::Joined, n, 31_536_000).into());
        // One member in fifty is suspended, never the first few, which examples and tests use.
        let is_suspended = n > 20 && self.below(Purpose::Status, n, 50) == 0;
        Some(Member {
            member_id: id,
            name: format!("{given} {family}"),
            email: format!("member-{n}@mail.example"),
            phone: format!("+1555{:07}", self.below(Purpose::Phone, n, 10_000_000)),
            country: self.choose(Purpose::Country, n, &names::COUNTRIES),
            status: if is_suspended {
                Status::Suspended
            } else {
                Status::Active
            },
            created_at,
            updated_at: created_at,
            version: 1,
        })
    }

    /// The bank accounts a member has registered: one to three.
    pub(crate) fn accounts(&self, member: MemberId) -> Vec<Account> {
        let count = 1 + self.below(Purpose::Accounts, member.number().into(), 3);
        (0..count)
            .map(|index| self.account(member, index))
            .collect()
    }

    fn account(&self, member: MemberId, index: u32) -> Account {
        let n = account_number(member, index);
        let number = self.below(Purpose::AccountNumber, n, 1_000_000_000);
        Account {
            account_id: format!("{member}-{}", index + 1),
            member_id: member,
            bank_code: self.bank_of_account(member, index),
            number: format!("{number:012}"),
            currency: CURRENCY,
        }
    }

    fn bank_of_account(&self, member: MemberId, index: u32) -> BankCode {
        let n = account_number(member, index);
        BankCode::from_number(1 + self.below(Purpose::AccountBank, n, self.sizes.banks))
    }

    pub(crate) fn banks(&self) -> impl Iterator<Item = Bank> {
        (1..=self.sizes.banks).map(|number| {
            let n = u64::from(number);
            let place = self.choose(Purpose::Bank, n, &names::FAMILY);
            let changed = self.below(Purpose::BankChanged, n, 31_536_000);
            Bank {
                bank_code: BankCode::from_number(number),
                name: format!("Bank of {place} No. {number}"),
                country: self
                    .choose(Purpose::BankCountry, n, &names::COUNTRIES)
                    .to_owned(),
                changed_at: EPOCH.plus_seconds(changed.into()),
                version: 1,
            }
        })
    }

    /// What is in a member's money account before the first transfer.
    pub(crate) fn opening_balance(&self, member: MemberId) -> Decimal {
        let n = u64::from(member.number());
        let cents = self.below(Purpose::Balance, n, 10_000_000) + 100_000;
        Decimal::with_fraction(u64::from(cents) / 100, u64::from(cents) % 100, 2)
    }

    /// Some members send much more than others, as people do.
    pub(crate) fn sender(&self, id: RemittanceId) -> MemberId {
        let ceiling = 1 + self.below(Purpose::SenderCeiling, id.number(), self.sizes.members);
        MemberId::from_number(1 + self.below(Purpose::Sender, id.number(), ceiling))
    }

    pub(crate) fn remittance(&self, id: RemittanceId) -> Option<SeededRemittance> {
        let n = id.number();
        if !(1..=u64::from(self.sizes.remittances)).contains(&n) {
            return None;
        }
        let receiver = 1 + self.below(Purpose::Receiver, n, self.sizes.members);
        let receiver = MemberId::from_number(receiver);
        let count = 1 + self.below(Purpose::Accounts, receiver.number().into(), 3);
        let account = self.below(Purpose::ReceiverAccount, n, count);
        let elapsed = YEAR_SECONDS * n / u64::from(self.sizes.remittances);
        Some(SeededRemittance {
            receiver,
            bank_code: self.bank_of_account(receiver, account),
            amount: self.amount(n),
            created_at: EPOCH.plus_seconds(YEAR_SECONDS + elapsed),
            was_sent: self.below(Purpose::Outcome, n, 100) != 0,
        })
    }

    /// Mostly cents; one amount in a hundred has more digits than a float can hold.
    fn amount(&self, n: u64) -> Decimal {
        let units = u64::from(self.below(Purpose::Amount, n, 5_000));
        let precise = self.random(Purpose::Precision, n);
        if precise.is_multiple_of(100) {
            Decimal::with_fraction(units * 1_000_000_007, precise / 20, 18)
        } else {
            Decimal::with_fraction(units, precise % 99 + 1, 2)
        }
    }

    fn choose(&self, purpose: Purpose, n: u64, from: &[&'static str]) -> &'static str {
        let count = u32::try_from(from.len()).unwrap_or(u32::MAX);
        let index = self.below(purpose, n, count) as usize;
        from.get(index)
            .expect("invariant: the index is below the length")
    }

    fn below(&self, purpose: Purpose, n: u64, bound: u32) -> u32 {
        below(self.random(purpose, n), bound)
    }

    fn random(&self, purpose: Purpose, n: u64) -> u64 {
        random(self.number ^ ((purpose as u64) << 56), n)
    }
}

/// Which of all accounts it is: a member has up to three.
fn account_number(member: MemberId, index: u32) -> u64 {
    u64::from(member.number()) * 4 + u64::from(index)
}

/// The `n`th number of the sequence `seed`: splitmix64, which can be entered at any place.
pub(crate) fn random(seed: u64, n: u64) -> u64 {
    let mut z = seed.wrapping_add(n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Scales a random number to `0..bound`.
pub(crate) fn below(random: u64, bound: u32) -> u32 {
    let scaled = (u128::from(random) * u128::from(bound)) >> 64;
    u32::try_from(scaled).unwrap_or(0)
}
