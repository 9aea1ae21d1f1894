//! What does a class allow, and what does it set?

use gateway_core::route::{Class, Methods, is_read};

use crate::bounds;
use crate::reader::Reading;
use crate::units::Size;
use crate::written::Route;

/// `methods` is absent where the match of the route was refused already.
pub(super) fn compile(
    route: &Route,
    methods: Option<&Methods>,
    reading: Reading<'_>,
) -> Option<Class> {
    let given = route.class.given()?;
    let class = given.value.0;
    let other = match (class, methods) {
        (Class::Read, Some(Methods::Any)) => "any method".to_owned(),
        (Class::Read, Some(Methods::Only(methods))) => match methods.iter().find(|it| !is_read(it))
        {
            Some(method) => method.to_string(),
            None => return Some(class),
        },
        (Class::Read, None) | (Class::Write | Class::Transfer, _) => return Some(class),
    };
    let finding = reading
        .find(
            given.node,
            format!("a route that reads cannot take {other}"),
        )
        .note("what reads may be sent twice: only GET, HEAD and OPTIONS, each named in `match`");
    reading.report.add(match route.matches.given() {
        Some(matches) => finding.other(reading.span(matches.node), "the match"),
        None => finding,
    });
    Some(class)
}

/// The largest body of a route that says nothing of it, where all others take `body_max`.
pub(crate) fn body_max(class: Option<Class>, body_max: Size) -> Size {
    match class {
        Some(Class::Transfer) if body_max > bounds::TRANSFER_BODY => bounds::TRANSFER_BODY,
        Some(Class::Transfer | Class::Read | Class::Write) | None => body_max,
    }
}
