//! Is every `./dev` verb that a text names one that the script knows?

use super::Finding;

pub(super) fn check(path: &str, text: &str, script: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        for verb in verbs(line).filter(|verb| !script.contains(&format!("\nverb_{verb}() {{"))) {
            let message = format!("./dev has no verb `{verb}`");
            findings.push(Finding::new(path, number, message));
        }
    }
    findings
}

fn verbs(line: &str) -> impl Iterator<Item = &str> {
    line.split("./dev ").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_lowercase());
        let verb = &rest[..end.unwrap_or(rest.len())];
        (!verb.is_empty()).then_some(verb)
    })
}

#[test]
fn a_verb_that_the_script_does_not_know_is_found() {
    let script = "\nverb_up() {\n}\nverb_test() {\n}\n";
    let cases = [
        ("`./dev up` and ./dev test -p pay", 0),
        ("`./dev soak`", 1),
        ("./dev upp, ./dev te", 2),
        ("the script `./dev`, and ./dev VERB", 0),
    ];
    for (text, count) in cases {
        assert_eq!(check("README.md", text, script).len(), count, "{text}");
    }
}
