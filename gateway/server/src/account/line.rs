//! One JSON object on one line, written straight into a buffer.

/// What a member is called, as it is written: in quotes, behind a comma and before a colon.
#[derive(Clone, Copy)]
pub(super) struct Key(&'static str);

impl Key {
    /// For `key!` alone.
    pub(super) const fn spelled(text: &'static str) -> Self {
        Self(text)
    }
}

/// A key, spelled when this is compiled: every line has a score of them.
macro_rules! key {
    ($name:literal) => {
        $crate::account::line::Key::spelled(concat!(",\"", $name, "\":"))
    };
}

pub(super) use key;

/// An object that is being written; closed when dropped.
pub(super) struct Line<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> Line<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self {
            out,
            is_empty: true,
        }
    }

    pub(super) fn text(&mut self, key: Key, value: &str) {
        self.key(key);
        self.out.push(b'"');
        // To the end whatever comes, so that many bytes are looked at at once.
        if value
            .bytes()
            .fold(false, |is, byte| is | must_be_escaped(byte))
        {
            self.escape(value);
        } else {
            self.out.extend_from_slice(value.as_bytes());
        }
        self.out.push(b'"');
    }

    /// A text of letters, digits and signs that need no escaping, whoever is asked: one that is ours.
    pub(super) fn word(&mut self, key: Key, value: &[u8]) {
        self.key(key);
        self.out.push(b'"');
        self.out.extend_from_slice(value);
        self.out.push(b'"');
    }

    pub(super) fn number(&mut self, key: Key, mut value: u64) {
        self.key(key);
        let mut digits = [0; 20];
        let mut start = digits.len();
        for place in digits.iter_mut().rev() {
            *place = b'0' + u8::try_from(value % 10).unwrap_or(0);
            start -= 1;
            value /= 10;
            if value == 0 {
                break;
            }
        }
        self.out
            .extend_from_slice(digits.get(start..).unwrap_or_default());
    }

    pub(super) fn flag(&mut self, key: Key) {
        self.key(key);
        self.out.extend_from_slice(b"true");
    }

    fn key(&mut self, Key(key): Key) {
        // The first has no comma before it.
        let start = usize::from(std::mem::take(&mut self.is_empty));
        self.out
            .extend_from_slice(key.as_bytes().get(start..).unwrap_or_default());
    }

    /// RFC 8259 §7; nothing that we log is expected to need it.
    fn escape(&mut self, value: &str) {
        for byte in value.bytes() {
            if must_be_escaped(byte) {
                self.out
                    .extend_from_slice(format!("\\u{byte:04x}").as_bytes());
            } else {
                self.out.push(byte);
            }
        }
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.out.push(b'}');
    }
}

fn must_be_escaped(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_is_json_whatever_is_in_it() {
        let mut out = Vec::new();
        let mut line = Line::begin(&mut out);
        line.number(key!("zero"), 0);
        line.number(key!("most"), u64::MAX);
        line.number(key!("some"), 1_234_567_890);
        line.word(key!("word"), b"00ff-1");
        line.text(key!("plain"), "GET /a?b");
        line.text(key!("odd"), "a\"b\\c\nd\u{1}é");
        line.flag(key!("so"));
        drop(line);
        let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let expected = json!({
            "zero": 0, "most": u64::MAX, "some": 1_234_567_890, "word": "00ff-1",
            "plain": "GET /a?b", "odd": "a\"b\\c\nd\u{1}é", "so": true,
        });
        assert_eq!(read, expected);
    }
}
