//! Lookups: what is asked, and who may share the answer.

use super::{Fault, Faults, Names};
use crate::call::{self, Call};
use crate::compile::template::{self, Use};
use crate::declaration::{self, LookupSource as Written, Text};
use crate::expression::is_name;
use crate::json::Name;
use crate::plan::{Lookup, LookupSource, Scope, ServiceId};

pub(super) fn compile(names: &Names<'_>, faults: &mut Faults) -> Vec<Lookup> {
    let written = &names.declaration.lookups;
    written
        .iter()
        .map(|it| compile_one(it, names, faults))
        .collect()
}

fn compile_one(written: &declaration::Lookup, names: &Names<'_>, faults: &mut Faults) -> Lookup {
    check_name(&written.name, "lookup", faults);
    let call = compile_call(written, names, faults);
    let service = names.declaration.services.get(call.service.0);
    check_sharing(written, call.service, names, faults);
    check_second_level(written, faults);
    let key = written.key.as_ref().map(|text| member(text, faults));
    if key.is_none() {
        let fault = Fault::at(&written.name, "this lookup needs a `key`");
        faults.add(fault.note("the member of a record that says whose it is: `key: memberId`"));
    }
    Lookup {
        name: written.name.text.as_str().into(),
        timeout: service.map(|it| it.timeout).unwrap_or_default(),
        source: compile_source(written, faults),
        key: key.unwrap_or_else(|| Name::new("")),
        items: written
            .items
            .as_ref()
            .map_or_else(Box::default, |it| path(it, faults)),
        version: written.version.as_ref().map(|text| member(text, faults)),
        scope: written.scope,
        is_in_second_level: written.second_level_place.is_some(),
        call,
    }
}

fn compile_call(written: &declaration::Lookup, names: &Names<'_>, faults: &mut Faults) -> Call {
    let template = match call::parse(&written.call.text) {
        Ok(template) => template,
        Err(misspelt) => {
            faults.misspelt(&written.call, misspelt);
            return template::nowhere();
        }
    };
    let service = names.service(&written.call, &template, faults);
    let allowed = match written.source {
        Written::Batch { .. } => Use::Batch,
        Written::Table { .. } => Use::Table,
    };
    let call = template::of_lookup((&written.call, &template), service, allowed, faults);
    if call.asks_for_versions() && written.version.is_none() {
        let fault = Fault::at(&written.call, "`{versions}` needs the key `version`");
        faults.add(fault.note("the member of a record that says its version: `version: etag`"));
    }
    call
}

fn compile_source(written: &declaration::Lookup, faults: &mut Faults) -> LookupSource {
    match &written.source {
        Written::Batch { max, cache } => LookupSource::Batch {
            max: *max,
            cache: cache.clone(),
        },
        Written::Table {
            refresh,
            reload,
            bytes_max,
            deleted,
        } => LookupSource::Table {
            refresh: *refresh,
            reload: *reload,
            bytes_max: *bytes_max,
            deleted: member(deleted, faults),
        },
    }
}

/// What is fetched with a caller's credential may hold what only that caller may see.
fn check_sharing(
    written: &declaration::Lookup,
    service: ServiceId,
    names: &Names<'_>,
    faults: &mut Faults,
) {
    let Some(service) = names.declaration.services.get(service.0) else {
        return;
    };
    if !service.is_sent_credential {
        return;
    }
    if matches!(written.source, Written::Table { .. }) {
        let fault = Fault::at(&written.call, "a table is fetched for nobody in particular");
        let name = &service.name;
        faults.add(fault.note(format!(
            "`{name}` is sent a credential: give it `credential: none`"
        )));
    } else if let (Scope::Shared, Some(place)) = (written.scope, written.shared_place)
        && !written.is_shared_despite_auth
    {
        faults.add(shared_secret(place, &service.name));
    }
}

/// What lies in the second level is seen by every composer, so it is for every caller.
fn check_second_level(written: &declaration::Lookup, faults: &mut Faults) {
    let Some(place) = written.second_level_place else {
        return;
    };
    let is_kept = matches!(written.source, Written::Batch { cache: Some(_), .. });
    if written.scope != Scope::Shared || !is_kept {
        let message = "what is kept for each caller alone goes into no second level";
        faults.add(Fault::at_place(place, message).note("it is for records with `shared: true`"));
    }
}

/// For lookups and for steps.
pub(super) fn shared_secret(place: declaration::Place, service: &str) -> Fault {
    let message = "what is fetched with a caller's credential is not for others";
    Fault::at_place(place, message).note(format!(
        "give `{service}` `credential: none`, or allow it here with `shared_despite_auth: true`"
    ))
}

pub(super) fn check_name(name: &Text, kind: &str, faults: &mut Faults) {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let is_sound = name.text.starts_with(|c: char| c.is_ascii_alphabetic());
    if !is_sound || !name.text.chars().all(is_plain) || name.text.len() > super::NAME_BYTES_MAX {
        let message = format!("`{}` cannot be the name of a {kind}", shown(&name.text));
        let note = "a letter, then letters, digits, `_` or `-`; at most 63 characters";
        faults.add(Fault::at(name, message).note(note));
    }
}

/// The beginning of a text that may be anything.
pub(super) fn shown(text: &str) -> String {
    text.chars()
        .take(40)
        .filter(|letter| !letter.is_control())
        .collect()
}

/// The name of one member.
pub(super) fn member(text: &Text, faults: &mut Faults) -> Name {
    if !is_name(&text.text) {
        let fault = Fault::at(text, "expected the name of a member");
        faults.add(fault.note("letters, digits, `_`, `-`, `$` and `@`"));
    }
    Name::new(text.text.as_str())
}

fn path(text: &Text, faults: &mut Faults) -> Box<[Name]> {
    let is_path = text.text.split('.').all(is_name);
    if !is_path {
        let fault = Fault::at(text, "expected a path of members");
        faults.add(fault.note("as in `data.items`"));
    }
    text.text.split('.').map(Name::new).collect()
}
