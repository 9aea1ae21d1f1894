//! Can a declaration be carried out, and if so, how?
//!
//! Everything that is wrong is found in one run, each with the place to point at. What cannot be
//! compiled is taken for something that can, so that the rest is judged all the same.

use std::collections::HashMap;
use std::ops::Range;

use crate::declaration::{Declaration, Place, Text};
use crate::expression::Misspelt;
use crate::plan::{Plan, ServiceId, Source};

mod answer;
mod endpoint;
mod lookup;
mod order;
mod path;
mod template;
mod value;

#[cfg(test)]
mod tests;

/// Of the names of lookups and steps.
const NAME_BYTES_MAX: usize = 63;

/// One thing that is wrong with a declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub place: Place,
    /// The part of the text at this place, where it is not the whole.
    pub span: Option<Range<usize>>,
    pub message: String,
    pub hint: Hint,
    /// Another place that it cannot be understood without, and what is there.
    pub other: Option<(Place, String)>,
}

/// What whoever reads of a fault may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    None,
    Note(String),
    /// A name is not known; these are.
    Known {
        name: String,
        /// What the names are called together.
        kind: &'static str,
        names: Vec<String>,
    },
}

/// Compiles a declaration, or says everything that is wrong with it in the order of its parts.
pub fn compile(declaration: &Declaration) -> Result<Plan, Vec<Fault>> {
    let names = Names::of(declaration);
    let mut faults = Faults::default();
    let services = declaration.services.iter().map(|service| Source {
        name: service.name.as_str().into(),
        is_sent_credential: service.is_sent_credential,
    });
    let lookups = lookup::compile(&names, &mut faults);
    let plan = Plan {
        services: services.collect(),
        endpoints: endpoint::compile(&names, &lookups, &mut faults),
        lookups,
    };
    if faults.0.is_empty() {
        Ok(plan)
    } else {
        Err(faults.0)
    }
}

#[derive(Debug, Default)]
struct Faults(Vec<Fault>);

/// What can be meant by a name.
struct Names<'d> {
    declaration: &'d Declaration,
    services: HashMap<&'d str, usize>,
    lookups: HashMap<&'d str, usize>,
}

impl Fault {
    fn at(text: &Text, message: impl Into<String>) -> Self {
        Self::at_place(text.place, message)
    }

    fn at_place(place: Place, message: impl Into<String>) -> Self {
        Self {
            place,
            span: None,
            message: message.into(),
            hint: Hint::None,
            other: None,
        }
    }

    fn within(mut self, span: Range<usize>) -> Self {
        self.span = Some(span);
        self
    }

    fn note(mut self, note: impl Into<String>) -> Self {
        self.hint = Hint::Note(note.into());
        self
    }

    fn other(mut self, place: Place, note: &str) -> Self {
        self.other = Some((place, note.to_owned()));
        self
    }
}

impl Faults {
    fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    fn misspelt(&mut self, text: &Text, misspelt: Misspelt) {
        let fault = Fault::at(text, misspelt.message).within(misspelt.span);
        self.add(fault.note(misspelt.note));
    }

    fn unknown<'n>(
        &mut self,
        text: &Text,
        (name, span): (&str, Range<usize>),
        kinds: (&str, &'static str),
        known: impl IntoIterator<Item = &'n str>,
    ) {
        let (one, all) = kinds;
        let fault = Fault::at(text, format!("there is no {one} `{name}`")).within(span);
        let hint = Hint::Known {
            name: name.to_owned(),
            kind: all,
            names: known.into_iter().map(str::to_owned).collect(),
        };
        self.add(Fault { hint, ..fault });
    }
}

impl<'d> Names<'d> {
    fn of(declaration: &'d Declaration) -> Self {
        let services = declaration.services.iter().map(|it| it.name.as_str());
        let lookups = declaration.lookups.iter().map(|it| it.name.text.as_str());
        Self {
            declaration,
            services: services.zip(0..).collect(),
            lookups: lookups.zip(0..).collect(),
        }
    }

    /// The service that a call names; one that is nowhere where there is none of that name.
    fn service(
        &self,
        text: &Text,
        template: &crate::call::Template,
        faults: &mut Faults,
    ) -> ServiceId {
        let word = &template.service;
        let found = self.services.get(word.text.as_str());
        if found.is_none() {
            let known = self.declaration.services.iter().map(|it| it.name.as_str());
            let name = (word.text.as_str(), word.span.clone());
            faults.unknown(text, name, ("service", "services"), known);
        }
        let service = found.and_then(|place| self.declaration.services.get(*place));
        if let Some(place) = service.and_then(|service| service.http2_place) {
            let message = format!("`{}` speaks HTTP/2: calls are made in HTTP/1.1", word.text);
            let fault = Fault::at(text, message).within(word.span.clone());
            let fault = fault.other(place, "it is said here");
            faults.add(fault.note("declare it once more, where it speaks HTTP/1.1"));
        }
        ServiceId(found.copied().unwrap_or(usize::MAX))
    }
}
