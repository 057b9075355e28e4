//! How much of everything: a little in `make test`, a lot in `make soak`.

/// `short`, or `long` with `FAULTLAB=long`.
pub(crate) fn scale<T>(short: T, long: T) -> T {
    match std::env::var("FAULTLAB").as_deref() {
        Err(_) | Ok("" | "short") => short,
        Ok("long") => long,
        Ok(other) => panic!("FAULTLAB is `{other}`; it must be `short` or `long`"),
    }
}

/// Random enough, and the same in every run.
pub(crate) struct Dice(u32);

impl Dice {
    pub(crate) fn new(seed: usize) -> Self {
        Self(u32::try_from(seed).unwrap_or_default().wrapping_mul(2_654_435_761).wrapping_add(7))
    }

    /// Below `sides`.
    pub(crate) fn roll(&mut self, sides: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 16) % sides
    }
}
