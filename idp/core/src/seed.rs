//! Is something there already that the configuration wants to be there?

use crate::id::{ClientId, TenantId, Username};
use crate::view::{Need, View};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seed {
    Tenant(TenantId),
    Client(ClientId),
    User(TenantId, Username),
}

pub fn is_missing(view: &View, seed: &Seed) -> Result<bool, Need> {
    Ok(match seed {
        Seed::Tenant(id) => view.tenant(id)?.is_none(),
        Seed::Client(id) => view.client(id)?.is_none(),
        Seed::User(tenant, name) => view.user_named(tenant, name)?.is_none(),
    })
}
