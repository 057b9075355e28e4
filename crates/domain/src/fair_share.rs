//! Whose turn it is: start-time fair queueing.
//!
//! Claims take the lowest turn of a lane first. Each owner's tasks stand one step apart, beginning
//! where the lane has got to, so that owners with work queued alternate, and one that comes late
//! begins beside the others, neither behind their work nor ahead of it for having been idle.

/// How far apart the turns of two tasks of one owner of weight 1 are: a second, in microseconds,
/// so that a turn compares to a time.
pub const STEP: i64 = 1_000_000;

/// The smallest weight of an owner, which one has for whom nothing else is configured.
pub const MIN_WEIGHT: u32 = 1;
/// The largest weight of an owner.
pub const MAX_WEIGHT: u32 = 1000;

/// How far apart the turns of two tasks of an owner of this weight are.
pub fn step(weight: u32) -> i64 {
    STEP / i64::from(weight.clamp(MIN_WEIGHT, MAX_WEIGHT))
}

/// The turn of an owner's next task in a lane that has got to the turn `reached`, when the owner's
/// task before it had the turn `last`.
pub fn turn(reached: i64, last: Option<i64>, weight: u32) -> i64 {
    last.map_or(reached, |last| reached.max(last.saturating_add(step(weight))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Turns of the next `n` tasks of an owner.
    fn line(reached: i64, last: Option<i64>, weight: u32, n: usize) -> Vec<i64> {
        std::iter::successors(Some(turn(reached, last, weight)), |last| Some(turn(reached, Some(*last), weight)))
            .take(n)
            .collect()
    }

    #[test]
    fn an_owners_tasks_stand_a_step_apart() {
        assert_eq!(line(7, None, 1, 3), [7, 7 + STEP, 7 + 2 * STEP]);
        assert_eq!(line(7, Some(10), 4, 2), [10 + STEP / 4, 10 + STEP / 2]);
        assert_eq!(step(0), STEP, "no weight is less than 1");
    }

    #[test]
    fn who_comes_late_or_was_idle_begins_where_the_lane_is() {
        let reached = 500 * STEP;
        assert_eq!(turn(reached, None, 1), reached);
        assert_eq!(turn(reached, Some(3 * STEP), 1), reached);
    }

    #[test]
    fn of_two_lines_as_many_come_first_as_their_weights_say() {
        let mut all: Vec<_> = line(0, None, 3, 400).into_iter().map(|turn| (turn, 'a')).collect();
        all.extend(line(0, None, 1, 400).into_iter().map(|turn| (turn, 'b')));
        all.sort_unstable();
        let of_a = all.iter().take(400).filter(|(_, owner)| *owner == 'a').count();
        assert!((295..=305).contains(&of_a), "{of_a}");
    }

    #[test]
    fn turns_do_not_overflow() {
        assert_eq!(turn(0, Some(i64::MAX), 1), i64::MAX);
    }
}
