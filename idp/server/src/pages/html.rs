//! How is a page put together so that nothing that anybody sent becomes part of its markup?
//!
//! Markup is what this program spells out itself, text is everything else, and there is no third
//! way in: only a literal can be `'static`.

/// Markup under construction.
#[derive(Debug, Default, Clone)]
pub(super) struct Html(String);

impl Html {
    pub(super) fn markup(mut self, literal: &'static str) -> Self {
        self.0.push_str(literal);
        self
    }

    /// Text between tags, or between the double quotes of an attribute that holds no script and
    /// no address.
    pub(super) fn text(mut self, text: &str) -> Self {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // Neither meant to be seen nor to turn around what follows it.
                '\0'..='\x1f' | '\x7f' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    self.0.push('\u{fffd}');
                }
                other => self.0.push(other),
            }
        }
        self
    }

    pub(super) fn html(mut self, other: &Self) -> Self {
        self.0.push_str(&other.0);
        self
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text_wherever_it_stands() {
        let cases = [
            ("shop", "shop"),
            ("<script>", "&lt;script&gt;"),
            ("\" onfocus=\"x", "&quot; onfocus=&quot;x"),
            ("' onfocus='x", "&#39; onfocus=&#39;x"),
            ("&lt;", "&amp;lt;"),
            ("a\0b\nc", "a\u{fffd}b\u{fffd}c"),
            ("\u{202e}gnp.exe", "\u{fffd}gnp.exe"),
            ("Zoë 雪", "Zoë 雪"),
        ];
        for (text, expected) in cases {
            let html = Html::default().markup("<p>").text(text).markup("</p>");
            assert_eq!(html.into_string(), format!("<p>{expected}</p>"));
        }
    }
}
