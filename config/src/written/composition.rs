//! Lookups and composed endpoints as they are written.

use composer_core::plan::{CALLS_CEILING, CALLS_MAX};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::bounds;
use crate::reader::{Entries, Field, Short, Tree};
use crate::units::{Count, Flag, RedisUrl, Size, Text, Time};
use crate::written::Redis;

/// One key, one record, wherever it is needed: fetched in batches, or held whole as a table.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "a lookup")]
#[schemars(rename = "Lookup", extend(
    "required" = ["key"],
    "oneOf" = [{ "required": ["get_many"] }, { "required": ["table"] }]))]
pub(crate) struct Lookup {
    /// The call that fetches many records at once: `GET`, a service, and a target with `{keys}` in
    /// its query, and `{versions}` where the service can say that a record is unchanged.
    #[schemars(extend("type" = "string", "examples" = ["GET membership /members?ids={keys}"]))]
    pub(crate) get_many: Field<Text>,
    /// The call that fetches a small table whole; with `{lastModified}` in its query, what changed
    /// since. The service must have `credential: none`.
    #[schemars(extend(
        "type" = "string", "examples" = ["GET banking /banks?changedSince={lastModified}"]))]
    pub(crate) table: Field<Text>,
    /// The member of a record that says whose it is. `7` and `"7"` are the same key.
    #[schemars(extend("type" = "string", "examples" = ["memberId"]))]
    pub(crate) key: Field<Text>,
    /// Where in the answer the array of records is, as in `data.items`. By default the answer is the
    /// array.
    #[schemars(extend("type" = "string", "examples" = ["items"]))]
    pub(crate) items: Field<Text>,
    /// The member of a record that holds its version. Whole numbers grow; an older one never takes
    /// the place of a newer one.
    #[schemars(extend("type" = "string", "examples" = ["version", "etag"]))]
    pub(crate) version: Field<Text>,
    /// How much goes into one call.
    pub(crate) batch: Field<Batch>,
    /// How long records are kept. Without it they are fetched for every request.
    pub(crate) cache: Field<Cache>,
    /// How often a table is asked for what changed.
    #[schemars(extend("default" = bounds::REFRESH.default.to_string()))]
    pub(crate) refresh: Field<Time>,
    /// How often a table is read whole, whatever changed.
    #[schemars(extend("default" = bounds::RELOAD.default.to_string()))]
    pub(crate) reload: Field<Time>,
    /// The largest table.
    #[schemars(extend("default" = bounds::TABLE_SIZE.default.to_string()))]
    pub(crate) size: Field<Size>,
    /// The member that is `true` in a record of a table that is gone.
    #[schemars(extend("type" = "string", "default" = bounds::DELETED))]
    pub(crate) deleted: Field<Text>,
}

/// How much goes into one call for many records.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "`batch`")]
#[schemars(rename = "Batch")]
pub(crate) struct Batch {
    /// Keys of one call.
    #[schemars(extend("default" = bounds::BATCH.default.0,
        "minimum" = bounds::BATCH.least.0, "maximum" = bounds::BATCH.most.0))]
    pub(crate) max: Field<Count>,
    /// The target of one call, path and query.
    #[schemars(extend("default" = bounds::BATCH_URL.default.to_string()))]
    pub(crate) url: Field<Size>,
}

/// How long something is kept. What the service says in `Cache-Control` holds where it is shorter.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "`cache`")]
#[schemars(rename = "Cache")]
pub(crate) struct Cache {
    /// How long it is used without asking again.
    #[schemars(extend("default" = bounds::TTL.default.to_string()))]
    pub(crate) ttl: Field<Time>,
    /// How long it is known that there is no such record. Lookups only.
    #[schemars(extend("default" = bounds::MISSING.default.to_string()))]
    pub(crate) missing: Field<Time>,
    /// How long after its time it is still used while it is fetched anew.
    #[schemars(extend("default" = bounds::STALE.default.to_string()))]
    pub(crate) stale_while_revalidate: Field<Time>,
    /// How long after its time it is still used when it cannot be fetched; `_errors` tells.
    #[schemars(extend("default" = bounds::STALE.default.to_string()))]
    pub(crate) stale_if_error: Field<Time>,
    /// The memory for all of it.
    #[schemars(extend("default" = bounds::ENTITY_CACHE.default.to_string()))]
    pub(crate) size: Field<Size>,
    /// Whether what was fetched for one caller is shown to others. Otherwise each has their own.
    #[schemars(extend("default" = false))]
    pub(crate) shared: Field<Flag>,
    /// Allows `shared` for what is fetched with a caller's credential.
    #[schemars(extend("default" = false))]
    pub(crate) shared_despite_auth: Field<Flag>,
    /// Whether composers share it too, by way of the Redis of `second_level`. Only for lookups with
    /// `shared: true`; it lies there as the service sent it.
    #[schemars(extend("default" = false))]
    pub(crate) second_level: Field<Flag>,
}

/// A Redis where gateways and composers leave for each other what they fetched. They need not find it:
/// without it each asks the services. Its database is for one deployment.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "`second_level`")]
#[schemars(rename = "SecondLevel", extend("required" = ["redis"]))]
pub(crate) struct SecondLevel {
    /// Redis 7 or later, and no cluster: a URL, or a map with its password in a file.
    pub(crate) redis: Field<Short<RedisUrl, Redis>>,
    /// How long a request waits for it before it asks the service; one that has less than four times
    /// as long left does not wait. So it has to be less than a quarter of the `budget` of every endpoint
    /// with such a lookup and, with `stale_while_revalidate`, of the `timeout` of its service. A Redis
    /// that took longer once is let be until it answers again.
    #[schemars(extend("default" = bounds::SECOND_LEVEL.default.to_string()))]
    pub(crate) timeout: Field<Time>,
}

/// An answer made of several.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "an endpoint")]
#[schemars(rename = "Endpoint", extend("required" = ["steps", "answer"]))]
pub(crate) struct Endpoint {
    /// For the whole answer.
    #[schemars(extend("default" = bounds::BUDGET.default.to_string()))]
    pub(crate) budget: Field<Time>,
    /// Calls that one request may cost when nothing is cached.
    #[schemars(extend("default" = CALLS_MAX, "minimum" = 1, "maximum" = CALLS_CEILING))]
    pub(crate) max_calls: Field<Count>,
    /// One call each, by name. One that mentions another waits for it; the rest run together.
    pub(crate) steps: Field<Entries<Step>>,
    /// The members of the answer: a value such as `history.next` or `bank(profile.bankCode).name`,
    /// an object of such, or rows with `each`.
    #[schemars(schema_with = "answer_schema")]
    pub(crate) answer: Field<Tree>,
}

/// One call of a composed answer.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "a step")]
#[schemars(rename = "Step", extend("required" = ["call"]))]
pub(crate) struct Step {
    /// `GET`, a service, and a target. In braces stand parameters of the path, of the query
    /// (`{query.cursor}`) and values of other steps; one that ends in `?` may be missing.
    #[schemars(extend("type" = "string",
        "examples" = ["GET remittance /remittances?member={memberId}&cursor={query.cursor?}"]))]
    pub(crate) call: Field<Text>,
    /// Instead of the timeout of the service.
    pub(crate) timeout: Field<Time>,
    /// Whether there is no answer without this. So it is by default where there is no `else`.
    #[schemars(extend("default" = true))]
    pub(crate) required: Field<Flag>,
    /// Stands in for the answer of the service when there is none; `_errors` tells.
    #[serde(rename = "else")]
    #[schemars(schema_with = "anything")]
    pub(crate) otherwise: Field<Tree>,
    /// How long the answer is kept. Without it the call is made for every request.
    pub(crate) cache: Field<Cache>,
}

/// Rows out of an array in the answer of a step.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "rows")]
#[schemars(rename = "Rows", extend("required" = ["each"]))]
pub(crate) struct Rows {
    /// The array, as in `history.items`.
    #[schemars(extend("type" = "string", "examples" = ["history.items"]))]
    pub(crate) each: Field<Text>,
    /// Rows at most; past it the answer is 422.
    #[schemars(extend("default" = bounds::ROWS.default.0,
        "minimum" = bounds::ROWS.least.0, "maximum" = bounds::ROWS.most.0))]
    pub(crate) max: Field<Count>,
    /// Cuts what is past `max`, and says so with `truncated: true` beside the rows.
    #[schemars(extend("default" = false))]
    pub(crate) truncate: Field<Flag>,
    /// The members of a row that are passed on as they are. All others stay behind.
    pub(crate) keep: Field<Vec<Field<Text>>>,
    /// Members to add, each a value of the row or of what a lookup finds: `member(receiverId).name`.
    pub(crate) join: Field<Entries<Text>>,
}

fn anything(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["null", "boolean", "number", "string", "array", "object"] })
}

/// Objects may hold further objects, which is as far as editors are told.
fn answer_schema(generator: &mut SchemaGenerator) -> Schema {
    let rows = generator.subschema_for::<Rows>();
    json_schema!({
        "type": "object",
        "minProperties": 1,
        "additionalProperties": { "anyOf": [{ "type": "string" }, rows, { "type": "object" }] },
    })
}
