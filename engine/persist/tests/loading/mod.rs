//! Reads a whole file into maps that a test can look into.

use std::collections::BTreeMap;

use topple_persist::rdb::{Checked, Compression, Item, KeyMeta, RdbError, Reader, Step, Verify, dump};

/// All that a file said.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Loaded {
    pub(crate) version: u16,
    pub(crate) aux: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) functions: Vec<Vec<u8>>,
    pub(crate) modules: Vec<String>,
    pub(crate) slots: Vec<(u64, u64, u64)>,
    /// Database, keys, keys with an expiry.
    pub(crate) sizes: Vec<(u32, u64, u64)>,
    pub(crate) keys: BTreeMap<(u32, Vec<u8>), (Vec<u8>, KeyMeta)>,
    pub(crate) checked: Option<Checked>,
    pub(crate) trailing: Vec<u8>,
}

impl Loaded {
    pub(crate) fn string(&self, db: u32, key: &str) -> &[u8] {
        &self.keys.get(&(db, key.into())).unwrap_or_else(|| panic!("no key {key}")).0
    }

    pub(crate) fn meta(&self, db: u32, key: &str) -> KeyMeta {
        self.keys.get(&(db, key.into())).unwrap_or_else(|| panic!("no key {key}")).1
    }

    fn take(&mut self, item: Item<'_>, db: &mut u32) {
        match item {
            Item::Header { version } => self.version = version,
            Item::Aux { key, value } => self.aux.push((key.to_vec(), value.to_vec())),
            Item::SelectDb(selected) => *db = selected,
            Item::ResizeDb { keys, volatile } => self.sizes.push((*db, keys, volatile)),
            Item::SlotInfo { slot, keys, volatile } => self.slots.push((slot, keys, volatile)),
            Item::Key { key, value, meta } => {
                self.keys.insert((*db, key.to_vec()), (value.to_vec(), meta));
            }
            Item::Object { key, object, meta } => {
                let payload = dump(object.data(), Compression::None);
                self.keys.insert((*db, key.to_vec()), (payload, meta));
            }
            Item::EmptyKey(_) => {}
            Item::Function(code) => self.functions.push(code.to_vec()),
            Item::ModuleAux { module } => self.modules.push(module.to_string()),
        }
    }
}

pub(crate) fn load(file: &[u8]) -> Result<Loaded, RdbError> {
    load_in_pieces(file, file.len().max(1))
}

pub(crate) fn load_in_pieces(file: &[u8], piece: usize) -> Result<Loaded, RdbError> {
    let mut reader = Reader::new(Verify::Checksum);
    let mut loaded = Loaded::default();
    let mut db = 0;
    for bytes in file.chunks(piece) {
        reader.feed(bytes);
        while let Step::Item(item) = reader.next()? {
            loaded.take(item, &mut db);
        }
    }
    reader.finish()?;
    if let Step::Done { checked, trailing } = reader.next()? {
        loaded.checked = Some(checked);
        loaded.trailing = trailing.to_vec();
    }
    Ok(loaded)
}
