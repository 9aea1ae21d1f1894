//! Forms, as a browser fills them in: what a page hides is sent back with what a person types.

use std::fmt::Write as _;

/// `application/x-www-form-urlencoded`.
pub(super) fn encode<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut body = String::new();
    for (name, value) in fields {
        if !body.is_empty() {
            body.push('&');
        }
        escape(name, &mut body);
        body.push('=');
        escape(value, &mut body);
    }
    body
}

fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// The form of a page of ours, which has one and quotes every attribute.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) action: Option<String>,
    hidden: Vec<(String, String)>,
    pub(super) asks_for_password: bool,
}

impl Form {
    pub(super) fn find(page: &str) -> Option<Self> {
        let (_, rest) = page.split_once("<form")?;
        let (head, rest) = rest.split_once('>')?;
        let (body, _) = rest.split_once("</form>")?;
        let inputs = || tags(body, "<input");
        let hidden = inputs().filter(|tag| attribute(tag, "type").as_deref() == Some("hidden"));
        Some(Self {
            action: attribute(head, "action"),
            hidden: hidden
                .filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value")?)))
                .collect(),
            asks_for_password: inputs()
                .any(|tag| attribute(tag, "type").as_deref() == Some("password")),
        })
    }

    /// The body that a browser would send with these typed or pressed.
    pub(super) fn filled(&self, typed: &[(&str, &str)]) -> String {
        let hidden = self.hidden.iter();
        let hidden = hidden.map(|(name, value)| (name.as_str(), value.as_str()));
        encode(hidden.chain(typed.iter().copied()))
    }
}

fn tags<'a>(html: &'a str, start: &'a str) -> impl Iterator<Item = &'a str> {
    let rest = html.split(start).skip(1);
    rest.map(|rest| rest.split_once('>').map_or(rest, |(tag, _)| tag))
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let start = format!(" {name}=\"");
    let (_, rest) = tag.split_once(start.as_str())?;
    let (value, _) = rest.split_once('"')?;
    Some(unescape(value))
}

/// What a template escapes in an attribute.
fn unescape(text: &str) -> String {
    let pairs = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        // Last, or what it makes would be read again.
        ("&amp;", "&"),
    ];
    let unescaped = |text: String, (from, to): &(&str, &str)| text.replace(from, to);
    pairs.iter().fold(text.to_owned(), unescaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_page_hides_is_sent_back_with_what_is_typed() {
        let page = r#"<h1>Sign in</h1><form method="post" action="/login?a=1&amp;b=2">
            <input type="hidden" name="csrf" value="x&amp;y">
            <input id="username" name="username" type="text" value="">
            <input name="password" type="password"><button>Sign in</button></form>"#;
        let form = Form::find(page).unwrap();
        assert_eq!(form.action.as_deref(), Some("/login?a=1&b=2"));
        assert!(form.asks_for_password);
        let body = form.filled(&[("username", "alice"), ("password", "a b+c")]);
        assert_eq!(body, "csrf=x%26y&username=alice&password=a%20b%2Bc");
    }

    #[test]
    fn a_page_may_have_no_form_or_no_password() {
        assert_eq!(Form::find("<p>Done</p>"), None);
        let form = Form::find("<form method=\"post\"><button>Yes</button></form>").unwrap();
        assert_eq!((form.action, form.asks_for_password), (None, false));
    }
}
