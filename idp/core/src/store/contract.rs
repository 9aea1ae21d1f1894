//! Does a store do what the port promises?
//!
//! `hold` is for the tests of an adapter. It runs in any runtime, on a store that is empty, and
//! fails with a panic that says which promise was broken. What it cannot see is durability: that
//! needs a process that is killed.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::slice;
use std::task::Poll;

use idp_token::session::SessionId;
use idp_token::time::UnixSeconds;

use super::{CommitError, Key, Kind, Range, Store, Stored, Transaction, Version};
use crate::change::Target;
use crate::id::{ClientId, Generation, TenantId, UserId, Username};
use crate::record::{Consent, NameOf, Record, Tenant};
use crate::scope::Scopes;
use crate::view::View;

const NOW: UnixSeconds = UnixSeconds(1000);
const RACERS: u64 = 16;

/// All promises, one after the other.
pub async fn hold<S: Store>(store: &S) {
    an_empty_store_holds_nothing(store).await;
    what_was_put_is_read_with_a_version_of_its_own(store).await;
    a_conflict_writes_nothing(store).await;
    what_a_decision_only_read_must_still_hold(store).await;
    a_removed_record_comes_back_as_another(store).await;
    rows_are_numbered_as_they_are_committed_and_leave_when_settled(store).await;
    the_latest_use_wins_in_any_order(store).await;
    a_range_is_walked_in_the_order_of_its_keys(store).await;
    the_names_of_a_tenant_and_the_consents_of_a_person_lie_together(store).await;
    of_those_who_race_one_wins(store).await;
}

/// A transaction for tests that the contract cannot make, such as of what a killed process leaves:
/// it writes one record over what the view shows, and announces a change if there was one.
pub fn write_tenant(view: &View, name: &str, generation: u64) -> Transaction {
    let mut transaction = Transaction::of(view);
    transaction.put(view, tenant(name, generation), NOW);
    transaction
}

/// The same of many that are not there.
pub fn write_tenants<'n>(names: impl IntoIterator<Item = &'n str>, generation: u64) -> Transaction {
    let mut transaction = Transaction::blank();
    for name in names {
        transaction.put(&View::default(), tenant(name, generation), NOW);
    }
    transaction
}

fn tenant(name: &str, generation: u64) -> Record {
    Record::Tenant(Tenant {
        id: TenantId::parse(name).expect("invariant: tests name tenants well"),
        is_enabled: true,
        generation: Generation(generation),
    })
}

async fn view_of<S: Store>(store: &S, keys: &[Key]) -> View {
    let stored = store.read(keys).await.expect("a read");
    assert_eq!(stored.len(), keys.len(), "one answer for each key");
    let mut view = View::default();
    view.add(keys.to_vec(), stored);
    view
}

async fn find<S: Store>(store: &S, record: &Record) -> Option<Stored> {
    let found = store.read(&[record.key()]).await.expect("a read");
    found.into_iter().next().flatten()
}

/// Over whatever is there.
async fn put<S: Store>(store: &S, record: &Record) -> Version {
    let view = view_of(store, &[record.key()]).await;
    let mut transaction = Transaction::of(&view);
    transaction.put(&view, record.clone(), NOW);
    store.commit(transaction).await.expect("a commit");
    let stored = find(store, record).await.expect("what was put");
    assert_eq!(stored.record.encode(), record.encode(), "as it was put");
    stored.version
}

fn assert_conflict(outcome: &Result<(), CommitError>, when: &str) {
    assert!(
        matches!(outcome, Err(CommitError::Conflict)),
        "{when}: {outcome:?}"
    );
}

async fn an_empty_store_holds_nothing<S: Store>(store: &S) {
    let keys = [Key::Realm, Key::Relay];
    let found = store.read(&keys).await.expect("a read");
    assert!(matches!(found.as_slice(), [None, None]), "{found:?}");
    assert!(store.read(&[]).await.expect("a read").is_empty());
    assert!(store.outbox(9).await.expect("an outbox").is_empty());
    let range = Range::of(Kind::Tenant);
    assert!(
        store
            .scan(&range, None, 9)
            .await
            .expect("a scan")
            .is_empty()
    );
}

async fn what_was_put_is_read_with_a_version_of_its_own<S: Store>(store: &S) {
    let first = put(store, &tenant("a", 1)).await;
    let second = put(store, &tenant("a", 1)).await;
    assert!(second > first, "a write of the same bytes is a write");

    let keys = [Key::Realm, tenant("a", 0).key(), tenant("b", 0).key()];
    let found = store.read(&keys).await.expect("a read");
    assert!(
        matches!(found.as_slice(), [None, Some(_), None]),
        "in the order asked for"
    );
}

async fn a_conflict_writes_nothing<S: Store>(store: &S) {
    let stale = view_of(store, &[tenant("a", 0).key()]).await;
    let version = put(store, &tenant("a", 2)).await;
    let rows = store.outbox(99).await.expect("an outbox");

    let mut transaction = Transaction::of(&stale);
    transaction.put(&stale, tenant("new", 1), NOW);
    transaction.put(&stale, tenant("a", 3), NOW);
    assert!(!transaction.changes().is_empty());
    assert_conflict(&store.commit(transaction).await, "a stale version");

    let mut transaction = Transaction::blank();
    transaction.put(&View::default(), tenant("new", 1), NOW);
    transaction.put(&View::default(), tenant("a", 3), NOW);
    assert_conflict(&store.commit(transaction).await, "it must not be there");

    assert!(find(store, &tenant("new", 0)).await.is_none());
    let kept = find(store, &tenant("a", 0)).await.expect("what was put");
    assert_eq!(kept.version, version);
    assert_eq!(store.outbox(99).await.expect("an outbox"), rows);
}

async fn what_a_decision_only_read_must_still_hold<S: Store>(store: &S) {
    let keys = [tenant("a", 0).key(), tenant("gone", 0).key()];
    let before = view_of(store, &keys).await;
    put(store, &tenant("a", 4)).await;
    let mut transaction = Transaction::of(&before);
    transaction.put(&before, tenant("other", 1), NOW);
    assert_conflict(&store.commit(transaction).await, "a record that was read");

    let before = view_of(store, &keys).await;
    put(store, &tenant("gone", 1)).await;
    let mut transaction = Transaction::of(&before);
    transaction.put(&before, tenant("other", 1), NOW);
    assert_conflict(&store.commit(transaction).await, "an absence that was read");
    assert!(find(store, &tenant("other", 0)).await.is_none());
}

async fn a_removed_record_comes_back_as_another<S: Store>(store: &S) {
    put(store, &tenant("b", 1)).await;
    let old = find(store, &tenant("b", 0)).await.expect("what was put");
    let mut removal = Transaction::blank();
    removal.remove(&old, NOW);
    let again = removal.clone();
    store.commit(removal).await.expect("a removal");
    assert!(find(store, &tenant("b", 0)).await.is_none());
    assert_conflict(&store.commit(again.clone()).await, "it is gone");

    let version = put(store, &tenant("b", 1)).await;
    assert!(version > old.version, "a version never comes back");
    assert_conflict(&store.commit(again).await, "it is another one");
}

async fn rows_are_numbered_as_they_are_committed_and_leave_when_settled<S: Store>(store: &S) {
    let seen = store.outbox(99).await.expect("an outbox");
    for name in ["x", "y", "z"] {
        put(store, &tenant(name, 1)).await;
        put(store, &tenant(name, 2)).await;
    }
    let rows = store.outbox(99).await.expect("an outbox");
    assert!(rows.is_sorted_by(|a, b| a.id < b.id), "{rows:?}");
    assert_eq!(rows.get(..seen.len()), Some(seen.as_slice()));
    let targets: Vec<_> = rows
        .iter()
        .skip(seen.len())
        .map(|row| &row.change.target)
        .collect();
    let named = |name| Target::Tenant(TenantId::parse(name).expect("invariant: a name"));
    assert_eq!(targets, [&named("x"), &named("y"), &named("z")]);
    assert_eq!(store.outbox(1).await.expect("an outbox"), rows[..1]);

    let (last, kept) = (rows[rows.len() - 2].id, &rows[rows.len() - 1..]);
    let mut transaction = Transaction::blank();
    transaction.settle(last);
    store.commit(transaction).await.expect("a commit");
    assert_eq!(store.outbox(99).await.expect("an outbox"), kept);
}

async fn the_latest_use_wins_in_any_order<S: Store>(store: &S) {
    let session = SessionId([1; 16]);
    let key = Key::LastUse(session);
    let before = view_of(store, slice::from_ref(&key)).await;
    for (told, expected) in [(5, 5), (9, 9), (7, 9), (9, 9), (10, 10)] {
        let mut transaction = Transaction::of(&before);
        transaction.raise(session, UnixSeconds(told), UnixSeconds(99));
        store
            .commit(transaction)
            .await
            .expect("a use never conflicts");
        let view = view_of(store, slice::from_ref(&key)).await;
        assert_eq!(view.last_use(session), Ok(Some(UnixSeconds(expected))));
    }
}

async fn a_range_is_walked_in_the_order_of_its_keys<S: Store>(store: &S) {
    for name in ["p", "q", "o"] {
        put(store, &tenant(name, 1)).await;
    }
    let range = Range::of(Kind::Tenant);
    let all = store.scan(&range, None, 999).await.expect("a scan");
    let keys: Vec<_> = all
        .iter()
        .map(|stored| stored.record.key().encode())
        .collect();
    assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
    assert!(keys.iter().all(|key| range.has(key)));
    assert!(keys.contains(&tenant("p", 0).key().encode()));

    let mut walked = Vec::new();
    let mut after: Option<Key> = None;
    loop {
        let page = store.scan(&range, after.as_ref(), 2).await.expect("a scan");
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = Some(last.record.key());
        walked.extend(page.iter().map(|stored| stored.record.key().encode()));
    }
    assert_eq!(walked, keys, "page by page as at once");
}

async fn the_names_of_a_tenant_and_the_consents_of_a_person_lie_together<S: Store>(store: &S) {
    let tenant_named = |text| TenantId::parse(text).expect("invariant: a name");
    let name = |tenant, text, user| {
        Record::Username(NameOf {
            tenant: tenant_named(tenant),
            name: Username::parse(text).expect("invariant: a name"),
            user: UserId([user; 16]),
        })
    };
    let consent = |user, client| {
        Record::Consent(Consent {
            user: UserId([user; 16]),
            client: ClientId::parse(client).expect("invariant: a name"),
            scopes: Scopes::default(),
            given_at: NOW,
        })
    };
    let names = [name("bank", "ada", 1), name("bank", "bob", 2)];
    let others = [name("ban", "kbob", 3), name("banks", "ada", 4)];
    let consents = [consent(1, "app"), consent(1, "web")];
    let beside = [consent(0, "web"), consent(2, "app")];
    for record in names.iter().chain(&others).chain(&consents).chain(&beside) {
        put(store, record).await;
    }
    let ranges = [
        (Range::names_of(&tenant_named("bank")), names),
        (Range::consents_of(UserId([1; 16])), consents),
    ];
    for (range, expected) in ranges {
        let expected = expected.map(|record| record.key());
        let [first, second] = &expected;
        let found = keys_of(store, &range, None).await;
        assert_eq!(found, expected);
        let rest = keys_of(store, &range, Some(first)).await;
        assert_eq!(rest, slice::from_ref(second), "the next page");
        assert!(keys_of(store, &range, Some(second)).await.is_empty());
    }
}

async fn keys_of<S: Store>(store: &S, range: &Range, after: Option<&Key>) -> Vec<Key> {
    let found = store.scan(range, after, 99).await.expect("a scan");
    found.iter().map(|stored| stored.record.key()).collect()
}

/// All rest on the same view, so only one may be committed, whatever the adapter batches.
async fn of_those_who_race_one_wins<S: Store>(store: &S) {
    let raced = tenant("raced", 0);
    for round in 1..=3 {
        let view = view_of(store, &[raced.key()]).await;
        let attempts = (0..RACERS).map(|racer| {
            let mut transaction = Transaction::of(&view);
            let record = tenant("raced", round * RACERS + racer);
            transaction.put(&view, record, NOW);
            store.commit(transaction)
        });
        let outcomes = join_all(attempts).await;
        let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(won, 1, "{outcomes:?}");
    }
}

async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<Pin<Box<F>>> = futures.map(Box::pin).collect();
    let mut done = Vec::new();
    poll_fn(|context| {
        waiting.retain_mut(|future| match future.as_mut().poll(context) {
            Poll::Ready(outcome) => {
                done.push(outcome);
                false
            }
            Poll::Pending => true,
        });
        if waiting.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    done
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;
    use crate::store::memory::Memory;

    #[test]
    fn the_store_in_memory_holds_the_contract() {
        let store = Memory::default();
        let mut held = pin!(hold(&store));
        let mut context = Context::from_waker(Waker::noop());
        assert!(held.as_mut().poll(&mut context).is_ready());
    }
}
