//! Everything found wrong in one run, in the order of the file.

use std::cell::{Cell, RefCell};

use crate::problem::{Excerpt, Problem, Problems, said};
use crate::source::{Source, Span};

/// Findings kept; the rest are only counted, since a longer list would explain nothing more.
const FINDINGS_MAX: usize = 200;

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    span: Span,
    message: String,
    note: String,
    other: Option<(Span, String)>,
}

impl Finding {
    pub(crate) fn at(span: Span, message: impl Into<String>) -> Self {
        Self {
            span,
            message: message.into(),
            note: String::new(),
            other: None,
        }
    }

    /// What stands beside the underline: what to do, or why not.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// A second place that the problem cannot be understood without.
    pub(crate) fn other(mut self, span: Span, note: impl Into<String>) -> Self {
        self.other = Some((span, note.into()));
        self
    }
}

/// Collects findings while a file is read and compiled.
#[derive(Debug, Default)]
pub(crate) struct Report {
    findings: RefCell<Vec<Finding>>,
    /// What a gateway can run with, although it should not have to.
    warnings: RefCell<Vec<Finding>>,
    left_out: Cell<usize>,
}

impl Report {
    pub(crate) fn add(&self, finding: Finding) {
        let mut findings = self.findings.borrow_mut();
        if findings.len() < FINDINGS_MAX {
            findings.push(finding);
        } else {
            self.left_out.set(self.left_out.get() + 1);
        }
    }

    pub(crate) fn warn(&self, finding: Finding) {
        let mut warnings = self.warnings.borrow_mut();
        if warnings.len() < FINDINGS_MAX {
            warnings.push(finding);
        }
    }

    /// How many findings there are so far.
    pub(crate) fn count(&self) -> usize {
        self.findings.borrow().len() + self.left_out.get()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.findings.borrow().is_empty()
    }

    /// Whether what is added now is only counted, so that advice would be wasted on it.
    pub(crate) fn is_full(&self) -> bool {
        self.findings.borrow().len() >= FINDINGS_MAX
    }

    pub(crate) fn into_problems(self, source: &Source) -> Problems {
        let problems = in_order(self.findings.into_inner(), source);
        Problems::new(problems, self.left_out.get())
    }

    pub(crate) fn into_warnings(self, source: &Source) -> Vec<Problem> {
        in_order(self.warnings.into_inner(), source)
    }
}

/// By position; what an alias repeats is said once.
fn in_order(mut findings: Vec<Finding>, source: &Source) -> Vec<Problem> {
    findings.sort_by_key(|finding| finding.span.start);
    findings.dedup();
    findings
        .iter()
        .map(|found| problem(found, source))
        .collect()
}

fn problem(finding: &Finding, source: &Source) -> Problem {
    let other = finding.other.as_ref();
    Problem {
        file: source.name().to_owned(),
        message: said(&finding.message),
        at: Some(Excerpt::new(source, &finding.span, &finding.note)),
        other: other.map(|(span, note)| Excerpt::new(source, span, note)),
    }
}
