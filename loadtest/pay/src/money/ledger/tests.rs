//! The books by hand: what is refused, what is given back, what an audit sees.

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
