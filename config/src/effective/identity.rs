//! Who vouches for callers, on the page.

use super::page::Page;
use super::redis;
use crate::bounds;
use crate::reader::Field;
use crate::written::{self, Idp, Issuer, Provider, Require, Route};

pub(super) fn write(page: &mut Page<'_>, file: &written::File) {
    match file.idp.value() {
        Some(idp) => write_idp(page, file, idp),
        None => page.remark("idp: none"),
    }
    if file.issuers.entries().next().is_none() {
        page.empty_map("issuers", &file.issuers);
        return;
    }
    let trusted: Vec<&str> = file
        .routes
        .items()
        .filter_map(|route| route.value.issuer.value())
        .map(|name| name.0.as_str())
        .collect();
    page.head("issuers", &file.issuers);
    for (name, issuer) in file.issuers.entries() {
        let Some(issuer) = issuer.value() else {
            continue;
        };
        let remark = match trusted.contains(&name.value.as_str()) {
            true => "",
            false => "; no route trusts it",
        };
        page.head_of(name.node, remark);
        write_issuer(page, issuer);
        page.end();
    }
    page.end();
}

fn write_idp(page: &mut Page<'_>, file: &written::File, idp: &Idp) {
    page.head("idp", &file.idp);
    required_or(page, "issuer", &idp.issuer, "that of `provider`");
    let of_issuer = match (&file.provider, &idp.issuer) {
        (Field::Absent, _) => "that of `issuer`",
        (_, _) => "that of `provider`",
    };
    required_or(page, "listen", &idp.listen, of_issuer);
    required_or(page, "internal", &idp.internal, "that of `provider`");
    page.scalar("unencrypted", &idp.unencrypted, false);
    required_or(page, "key_file", &idp.key_file, "that of `provider`");
    page.scalar("lease", &idp.lease, bounds::LEASE.default);
    page.scalar("grace", &idp.grace, bounds::GRACE.default);
    let without = match file.provider.value().map(|Provider { redis, .. }| redis) {
        Some(redis) if !redis.is_absent() => "that of `provider`",
        Some(_) | None => "none, the identity provider is asked over HTTP",
    };
    redis::write(page, &idp.redis, without);
    page.scalars("audience", &idp.audience);
    let absent = written::VerdictCache::default();
    let cache = idp.cache.value().unwrap_or(&absent);
    page.head("cache", &idp.cache);
    page.scalar("size", &cache.size, bounds::VERDICT_CACHE.default);
    page.end();
    page.end();
}

fn required_or<T>(page: &mut Page<'_>, key: &str, field: &Field<T>, absent: &str) {
    match field.is_absent() {
        true => page.remark(&format!("{key}: {absent}")),
        false => page.required(key, field),
    }
}

fn write_issuer(page: &mut Page<'_>, issuer: &Issuer) {
    page.required("issuer", &issuer.issuer);
    page.required("jwks", &issuer.jwks);
    page.required("introspection", &issuer.introspection);
    page.required("ca_file", &issuer.ca_file);
    page.scalar("unencrypted", &issuer.unencrypted, false);
    page.required("client_id", &issuer.client_id);
    page.required("secret_file", &issuer.secret_file);
    page.scalars("audience", &issuer.audience);
    if !issuer.jwks.is_absent() {
        match issuer.algorithms.is_absent() {
            true => page.remark("algorithms: ES256"),
            false => page.scalars("algorithms", &issuer.algorithms),
        }
        page.scalar("typ", &issuer.typ, "at+jwt");
    }
    page.scalar("roles_claim", &issuer.roles_claim, "roles");
    page.remark("a token that was taken back may pass for as long as this:");
    page.scalar("max_age", &issuer.max_age, bounds::MAX_AGE.default);
    page.scalar("forward", &issuer.forward, false);
}

/// What a route wants of its callers.
pub(super) fn write_admission(page: &mut Page<'_>, route: &Route) {
    let Some(require) = route.require.value() else {
        page.remark("require: nothing, anybody may ask");
        return;
    };
    page.head("require", &route.require);
    let Require { scopes, roles } = require;
    page.scalars("scopes", scopes);
    page.scalars("roles", roles);
    page.end();
    if route.issuer.is_absent() {
        page.scalar("accept", &route.accept, "reference");
        page.scalar("staleness", &route.staleness, "strict");
    }
    page.required("issuer", &route.issuer);
    let is_others = !route.issuer.is_absent();
    page.scalar("identity_headers", &route.identity_headers, is_others);
    page.scalar("server_timing", &route.server_timing, false);
}
