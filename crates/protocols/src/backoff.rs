//! How long to wait before the next try.

use std::time::Duration;

/// Growing waits with jitter, so that many who wait for the same thing do not return in one moment.
#[derive(Debug)]
pub struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(100);

    /// The waits double from 0.1 s to `max`.
    pub fn new(max: Duration) -> Self {
        Self { next: Self::FIRST, max }
    }

    /// A try went well.
    pub fn reset(&mut self) {
        self.next = Self::FIRST;
    }

    /// The wait after a try that failed: three quarters of it at least, five quarters at most.
    pub fn wait(&mut self) -> Duration {
        let wait = self.next.mul_f64(0.75 + f64::from(uuid::Uuid::new_v4().as_bytes()[0]) / 512.0);
        self.next = (self.next * 2).min(self.max);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_begin_anew() {
        let mut backoff = Backoff::new(Duration::from_millis(350));
        for around in [100, 200, 350, 350] {
            let wait = backoff.wait();
            let around = Duration::from_millis(around);
            assert!(wait >= around.mul_f64(0.75) && wait <= around.mul_f64(1.25), "{wait:?}");
        }
        backoff.reset();
        assert!(backoff.wait() <= Duration::from_millis(125));
    }
}
