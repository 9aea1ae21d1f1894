//! The page that asks whether a client may do something, and says in plain words what.

use idp_core::authorize::Request;
use idp_core::id::Username;
use idp_core::scope::Scopes;

use super::html::Html;
use super::page::{Note, Page, form};
use super::security::{FormTarget, origin};

/// What each scope allows, for whoever is asked. One that is not here is shown as it is.
const SCOPES: [(&str, &str, &str); 6] = [
    (
        "openid",
        "Know who you are",
        "A number that stands for you, your name here, and when you signed in.",
    ),
    (
        "profile",
        "Read your profile",
        "The name that you sign in with.",
    ),
    (
        "email",
        "Read your e-mail address",
        "The address that is known here.",
    ),
    (
        "offline_access",
        "Act while you are away",
        "It stays connected until you or it ends that.",
    ),
    (
        "money.read",
        "See your money",
        "Balances and what was paid to whom, without moving any of it.",
    ),
    (
        "money.write",
        "Move your money",
        "Payments in your name, without asking you here each time.",
    ),
];

pub(super) fn page<'a>(
    request: &'a Request,
    name: &Username,
    (query, proof): (&str, &str),
    note: Option<Note>,
) -> Page<'a> {
    let to = origin(request.redirect_uri());
    let content = Html::default()
        .markup("<h1>May <strong>")
        .text(request.client.as_str())
        .markup("</strong> do this for you?</h1>\n<p>You are signed in as <strong>")
        .text(name.as_str())
        .markup("</strong>.</p>\n")
        .html(&Note::write(note))
        .html(&scopes(&request.scopes))
        .html(&form(query, proof))
        .markup("<div class=\"pair\">\n<button name=\"answer\" value=\"allow\">Allow</button>\n")
        .markup("<button name=\"answer\" value=\"deny\" class=\"second\">Deny</button>\n</div>\n")
        .markup("<button name=\"answer\" value=\"switch\" class=\"third\">")
        .markup("Sign in as somebody else</button>\n</form>\n<p class=\"quiet\">If you allow ")
        .markup("or deny it, you go on to <strong>")
        .text(to.as_deref().unwrap_or_default())
        .markup("</strong>. What you allow you can <a href=\"applications\">take back</a> ")
        .markup("at any time.</p>\n");
    Page {
        title: "Allow access",
        content,
        target: FormTarget::On(request.redirect_uri()),
    }
}

/// Those that are known come first, in the order of the table.
pub(super) fn scopes(scopes: &Scopes) -> Html {
    let known = SCOPES.iter().filter(|(scope, _, _)| scopes.has(scope));
    let list = known.fold(
        Html::default().markup("<ul class=\"scopes\">\n"),
        |list, (_, title, detail)| {
            list.markup("<li><strong>")
                .markup(title)
                .markup("</strong><span>")
                .markup(detail)
                .markup("</span></li>\n")
        },
    );
    let others = scopes
        .iter()
        .filter(|name| SCOPES.iter().all(|(scope, _, _)| scope != name));
    let list = others.fold(list, |list, name| {
        list.markup("<li><strong><code>")
            .text(name)
            .markup("</code></strong><span>A permission that one of the services behind here ")
            .markup("gives this name.</span></li>\n")
    });
    list.markup("</ul>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_explained_if_it_is_known_and_shown_as_it_is_if_not() {
        let asked = Scopes::parse("money.write <b>'x'").unwrap();
        let list = scopes(&asked).into_string();
        assert!(list.contains("Move your money"));
        assert!(list.contains("<code>&lt;b&gt;&#39;x&#39;</code>"));
        assert!(!list.contains("money.write") && !list.contains("<b>"));
    }
}
