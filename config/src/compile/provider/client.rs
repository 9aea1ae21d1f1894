//! May the clients be registered as they are described?
//!
//! What a client may be is decided by `idp-core`, for those of the file and for those of the admin
//! API alike. Here is found which key is to blame.

use std::collections::BTreeSet;
use std::path::PathBuf;

use idp_core::client::{
    ClientProblem, Consents, Grant, Introspects, Lifetimes, SecretDigest, URI_BYTES_MAX, URIS_MAX,
    is_redirect_uri,
};
use idp_core::id::ClientId;
use idp_core::scope::Scopes;

use super::tenant::Tenants;
use crate::bounds;
use crate::compile::path::Paths;
use crate::compile::texts::{AUDIENCE, ROLES, SCOPES, Texts};
use crate::compile::{Missing, check_count};
use crate::document::NodeId;
use crate::problem::shown;
use crate::provider::ClientSeed;
use crate::reader::{Entries, Field, Located, Reading, Short};
use crate::units::{self, Preset, Text};
use crate::written::provider::{self as written, Client};

const URI_NOTE: &str = "absolute, without user, fragment or wildcard, and https unless it leads to \
                        this machine or to an app";

pub(super) fn compile(
    clients: &Field<Entries<Client>>,
    tenants: &Tenants<'_>,
    paths: &mut Paths<'_>,
) -> Vec<ClientSeed> {
    let reading = paths.reading();
    check_count(clients.count(), bounds::CLIENTS_MAX, "clients", reading);
    let mut seeds = Vec::new();
    for (name, client) in clients.entries().take(bounds::CLIENTS_MAX) {
        let id = parse_id(name, reading);
        let Some(client) = client.given() else {
            continue;
        };
        let before = reading.report.count();
        let seed = compile_client(client, id, tenants, paths);
        if let Some(seed) = seed {
            if reading.report.count() == before {
                check(&seed, &client.value, name.node, reading);
            }
            seeds.push(seed);
        }
    }
    seeds
}

fn parse_id(name: &Located<String>, reading: Reading<'_>) -> Option<ClientId> {
    let id = ClientId::parse(&name.value);
    if id.is_none() {
        let message = format!("`{}` cannot be the id of a client", shown(&name.value));
        let note = "letters, digits, `.`, `_` or `-`; at most 64 characters";
        reading
            .report
            .add(reading.find(name.node, message).note(note));
    }
    id
}

fn compile_client(
    client: &Located<Client>,
    id: Option<ClientId>,
    tenants: &Tenants<'_>,
    paths: &mut Paths<'_>,
) -> Option<ClientSeed> {
    let reading = paths.reading();
    let Located {
        value: client,
        node,
    } = client;
    let grants = compile_grants(client, *node, reading);
    let scopes = SCOPES.take(&client.scopes, reading);
    let scopes = Scopes::of(scopes.iter().map(String::as_str));
    Some(ClientSeed {
        tenant: tenants.find(&client.tenant)?,
        secret_file: compile_secret(client, *node, paths),
        redirect_uris: REDIRECT_URIS.take(&client.redirect_uris, reading),
        logout_uris: LOGOUT_URIS.take(&client.logout_uris, reading),
        backchannel_logout_uri: compile_backchannel(&client.backchannel_logout_uri, reading),
        scopes: scopes.unwrap_or_default(),
        roles: ROLES.take(&client.roles, reading),
        audience: AUDIENCE.take(&client.audience, reading),
        consents: client.consent.value().map_or(Consents::Asked, |it| it.0),
        introspects: client
            .introspects
            .value()
            .map_or(Introspects::Own, |it| it.0),
        lifetimes: compile_lifetimes(&client.lifetimes, &grants, reading),
        is_enabled: client.enabled.value().is_none_or(|enabled| enabled.0),
        grants,
        id: id?,
    })
}

fn compile_grants(client: &Client, node: NodeId, reading: Reading<'_>) -> BTreeSet<Grant> {
    let missing = Missing {
        key: "grants",
        example: "grants: [client_credentials]",
    };
    missing.check(&client.grants, node, reading);
    client.grants.items().map(|grant| grant.value.0).collect()
}

/// A client either keeps a secret or says that it cannot.
fn compile_secret(client: &Client, node: NodeId, paths: &mut Paths<'_>) -> Option<PathBuf> {
    let reading = paths.reading();
    let is_public = client.public.value().is_some_and(|public| public.0);
    let file = client.secret_file.given();
    if let (Some(file), Some(public), true) = (file, client.public.given(), is_public) {
        let finding = reading.find(file.node, "a public client has no secret");
        let finding = finding.note("remove one of them");
        let public = reading.span(public.node);
        reading.report.add(finding.other(public, "it is public"));
    }
    let is_silent = client.secret_file.is_absent() && !is_public;
    let is_known = !matches!(client.public, Field::Broken) && !reading.document.has_lost_keys(node);
    if is_silent && is_known {
        let message = "how does this client prove who it is?";
        let note = "add `secret_file: ./data/<name>.secret`, or `public: true` if it can keep none";
        reading.report.add(reading.find(node, message).note(note));
    }
    let file = file?;
    Some(paths.take_text(&file.value.0, Some(file.node)))
}

const REDIRECT_URIS: Texts = Texts {
    noun: "redirect URIs",
    count_max: URIS_MAX,
    expected: "expected a URI such as `https://shop.example.com/callback`",
    note: URI_NOTE,
    is_sound: is_uri,
};

const LOGOUT_URIS: Texts = Texts {
    noun: "logout URIs",
    expected: "expected a URI such as `https://shop.example.com/`",
    ..REDIRECT_URIS
};

fn is_uri(text: &str) -> bool {
    text.len() <= URI_BYTES_MAX && is_redirect_uri(text)
}

/// The identity provider itself goes there, so it cannot be an app.
fn compile_backchannel(field: &Field<Text>, reading: Reading<'_>) -> Option<String> {
    let Located { value, node } = field.given()?;
    let is_http = value.0.starts_with("https://") || value.0.starts_with("http://");
    if !is_http || !is_uri(&value.0) {
        let message = "expected a URI such as `https://shop.example.com/signed-out`";
        let note = "absolute, without user, fragment or wildcard, and https unless it leads to \
                    this machine";
        let note = reading.note_on(*node, note);
        reading.report.add(reading.find(*node, message).note(note));
    }
    Some(value.0.clone())
}

fn compile_lifetimes(
    field: &Field<Short<Preset, written::Lifetimes>>,
    grants: &BTreeSet<Grant>,
    reading: Reading<'_>,
) -> Lifetimes {
    let default = match grants.contains(&Grant::AuthorizationCode) {
        true => Lifetimes::PAYMENT,
        false => Lifetimes::MACHINE,
    };
    let Some(given) = field.given() else {
        return default;
    };
    match &given.value {
        Short::Scalar(preset) => preset.0,
        Short::Map(own) => compile_own(own, given.node, reading).unwrap_or(default),
    }
}

fn compile_own(own: &written::Lifetimes, node: NodeId, reading: Reading<'_>) -> Option<Lifetimes> {
    let [access, absolute] = [
        (&own.access, "access", "access: 10m"),
        (&own.absolute, "absolute", "absolute: 12h"),
    ]
    .map(|(field, key, example)| Missing { key, example }.check(field, node, reading));
    let access_found = bounds::ACCESS.find(&own.access, reading);
    let idle = bounds::SESSION_IDLE.find(&own.idle, reading);
    let absolute_found = bounds::SESSION_ABSOLUTE.find(&own.absolute, reading);
    for (part, key) in [(access, "access"), (own.idle.given(), "idle")] {
        if let (Some(part), Some(absolute)) = (part, absolute)
            && part.value > absolute.value
        {
            let message = format!("`{key}` may not be longer than `absolute`");
            let finding = reading.find(part.node, message);
            let absolute = reading.span(absolute.node);
            reading.report.add(finding.other(absolute, "`absolute`"));
        }
    }
    Some(Lifetimes {
        access: access_found?.duration(),
        idle: idle.map(units::Time::duration),
        absolute: absolute_found?.duration(),
    })
}

/// Asks `idp-core`; only what no key by itself is to blame for is left to be found.
fn check(seed: &ClientSeed, client: &Client, name: NodeId, reading: Reading<'_>) {
    let is_read = !matches!(client.grants, Field::Broken)
        && !matches!(client.redirect_uris, Field::Broken)
        && client.grants.count().map(|(_, count)| count) == Some(client.grants.items().count());
    let secret = SecretDigest::from_bytes([0; 32]);
    let Err(problem) = seed.client(Some(secret)).check() else {
        return;
    };
    if !is_read {
        return;
    }
    let grant = |grant: Grant| {
        let mut found = client.grants.items().filter(|it| it.value.0 == grant);
        found.next().map(|it| it.node)
    };
    let (node, note) = match problem {
        ClientProblem::NoRedirectUri => (
            grant(Grant::AuthorizationCode),
            "add `redirect_uris: [\"https://...\"]`",
        ),
        ClientProblem::RefreshAlone => (
            grant(Grant::RefreshToken),
            "add `authorization_code`; a machine asks for a new token instead",
        ),
        ClientProblem::PublicMachine => (
            grant(Grant::ClientCredentials),
            "leave it out, or give the client a `secret_file` in place of `public`",
        ),
        ClientProblem::RedirectUri => (client.redirect_uris.given().map(|it| it.node), ""),
        ClientProblem::Lifetimes => (client.lifetimes.given().map(|it| it.node), ""),
        ClientProblem::BackchannelLogoutUri => {
            (client.backchannel_logout_uri.given().map(|it| it.node), "")
        }
        ClientProblem::TooLong | ClientProblem::Id | ClientProblem::NoSecret => (None, ""),
    };
    let finding = reading.find(node.unwrap_or(name), problem.to_string());
    reading.report.add(finding.note(note));
}
