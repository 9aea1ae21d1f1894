//! The identity provider's part of the page.

use std::path::Path;

use super::page::Page;
use crate::bounds;
use crate::reader::Field;
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
    write_signing(page, provider);
    write_login(page, provider);
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
