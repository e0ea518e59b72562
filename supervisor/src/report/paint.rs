//! Colours, or none.

/// Paints text when colours are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paint {
    colour: bool,
}

impl Paint {
    /// With or without colours.
    pub fn new(colour: bool) -> Self {
        Self { colour }
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// For what is there to be looked up.
    pub fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// For headings.
    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// For what failed or was done to the topology.
    pub fn red(self, text: &str) -> String {
        self.wrap("31", text)
    }

    /// For what held.
    pub fn green(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// For what the reader should notice.
    pub fn yellow(self, text: &str) -> String {
        self.wrap("33", text)
    }

    /// For what sentinels say.
    pub fn cyan(self, text: &str) -> String {
        self.wrap("36", text)
    }
}
