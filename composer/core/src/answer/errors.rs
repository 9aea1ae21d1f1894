//! `_errors`: what is missing or stale and why, one entry for each source and cause.

use std::io::Write as _;

use super::ERRORS;
use crate::cause::Cause;
use crate::compose::Part;
use crate::json::quoted;
use crate::plan::{Endpoint, ListId, Plan};

#[derive(Debug, Default)]
pub(crate) struct Errors(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    source: Part,
    list: Option<ListId>,
    cause: Cause,
    is_stale: bool,
    rows: Ranges,
}

/// Rows as a text of ranges, counted from 0: `3,7-9`. They come in order, some more than once.
#[derive(Debug, Default)]
struct Ranges(Vec<(usize, usize)>);

impl Errors {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn add(
        &mut self,
        source: Part,
        row: Option<(ListId, usize)>,
        cause: Cause,
        is_stale: bool,
    ) {
        let list = row.map(|(list, _)| list);
        let place = self.0.iter().position(|entry| {
            (entry.source, entry.list, entry.cause, entry.is_stale)
                == (source, list, cause, is_stale)
        });
        let place = place.unwrap_or_else(|| {
            self.0.push(Entry {
                source,
                list,
                cause,
                is_stale,
                rows: Ranges::default(),
            });
            self.0.len() - 1
        });
        if let (Some(entry), Some((_, row))) = (self.0.get_mut(place), row) {
            entry.rows.add(row);
        }
    }

    pub(crate) fn write(&self, plan: &Plan, endpoint: &Endpoint, out: &mut Vec<u8>) {
        out.extend_from_slice(quoted(ERRORS).as_bytes());
        out.extend_from_slice(b":[");
        for (place, entry) in self.0.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            let name = match entry.source {
                Part::Step(step) => endpoint.step(step).map(|it| &it.name),
                Part::Lookup(lookup) => plan.lookup(lookup).map(|it| &it.name),
            };
            let source = quoted(name.map_or("", |name| name));
            let _ = write!(out, "{{\"source\":{source}");
            if let Some(list) = entry.list.and_then(|list| endpoint.list(list)) {
                let list = quoted(&list.name);
                let _ = write!(out, ",\"in\":{list},\"rows\":\"{}\"", entry.rows.text());
            }
            let (cause, stale) = (entry.cause, entry.is_stale);
            let _ = write!(out, ",\"cause\":\"{cause}\",\"stale\":{stale}}}");
        }
        out.push(b']');
    }
}

impl Ranges {
    fn add(&mut self, row: usize) {
        match self.0.last_mut() {
            Some((_, last)) if row <= *last => {}
            Some((_, last)) if row == *last + 1 => *last = row,
            Some(_) | None => self.0.push((row, row)),
        }
    }

    fn text(&self) -> String {
        let ranges = self.0.iter().map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        });
        ranges.collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_told_in_ranges() {
        #[rustfmt::skip]
        let cases: [(&[usize], &str); 7] = [
            (&[],                     ""),
            (&[0],                    "0"),
            (&[3, 7, 8, 9],           "3,7-9"),
            (&[0, 1],                 "0-1"),
            (&[0, 0, 1, 1, 1, 5, 5],  "0-1,5"),
            (&[0, 2, 4],              "0,2,4"),
            (&[98, 99],               "98-99"),
        ];
        for (rows, expected) in cases {
            let mut ranges = Ranges::default();
            rows.iter().for_each(|row| ranges.add(*row));
            assert_eq!(ranges.text(), expected);
        }
    }
}
