use super::*;

fn parse(text: &str) -> Source {
    Source::parse("gateway/core/src/route.rs", text)
}

#[test]
fn comments_and_literals_are_told_from_code() {
    let cases = [
        ("let a = 1; // why {", "let a = 1;", "           // why {"),
        (
            "a /* b /* c */ d */ e",
            "a                   e",
            "  /* b /* c */ d */",
        ),
        (r#"f("fn \" {", x)"#, "f(         , x)", ""),
        (r###"f(r#"fn " {"#, x)"###, "f(           , x)", ""),
        (
            "f(b\"fn\", '{', '\\'', 'é')",
            "f(b    ,    ,     ,     )",
            "",
        ),
        ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)", ""),
        ("let r#type = br;", "let r#type = br;", ""),
    ];
    for (text, code, comments) in cases {
        let (found_code, found_comments) = split(text);
        assert_eq!(found_code.trim_end(), code, "{text}");
        assert_eq!(found_comments.trim_end(), comments, "{text}");
        assert_eq!(found_code.len(), text.len(), "{text}");
    }
}

#[test]
fn parameters_are_counted_without_self() {
    let cases = [
        ("fn f() {}", 0),
        ("fn f(&mut self) {}", 0),
        ("fn f(self: Arc<Self>, a: u8) {}", 1),
        ("fn f(&'a self, a: u8, b: Map<K, V>,) {}", 2),
        (
            "fn f<F: Fn(u8, u8) -> Vec<u8>>(f: F, (a, b): (u8, u8)) {}",
            2,
        ),
        ("fn f(a: impl Fn(u8) -> u8, b: [u8; 4], myself: u8) {}", 3),
    ];
    for (text, parameters) in cases {
        let source = parse(text);
        assert_eq!(source.functions.len(), 1, "{text}");
        assert_eq!(source.functions[0].parameters, parameters, "{text}");
    }
}

#[test]
fn a_function_reaches_from_its_keyword_to_its_last_brace() {
    let cases = [
        ("fn f() {}", 1),
        ("fn f(\n    a: u8,\n) -> [u8; 2] {\n    [a, a]\n}", 5),
        ("fn f()\nwhere\n    u8: Copy,\n{\n    if x { y }\n}", 6),
        ("trait T {\n    fn f();\n}", 1),
        ("fn f() {\n    g(\"}\"); // }\n}", 3),
    ];
    for (text, lines) in cases {
        assert_eq!(parse(text).functions[0].lines, lines, "{text}");
    }
}

#[test]
fn what_is_no_function_item_is_passed_over() {
    for text in [
        "type F = fn(u8);",
        "// fn f() {}",
        "\"fn f() {}\"",
        "fn $name() {}",
    ] {
        assert!(parse(text).functions.is_empty(), "{text}");
    }
}

#[test]
fn tests_are_known_by_their_mark_and_by_their_module() {
    let source = parse(
        "fn a() {}\n\
         #[cfg(test)]\nmod tests {\n    #[tokio::test(start_paused = true)]\n    \
         async fn b() {}\n    fn c() {}\n}\n\
         #[cfg(not(test))]\nfn d() {}\n",
    );
    let found: Vec<_> = source
        .functions
        .iter()
        .map(|f| (f.name.as_str(), f.is_test, source.is_in_tests(f.at)))
        .collect();
    let expected = [
        ("a", false, false),
        ("b", true, true),
        ("c", false, true),
        ("d", false, false),
    ];
    assert_eq!(found, expected);
    assert_eq!(source.lines(), 3);
}

#[test]
fn a_test_module_in_a_file_of_its_own_is_found() {
    let cases = [
        ("gateway/core/src/lib.rs", "gateway/core/src/suite"),
        ("gateway/core/src/route.rs", "gateway/core/src/route/suite"),
    ];
    for (path, module) in cases {
        let source = Source::parse(path, "mod a;\n#[cfg(test)]\nmod suite;\n");
        assert_eq!(source.test_modules, [module]);
        assert!(is_of_module(&format!("{module}.rs"), module));
        assert!(is_of_module(&format!("{module}/cases.rs"), module));
        assert!(!is_of_module(&format!("{module}s.rs"), module));
    }
    let suite = Source::parse("loadtest/e2e/tests/it/main.rs", "fn f() {}");
    assert!(suite.is_in_tests(0));
}
