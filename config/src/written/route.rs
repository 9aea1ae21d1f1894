//! Routes as they are written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::reader::{Entries, Field};
use crate::units::{Size, Text, Time, or_variable};

/// Whole segments; for the schema only.
const PREFIX: &str = "(/[^/{}]+)+";

/// Which requests go to which service, and what changes on the way.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "a route")]
#[schemars(rename = "Route", extend("required" = ["match", "to"]))]
pub(crate) struct Route {
    /// The name in logs and metrics; by default the text of `match`. No two routes share one.
    pub(crate) name: Field<Text>,
    /// Methods and a path: `GET /members/{id}`, `PUT,PATCH /members/{id}`, or a path alone for any
    /// method. `{id}` stands for one segment, `{rest*}` at the end for all that remain.
    #[serde(rename = "match")]
    #[schemars(extend(
        "type" = "string",
        "pattern" = or_variable("([A-Z]+(,[A-Z]+)* +)?/\\S*"),
        "examples" = ["POST /money/transfers", "GET /members/{id}", "/money/{rest*}"]))]
    pub(crate) matches: Field<Text>,
    /// Only for this host, or with `*.example.com` for all below it.
    #[schemars(extend("examples" = ["pay.example.com", "*.example.com"]))]
    pub(crate) host: Field<Text>,
    /// Only for requests with these header fields, each with exactly this value.
    pub(crate) headers: Field<Entries<Text>>,
    /// The service that answers.
    pub(crate) to: Field<Text>,
    /// A prefix of the path to take away before the service sees it.
    #[schemars(extend("type" = "string", "pattern" = or_variable(PREFIX), "examples" = ["/money"]))]
    pub(crate) strip: Field<Text>,
    /// A prefix to put in front of the path, after `strip`.
    #[schemars(extend("type" = "string", "pattern" = or_variable(PREFIX), "examples" = ["/v1"]))]
    pub(crate) add: Field<Text>,
    /// The largest request body; by default `limits.body`.
    pub(crate) body: Field<Size>,
    /// Instead of the timeout of the service.
    pub(crate) timeout: Field<Time>,
    /// Changes to the header fields that the service sees.
    pub(crate) request_headers: Field<HeaderRules>,
    /// Changes to the header fields that the client sees.
    pub(crate) response_headers: Field<HeaderRules>,
}

/// Changes to header fields, in this order: `remove`, `set`, `add`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "header rules")]
#[schemars(rename = "HeaderRules")]
pub(crate) struct HeaderRules {
    /// Fields that get this value, whatever they had.
    pub(crate) set: Field<Entries<Text>>,
    /// Fields that get this value beside what they have.
    pub(crate) add: Field<Entries<Text>>,
    /// Fields that are taken away.
    pub(crate) remove: Field<Vec<Field<Text>>>,
}
