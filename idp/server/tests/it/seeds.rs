//! Whom a provider in a test knows from the start.

use std::fs;
use std::path::Path;
use std::time::Duration;

use idp_core::client::{Consents, Grant, Introspects, Lifetimes};
use idp_core::id::{ClientId, TenantId, Username};
use idp_core::scope::Scopes;
use tollgate_config::{ClientSeed, Environment, Provider, UserSeed};

pub(crate) const ISSUER: &str = "http://127.0.0.1:8081";
pub(crate) const CALLBACK: &str = "http://127.0.0.1:1/callback";
pub(crate) const BYE: &str = "http://127.0.0.1:1/bye";

/// Machines that act for themselves (`robot`) and ask about others (`service`), and applications:
/// people are asked about `shop` and `web`, `till` is the operator's own.
pub(crate) fn provider(folder: &Path, issuer: &str) -> Provider {
    let file = folder.join("tollgate.yaml");
    let text = format!(
        "provider:\n  listen: 127.0.0.1:0\n  internal: 127.0.0.1:0\n  issuer: {issuer}\n  \
         store: {{ path: idp.redb, disk_free_min: 16MiB }}\n"
    );
    fs::write(&file, text).expect("as the test needs it");
    let loaded =
        tollgate_config::load(&file, &Environment::of([], 1)).expect("as the test needs it");
    Provider {
        clients: vec![
            ClientSeed {
                scopes: Scopes::parse("money.read money.write").expect("as the test needs it"),
                audience: vec!["pay".to_owned()],
                ..machine("robot", folder)
            },
            ClientSeed {
                introspects: Introspects::Tenant,
                ..machine("service", folder)
            },
            web(folder),
            app("shop", Consents::Asked),
            app("till", Consents::Implied),
        ],
        users: vec![UserSeed {
            name: Username::parse("alice").expect("as the test needs it"),
            tenant: default_tenant(),
            password_file: folder.join("alice.password"),
            roles: vec!["member".to_owned()],
            is_enabled: true,
        }],
        ..loaded.provider.expect("as the test needs it")
    }
}

/// A public client for people with browsers.
fn app(id: &str, consents: Consents) -> ClientSeed {
    ClientSeed {
        secret_file: None,
        redirect_uris: vec![CALLBACK.to_owned()],
        logout_uris: vec![BYE.to_owned()],
        grants: [Grant::AuthorizationCode, Grant::RefreshToken].into(),
        scopes: Scopes::parse("openid money.read money.write <script>'x'")
            .expect("as the test needs it"),
        audience: vec!["pay".to_owned()],
        consents,
        lifetimes: Lifetimes {
            access: Duration::from_secs(600),
            ..Lifetimes::PAYMENT
        },
        ..machine(id, Path::new(""))
    }
}

fn default_tenant() -> TenantId {
    TenantId::parse("default").expect("as the test needs it")
}

fn machine(id: &str, folder: &Path) -> ClientSeed {
    ClientSeed {
        id: ClientId::parse(id).expect("as the test needs it"),
        tenant: default_tenant(),
        secret_file: Some(folder.join(format!("{id}.secret"))),
        redirect_uris: Vec::new(),
        logout_uris: Vec::new(),
        backchannel_logout_uri: None,
        grants: [Grant::ClientCredentials].into(),
        scopes: Scopes::default(),
        roles: Vec::new(),
        audience: Vec::new(),
        consents: Consents::Asked,
        introspects: Introspects::Own,
        lifetimes: Lifetimes::MACHINE,
        is_enabled: true,
    }
}

fn web(folder: &Path) -> ClientSeed {
    ClientSeed {
        secret_file: None,
        redirect_uris: vec![CALLBACK.to_owned()],
        logout_uris: vec![BYE.to_owned()],
        grants: [Grant::AuthorizationCode, Grant::RefreshToken].into(),
        scopes: Scopes::parse("openid money.read").expect("as the test needs it"),
        audience: vec!["pay".to_owned()],
        lifetimes: Lifetimes::PAYMENT,
        ..machine("web", folder)
    }
}
