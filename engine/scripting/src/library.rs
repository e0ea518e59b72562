//! Libraries of functions, as the server knows them: names, code, flags. The Lua functions themselves live
//! in the machine, by the function's name.

use crate::shebang::Flags;

/// A function that a library registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: Vec<u8>,
    /// What it says of itself.
    pub description: Option<Vec<u8>>,
    /// What it promises or asks for.
    pub flags: Flags,
}

/// A library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    /// Its name.
    pub name: Vec<u8>,
    /// Its whole text, the first line included.
    pub code: Vec<u8>,
    /// What it registered, in order.
    pub functions: Vec<Function>,
}

impl Library {
    /// Bytes it takes here, the interpreter's share not counted.
    pub fn size_bytes(&self) -> usize {
        let functions = self.functions.iter();
        let texts = functions.map(|f| f.name.len() + f.description.as_ref().map_or(0, Vec::len));
        size_of::<Self>()
            + self.name.len()
            + self.code.len()
            + self.functions.len() * size_of::<Function>()
            + texts.sum::<usize>()
    }
}
