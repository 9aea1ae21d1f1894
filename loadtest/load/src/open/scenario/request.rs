//! One kind of request, as a scenario says it.

use super::super::template::{RequestTemplate, Template};
use super::Planned;
use super::fields::{Field, Fields};
use super::target::{Target, Tls};
use super::value::Named;

const WEIGHT_MAX: u64 = 10_000;
const METHODS: [(&str, &str); 6] = [
    ("get", "GET"),
    ("head", "HEAD"),
    ("post", "POST"),
    ("put", "PUT"),
    ("patch", "PATCH"),
    ("delete", "DELETE"),
];
const TARGETS_MAX: usize = 10;
/// What the generator writes itself.
const OWN_FIELDS: [&str; 3] = ["content-length", "transfer-encoding", "connection"];

/// What requests are read with.
pub(super) struct Around<'a> {
    pub(super) named: &'a Named,
    pub(super) tls: Option<&'a Tls>,
    /// The first is that of the scenario.
    pub(super) targets: Vec<Target>,
    pub(super) is_h2: bool,
}

impl Around<'_> {
    pub(super) fn read(&mut self, field: &Field<'_>) -> Option<Planned> {
        let mut fields = field.fields("a request: `{ name: a, get: /a }`")?;
        let name = fields.need("name", "a name");
        let name = name.and_then(|it| it.text("a name"));
        let weight = fields.find("weight");
        let weight = weight.map_or(Some(1), |it| it.number(1, WEIGHT_MAX));
        let target = match fields.find("at") {
            Some(at) => self.find_target(&at),
            None => Some(0),
        };
        let asked = method(&mut fields);
        let path = asked.as_ref().and_then(|(_, path)| self.path(path));
        let headers = fields.find("headers");
        let headers = headers.map_or(Some(Vec::new()), |it| self.headers(&it));
        let body = fields.find("body").map(|it| self.template(&it));
        let expect = fields.find("expect");
        let expect = expect.map_or(Some(vec![200]), |it| statuses(&it));
        let holds = fields.find("body_holds");
        let body_holds = holds.map(|it| it.text("text").map(str::to_owned));
        fields.finish();
        let (method, _) = asked?;
        let body = match body {
            Some(body) => Some(body?),
            None => matches!(method, "POST" | "PUT" | "PATCH").then(Template::default),
        };
        let target = target?;
        let line = (method, self.targets.get(target)?.authority.as_str());
        Some(Planned {
            name: name?.to_owned(),
            weight: u32::try_from(weight?).ok()?,
            target,
            is_head: method == "HEAD",
            template: RequestTemplate::new(line, path?, headers?, body),
            expect: expect?,
            body_holds: body_holds.map_or(Some(None), |it| it.map(Some))?,
        })
    }

    fn find_target(&mut self, at: &Field<'_>) -> Option<usize> {
        let target = Target::read(at, self.tls, false)?;
        if let Some(known) = self.targets.iter().position(|it| it.is(&target)) {
            return Some(known);
        }
        if self.is_h2 {
            at.complain("with `protocol: h2` all requests go to one target");
            return None;
        }
        if self.targets.len() == TARGETS_MAX {
            at.complain("there are more than 10 targets");
            return None;
        }
        self.targets.push(target);
        Some(self.targets.len() - 1)
    }

    fn path(&self, field: &Field<'_>) -> Option<Template> {
        let is_path = |text: &str| {
            let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
            (text.starts_with('/') && is_plain).then_some(())
        };
        field.read("a path: `/members/{member}`", is_path)?;
        self.template(field)
    }

    fn headers(&self, field: &Field<'_>) -> Option<Vec<(String, Template)>> {
        let fields = field.fields("names with values")?;
        let mut headers = Some(Vec::new());
        for (name, value) in fields.all() {
            let read = self.header(name, &value);
            headers = headers.zip(read).map(|(mut headers, read)| {
                headers.push(read);
                headers
            });
        }
        headers
    }

    fn header(&self, name: &str, value: &Field<'_>) -> Option<(String, Template)> {
        let lower = name.to_ascii_lowercase();
        if lower.parse::<http::HeaderName>().is_err() {
            value.complain(&format!("`{}` is no name of a field", value.name()));
            return None;
        }
        if OWN_FIELDS.contains(&lower.as_str()) {
            value.complain(&format!(
                "`{}` is what the generator writes itself",
                value.name()
            ));
            return None;
        }
        let is_visible = |text: &str| (!text.chars().any(char::is_control)).then_some(());
        value.read("text on one line", is_visible)?;
        Some((lower, self.template(value)?))
    }

    fn template(&self, field: &Field<'_>) -> Option<Template> {
        let parsed = Template::parse(field.text("text")?, &self.named.values);
        let told = |error| field.complain(&format!("`{}`: {error}", field.name()));
        parsed.map_err(told).ok()
    }
}

/// The one method that a request names, with its path.
fn method<'a>(fields: &mut Fields<'a>) -> Option<(&'static str, Field<'a>)> {
    let found = METHODS.map(|(key, method)| fields.find(key).map(|field| (method, field)));
    let mut found = found.into_iter().flatten();
    let first = found.next();
    if first.is_none() || found.next().is_some() {
        fields
            .complain("a request names one of `get`, `head`, `post`, `put`, `patch` and `delete`");
        return None;
    }
    first
}

fn statuses(field: &Field<'_>) -> Option<Vec<u16>> {
    let expected = "statuses: `[200, 201]`";
    let items = match field.is_list() {
        true => field.items(expected)?,
        false => vec![field.clone()],
    };
    if items.is_empty() {
        field.complain(&format!("`{}` is to be {expected}", field.name()));
    }
    let statuses = items.iter().map(|it| it.number(200, 599));
    let statuses = statuses.map(|it| u16::try_from(it?).ok());
    statuses
        .collect::<Option<Vec<_>>>()
        .filter(|it| !it.is_empty())
}
