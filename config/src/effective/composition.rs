//! What is composed, as it is in force.

use composer_core::plan::CALLS_MAX;

use super::page::Page;
use super::redis;
use crate::Loaded;
use crate::bounds;
use crate::document::{Content, NodeId};
use crate::reader::Field;
use crate::written::{self, Cache, Endpoint, File, Lookup, Step};

pub(super) fn write(page: &mut Page<'_>, file: &File) {
    if file.lookups.entries().next().is_some() {
        page.head("lookups", &file.lookups);
        for (name, lookup) in file.lookups.entries() {
            if let Some(lookup) = lookup.value() {
                page.head_of(name.node, "");
                write_lookup(page, lookup);
                page.end();
            }
        }
        page.end();
    }
    if let Some(level) = file.second_level.value() {
        page.head("second_level", &file.second_level);
        redis::write(page, &level.redis, "none");
        page.scalar("timeout", &level.timeout, bounds::SECOND_LEVEL.default);
        page.end();
    }
    if file.endpoints.items().next().is_some() {
        page.head("endpoints", &file.endpoints);
        let endpoints = file.endpoints.items();
        for (name, endpoint) in endpoints.flat_map(|item| item.value.iter()) {
            if let Some(endpoint) = endpoint.value() {
                page.item(|page| {
                    page.head_of(name.node, "");
                    write_endpoint(page, endpoint);
                    page.end();
                });
            }
        }
        page.end();
    }
}

/// The services that something is composed of.
pub(super) fn services(loaded: &Loaded) -> impl Iterator<Item = &str> {
    let plan = loaded.composer.iter().map(|composer| &composer.plan);
    plan.flat_map(|plan| {
        let of_lookups = plan.lookups.iter().map(|lookup| &lookup.call);
        let steps = plan.endpoints.iter().flat_map(|endpoint| &endpoint.steps);
        let calls = of_lookups.chain(steps.map(|step| &step.call));
        calls.filter_map(|call| plan.service(call.service).map(|service| &*service.name))
    })
}

fn write_lookup(page: &mut Page<'_>, lookup: &Lookup) {
    page.required("get_many", &lookup.get_many);
    page.required("table", &lookup.table);
    page.required("key", &lookup.key);
    match lookup.items.is_absent() {
        true => page.remark("items: the answer is the array"),
        false => page.required("items", &lookup.items),
    }
    if lookup.get_many.is_absent() {
        page.scalar("refresh", &lookup.refresh, bounds::REFRESH.default);
        page.scalar("reload", &lookup.reload, bounds::RELOAD.default);
        page.scalar("size", &lookup.size, bounds::TABLE_SIZE.default);
        page.scalar("deleted", &lookup.deleted, bounds::DELETED);
        return;
    }
    match lookup.version.is_absent() {
        true => page.remark("version: none"),
        false => page.required("version", &lookup.version),
    }
    let absent = written::Batch::default();
    let batch = lookup.batch.value().unwrap_or(&absent);
    page.head("batch", &lookup.batch);
    page.scalar("max", &batch.max, bounds::BATCH.default);
    page.scalar("url", &batch.url, bounds::BATCH_URL.default);
    page.end();
    write_cache(page, &lookup.cache, true);
}

fn write_cache(page: &mut Page<'_>, field: &Field<Cache>, is_of_lookup: bool) {
    let Some(cache) = field.value() else {
        page.remark("cache: none");
        return;
    };
    page.head("cache", field);
    page.scalar("ttl", &cache.ttl, bounds::TTL.default);
    if is_of_lookup {
        page.scalar("missing", &cache.missing, bounds::MISSING.default);
    }
    let stale = bounds::STALE.default;
    page.scalar(
        "stale_while_revalidate",
        &cache.stale_while_revalidate,
        stale,
    );
    page.scalar("stale_if_error", &cache.stale_if_error, stale);
    page.scalar("size", &cache.size, bounds::ENTITY_CACHE.default);
    page.scalar("shared", &cache.shared, false);
    page.scalar("shared_despite_auth", &cache.shared_despite_auth, false);
    if is_of_lookup {
        page.scalar("second_level", &cache.second_level, false);
    }
    page.end();
}

fn write_endpoint(page: &mut Page<'_>, endpoint: &Endpoint) {
    page.scalar("budget", &endpoint.budget, bounds::BUDGET.default);
    page.scalar("max_calls", &endpoint.max_calls, CALLS_MAX);
    match endpoint.steps.entries().next() {
        None => page.empty_map("steps", &endpoint.steps),
        Some(_) => {
            page.head("steps", &endpoint.steps);
            for (name, step) in endpoint.steps.entries() {
                if let Some(step) = step.value() {
                    page.head_of(name.node, "");
                    write_step(page, step);
                    page.end();
                }
            }
            page.end();
        }
    }
    if let Some(answer) = endpoint.answer.given() {
        page.head("answer", &endpoint.answer);
        write_members(page, answer.node);
        page.end();
    }
}

fn write_step(page: &mut Page<'_>, step: &Step) {
    page.required("call", &step.call);
    match step.timeout.is_absent() {
        true => page.remark("timeout: that of the service, within the budget"),
        false => page.required("timeout", &step.timeout),
    }
    page.scalar("required", &step.required, step.otherwise.is_absent());
    if let Some(otherwise) = step.otherwise.given() {
        write_value(page, "else", otherwise.node);
    }
    write_cache(page, &step.cache, false);
}

fn write_members(page: &mut Page<'_>, node: NodeId) {
    let Content::Map(entries) = page.content(node) else {
        return;
    };
    for (key, value) in entries {
        let name = page.text_of_key(*key);
        write_value(page, &name, *value);
    }
}

fn write_value(page: &mut Page<'_>, key: &str, node: NodeId) {
    match page.content(node) {
        Content::Null => page.null(key, node),
        Content::Scalar(_) => page.written(key, node),
        Content::Map(entries) if !entries.is_empty() => {
            page.head_at(key, node);
            write_members(page, node);
            page.end();
        }
        Content::Map(_) | Content::List(_) => page.flow(key, node),
    }
}
