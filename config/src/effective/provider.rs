//! The identity provider's part of the page.

use std::path::Path;

use idp_core::client::Grant;

use super::page::Page;
use super::redis;
use crate::bounds;
use crate::reader::{Entries, Field, Short};
use crate::written::provider::{Client, User};
use crate::written::{self, Provider};

const BESIDE: &str = "default: beside the store";

pub(super) fn write(page: &mut Page<'_>, field: &Field<Provider>) {
    let Some(provider) = field.value() else {
        page.remark("provider: none");
        return;
    };
    page.head("provider", field);
    write_addresses(page, provider);
    write_files(page, provider);
    redis::write(page, &provider.redis, "none, gateways are told over HTTP");
    write_signing(page, provider);
    write_login(page, provider);
    page.scalars("tenants", &provider.tenants);
    write_clients(page, &provider.clients);
    write_users(page, &provider.users);
    page.end();
}

fn write_addresses(page: &mut Page<'_>, provider: &Provider) {
    match provider.listen.given() {
        Some(listen) if provider.issuer.is_absent() => {
            let issuer = format!("http://{}", listen.value.0);
            page.default("issuer", issuer, "default: `http://` and `listen`");
        }
        Some(_) | None => {
            let issuer = format!("http://{}", bounds::PROVIDER_ADDRESS);
            page.scalar("issuer", &provider.issuer, issuer);
        }
    }
    page.scalar("listen", &provider.listen, bounds::PROVIDER_ADDRESS);
    page.scalar("internal", &provider.internal, bounds::INTERNAL_ADDRESS);
    page.scalars("exposed", &provider.exposed);
    page.scalar("unencrypted", &provider.unencrypted, false);
}

fn write_files(page: &mut Page<'_>, provider: &Provider) {
    let absent = written::provider::Store::default();
    let store = provider.store.value().unwrap_or(&absent);
    let path = store.path.value();
    let path = path.map_or(bounds::STORE_PATH, |path| path.0.as_str());
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    let beside = |name: &str| folder.join(name).to_string_lossy().into_owned();

    page.head("store", &provider.store);
    page.scalar("path", &store.path, bounds::STORE_PATH);
    page.scalar_or("key_file", &store.key_file, beside("idp.key"), BESIDE);
    page.scalar("cache", &store.cache, bounds::STORE_CACHE.default);
    page.scalar(
        "disk_free_min",
        &store.disk_free_min,
        bounds::DISK_FREE.default,
    );
    page.end();
    page.scalar_or(
        "admin_key_file",
        &provider.admin_key_file,
        beside("admin.key"),
        BESIDE,
    );
    page.scalar_or(
        "gateway_key_file",
        &provider.gateway_key_file,
        beside("gateway.key"),
        BESIDE,
    );
    page.scalar_or(
        "audit_log",
        &provider.audit_log,
        beside("audit.log"),
        BESIDE,
    );
    match provider.ca_file.is_absent() {
        true => page.remark("ca_file: those that this machine believes"),
        false => page.required("ca_file", &provider.ca_file),
    }
}

fn write_signing(page: &mut Page<'_>, provider: &Provider) {
    let absent = written::provider::Signing::default();
    let signing = provider.signing.value().unwrap_or(&absent);
    page.head("signing", &provider.signing);
    page.scalar(
        "algorithm",
        &signing.algorithm,
        bounds::SIGNING_ALGORITHM.as_str(),
    );
    page.scalar("rotate", &signing.rotate, bounds::ROTATE.default);
    page.end();
}

fn write_login(page: &mut Page<'_>, provider: &Provider) {
    let absent = written::provider::Login::default();
    let login = provider.login.value().unwrap_or(&absent);
    page.head("login", &provider.login);
    page.scalar("idle", &login.idle, bounds::LOGIN_IDLE.default);
    page.scalar("absolute", &login.absolute, bounds::LOGIN_ABSOLUTE.default);
    page.end();

    let absent = written::provider::Passwords::default();
    let passwords = provider.passwords.value().unwrap_or(&absent);
    page.head("passwords", &provider.passwords);
    page.scalar(
        "at_once",
        &passwords.at_once,
        bounds::PASSWORDS_AT_ONCE.default,
    );
    page.end();
}

fn write_clients(page: &mut Page<'_>, clients: &Field<Entries<Client>>) {
    if clients.entries().next().is_none() {
        page.empty_map("clients", clients);
        return;
    }
    page.head("clients", clients);
    for (name, client) in clients.entries() {
        if let Some(client) = client.value() {
            page.head_of(name.node, "");
            write_client(page, client);
            page.end();
        }
    }
    page.end();
}

fn write_client(page: &mut Page<'_>, client: &Client) {
    page.scalar("tenant", &client.tenant, "default");
    page.required("secret_file", &client.secret_file);
    page.scalar("public", &client.public, false);
    page.scalars("redirect_uris", &client.redirect_uris);
    page.scalars("logout_uris", &client.logout_uris);
    match client.backchannel_logout_uri.is_absent() {
        true => page.remark("backchannel_logout_uri: none"),
        false => page.required("backchannel_logout_uri", &client.backchannel_logout_uri),
    }
    page.scalars("grants", &client.grants);
    page.scalars("scopes", &client.scopes);
    page.scalars("roles", &client.roles);
    page.scalars("audience", &client.audience);
    page.scalar("consent", &client.consent, "asked");
    page.scalar("introspects", &client.introspects, "own");
    write_lifetimes(page, client);
    page.scalar("enabled", &client.enabled, true);
}

fn write_lifetimes(page: &mut Page<'_>, client: &Client) {
    let is_code = |grant: Grant| grant == Grant::AuthorizationCode;
    match client.lifetimes.value() {
        None if client.grants.items().any(|it| is_code(it.value.0)) => {
            page.default("lifetimes", "payment", "default with `authorization_code`");
        }
        None => page.default(
            "lifetimes",
            "machine",
            "default without `authorization_code`",
        ),
        Some(Short::Scalar(_)) => page.required("lifetimes", &client.lifetimes),
        Some(Short::Map(own)) => {
            page.head("lifetimes", &client.lifetimes);
            page.required("access", &own.access);
            match own.idle.is_absent() {
                true => page.remark("idle: never"),
                false => page.required("idle", &own.idle),
            }
            page.required("absolute", &own.absolute);
            page.end();
        }
    }
}

fn write_users(page: &mut Page<'_>, users: &Field<Entries<User>>) {
    if users.entries().next().is_none() {
        page.empty_map("users", users);
        return;
    }
    page.head("users", users);
    for (name, user) in users.entries() {
        if let Some(user) = user.value() {
            page.head_of(name.node, "");
            page.scalar("tenant", &user.tenant, "default");
            page.required("password_file", &user.password_file);
            page.scalars("roles", &user.roles);
            page.scalar("enabled", &user.enabled, true);
            page.end();
        }
    }
    page.end();
}
