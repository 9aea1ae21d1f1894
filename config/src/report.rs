//! Everything found wrong in one run, in the order of the file.

use std::cell::RefCell;

use crate::problem::{Excerpt, Problem, Problems};
use crate::source::{Source, Span};

/// Findings kept; past this a file is broken in a way that a longer list would not explain.
const FINDINGS_MAX: usize = 1_000;

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
}

impl Report {
    pub(crate) fn add(&self, finding: Finding) {
        let mut findings = self.findings.borrow_mut();
        if findings.len() < FINDINGS_MAX {
            findings.push(finding);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.findings.borrow().is_empty()
    }

    /// Whether what is added now would only be counted out.
    pub(crate) fn is_full(&self) -> bool {
        self.findings.borrow().len() >= FINDINGS_MAX
    }

    /// Every problem by position; what an alias repeats is said once.
    pub(crate) fn into_problems(self, source: &Source) -> Problems {
        let mut findings = self.findings.into_inner();
        findings.sort_by_key(|finding| finding.span.start);
        findings.dedup();
        Problems::new(
            findings
                .into_iter()
                .map(|found| problem(found, source))
                .collect(),
        )
    }
}

fn problem(finding: Finding, source: &Source) -> Problem {
    Problem {
        file: source.name().to_owned(),
        message: finding.message,
        at: Some(Excerpt::new(source, &finding.span, finding.note)),
        other: finding
            .other
            .map(|(span, note)| Excerpt::new(source, &span, note)),
    }
}
