//! The two clocks a sentinel is told about.
//!
//! Every rule that measures a duration uses the monotonic clock. The wall
//! clock serves only the detection of clock steps (TILT) and the date in one
//! log line. The crate never reads either clock itself.

/// Milliseconds on a clock that never steps; only differences mean anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonoMs(pub u64);

impl MonoMs {
    /// A moment that never comes.
    pub const NEVER: MonoMs = MonoMs(u64::MAX);

    /// Milliseconds since `earlier`; 0 when `earlier` lies ahead.
    pub fn since(self, earlier: MonoMs) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This moment and `ms` milliseconds; never wraps.
    pub fn plus(self, ms: u64) -> MonoMs {
        MonoMs(self.0.saturating_add(ms))
    }
}

/// Milliseconds since 1970-01-01 UTC, as the host believes; it may step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallMs(pub i64);

impl WallMs {
    /// The date in the form of C's `ctime`, without its newline:
    /// `Fri Nov 20 23:52:23 2026`. `utc_offset_seconds` is added first.
    pub fn to_date(self, utc_offset_seconds: i32) -> String {
        const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let seconds = self.0.div_euclid(1000) + i64::from(utc_offset_seconds);
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        // Days to a civil date, counted from 1 March of the year 0, in eras of 400 years.
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        format!(
            "{} {} {:2} {:02}:{:02}:{:02} {}",
            DAYS[days.rem_euclid(7) as usize],
            MONTHS[(month - 1) as usize],
            day,
            second / 3600,
            second / 60 % 60,
            second % 60,
            year
        )
    }
}

/// What both clocks show at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The monotonic clock.
    pub mono: MonoMs,
    /// The wall clock.
    pub wall: WallMs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_read_as_ctime_writes_them() {
        assert_eq!(WallMs(0).to_date(0), "Thu Jan  1 00:00:00 1970");
        assert_eq!(WallMs(1_795_218_743_000).to_date(0), "Fri Nov 20 23:52:23 2026");
        assert_eq!(WallMs(1_709_164_800_000).to_date(0), "Thu Feb 29 00:00:00 2024");
        assert_eq!(WallMs(1_709_164_800_000).to_date(-3600), "Wed Feb 28 23:00:00 2024");
    }

    #[test]
    fn durations_never_wrap() {
        assert_eq!(MonoMs(5).since(MonoMs(9)), 0);
        assert_eq!(MonoMs::NEVER.plus(1), MonoMs::NEVER);
    }
}
