//! A machine that asks for tokens: sessions as they come about in the server.

use std::collections::BTreeSet;

use aws_lc_rs::rand;
use idp_core::admin::Order;
use idp_core::client::{Client, Consents, Grant, Introspects, Lifetimes, SecretKey, Secrets};
use idp_core::decision::Random;
use idp_core::id::{ClientId, Generation};
use idp_core::provider::{LoginLifetimes, Provider};
use idp_core::record::PasswordHash;
use idp_core::scope::Scopes;
use idp_core::store::{CommitError, Store};
use idp_core::token::{self, Asking};
use idp_token::filter::{FilterKey, FilterKeyId, FilterKeys};
use idp_token::refresh::RefreshKey;
use idp_token::session::SessionId;
use idp_token::time::UnixSeconds;

use crate::world::{carry_out, create_tenant, decide, tenant};

const SECRET: &str = "a-secret-of-256-bits";
const ASKING: &[u8] =
    b"grant_type=client_credentials&client_id=robot&client_secret=a-secret-of-256-bits";

pub(crate) fn provider() -> Provider {
    let filter_key = FilterKey::new(FilterKeyId::new(1).expect("an id"), &[1; 32]);
    Provider {
        issuer: "https://id.example".to_owned(),
        partition: 0,
        filter_keys: FilterKeys::new(filter_key),
        refresh_key: RefreshKey::new([2; 32]),
        secret_key: SecretKey::new(&[3; 32]),
        dummy_password: PasswordHash("nobody".to_owned()),
        logins: LoginLifetimes::PAYMENT,
    }
}

/// The tenant `bank` with its client `robot`.
pub(crate) async fn set_up<S: Store>(store: &S, provider: &Provider) {
    create_tenant(store, "bank").await;
    let robot = Client {
        id: ClientId::parse("robot").expect("a name"),
        tenant: tenant("bank"),
        secrets: Secrets::Confidential(vec![provider.secret_key.digest(SECRET.as_bytes())]),
        redirect_uris: Vec::new(),
        logout_uris: Vec::new(),
        backchannel_logout_uri: None,
        grants: BTreeSet::from([Grant::ClientCredentials]),
        scopes: Scopes::parse("money.read money.write").expect("scopes"),
        roles: vec!["settler".to_owned()],
        audience: vec!["https://money.example".to_owned()],
        consents: Consents::Asked,
        introspects: Introspects::Own,
        lifetimes: Lifetimes::MACHINE,
        is_enabled: true,
        generation: Generation::default(),
    };
    let order = Order::SetClient(Box::new(robot));
    carry_out(store, &order).await.expect("a client");
}

pub(crate) fn draw() -> Random {
    let mut bytes = [0; Random::BYTES];
    rand::fill(&mut bytes).expect("random bytes");
    Random::new(bytes)
}

/// A session with a token of its own.
pub(crate) async fn ask<S: Store>(
    store: &S,
    provider: &Provider,
    now: UnixSeconds,
) -> Result<SessionId, CommitError> {
    let random = draw();
    let asking = Asking::read(None, ASKING);
    let issued = decide(store, |view| {
        token::grant(view, provider, &asking, now, &random)
    });
    Ok(issued.await?.expect("a token").session)
}
