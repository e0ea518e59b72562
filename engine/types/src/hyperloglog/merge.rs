//! Several HyperLogLogs taken together: PFMERGE, and the union that PFCOUNT of several keys counts.

use resp::Args;

use super::hash::Place;
use super::stored::{self, Damaged, Histogram, Kept, REGISTERS};
use super::{check, corrupted, create, dense, edit, sparse};
use crate::arguments::string;
use crate::{Class, CommandError, Ctx};

/// Registers in a byte each.
pub(super) struct Union {
    registers: Box<[u8; REGISTERS]>,
    /// Whether one of those merged was dense.
    dense: bool,
}

impl Union {
    fn new() -> Self {
        Union { registers: Box::new([0; REGISTERS]), dense: false }
    }

    fn add(&mut self, bytes: &[u8]) -> Result<(), Damaged> {
        let registers = &mut self.registers;
        match stored::kept(bytes) {
            Kept::Dense => {
                self.dense = true;
                dense::for_each(stored::registers(bytes), |at, value| {
                    registers[at] = registers[at].max(value);
                });
                Ok(())
            }
            Kept::Sparse => sparse::for_each(stored::registers(bytes), |first, run| {
                if run.value > 0 {
                    let covered = &mut registers[first..first + run.length];
                    covered.iter_mut().for_each(|register| *register = run.value.max(*register));
                }
            }),
        }
    }

    /// How many registers have each value.
    pub(super) fn histogram(&self) -> Histogram {
        let mut histogram = [0; 64];
        self.registers.iter().for_each(|value| histogram[usize::from(*value)] += 1);
        histogram
    }
}

/// The greatest value of each register among all keys. A missing key adds nothing.
pub(super) fn union(ctx: &mut Ctx<'_>, keys: Args<'_>) -> Result<Union, CommandError> {
    let mut union = Union::new();
    for key in keys.iter() {
        if let Some(entry) = ctx.read(ctx.key(key)) {
            check(entry)?;
            union.add(&string(entry)?.to_cow()).map_err(corrupted)?;
        }
    }
    Ok(union)
}

pub(super) fn pfmerge(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let union = union(ctx, args.from(1))?;
    let key = ctx.first_key(args);
    let sparse_max_bytes = ctx.limits.hll_sparse_max_bytes;
    if ctx.for_write(key).is_none() {
        create(ctx, key);
    }
    edit(ctx, key, |bytes| {
        if union.dense {
            stored::make_dense(bytes)?;
        }
        for (register, &value) in union.registers.iter().enumerate().filter(|(_, value)| **value > 0) {
            stored::raise(bytes, Place { register, value }, sparse_max_bytes)?;
        }
        stored::forget_count(bytes);
        Ok(())
    })?;
    ctx.changed(key, Class::String, "pfadd");
    ctx.out.ok();
    Ok(())
}
