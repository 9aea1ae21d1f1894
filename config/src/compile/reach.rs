//! Does a listener lead to every route?

use gateway_core::level::Level;

use crate::reader::{Field, Reading};
use crate::written::{File, Route};

/// The innermost level of any listener; `None` where one of them could not be read.
pub(super) fn innermost(file: &File) -> Option<Level> {
    let listen = match &file.listen {
        Field::Absent => return Some(Level::Open),
        Field::Broken => return None,
        Field::Given(listen) => &listen.value,
    };
    let mut innermost = Level::Open;
    for listener in listen {
        innermost = innermost.max(read(&listener.given()?.value.level)?);
    }
    Some(innermost)
}

/// The level of a route, which a listener must lead to.
pub(super) fn compile(route: &Route, innermost: Option<Level>, reading: Reading<'_>) -> Level {
    let level = read(&route.level).unwrap_or_default();
    if let (Some(given), Some(innermost)) = (route.level.given(), innermost)
        && !innermost.reaches(level)
    {
        let note = format!(
            "add one: `listen: [{{ address: 127.0.0.1:8081, level: {} }}]`",
            level.as_str()
        );
        let finding = reading.find(given.node, "no listener leads to this route");
        reading.report.add(finding.note(note));
    }
    level
}

/// The level that is written; `None` where it could not be read.
pub(super) fn read(field: &Field<crate::units::Level>) -> Option<Level> {
    match field {
        Field::Absent => Some(Level::Open),
        Field::Broken => None,
        Field::Given(level) => Some(level.value.0),
    }
}
