//! Can what is composed be composed?
//!
//! What is written becomes a declaration with the place of every text, and the composer's own compiler
//! judges it. What could not be read has been reported; it is stood in for, so that the rest is judged
//! all the same, and nothing is said about what stands in.

use std::sync::Arc;

use composer_core::Plan;
use composer_core::declaration::{self, Declaration, LookupSource, Place, Service, StepCache};
use composer_core::keys::ChunkMax;
use composer_core::plan::{CALLS_CEILING, CALLS_MAX, Cache, Scope};
use gateway_upstream::Protocol;

use super::{Missing, check_count, services};
use crate::bounds;
use crate::document::NodeId;
use crate::reader::{Field, Located, Reading};
use crate::units::{Count, Text, Time};
use crate::written::{self, Endpoint, File, Lookup, Step};

mod answer;
mod fault;
mod second_level;

pub(super) use second_level::compile as second_level;

/// The place of what stands in for something that was reported.
const NOWHERE: Place = Place(u64::MAX);

/// What was found in the file; empty where it composes nothing.
pub(super) fn compile(file: &File, reading: Reading<'_>) -> Arc<Plan> {
    check_count(
        file.lookups.count(),
        bounds::LOOKUPS_MAX,
        "lookups",
        reading,
    );
    check_count(
        file.endpoints.count(),
        bounds::COMPOSED_MAX,
        "endpoints",
        reading,
    );
    if file.lookups.is_absent() && file.endpoints.is_absent() {
        return Arc::default();
    }
    let declaration = Declaration {
        services: file
            .services
            .entries()
            .map(|(name, it)| service(&name.value, it))
            .collect(),
        lookups: file
            .lookups
            .entries()
            .map(|(name, it)| lookup(name, it, reading))
            .collect(),
        endpoints: endpoints(file, reading),
    };
    // Without the names of what cannot be read at all, most complaints would be about those names.
    let is_lost = matches!(file.services, Field::Broken) || matches!(file.lookups, Field::Broken);
    match composer_core::compile(&declaration) {
        Ok(plan) => Arc::new(plan),
        Err(_) if is_lost => Arc::default(),
        Err(faults) => {
            for fault in faults.iter().filter(|fault| fault.place != NOWHERE) {
                fault::report(fault, reading);
            }
            Arc::default()
        }
    }
}

fn service(name: &str, service: &Field<written::Service>) -> Service {
    let written = service.value();
    let timeout = written
        .and_then(|it| it.timeout.value())
        .unwrap_or(&bounds::TIMEOUT.default);
    let protocol = written.and_then(|it| it.protocol.given());
    let http2 = protocol.filter(|protocol| protocol.value.0 == Protocol::H2);
    Service {
        name: name.to_owned(),
        is_sent_credential: written.is_none_or(services::is_sent_credential),
        timeout: timeout.duration(),
        http2_place: http2.map(|protocol| Place(protocol.node.to_u64())),
    }
}

fn text(located: &Located<Text>) -> declaration::Text {
    text_at(&located.value.0, located.node)
}

fn text_at(text: &str, node: NodeId) -> declaration::Text {
    declaration::Text {
        text: text.to_owned(),
        place: Place(node.to_u64()),
    }
}

/// In the place of a text that is missing or was refused.
fn nowhere(text: &str) -> declaration::Text {
    declaration::Text {
        text: text.to_owned(),
        place: NOWHERE,
    }
}

fn lookup(
    name: &Located<String>,
    field: &Field<Lookup>,
    reading: Reading<'_>,
) -> declaration::Lookup {
    let absent = Lookup::default();
    let lookup = field.value().unwrap_or(&absent);
    let named = text_at(&name.value, name.node);
    let is_table = !lookup.table.is_absent() && lookup.get_many.is_absent();
    let call = call_of_lookup(lookup, field, reading);
    let key = match (&lookup.key, field) {
        (Field::Given(key), _) => Some(text(key)),
        (Field::Absent, Field::Given(given)) if !reading.document.has_lost_keys(given.node) => None,
        (_, _) => Some(nowhere("key")),
    };
    refuse_idle(lookup, is_table, reading);
    let shared = lookup.cache.value().and_then(|cache| cache.shared.given());
    let shared = shared.filter(|shared| shared.value.0);
    let despite = lookup
        .cache
        .value()
        .and_then(|cache| cache.shared_despite_auth.value());
    declaration::Lookup {
        source: if is_table {
            table(lookup, reading)
        } else {
            batch(lookup, reading)
        },
        name: named,
        call,
        key,
        items: lookup.items.given().map(text),
        version: lookup.version.given().map(text),
        scope: if is_table || shared.is_some() {
            Scope::Shared
        } else {
            Scope::Caller
        },
        shared_place: shared.map(|shared| Place(shared.node.to_u64())),
        is_shared_despite_auth: despite.is_some_and(|flag| flag.0),
        second_level_place: second_level::asked_for(lookup).map(|node| Place(node.to_u64())),
    }
}

fn call_of_lookup(
    lookup: &Lookup,
    field: &Field<Lookup>,
    reading: Reading<'_>,
) -> declaration::Text {
    if let (Some(batch), Some(table)) = (lookup.get_many.given(), lookup.table.given()) {
        let finding = reading.find(table.node, "a lookup is a table or fetched in batches");
        let finding = finding.other(reading.span(batch.node), "it is fetched in batches here");
        reading.report.add(finding);
    }
    if let Some(call) = lookup.get_many.given().or(lookup.table.given()) {
        return text(call);
    }
    if let Field::Given(given) = field
        && lookup.get_many.is_absent()
        && lookup.table.is_absent()
        && !reading.document.has_lost_keys(given.node)
    {
        let finding = reading.find(given.node, "the key `get_many` or `table` is missing");
        let note = "add `get_many: GET membership /members?ids={keys}`";
        reading.report.add(finding.note(note));
    }
    nowhere("")
}

/// Keys that mean nothing for a lookup of the other kind.
fn refuse_idle(lookup: &Lookup, is_table: bool, reading: Reading<'_>) {
    let of_tables = [
        ("refresh", node(&lookup.refresh)),
        ("reload", node(&lookup.reload)),
        ("size", node(&lookup.size)),
        ("deleted", node(&lookup.deleted)),
    ];
    let of_batches = [
        ("batch", node(&lookup.batch)),
        ("cache", node(&lookup.cache)),
        ("version", node(&lookup.version)),
    ];
    let (idle, kind) = match is_table {
        true => (&of_batches[..], "a table"),
        false => (&of_tables[..], "a lookup that is no table"),
    };
    for (key, node) in idle {
        if let Some(node) = node {
            let message = format!("`{key}` has no effect on {kind}");
            reading
                .report
                .add(reading.find(*node, message).note("leave it out"));
        }
    }
}

fn node<T>(field: &Field<T>) -> Option<NodeId> {
    field.given().map(|given| given.node)
}

fn batch(lookup: &Lookup, reading: Reading<'_>) -> LookupSource {
    let absent = written::Batch::default();
    let batch = lookup.batch.value().unwrap_or(&absent);
    LookupSource::Batch {
        max: ChunkMax {
            keys: bounds::BATCH.take(&batch.max, reading).get(),
            url_bytes: bounds::BATCH_URL.take(&batch.url, reading).get_usize(),
        },
        cache: lookup
            .cache
            .value()
            .map(|cache| compile_cache(cache, reading)),
    }
}

fn table(lookup: &Lookup, reading: Reading<'_>) -> LookupSource {
    LookupSource::Table {
        refresh: bounds::REFRESH.take(&lookup.refresh, reading).duration(),
        reload: bounds::RELOAD.take(&lookup.reload, reading).duration(),
        bytes_max: bounds::TABLE_SIZE.take(&lookup.size, reading).get_usize(),
        deleted: lookup
            .deleted
            .given()
            .map_or_else(|| nowhere(bounds::DELETED), text),
    }
}

fn compile_cache(cache: &written::Cache, reading: Reading<'_>) -> Cache {
    let time = |bounds: bounds::Bounds<Time>, field| bounds.take(field, reading).duration();
    Cache {
        ttl: time(bounds::TTL, &cache.ttl),
        missing: time(bounds::MISSING, &cache.missing),
        stale_while_revalidate: time(bounds::STALE, &cache.stale_while_revalidate),
        stale_if_error: time(bounds::STALE, &cache.stale_if_error),
        bytes_max: bounds::ENTITY_CACHE.take(&cache.size, reading).get_usize(),
    }
}

fn endpoints(file: &File, reading: Reading<'_>) -> Vec<declaration::Endpoint> {
    let mut endpoints = Vec::new();
    for item in file.endpoints.items().take(bounds::COMPOSED_MAX) {
        let mut entries = item.value.iter();
        match (entries.next(), entries.next()) {
            (Some((name, Field::Given(endpoint))), None) => {
                endpoints.push(compile_endpoint(name, endpoint, reading));
            }
            (Some((_, _)), None) => {}
            (None, _) | (Some(_), Some(_)) => {
                let finding = reading.find(item.node, "expected one request and what is behind it");
                let note =
                    "write `- GET /members/{memberId}/overview: { steps: ..., answer: ... }`";
                reading.report.add(finding.note(note));
            }
        }
    }
    endpoints
}

fn compile_endpoint(
    name: &Located<String>,
    endpoint: &Located<Endpoint>,
    reading: Reading<'_>,
) -> declaration::Endpoint {
    let Located {
        value: written,
        node,
    } = endpoint;
    let missing = Missing {
        key: "answer",
        example: "answer: { balance: balance.amount }",
    };
    let answer = missing.check(&written.answer, *node, reading);
    let calls = bounds::CALLS.find(&written.max_calls, reading);
    check_count(written.steps.count(), CALLS_CEILING, "steps", reading);
    let steps = written.steps.entries().take(CALLS_CEILING);
    let budget = bounds::BUDGET.take(&written.budget, reading).duration();
    declaration::Endpoint {
        name: text_at(&name.value, name.node),
        budget,
        calls_max: calls.map_or(CALLS_MAX, Count::get),
        steps: steps
            .map(|(name, step)| compile_step(name, step, reading))
            .collect(),
        answer: answer.map_or_else(Vec::new, |answer| answer::members(answer.node, reading)),
        answer_place: answer
            .filter(|answer| answer::is_map(answer.node, reading))
            .map_or(NOWHERE, |answer| Place(answer.node.to_u64())),
    }
}

fn compile_step(
    name: &Located<String>,
    field: &Field<Step>,
    reading: Reading<'_>,
) -> declaration::Step {
    let absent = Step::default();
    let step = field.value().unwrap_or(&absent);
    let missing = Missing {
        key: "call",
        example: "call: GET money /members/{memberId}/balance",
    };
    let call = field
        .given()
        .and_then(|given| missing.check(&step.call, given.node, reading));
    let timeout = bounds::TIMEOUT.as_range().find(&step.timeout, reading);
    let place = step.timeout.given().map(|given| Place(given.node.to_u64()));
    let otherwise = step.otherwise.given().and_then(|given| {
        let json = answer::json(given.node, reading)?;
        Some((json, Place(given.node.to_u64())))
    });
    let required = step.required.given();
    if let Some(required) = required
        && !required.value.0
        && step.otherwise.is_absent()
    {
        let finding = reading.find(required.node, "a step that is not required needs an `else`");
        reading
            .report
            .add(finding.note("say what stands in for it: `else: null`"));
    }
    declaration::Step {
        name: text_at(&name.value, name.node),
        call: call.map_or_else(|| nowhere(""), text),
        timeout: timeout.map(Time::duration).zip(place),
        is_required: required.is_some_and(|required| required.value.0),
        otherwise,
        cache: step
            .cache
            .value()
            .map(|cache| compile_step_cache(cache, reading)),
    }
}

fn compile_step_cache(cache: &written::Cache, reading: Reading<'_>) -> StepCache {
    if let Some(missing) = cache.missing.given() {
        let finding = reading.find(missing.node, "`missing` has no effect on a step");
        reading.report.add(finding.note("it is for lookups"));
    }
    if let Some(level) = cache.second_level.given() {
        let finding = reading.find(level.node, "`second_level` has no effect on a step");
        reading.report.add(finding.note("it is for lookups"));
    }
    let shared = cache.shared.given().filter(|shared| shared.value.0);
    StepCache {
        scope: if shared.is_some() {
            Scope::Shared
        } else {
            Scope::Caller
        },
        shared_place: shared.map(|shared| Place(shared.node.to_u64())),
        is_shared_despite_auth: cache.shared_despite_auth.value().is_some_and(|flag| flag.0),
        cache: compile_cache(cache, reading),
    }
}

/// The names of endpoints, for routes that lead to one.
pub(super) fn names(file: &File) -> Vec<&str> {
    let items = file
        .endpoints
        .items()
        .filter_map(|item| item.value.iter().next());
    items.map(|(name, _)| name.value.as_str()).collect()
}
