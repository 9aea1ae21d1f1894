//! May the people be registered as they are described?

use std::collections::HashMap;

use idp_core::id::{TenantId, Username};

use super::tenant::Tenants;
use crate::bounds;
use crate::compile::path::Paths;
use crate::compile::texts::ROLES;
use crate::compile::{Missing, check_count};
use crate::document::NodeId;
use crate::problem::shown;
use crate::provider::UserSeed;
use crate::reader::{Entries, Field, Located, Reading};
use crate::written::provider::User;

const PASSWORD_FILE: Missing = Missing {
    key: "password_file",
    example: "password_file: ./data/<name>.password",
};

pub(super) fn compile(
    users: &Field<Entries<User>>,
    tenants: &Tenants<'_>,
    paths: &mut Paths<'_>,
) -> Vec<UserSeed> {
    let reading = paths.reading();
    check_count(users.count(), bounds::USERS_MAX, "users", reading);
    let mut seeds = Vec::new();
    let mut seen: HashMap<(TenantId, Username), NodeId> = HashMap::new();
    for (key, user) in users.entries().take(bounds::USERS_MAX) {
        let name = parse_name(key, reading);
        let Some(user) = user.given() else {
            continue;
        };
        let Some(seed) = compile_user(user, name, tenants, paths) else {
            continue;
        };
        let who = (seed.tenant.clone(), seed.name.clone());
        if let Some(first) = seen.insert(who, key.node) {
            let finding = reading.find(key.node, "two users of a tenant cannot share a name");
            let finding = finding.note("upper and lower case are the same");
            let first = reading.span(first);
            reading.report.add(finding.other(first, "the other user"));
        }
        seeds.push(seed);
    }
    seeds
}

fn parse_name(key: &Located<String>, reading: Reading<'_>) -> Option<Username> {
    let name = Username::parse(&key.value);
    if name.is_none() {
        let message = format!("`{}` cannot be the name of a user", shown(&key.value));
        let note = "ASCII characters without spaces; at most 128";
        reading
            .report
            .add(reading.find(key.node, message).note(note));
    }
    name
}

fn compile_user(
    user: &Located<User>,
    name: Option<Username>,
    tenants: &Tenants<'_>,
    paths: &mut Paths<'_>,
) -> Option<UserSeed> {
    let reading = paths.reading();
    let Located { value: user, node } = user;
    let roles = ROLES.take(&user.roles, reading);
    let tenant = tenants.find(&user.tenant);
    let file = PASSWORD_FILE.check(&user.password_file, *node, reading)?;
    Some(UserSeed {
        password_file: paths.take_text(&file.value.0, Some(file.node)),
        name: name?,
        tenant: tenant?,
        roles,
        is_enabled: user.enabled.value().is_none_or(|enabled| enabled.0),
    })
}
