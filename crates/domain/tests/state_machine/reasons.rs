//! Why a token is not the current one.

use task_domain::decide::{check_lease, lost_reason};
use task_domain::{Execution, ExecutionStatus, LeaseLost, LeaseToken};
use uuid::Uuid;

use crate::support::states::State;
use crate::support::{now, secs, token_of};

/// The finished execution that had the token, and what its former holder is told while the task
/// rests, and while another claim holds it.
#[test]
fn a_former_holder_learns_what_became_of_its_lease() {
    let old = LeaseToken::new(Uuid::from_u128(7));
    let table = [
        (None, LeaseLost::Unknown, LeaseLost::Unknown),
        (Some(ExecutionStatus::Completed), LeaseLost::Finished, LeaseLost::Finished),
        (Some(ExecutionStatus::Failed), LeaseLost::Finished, LeaseLost::Finished),
        (Some(ExecutionStatus::Cancelled), LeaseLost::Cancelled, LeaseLost::Cancelled),
        (Some(ExecutionStatus::Released), LeaseLost::Released, LeaseLost::Released),
        (Some(ExecutionStatus::Lost), LeaseLost::Expired, LeaseLost::Reclaimed),
        (Some(ExecutionStatus::TimedOut), LeaseLost::Expired, LeaseLost::Expired),
    ];
    for (ended, at_rest, held_by_another) in table {
        let (queued, running) = (State::Queued.task(), State::Running.task());
        let ended = ended.map(|status| Execution { status, ..queued.current.clone().unwrap() });
        assert_eq!(lost_reason(&queued, old, ended.as_ref()), at_rest, "at rest: {ended:?}");
        assert_eq!(lost_reason(&running, old, ended.as_ref()), held_by_another, "held by another: {ended:?}");
    }
}

#[test]
fn a_lease_is_held_until_the_very_moment_it_runs_out() {
    let task = State::Running.task();
    let token = token_of(&task);
    let end = task.current.as_ref().and_then(|e| e.lease).unwrap().expires_at;
    assert!(check_lease(&task, token, end - chrono::Duration::microseconds(1)).is_some());
    assert!(check_lease(&task, token, end).is_none(), "at its end it is gone: the reaper may take it");
    assert!(check_lease(&task, LeaseToken::new(Uuid::from_u128(7)), now()).is_none());
    assert!(check_lease(&State::Queued.task(), token, now()).is_none());
    assert_eq!(lost_reason(&task, token, None), LeaseLost::Expired);
    assert!(end > now() + secs(1));
}

#[test]
fn a_token_is_32_hexadecimal_digits_and_any_other_text_is_none() {
    let token = LeaseToken::new(Uuid::from_u128(0x0123_4567_89ab_cdef));
    assert_eq!(token.reveal(), "00000000000000000123456789abcdef");
    assert_eq!(LeaseToken::parse(&token.reveal()), Some(token));
    for text in [
        "",
        "x",
        "00000000-0000-0000-0123-456789abcdef",
        "0000000000000000012345678 9abcdef",
        "{00000000000000000123456789abcdef}",
    ] {
        assert_eq!(LeaseToken::parse(text), None, "{text:?}");
    }
    assert!(!format!("{token:?}").contains("abcdef"), "a token is never logged");
}
