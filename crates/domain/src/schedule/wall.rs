//! From the clock on the wall to the instant: the one place that decides gaps and repeated hours.

use chrono::{DateTime, MappedLocalTime, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};

/// The first instant at which the clock of `zone` shows `local` or a later time.
///
/// So a time inside a gap is the end of the gap, and of a time that comes twice this is the first.
/// It never decreases when `local` grows, which is what lets a search walk local times in order.
pub(super) fn first_showing(zone: Tz, local: NaiveDateTime) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&local) {
        MappedLocalTime::Single(at) => Some(at.to_utc()),
        MappedLocalTime::Ambiguous(a, b) => Some(a.min(b).to_utc()),
        MappedLocalTime::None => {
            // The first local time that was left out, read with the offset before the change, is
            // the instant of the change.
            let (begin, before) = GapInfo::new(&local, &zone)?.begin?;
            Some(begin.checked_sub_offset(before.fix())?.and_utc())
        }
    }
}

/// The first instant strictly after `after` at which one of the local times runs that `following`
/// (local time → the next local time, strictly later) goes through.
pub(super) fn next_showing(
    zone: Tz,
    after: DateTime<Utc>,
    following: impl Fn(NaiveDateTime) -> Option<NaiveDateTime>,
) -> Option<DateTime<Utc>> {
    // In the second pass of a repeated hour the next few local times have had their run in the
    // first: they lie at or before `after` and are stepped over, an hour or three of them at most.
    let mut local = after.with_timezone(&zone).naive_local();
    loop {
        local = following(local)?;
        let at = first_showing(zone, local)?;
        if at > after {
            return Some(at);
        }
    }
}
