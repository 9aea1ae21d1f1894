//! What is code in a Rust file, what is comment, and where its functions and tests are.
//!
//! A scanner rather than a parser: it knows literals, comments, brackets and a few keywords, which
//! is enough for code that rustfmt has formatted.

mod nesting;
mod tests;

use std::ops::Range;

pub(super) struct Source {
    pub(super) path: String,
    /// The file with comments and literals blanked out; lines and columns stay.
    pub(super) code: String,
    /// The comments alone; lines and columns stay.
    pub(super) comments: String,
    pub(super) functions: Vec<Function>,
    /// Path prefixes of the modules in files of their own that it declares for tests only.
    pub(super) test_modules: Vec<String>,
    tests: Vec<Range<usize>>,
}

pub(super) struct Function {
    pub(super) name: String,
    pub(super) at: usize,
    pub(super) line: usize,
    pub(super) lines: usize,
    /// Without `self`.
    pub(super) parameters: usize,
    pub(super) nesting: usize,
    pub(super) is_test: bool,
    /// Whether it implements a trait, which then says what its parameters are.
    pub(super) is_of_trait: bool,
}

impl Source {
    pub(super) fn parse(path: &str, text: &str) -> Self {
        let (code, comments) = split(text);
        let tests = test_items(&code);
        let implementations = implementations(&code);
        let functions = words(&code)
            .filter(|(_, word)| *word == "fn")
            .filter_map(|(at, _)| function(&code, at, &implementations))
            .collect();
        let mut source = Self {
            path: path.to_owned(),
            test_modules: test_modules(path, &code, &tests),
            code,
            comments,
            functions,
            tests,
        };
        if path.split('/').any(|folder| folder == "tests") {
            source.mark_as_tests();
        }
        source
    }

    /// Says that all of it is compiled for tests only, as another file may have declared.
    pub(super) fn mark_as_tests(&mut self) {
        self.tests = std::iter::once(0..self.code.len()).collect();
    }

    /// Whether what is there is compiled for tests only, as a test or as one of their helpers.
    pub(super) fn is_in_tests(&self, at: usize) -> bool {
        self.tests.iter().any(|test| test.contains(&at))
    }

    pub(super) fn line(&self, at: usize) -> usize {
        line(&self.code, at)
    }

    /// How long the file is without its tests.
    pub(super) fn lines(&self) -> usize {
        let all = self.code.lines().count();
        let tests = self
            .tests
            .iter()
            .map(|test| self.code[test.clone()].lines().count());
        all.saturating_sub(tests.sum())
    }
}

fn line(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Every identifier and keyword, with where it starts.
pub(super) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        at += code[at..].find(is_word)?;
        let start = at;
        at += code[at..].find(|c| !is_word(c)).unwrap_or(code.len() - at);
        Some((start, &code[start..at]))
    })
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || (!c.is_ascii() && c.is_alphanumeric())
}

/// The name that follows the keyword at `at`, with where it starts.
pub(super) fn name_after(code: &str, at: usize) -> Option<(usize, &str)> {
    let mut words = words(&code[at..]);
    let (_, keyword) = words.next()?;
    let (after, name) = words.next()?;
    let gap = &code[at + keyword.len()..at + after];
    gap.chars()
        .all(char::is_whitespace)
        .then_some((at + after, name))
}

// --- comments and literals

enum Kind {
    Code,
    Comment,
    Literal,
}

fn split(text: &str) -> (String, String) {
    let blank: Vec<u8> = text.bytes().map(blank).collect();
    let (mut code, mut comments) = (blank.clone(), blank);
    let mut at = 0;
    while at < text.len() {
        let (kind, length) = lexeme(&text[at..]);
        let place = at..at + length;
        match kind {
            Kind::Code => code[place.clone()].copy_from_slice(&text.as_bytes()[place]),
            Kind::Comment => comments[place.clone()].copy_from_slice(&text.as_bytes()[place]),
            Kind::Literal => {}
        }
        at += length;
    }
    (whole(code), whole(comments))
}

fn blank(byte: u8) -> u8 {
    if byte == b'\n' { b'\n' } else { b' ' }
}

fn whole(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("invariant: a character is kept or blanked as a whole")
}

/// What stands at the start, and how far it reaches.
fn lexeme(rest: &str) -> (Kind, usize) {
    let literal = match rest.as_bytes()[0] {
        b'/' if rest.starts_with("//") => {
            return (Kind::Comment, rest.find('\n').unwrap_or(rest.len()));
        }
        b'/' if rest.starts_with("/*") => return (Kind::Comment, block_comment(rest)),
        b'"' => string(rest),
        b'\'' => character(rest),
        b'b' | b'c' | b'r' => raw_string(rest),
        _ => None,
    };
    literal.map_or_else(
        || (Kind::Code, plain(rest)),
        |length| (Kind::Literal, length),
    )
}

/// The length of one word, or of the first character and the blanks after it.
fn plain(rest: &str) -> usize {
    let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    if word > 0 {
        return word;
    }
    let mut characters = rest.chars();
    characters.next();
    rest.len() - characters.as_str().trim_start().len()
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn raw_string(rest: &str) -> Option<usize> {
    let prefix = ["r", "br", "cr"]
        .into_iter()
        .find(|prefix| rest.starts_with(prefix) && rest[prefix.len()..].starts_with(['"', '#']))?;
    let body = &rest[prefix.len()..];
    let hashes = body.find(|c| c != '#')?;
    body[hashes..].strip_prefix('"')?;
    let opened = prefix.len() + hashes + 1;
    let close = format!("\"{}", "#".repeat(hashes));
    let length = rest[opened..].find(&close);
    Some(length.map_or(rest.len(), |length| opened + length + close.len()))
}

fn string(rest: &str) -> Option<usize> {
    rest.strip_prefix('"')?;
    let mut is_escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return Some(at + 1),
            _ => {}
        }
    }
    Some(rest.len())
}

/// A character literal; a lifetime is none.
fn character(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix('\'')?;
    let first = inner.chars().next()?;
    let shortest = if first == '\\' { 2 } else { first.len_utf8() };
    let close = inner.get(shortest..)?.find('\'')?;
    (first == '\\' || close == 0).then_some(1 + shortest + close + 1)
}

// --- tests

/// The items that are compiled for tests only.
fn test_items(code: &str) -> Vec<Range<usize>> {
    code.match_indices("#[cfg(")
        .filter_map(|(at, _)| {
            let attribute = bracketed(code, at + 1)?;
            let condition = &code[attribute.clone()];
            let is_test = words(condition).any(|(_, word)| word == "test");
            (is_test && !condition.contains("not(")).then(|| at..item_end(code, attribute.end))
        })
        .collect()
}

/// Where an item ends that starts here: at its `;`, or with its braces.
fn item_end(code: &str, from: usize) -> usize {
    let mut at = from;
    while let Some(found) = code[at..].find(['(', '[', '{', ';']) {
        at += found;
        if code[at..].starts_with(';') {
            return at + 1;
        }
        let Some(group) = bracketed(code, at) else {
            break;
        };
        if code[at..].starts_with('{') {
            return group.end;
        }
        at = group.end;
    }
    code.len()
}

/// The group whose opening bracket is at `open`.
fn bracketed(code: &str, open: usize) -> Option<Range<usize>> {
    let mut depth = 0_usize;
    for (at, c) in code[open..].char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return Some(open..open + at + 1);
        }
    }
    None
}

fn test_modules(path: &str, code: &str, tests: &[Range<usize>]) -> Vec<String> {
    let folder = folder_of(path);
    tests
        .iter()
        .filter_map(|item| {
            let declared = code[item.clone()].strip_suffix(';')?;
            let (at, _) = words(declared).find(|(_, word)| *word == "mod")?;
            let (_, name) = name_after(declared, at)?;
            Some(format!("{folder}{name}"))
        })
        .collect()
}

/// Where the submodules of a file live.
pub(super) fn folder_of(path: &str) -> String {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    let (folder, name) = stem.rsplit_once('/').unwrap_or(("", stem));
    match name {
        "lib" | "main" => format!("{folder}/"),
        _ => format!("{stem}/"),
    }
}

/// Whether a file is that module or lies below it.
pub(super) fn is_of_module(path: &str, module: &str) -> bool {
    path.strip_prefix(module)
        .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

// --- functions

/// The `impl Trait for Type` blocks.
fn implementations(code: &str) -> Vec<Range<usize>> {
    words(code)
        .filter(|(at, word)| *word == "impl" && is_first_on_its_line(code, *at))
        .filter_map(|(at, _)| {
            let open = at + code[at..].find('{')?;
            let header = &code[at..open];
            let is_of_trait = header.split_whitespace().any(|word| word == "for");
            is_of_trait.then(|| at..item_end(code, open))
        })
        .collect()
}

pub(super) fn is_first_on_its_line(code: &str, at: usize) -> bool {
    let line = code[..at].rsplit('\n').next().unwrap_or_default();
    line.trim().is_empty()
}

fn function(code: &str, at: usize, implementations: &[Range<usize>]) -> Option<Function> {
    let (named, name) = name_after(code, at)?;
    let named = named + name.len();
    let open = named + generics(&code[named..]);
    code[open..].strip_prefix('(')?;
    let parameters = bracketed(code, open)?;
    let end = item_end(code, parameters.end);
    Some(Function {
        name: name.to_owned(),
        at,
        line: line(code, at),
        lines: code[at..end].lines().count(),
        parameters: count_parameters(&code[parameters.start + 1..parameters.end - 1]),
        nesting: nesting::depth(&code[parameters.end..end]),
        is_test: is_marked_as_test(attributes(code, at)),
        is_of_trait: implementations.iter().any(|block| block.contains(&at)),
    })
}

/// The length of `<…>` at the start; 0 where there is none.
fn generics(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut before = ' ';
    for (at, c) in rest.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if before != '-' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return if c == '>' { at + 1 } else { 0 };
        }
        before = c;
    }
    0
}

fn count_parameters(list: &str) -> usize {
    let mut depth = 0_i32;
    let mut before = ' ';
    let mut parameters = vec![String::new()];
    for c in list.chars() {
        match c {
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            '>' if before != '-' => depth -= 1,
            _ => {}
        }
        before = c;
        match parameters.last_mut() {
            Some(last) if c != ',' || depth > 0 => last.push(c),
            _ => parameters.push(String::new()),
        }
    }
    parameters.iter().filter(|text| is_parameter(text)).count()
}

fn is_parameter(text: &str) -> bool {
    let name = text.split(':').next().unwrap_or(text);
    !text.trim().is_empty() && words(name).last().is_none_or(|(_, word)| word != "self")
}

/// What stands between the item before a function and its `fn`.
fn attributes(code: &str, at: usize) -> &str {
    let start = code[..at].rfind(['{', '}', ';']).map_or(0, |end| end + 1);
    &code[start..at]
}

fn is_marked_as_test(attributes: &str) -> bool {
    ["#[test]", "::test]", "::test("]
        .into_iter()
        .any(|mark| attributes.contains(mark))
}
