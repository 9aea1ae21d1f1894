//! Endpoints: their steps, what waits for what, and what a request may cost.

use super::answer::Shapes;
use super::lookup::{check_name, shared_secret};
use super::order::{Graph, Rounds};
use super::value::{QUERY, Values};
use super::{Fault, Faults, Names, path, template};
use crate::call::{self, Call, Insert, Slot};
use crate::declaration::{self, Text};
use crate::expression::Head;
use crate::plan::{DEPTH_MAX, Endpoint, Join, List, Lookup, Otherwise, Scope, Step, StepCache};

pub(super) fn compile(names: &Names<'_>, lookups: &[Lookup], faults: &mut Faults) -> Vec<Endpoint> {
    let written = &names.declaration.endpoints;
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for endpoint in written {
        let compiled = compile_one(endpoint, names, lookups, faults);
        // A path that cannot be read is like no other.
        let is_same = |other: &Endpoint| !other.path.is_empty() && other.path == compiled.path;
        let earlier = endpoints.iter().position(is_same);
        if let Some(first) = earlier.and_then(|place| written.get(place)) {
            let fault = Fault::at(&endpoint.name, "two endpoints take the same requests");
            faults.add(fault.other(first.name.place, "the other one"));
        }
        endpoints.push(compiled);
    }
    endpoints
}

fn compile_one(
    written: &declaration::Endpoint,
    names: &Names<'_>,
    lookups: &[Lookup],
    faults: &mut Faults,
) -> Endpoint {
    let (path, params) = path::compile(&written.name, faults);
    check_step_names(written, &params, faults);
    let mut values = Values {
        names,
        params,
        steps: &written.steps,
        queries: Vec::new(),
        joins: Vec::new(),
    };
    let steps = written.steps.iter().map(|step| {
        let call = compile_call(step, &mut values, faults);
        compile_step(step, call, written, &values, faults)
    });
    let steps = steps.collect();
    let mut shapes = Shapes {
        values: &mut values,
        lists: Vec::new(),
    };
    let answer = shapes.compile(&written.answer, &[], faults);
    let lists = shapes.lists;
    if written.answer.is_empty() {
        let fault = Fault::at_place(written.answer_place, "the answer would be empty");
        faults.add(fault.note("give it members: `answer: { balance: balance.amount }`"));
    }
    let mut endpoint = Endpoint {
        name: written.name.text.as_str().into(),
        path,
        params: values.params,
        queries: values.queries,
        budget: written.budget,
        calls_max: written.calls_max,
        steps,
        joins: values.joins,
        lists,
        answer,
    };
    put_in_order(&mut endpoint, written, lookups, faults);
    check_calls(&endpoint, written, lookups, faults);
    endpoint
}

fn check_step_names(written: &declaration::Endpoint, params: &[Box<str>], faults: &mut Faults) {
    for step in &written.steps {
        let name = &step.name;
        check_name(name, "step", faults);
        let is_param = params.iter().any(|param| **param == *name.text);
        if is_param || name.text == QUERY {
            let fault = Fault::at(name, format!("`{}` means something else", name.text));
            faults.add(fault.note(if is_param {
                "it is a parameter of the path"
            } else {
                "it is where parameters of the query are found"
            }));
        }
    }
}

fn compile_call(step: &declaration::Step, values: &mut Values<'_>, faults: &mut Faults) -> Call {
    let template = match call::parse(&step.call.text) {
        Ok(template) => template,
        Err(misspelt) => {
            faults.misspelt(&step.call, misspelt);
            return template::nowhere();
        }
    };
    let service = values.names.service(&step.call, &template, faults);
    template::build(&template, service, |slot| Insert::Value {
        value: compile_slot(&step.call, slot, values, faults),
        is_optional: slot.is_optional,
    })
}

fn compile_slot(
    text: &Text,
    slot: &Slot,
    values: &mut Values<'_>,
    faults: &mut Faults,
) -> crate::plan::Value {
    let expression = &slot.expression;
    match &expression.head {
        Head::Name(name) if name.text == QUERY => {
            let named = (name, &*expression.path);
            values.query(text, named, !slot.is_optional, faults)
        }
        Head::Name(_) | Head::Lookup { .. } => values.value(text, expression, None, faults),
    }
}

fn compile_step(
    step: &declaration::Step,
    call: Call,
    endpoint: &declaration::Endpoint,
    values: &Values<'_>,
    faults: &mut Faults,
) -> Step {
    let service = values.names.declaration.services.get(call.service.0);
    if let (Some(cache), Some(service)) = (&step.cache, service)
        && let (Scope::Shared, Some(place)) = (cache.scope, cache.shared_place)
        && service.is_sent_credential
        && !cache.is_shared_despite_auth
    {
        faults.add(shared_secret(place, &service.name));
    }
    if let Some((timeout, place)) = step.timeout
        && timeout > endpoint.budget
    {
        let fault = Fault::at_place(place, "a step may not take longer than its endpoint");
        faults.add(fault.note(format!("the budget is {:?}", endpoint.budget)));
    }
    if let (true, Some((_, place))) = (step.is_required, &step.otherwise) {
        let fault = Fault::at_place(*place, "a step that is required has no `else`");
        faults.add(fault.note("leave one of the two out"));
    }
    let of_service = service.map_or(endpoint.budget, |it| it.timeout);
    Step {
        name: step.name.text.as_str().into(),
        needs: values.needs_of(call.values()),
        call,
        timeout: step
            .timeout
            .map_or(of_service, |(it, _)| it)
            .min(endpoint.budget),
        round: 0,
        otherwise: match &step.otherwise {
            Some((value, _)) => Otherwise::Value(value.clone()),
            None => Otherwise::Fail,
        },
        cache: step.cache.as_ref().map(|written| StepCache {
            scope: written.scope,
            cache: written.cache.clone(),
        }),
    }
}

/// Finds the rounds, and with them circles and chains that are too long.
fn put_in_order(
    endpoint: &mut Endpoint,
    written: &declaration::Endpoint,
    lookups: &[Lookup],
    faults: &mut Faults,
) {
    for join in &mut endpoint.joins {
        let list = join.list.and_then(|list| endpoint.lists.get(list.0));
        let step = list.map(|list| list.step);
        join.needs
            .steps
            .extend(step.filter(|step| !join.needs.steps.contains(step)));
    }
    let is_call = |join: &Join| lookups.get(join.lookup.0).is_some_and(|it| !it.is_table());
    let graph = Graph {
        steps: endpoint.steps.iter().map(|step| &step.needs).collect(),
        joins: endpoint
            .joins
            .iter()
            .map(|join| (&join.needs, is_call(join)))
            .collect(),
    };
    let Rounds {
        steps,
        joins,
        circular,
    } = graph.rounds();
    let named = |step: &usize| written.steps.get(*step);
    for step in circular.iter().filter_map(named) {
        let message = match circular.len() {
            1 => "this step waits for itself",
            _ => "these steps wait for each other",
        };
        let fault = Fault::at(&step.call, message);
        let names = circular
            .iter()
            .filter_map(named)
            .map(|it| it.name.text.as_str());
        faults.add(fault.note(names.collect::<Vec<_>>().join(", ")));
    }
    let too_deep = "there are more than 3 calls one after the other";
    let note = "at most 3, tables not counted: ask a service that knows more at once";
    for (step, _) in written
        .steps
        .iter()
        .zip(&steps)
        .filter(|(_, round)| **round > DEPTH_MAX)
    {
        faults.add(Fault::at(&step.call, too_deep).note(note));
    }
    let deepest_step = steps.iter().max().copied().unwrap_or(0);
    let deepest_join = joins.iter().max().copied().unwrap_or(0);
    if deepest_join > DEPTH_MAX && deepest_step <= DEPTH_MAX {
        faults.add(Fault::at_place(written.answer_place, too_deep).note(note));
    }
    for (step, round) in endpoint.steps.iter_mut().zip(steps) {
        step.round = round;
    }
    for (join, round) in endpoint.joins.iter_mut().zip(joins) {
        join.round = round;
    }
}

fn check_calls(
    endpoint: &Endpoint,
    written: &declaration::Endpoint,
    lookups: &[Lookup],
    faults: &mut Faults,
) {
    let calls = endpoint.calls_worst(lookups);
    if calls > endpoint.calls_max {
        let message = format!("a request may cost {calls} calls");
        let note = format!(
            "at most {}: fewer rows (`max`), larger batches, or a higher `max_calls`",
            endpoint.calls_max
        );
        faults.add(Fault::at(&written.name, message).note(note));
    }
}

impl Endpoint {
    /// Calls that a request costs when nothing is cached and every list is as long as it may be.
    pub fn calls_worst(&self, lookups: &[Lookup]) -> usize {
        let joins = self.joins.iter().map(|join| {
            let batch = lookups.get(join.lookup.0).and_then(Lookup::batch_max);
            let list = join.list.and_then(|list| self.list(list));
            let rows = list.map_or(1, |list: &List| list.rows_max);
            batch.map_or(0, |max| rows.div_ceil(max.keys.max(1)))
        });
        self.steps.len() + joins.sum::<usize>()
    }
}
