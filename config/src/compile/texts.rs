//! Lists of texts: how many there may be, and what each of them.

use idp_core::client::{AUDIENCE_BYTES_MAX, AUDIENCE_MAX, ROLE_BYTES_MAX, ROLES_MAX};
use idp_core::scope::{SCOPE_BYTES_MAX, SCOPES_MAX, Scopes};

use super::check_count;
use crate::reader::{Field, Reading};
use crate::units::Text;

pub(super) struct Texts {
    pub(super) noun: &'static str,
    pub(super) count_max: usize,
    pub(super) expected: &'static str,
    pub(super) note: &'static str,
    pub(super) is_sound: fn(&str) -> bool,
}

pub(super) const SCOPES: Texts = Texts {
    noun: "scopes",
    count_max: SCOPES_MAX,
    expected: "expected a scope such as `money.read`",
    note: "up to 64 ASCII characters without spaces, quotes and backslashes",
    is_sound: |text| text.len() <= SCOPE_BYTES_MAX && Scopes::of([text]).is_some(),
};

pub(super) const ROLES: Texts = Texts {
    noun: "roles",
    count_max: ROLES_MAX,
    expected: "expected a role such as `member`",
    note: "1 to 64 characters",
    is_sound: |text| (1..=ROLE_BYTES_MAX).contains(&text.len()),
};

pub(super) const AUDIENCE: Texts = Texts {
    noun: "services as the audience",
    count_max: AUDIENCE_MAX,
    expected: "expected the name of a service",
    note: "1 to 128 characters",
    is_sound: |text| (1..=AUDIENCE_BYTES_MAX).contains(&text.len()),
};

impl Texts {
    /// Those that are sound, in their order; reports the others.
    pub(super) fn take(&self, list: &Field<Vec<Field<Text>>>, reading: Reading<'_>) -> Vec<String> {
        check_count(list.count(), self.count_max, self.noun, reading);
        let mut sound = Vec::new();
        for text in list.items().take(self.count_max) {
            if (self.is_sound)(&text.value.0) {
                sound.push(text.value.0.clone());
            } else {
                let note = reading.note_on(text.node, self.note);
                let finding = reading.find(text.node, self.expected);
                reading.report.add(finding.note(note));
            }
        }
        sound
    }
}
