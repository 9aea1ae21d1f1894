//! What the file wants to be there: tenants, clients and users, each registered once.
//!
//! What is in the store is never changed from the file: an administrator may have changed it since,
//! and may have had to in a hurry. A secret that is needed is made beside it, in a file that its
//! owner alone may read.

use idp_core::admin::{NewUser, Order, OrderError, carry_out};
use idp_core::id::UserId;
use idp_core::record::PasswordHash;
use idp_core::seed::{Seed, is_missing};
use tollgate_config::{ClientSeed, Provider, UserSeed};
use zeroize::Zeroizing;

use crate::credential::{self, CredentialError};
use crate::desk::{Desk, Unanswerable};
use crate::passwords::{Busy, Password};
use crate::random::{self, NoRandom};
use crate::secret_file;

const ACTOR: &str = "configuration";
/// Of a client's secret.
pub(crate) const CLIENT_SECRET_PREFIX: &str = "tg_cs_";
/// A password that is drawn has no prefix that could be recognised: people type it.
const PASSWORD_PREFIX: &str = "";

#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    #[error("{what} cannot be registered")]
    Refused { what: String, source: OrderError },
    #[error("the secret of {what} is not to be had")]
    Secret {
        what: String,
        source: CredentialError,
    },
    #[error(
        "the password of {what} has no character, or more than {} bytes",
        Password::BYTES_MAX
    )]
    PasswordLength { what: String },
    #[error("the password of {what} cannot be hashed")]
    Password { what: String, source: Busy },
    #[error("no id can be drawn")]
    Random(#[from] NoRandom),
    #[error("the store cannot be asked")]
    Unanswerable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Registers what is not there yet.
pub(crate) async fn plant(desk: &Desk, provider: &Provider) -> Result<(), SeedError> {
    for tenant in &provider.tenants {
        if wants(desk, &Seed::Tenant(tenant.clone()))? {
            let id = tenant.clone();
            let is_enabled = true;
            let order = Order::SetTenant { id, is_enabled };
            register(desk, format!("tenant {}", tenant.as_str()), order).await?;
        }
    }
    for client in &provider.clients {
        if wants(desk, &Seed::Client(client.id.clone()))? {
            plant_client(desk, client).await?;
        }
    }
    for user in &provider.users {
        let seed = Seed::User(user.tenant.clone(), user.name.clone());
        if wants(desk, &seed)? {
            plant_user(desk, user).await?;
        }
    }
    Ok(())
}

fn wants(desk: &Desk, seed: &Seed) -> Result<bool, SeedError> {
    Ok(desk.look(|case| is_missing(case.view, seed))?)
}

async fn plant_client(desk: &Desk, seed: &ClientSeed) -> Result<(), SeedError> {
    let what = format!("client {}", seed.id.as_str());
    let secret = match &seed.secret_file {
        Some(path) => Some(
            secret_file::find_or_create(path, || credential::draw(CLIENT_SECRET_PREFIX)).map_err(
                |source| {
                    let what = what.clone();
                    SeedError::Secret { what, source }
                },
            )?,
        ),
        None => None,
    };
    let key = &desk.ring.load().provider.secret_key;
    let digest = secret.map(|secret| key.digest(secret.as_bytes()));
    let order = Order::SetClient(Box::new(seed.client(digest)));
    register(desk, what, order).await
}

async fn plant_user(desk: &Desk, seed: &UserSeed) -> Result<(), SeedError> {
    let what = format!("user {}", seed.name.as_str());
    let draw = || credential::draw(PASSWORD_PREFIX);
    let password = match secret_file::find_or_create(&seed.password_file, draw) {
        Ok(password) => password,
        Err(source) => return Err(SeedError::Secret { what, source }),
    };
    let password = hash(desk, &what, password).await?;
    let new = NewUser {
        id: UserId(random::bytes()?),
        tenant: seed.tenant.clone(),
        name: seed.name.clone(),
        password,
        roles: seed.roles.clone(),
    };
    let id = new.id;
    register(desk, what.clone(), Order::CreateUser(new)).await?;
    if !seed.is_enabled {
        register(desk, what, Order::DisableUser(id)).await?;
    }
    Ok(())
}

async fn hash(
    desk: &Desk,
    what: &str,
    password: Zeroizing<String>,
) -> Result<PasswordHash, SeedError> {
    let password = Password::parse(password).ok_or_else(|| SeedError::PasswordLength {
        what: what.to_owned(),
    })?;
    let hashed = desk.passwords.hash_at_start(password).await;
    hashed.map_err(|source| {
        let what = what.to_owned();
        SeedError::Password { what, source }
    })
}

async fn register(desk: &Desk, what: String, order: Order) -> Result<(), SeedError> {
    let carried = desk.decide(move |case| carry_out(case.view, &order, ACTOR, case.now));
    let carried = carried.await?;
    carried.map_err(|source| SeedError::Refused { what, source })
}

impl From<Unanswerable> for SeedError {
    fn from(error: Unanswerable) -> Self {
        Self::Unanswerable(error.into())
    }
}
