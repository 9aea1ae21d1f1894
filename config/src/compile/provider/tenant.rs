//! Which tenants are there, and which of them is meant?

use idp_core::id::TenantId;

use crate::bounds;
use crate::compile::check_count;
use crate::document::NodeId;
use crate::nearest;
use crate::problem::shown;
use crate::reader::{Field, Located, Reading};
use crate::units::Text;

/// The one that is always there.
pub(super) const DEFAULT: &str = "default";

const NAME_NOTE: &str = "letters, digits, `.`, `_` or `-`; at most 64 characters";

pub(super) struct Tenants<'a> {
    pub(super) ids: Vec<TenantId>,
    /// Whether there may be more that could not be read.
    are_some_lost: bool,
    reading: Reading<'a>,
}

pub(super) fn compile<'a>(field: &Field<Vec<Field<Text>>>, reading: Reading<'a>) -> Tenants<'a> {
    check_count(field.count(), bounds::TENANTS_MAX, "tenants", reading);
    let mut ids: Vec<TenantId> = TenantId::parse(DEFAULT).into_iter().collect();
    let mut nodes: Vec<NodeId> = Vec::new();
    for name in field.items().take(bounds::TENANTS_MAX) {
        let Some(id) = TenantId::parse(&name.value.0) else {
            let finding = reading.find(name.node, "this cannot be the name of a tenant");
            reading.report.add(finding.note(NAME_NOTE));
            continue;
        };
        match ids.iter().position(|known| *known == id) {
            None => {
                ids.push(id);
                nodes.push(name.node);
            }
            Some(0) => {
                let finding = reading.find(name.node, "the tenant `default` is always there");
                reading.report.add(finding.note("leave it out"));
            }
            Some(index) => {
                let finding = reading.find(name.node, "a tenant is there twice");
                let first = nodes.get(index - 1).map(|node| reading.span(*node));
                reading.report.add(match first {
                    Some(first) => finding.other(first, "it is already here"),
                    None => finding,
                });
            }
        }
    }
    Tenants {
        are_some_lost: matches!(field, Field::Broken)
            || field.value().is_some_and(|names| ids.len() <= names.len()),
        ids,
        reading,
    }
}

impl Tenants<'_> {
    /// The tenant that a client or a user names, if it is there.
    pub(super) fn find(&self, field: &Field<Text>) -> Option<TenantId> {
        let Located { value: name, node } = match field {
            Field::Absent => return self.ids.first().cloned(),
            Field::Broken => return None,
            Field::Given(name) => name,
        };
        let found = self.ids.iter().find(|id| id.as_str() == name.0);
        if found.is_none() && !self.are_some_lost {
            let reading = self.reading;
            let written = shown(reading.document.text(*node));
            let names = self.ids.iter().map(TenantId::as_str);
            let note = match nearest::find(&name.0, names) {
                Some(name) => format!("did you mean `{name}`?"),
                None => "add it to `provider.tenants`".to_owned(),
            };
            let note = reading.note_on(*node, note);
            let finding = reading.find(*node, format!("there is no tenant `{written}`"));
            reading.report.add(finding.note(note));
        }
        found.cloned()
    }
}
