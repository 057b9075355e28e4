//! Priorities: stored 1 (most urgent) to 10, spoken of by four names.

use serde::{Deserialize, Serialize};

/// 1 (most urgent) to 10; a number between two names reads as the nearest name above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Priority(i16);

impl Priority {
    pub const URGENT: Self = Self(1);
    pub const HIGH: Self = Self(3);
    pub const MEDIUM: Self = Self(5);
    pub const LOW: Self = Self(8);
    /// What a caller may write.
    pub const ALLOWED: &'static str =
        "must be one of: urgent, high, medium, low, or a number from 1 (most urgent) to 10";

    /// `None` outside 1–10.
    pub fn from_number(number: i64) -> Option<Self> {
        i16::try_from(number).ok().filter(|n| (1..=10).contains(n)).map(Self)
    }

    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "urgent" => Some(Self::URGENT),
            "high" => Some(Self::HIGH),
            "medium" => Some(Self::MEDIUM),
            "low" => Some(Self::LOW),
            _ => None,
        }
    }

    pub fn number(self) -> i16 {
        self.0
    }

    pub fn name(self) -> &'static str {
        match self.0 {
            ..=1 => "urgent",
            2..=3 => "high",
            4..=5 => "medium",
            _ => "low",
        }
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self::MEDIUM
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_between_reads_as_the_nearest_name_above() {
        let names: Vec<_> = (1..=10).filter_map(Priority::from_number).map(Priority::name).collect();
        assert_eq!(names, ["urgent", "high", "high", "medium", "medium", "low", "low", "low", "low", "low"]);
        assert_eq!(Priority::from_number(0), None);
        assert_eq!(Priority::from_number(11), None);
    }
}
