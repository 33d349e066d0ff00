//! Colour, or none. Few colours, each with one meaning.

/// Whether text may carry the escape sequences of a terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Paint {
    /// None: for files, pipes and `NO_COLOR`.
    #[default]
    Plain,
    /// ANSI sequences.
    Ansi,
}

/// What a piece of text is, as far as colour tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Style {
    /// The substance.
    #[default]
    Plain,
    /// Scaffolding: BEGIN, rules, counts.
    Dim,
    /// A heading.
    Bold,
    /// An error, or a claim that is violated.
    Red,
    /// What is as it should be.
    Green,
    /// A wait, or what could not be told.
    Yellow,
}

impl Paint {
    /// `text` in `style`. Blanks around it stay unpainted.
    pub(super) fn apply(self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Plain => return text.to_owned(),
            Style::Dim => 2,
            Style::Bold => 1,
            Style::Red => 31,
            Style::Green => 32,
            Style::Yellow => 33,
        };
        if self == Self::Plain || text.trim().is_empty() {
            return text.to_owned();
        }
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}
