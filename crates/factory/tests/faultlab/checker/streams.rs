//! A stream that was followed to the end told every entry once and in order.

use super::{Promise, Violation, broken};
use crate::outcome::{FinalState, Heard};

pub(super) fn check(state: &FinalState, heard: &Heard) -> Option<Violation> {
    let kept = state.tasks.get(&heard.task).map_or(&[][..], |task| &task.progress);
    if kept == heard.progress {
        return None;
    }
    let at = kept.iter().zip(&heard.progress).take_while(|(kept, heard)| kept == heard).count();
    let (kept, came) = (kept.get(at), heard.progress.get(at));
    Some(broken(Promise::WholeStream, format!("{}: after {at} entries came {came:?} and not {kept:?}", heard.task)))
}
