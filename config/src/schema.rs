//! The JSON Schema by which editors complete and check the file.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::Value;

use crate::written;

/// The schema of the file, JSON Schema draft 2020-12.
///
/// It is made from the types the file is read into, so it knows every key and its comment. What
/// takes the whole file to judge, such as a route to a service that is not there, is beyond it.
#[must_use]
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(join_lines));
    settings
        .into_generator()
        .into_root_schema_for::<written::File>()
        .to_value()
}

/// A comment is broken into lines for the source, which an editor would show as they are.
fn join_lines(schema: &mut Schema) {
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description.replace('\n', " ");
    }
}
