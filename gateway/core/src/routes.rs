//! Which route takes a request? The most specific one that matches.
//!
//! Specificity is compared in this order: host (exact, then the longest `*.` suffix, then any), path
//! (segment by segment from the left: literal, parameter, rest), method (named, then any), and the
//! number of field and query conditions. Two routes that could tie are a conflict and the table is
//! refused.
//!
//! A route that lies deeper than the listener a request came in by keeps its requests to itself: they
//! do not fall through to a less specific route, by which the outside would reach after all what was
//! to stay inside. They are answered as if it were not there.
//!
//! So it is with a path that is the one of a route but for a slash at its end, which no route names:
//! many services take the two for one, so that `/admin/` must not lead around what is asked for `/admin`.
//! Nor must `/Admin`, since to many services capitals make no difference.
//! And so it is with a request that meets the conditions of a route to some readers and to others not:
//! `?all=true&all=true` must not lead around what is asked for `?all=true`.

use std::collections::HashMap;

use http::Method;

use crate::head::Head;
use crate::host::HostPattern;
use crate::level::Level;
use crate::route::{Holds, Matches, Route};

use trie::{Spelling, Trie};

mod conflict;
mod trie;

pub use conflict::Conflict;

/// All routes, ready to be searched.
#[derive(Debug, Clone, Default)]
pub struct RouteTable {
    routes: Vec<Route>,
    exact: HashMap<String, Trie>,
    /// Longest suffix first.
    under: Vec<(String, Trie)>,
    any: Trie,
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// Of the listener that it came in by.
    pub level: Level,
    /// Whether a proxy has sent it whose word about the client counts.
    pub is_trusted: bool,
}

/// Why no route takes a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Miss {
    #[error("no route matches the host and path")]
    NoRoute,
    #[error("no route at this path takes the method")]
    Method { allowed: Vec<Method> },
}

impl RouteTable {
    /// Builds the table, or names for each route the first that no request could tell it from.
    pub fn compile(routes: Vec<Route>) -> Result<Self, Vec<Conflict>> {
        let mut table = Self::default();
        for (index, route) in routes.iter().enumerate() {
            table
                .trie_mut(&route.matches.host)
                .insert(&route.matches.path, index);
        }
        table
            .under
            .sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));

        let mut conflicts = Vec::new();
        for trie in table.tries_mut() {
            trie.for_each_place(&mut |place| conflict::order(place, &routes, &mut conflicts));
        }
        table.routes = routes;
        if conflicts.is_empty() {
            return Ok(table);
        }
        conflicts.sort_by_key(|conflict| (conflict.second, conflict.first));
        Err(conflicts)
    }

    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Finds the most specific route for a request; the index is its place in [`Self::routes`].
    pub fn find(&self, head: &Head<'_>, origin: Origin) -> Result<(usize, &Route), Miss> {
        let mut search = Search {
            head,
            origin,
            is_kept: false,
            allowed: Vec::new(),
        };
        let path = head.path.strip_prefix('/').unwrap_or(&head.path);
        let found = self.tries(head.host.name()).find_map(|trie| {
            trie.find(path, &mut |index, spelling| {
                let route = self.routes.get(index);
                route.is_some_and(|route| search.takes(route, spelling))
            })
        });
        match found.and_then(|index| Some((index, self.routes.get(index)?))) {
            Some(found) => Ok(found),
            None if search.allowed.is_empty() => Err(Miss::NoRoute),
            None => Err(Miss::Method {
                allowed: search.allowed,
            }),
        }
    }

    fn tries(&self, host: &str) -> impl Iterator<Item = &Trie> {
        let exact = if self.exact.is_empty() {
            None
        } else {
            self.exact.get(host)
        };
        let under = self
            .under
            .iter()
            .filter(move |(suffix, _)| host.ends_with(suffix.as_str()));
        exact
            .into_iter()
            .chain(under.map(|(_, trie)| trie))
            .chain([&self.any])
    }

    fn trie_mut(&mut self, host: &HostPattern) -> &mut Trie {
        match host {
            HostPattern::Any => &mut self.any,
            HostPattern::Exact(name) => self.exact.entry(name.clone()).or_default(),
            HostPattern::Under(suffix) => {
                let place = self.under.iter().position(|(known, _)| known == suffix);
                let place = place.unwrap_or_else(|| {
                    self.under.push((suffix.clone(), Trie::default()));
                    self.under.len() - 1
                });
                &mut self.under[place].1
            }
        }
    }

    fn tries_mut(&mut self) -> impl Iterator<Item = &mut Trie> {
        let under = self.under.iter_mut().map(|(_, trie)| trie);
        self.exact.values_mut().chain(under).chain([&mut self.any])
    }
}

/// One request on its way through the routes whose host and path match, most specific first.
struct Search<'h> {
    head: &'h Head<'h>,
    origin: Origin,
    /// A deeper route would have taken the request, or one that it names but for a slash or capitals, or one
    /// whose conditions it meets to some readers. The search goes on, but only for the methods that the answer
    /// names: they must be those of any other method that is not allowed.
    is_kept: bool,
    allowed: Vec<Method>,
}

impl Search<'_> {
    /// Whether the route takes the request; one that fails on the method alone tells what it would
    /// have allowed.
    fn takes(&mut self, route: &Route, spelling: Spelling) -> bool {
        let Matches {
            conditions, query, ..
        } = &route.matches;
        let Origin { level, is_trusted } = self.origin;
        let of_fields = conditions.iter().map(|it| it.holds(self.head, is_trusted));
        let of_query = query.iter().map(|it| it.holds(self.head.query));
        let holds = of_fields.chain(of_query).min().unwrap_or(Holds::Yes);
        if holds == Holds::No {
            return false;
        }
        let takes_method = route.matches.methods.contain(&self.head.method);
        let is_plain = spelling == Spelling::Asked && holds == Holds::Yes;
        let may_take = is_plain && level.reaches(route.level);
        match (may_take, takes_method) {
            (true, true) => return !self.is_kept,
            (true, false) => conflict::collect_methods(&route.matches.methods, &mut self.allowed),
            (false, true) => self.is_kept = true,
            (false, false) => {}
        }
        false
    }
}

#[cfg(test)]
mod tests;
