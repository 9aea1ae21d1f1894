//! A store in a folder of its own, and the rules of the identity provider run on it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use idp_core::admin::{self, NewUser, Order};
use idp_core::change::Target;
use idp_core::decision::Decided;
use idp_core::id::{TenantId, UserId, Username};
use idp_core::record::{PasswordHash, Record};
use idp_core::store::contract::write_tenant;
use idp_core::store::{CommitError, Key, Kind, Range, Row, Store, Stored};
use idp_core::view::View;
use idp_server::store::{EmbeddedStore, KeySource, Options};
use idp_token::time::UnixSeconds;

pub(crate) const NOW: UnixSeconds = UnixSeconds(1_000_000);
/// As low as it goes: the disk of whoever runs the tests is not their subject.
pub(crate) const OPTIONS: Options = Options {
    cache_bytes_max: 8 * 1024 * 1024,
    disk_free_bytes_min: 0,
    journal_half_bytes: 1024 * 1024,
    // So soon that it happens in the middle of everything.
    file_after: Duration::from_millis(10),
};
const ATTEMPTS_MAX: usize = 100;

pub(crate) fn key_in(folder: &Path) -> KeySource {
    KeySource::File(folder.join("key"))
}

pub(crate) fn open(folder: &Path) -> EmbeddedStore {
    EmbeddedStore::open(&folder.join("store"), &key_in(folder), OPTIONS).expect("the store")
}

/// Runs a rule to its end, as the server does.
pub(crate) async fn decide<S: Store, A>(
    store: &S,
    rule: impl Fn(&View) -> Decided<A>,
) -> Result<A, CommitError> {
    let mut view = View::default();
    for _ in 0..ATTEMPTS_MAX {
        let decision = match rule(&view) {
            Ok(decision) => decision,
            Err(need) => {
                let stored = store.read(&need.0).await?;
                view.add(need.0, stored);
                continue;
            }
        };
        if decision.transaction.is_empty() {
            return Ok(decision.answer);
        }
        match store.commit(decision.transaction).await {
            Ok(()) => return Ok(decision.answer),
            Err(CommitError::Conflict) => view = View::default(),
            Err(error) => return Err(error),
        }
    }
    Err(CommitError::Conflict)
}

pub(crate) fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).expect("a name")
}

pub(crate) fn user(number: u16) -> UserId {
    let mut id = [0; 16];
    id[..2].copy_from_slice(&number.to_be_bytes());
    UserId(id)
}

pub(crate) async fn create_tenant<S: Store>(store: &S, name: &str) {
    let order = Order::SetTenant {
        id: tenant(name),
        is_enabled: true,
    };
    carry_out(store, &order).await.expect("a tenant");
}

pub(crate) async fn carry_out<S: Store>(store: &S, order: &Order) -> Result<(), CommitError> {
    let answer = decide(store, |view| admin::carry_out(view, order, "test", NOW)).await?;
    answer.expect("an order that may be carried out");
    Ok(())
}

/// Two records in one transaction, of some KiB.
pub(crate) fn new_user(number: u16) -> Order {
    Order::CreateUser(NewUser {
        id: user(number),
        tenant: tenant("bank"),
        name: Username::parse(&format!("user-{number}")).expect("a name"),
        password: PasswordHash(format!("password-hash-of-{number}")),
        roles: vec!["r".repeat(60); 32],
    })
}

pub(crate) async fn view_of<S: Store>(store: &S, key: Key) -> View {
    let mut view = View::default();
    let stored = store
        .read(std::slice::from_ref(&key))
        .await
        .expect("a read");
    view.add(vec![key], stored);
    view
}

/// The generation that a tenant has, zero if there is none.
pub(crate) async fn generation<S: Store>(store: &S, name: &str) -> u64 {
    let found = store.read(&[Key::Tenant(tenant(name))]).await;
    match found.expect("a read").pop().flatten() {
        Some(Stored {
            record: Record::Tenant(tenant),
            ..
        }) => tenant.generation.0,
        _ => 0,
    }
}

/// Sets a tenant to the next generation, which announces a change unless it is the first.
pub(crate) async fn raise<S: Store>(store: &S, name: &str) -> Result<u64, CommitError> {
    let next = generation(store, name).await + 1;
    let view = view_of(store, Key::Tenant(tenant(name))).await;
    store.commit(write_tenant(&view, name, next)).await?;
    Ok(next)
}

pub(crate) async fn outbox<S: Store>(store: &S) -> Vec<Row> {
    store.outbox(usize::MAX).await.expect("an outbox")
}

pub(crate) async fn scan<S: Store>(store: &S, kind: Kind) -> Vec<Stored> {
    let range = Range::of(kind);
    store.scan(&range, None, usize::MAX).await.expect("a scan")
}

pub(crate) fn is_of(target: &Target, name: &str) -> bool {
    matches!(target, Target::Tenant(id) if id.as_str() == name)
}

pub(crate) const KINDS: [Kind; 18] = [
    Kind::Realm,
    Kind::Tenant,
    Kind::Client,
    Kind::User,
    Kind::Username,
    Kind::Lockout,
    Kind::Consent,
    Kind::Login,
    Kind::Code,
    Kind::Session,
    Kind::SessionOf,
    Kind::LastUse,
    Kind::Access,
    Kind::Refresh,
    Kind::Relay,
    Kind::Epoch,
    Kind::Published,
    Kind::Keyring,
];

/// Everything that a store holds, to be compared.
pub(crate) async fn contents<S: Store>(store: &S) -> (Vec<(u64, Vec<u8>)>, Vec<Row>) {
    let mut records = Vec::new();
    for kind in KINDS {
        let found = scan(store, kind).await;
        records.extend(
            found
                .iter()
                .map(|stored| (stored.version.0, stored.record.encode())),
        );
    }
    (records, outbox(store).await)
}

/// This program again, running one test that is told a folder.
pub(crate) fn child(test: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a program"));
    // A second filter that is no name of a test: so the folder reaches the test unseen.
    command.args(["--exact", "--nocapture", test]).arg(folder);
    command
}

pub(crate) fn told_folder() -> Option<PathBuf> {
    let last = PathBuf::from(std::env::args().next_back()?);
    (last.is_absolute() && last.is_dir()).then_some(last)
}
