//! `math.random`: the 48-bit linear congruential generator of POSIX `lrand48`, which gives the same numbers
//! on every machine.
//!
//! It begins in the state of an unseeded `drand48` and goes on over all scripts, as in Redis.

use crate::lua_args::{Fault, LuaArgs};

const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const ADDEND: u64 = 0xB;
const MASK: u64 = (1 << 48) - 1;
/// `lrand48` gives 31 bits; Redis's scale is one less than their number.
const LARGEST: u64 = i32::MAX as u64;

/// The generator's state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Generator(u64);

impl Generator {
    pub(crate) fn new() -> Self {
        Self(0x1234_ABCD_330E)
    }

    pub(crate) fn seed(&mut self, seed: i32) {
        self.0 = (u64::from(seed as u32) << 16) | 0x330E;
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(MULTIPLIER).wrapping_add(ADDEND) & MASK;
        self.0 >> 17
    }

    /// `math.random([low,] [high])`.
    pub(crate) fn random(&mut self, args: &LuaArgs) -> Result<f64, Fault> {
        let part = (self.next() % LARGEST) as f64 / LARGEST as f64;
        let (low, high, checked) = match args.len() {
            0 => return Ok(part),
            1 => (1, args.integer(0)? as i32, 0),
            2 => (args.integer(0)? as i32, args.integer(1)? as i32, 1),
            _ => return Err(Fault::new("wrong number of arguments")),
        };
        if low > high {
            return Err(args.fault(checked, "interval is empty"));
        }
        let width = i64::from(high) - i64::from(low) + 1;
        Ok((part * width as f64).floor() + f64::from(low))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(generator: &mut Generator) -> f64 {
        generator.random(&LuaArgs::new("random", mlua::MultiValue::new())).unwrap()
    }

    #[test]
    fn the_sequence_is_that_of_lrand48() {
        let mut generator = Generator::new();
        assert_eq!(crate::number::lua_text(draw(&mut generator)), "0.39646477363839");
        generator.seed(0);
        assert_eq!(crate::number::lua_text(draw(&mut generator)), "0.17082803611217");
        assert_eq!(crate::number::lua_text(draw(&mut generator)), "0.74990198051087");
        generator.seed(5);
        assert_eq!(crate::number::lua_text(draw(&mut generator)), "0.52483957937213");
    }
}
