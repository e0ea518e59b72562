//! A command's arguments, owned: bytes in a row, and where each begins.

use resp::{Args, Span};

/// Owned arguments. Their buffers are passed back and forth, so that calls allocate nothing once warm.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

impl Arguments {
    /// A copy of `args`.
    pub fn from_args(args: Args<'_>) -> Self {
        let mut arguments = Self::default();
        arguments.extend(args.iter());
        arguments
    }

    /// Appends one.
    pub fn push(&mut self, arg: &[u8]) {
        self.spans.push(Span { start: self.bytes.len() as u32, length: arg.len() as u32 });
        self.bytes.extend_from_slice(arg);
    }

    /// Appends several.
    pub fn extend<'a>(&mut self, args: impl Iterator<Item = &'a [u8]>) {
        args.for_each(|arg| self.push(arg));
    }

    /// Drops all, keeping the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.spans.clear();
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Bytes of all arguments together.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// As the dispatcher wants them.
    pub fn args(&self) -> Args<'_> {
        Args::new(&self.bytes, &self.spans)
    }
}
