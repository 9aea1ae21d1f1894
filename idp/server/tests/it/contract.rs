use idp_core::store::contract::hold;
use idp_core::store::memory::Memory;

use crate::world::open;

#[tokio::test]
async fn the_contract_holds_in_memory_and_on_disk() {
    hold(&Memory::default()).await;
    let folder = tempfile::tempdir().unwrap();
    hold(&open(folder.path())).await;
}

#[tokio::test]
async fn what_the_contract_left_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    hold(&store).await;
    let before = (
        crate::world::contents(&store).await,
        store.moment().unwrap(),
    );
    drop(store);
    let store = open(folder.path());
    let after = (
        crate::world::contents(&store).await,
        store.moment().unwrap(),
    );
    assert_eq!(before, after);
    assert!(before.1.version.0 > 0 && before.1.row.0 > 0);
}
