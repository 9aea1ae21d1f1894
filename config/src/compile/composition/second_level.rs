//! Where records are shared with other composers, and is anything?

use crate::bounds;
use crate::compile::{Missing, redis};
use crate::composer::SecondLevel;
use crate::document::NodeId;
use crate::reader::{Field, Located, Reading};
use crate::written::{File, Lookup};

const REDIS: Missing = Missing {
    key: "redis",
    example: "redis: redis://127.0.0.1:6379",
};

/// Where a lookup says that its records are shared.
pub(super) fn asked_for(lookup: &Lookup) -> Option<NodeId> {
    let flag = lookup.cache.value()?.second_level.given()?;
    flag.value.0.then_some(flag.node)
}

pub(in crate::compile) fn compile(file: &File, reading: Reading<'_>) -> Option<SecondLevel> {
    let lookups = file.lookups.entries().filter_map(|(_, it)| it.value());
    let mut asked_for = lookups.filter_map(asked_for);
    let Field::Given(Located { value: given, node }) = &file.second_level else {
        if file.second_level.is_absent() {
            for node in asked_for {
                let finding = reading.find(node, "there is no second level");
                let note = "add `second_level: { redis: redis://127.0.0.1:6379 }` to the file";
                reading.report.add(finding.note(note));
            }
        }
        return None;
    };
    // What could not be read may have asked for it.
    let is_broken = |lookup: &Field<Lookup>| {
        let lookup = lookup.value();
        lookup.is_none_or(|it| matches!(it.cache, Field::Broken))
    };
    let may_be_lost = matches!(file.lookups, Field::Broken)
        || file.lookups.entries().any(|(_, lookup)| is_broken(lookup));
    if asked_for.next().is_none() && !may_be_lost {
        let finding = reading.find(*node, "`second_level` has no effect: no lookup goes there");
        let note = "say `second_level: true` in the `cache` of a lookup that is `shared`";
        reading.report.add(finding.note(note));
    }
    REDIS.check(&given.redis, *node, reading);
    Some(SecondLevel {
        timeout: bounds::SECOND_LEVEL
            .take(&given.timeout, reading)
            .duration(),
        redis: redis::compile(&given.redis, reading)?,
    })
}
