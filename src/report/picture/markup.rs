//! Data as text of SVG, HTML, Markdown and JSON inside a page: nothing that a statement or a row holds is ever taken
//! for markup.

use std::borrow::Cow;

use super::super::text::visible;

/// Text for SVG and HTML, also within quotes.
pub(in crate::report) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// JSON that may stand inside a `<script>`: no `<` ends it or opens a comment.
pub(in crate::report) fn json(value: &impl serde::Serialize) -> String {
    let text = serde_json::to_string(value).unwrap_or_else(|error| format!("\"{error}\""));
    text.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

/// Text of a Markdown paragraph, without markup of its own.
pub(super) fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            // A mention would notify a stranger, and a number would link to a thread.
            '@' => out.push_str("&#64;"),
            '#' => out.push_str("&#35;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '>' | '!' | '$' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// A block of code, in a fence that is longer than any run of backticks in it.
pub(super) fn fenced(language: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}\n", text.trim_end_matches('\n'))
}

/// Text inside a message of a mermaid diagram, where `#` and `;` are syntax and HTML is taken for HTML.
pub(super) fn mermaid(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '#' | ';' | '<' | '>' | '&' | '"' | '\\' | '%' | '{' | '}' | '`' | '$' => {
                out.push_str(&format!("#{};", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out
}

/// ` class="…"`, or nothing.
pub(super) fn class(names: &[&str]) -> Cow<'static, str> {
    let names: Vec<_> = names.iter().copied().filter(|name| !name.is_empty()).collect();
    if names.is_empty() { Cow::Borrowed("") } else { Cow::Owned(format!(" class=\"{}\"", names.join(" "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_never_taken_for_markup() {
        let evil = "</script><b a='x' b=\"y\">&`;#1 @me\n";
        assert_eq!(escape(evil), "&lt;/script&gt;&lt;b a=&#39;x&#39; b=&quot;y&quot;&gt;&amp;`;#1 @me\\n");
        assert_eq!(json(&"</script>\u{2028}"), "\"\\u003c/script>\\u2028\"");
        assert_eq!(markdown("a_b <i> @me #1"), "a\\_b &lt;i\\> &#64;me &#35;1");
        assert_eq!(mermaid("a;b#1<i>"), "a#59;b#35;1#60;i#62;");
        assert_eq!(fenced("sql", "a ``` b\n"), "````sql\na ``` b\n````\n");
    }
}
