//! Reads amounts and currencies as people and machines write them.

use serde_json::Value;

/// Currencies with three decimals, where `1.234` is little more than one.
const THREE_DECIMALS: &[&str] = &["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];

/// Three capitals that are a currency also where nobody says so: `NEW 5` is no price in NEW.
const WELL_KNOWN: &[&str] = &[
    "AED", "ARS", "AUD", "BRL", "CAD", "CHF", "CLP", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "IDR", "ILS",
    "INR", "JPY", "KRW", "KWD", "MXN", "MYR", "NOK", "NZD", "PHP", "PLN", "RON", "SAR", "SEK", "SGD", "THB", "TRY",
    "TWD", "UAH", "USD", "VND", "ZAR",
];

/// The three letters of a currency, in capitals; also of `€`, `£` and `₹`, which mean one only.
pub(super) fn currency(text: &str) -> Option<String> {
    let text = text.trim();
    let known = match text {
        "€" => "EUR",
        "£" => "GBP",
        "₹" => "INR",
        letters if letters.len() == 3 && letters.bytes().all(|b| b.is_ascii_alphabetic()) => letters,
        _ => return None,
    };
    Some(known.to_ascii_uppercase())
}

/// The currency that stands next to an amount: `19,99 €`, `EUR 5`.
pub(super) fn currency_beside(text: &str) -> Option<String> {
    let around = text.split(|c: char| c.is_numeric() || c.is_whitespace() || "., ".contains(c));
    around.filter(|part| !part.is_empty()).find_map(|part| match part {
        "€" | "£" | "₹" => currency(part),
        part if WELL_KNOWN.contains(&part) => currency(part),
        _ => None,
    })
}

/// An amount that was read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Amount {
    /// More than 0.
    pub(super) value: f64,
    /// Whether it may mean a thousandth of that: `1.299` and `1,299` mean either, and are read as
    /// the larger, so that no target is met by mistake.
    pub(super) ambiguous: bool,
}

/// The amount of a JSON number or text; `None` unless it is more than 0.
pub(super) fn of_json(value: &Value, currency: Option<&str>) -> Option<Amount> {
    match value {
        Value::Number(number) => {
            let value = number.as_f64().filter(|amount| amount.is_finite() && *amount > 0.0)?;
            Some(Amount { value, ambiguous: false })
        }
        Value::String(text) => parse(text, currency),
        _ => None,
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}')
}

/// The first amount in a text: `1.234,56`, `1,234.56`, `$19.99`, `1 234,56 €`, `1'234.50`. Three
/// digits after a single separator are thousands, unless the currency has three decimals or
/// nothing but 0 stands before. `None` unless it is more than 0.
pub(super) fn parse(text: &str, currency: Option<&str>) -> Option<Amount> {
    let chars: Vec<char> = text.chars().collect();
    let start = chars.iter().position(char::is_ascii_digit)?;
    if start > 0 && matches!(chars[start - 1], '-' | '−') {
        return None;
    }
    // Digits and separators, as long as they belong to one number.
    let mut number = String::new();
    let digit = |at: usize| chars.get(at).is_some_and(char::is_ascii_digit);
    for (at, c) in chars.iter().copied().enumerate().skip(start) {
        let three_follow = || (1..=3).all(|n| digit(at + n)) && !digit(at + 4);
        match c {
            '0'..='9' => number.push(c),
            '.' | ',' if digit(at + 1) => number.push(c),
            '\'' | '’' if three_follow() => {}
            c if is_space(c) && three_follow() && !number.contains(['.', ',']) => {}
            char::REPLACEMENT_CHARACTER => return None,
            _ => break,
        }
    }
    let separators: Vec<(usize, char)> = number.char_indices().filter(|(_, c)| !c.is_ascii_digit()).collect();
    let mut ambiguous = false;
    let decimal = match separators.as_slice() {
        [] => None,
        [(at, _)] => {
            let (whole, rest) = (&number[..*at], &number[at + 1..]);
            let grouped = rest.len() == 3 && (1..=3).contains(&whole.len()) && whole != "0";
            let three_decimals = currency.is_some_and(|currency| THREE_DECIMALS.contains(&currency));
            ambiguous = grouped && !three_decimals;
            (!grouped || three_decimals).then_some(*at)
        }
        // The last one, when it differs from those before.
        [before @ .., (at, last)] => before.iter().all(|(_, c)| c != last).then_some(*at),
    };
    let mut plain = String::new();
    for (at, c) in number.char_indices() {
        match c {
            '0'..='9' => plain.push(c),
            _ if Some(at) == decimal => plain.push('.'),
            _ => {}
        }
    }
    let value = plain.parse().ok().filter(|amount: &f64| amount.is_finite() && *amount > 0.0)?;
    Some(Amount { value, ambiguous })
}

#[cfg(test)]
mod tests {
    use super::{Amount, currency_beside, parse};

    #[test]
    fn amounts_are_read_as_they_are_written_anywhere() {
        for (text, amount) in [
            ("1.234,56", 1234.56),
            ("1,234.56", 1234.56),
            ("$19.99", 19.99),
            ("1 234,56 €", 1234.56),
            ("1\u{a0}234,56\u{a0}€", 1234.56),
            ("1\u{202f}234\u{202f}567 kr", 1_234_567.0),
            ("CHF 1'234.50", 1234.5),
            ("1.234.567", 1_234_567.0),
            ("1,23,456.70", 123_456.7),
            ("1,299", 1299.0),
            ("1.299 €", 1299.0),
            ("0.125", 0.125),
            ("1299.0000", 1299.0),
            ("19,-", 19.0),
            ("19,9", 19.9),
            ("EUR 5.", 5.0),
            ("19.99 - 29.99", 19.99),
            ("19 199 items", 19199.0),
            ("3 for 10", 3.0),
        ] {
            let read = parse(text, None).unwrap();
            assert_eq!(read.value, amount, "{text}");
            assert_eq!(read.ambiguous, ["1,299", "1.299 €"].contains(&text), "{text}");
        }
        assert_eq!(parse("12.500", Some("KWD")), Some(Amount { value: 12.5, ambiguous: false }));
        for text in ["", "free", "0", "0.00", "-5", "1\u{fffd}234", "€", "."] {
            assert_eq!(parse(text, None), None, "{text}");
        }
    }

    #[test]
    fn a_currency_is_read_only_where_it_is_certain() {
        assert_eq!(currency_beside("19,99 €").as_deref(), Some("EUR"));
        assert_eq!(currency_beside("CHF 1'234.50").as_deref(), Some("CHF"));
        assert_eq!(currency_beside("£5").as_deref(), Some("GBP"));
        assert_eq!(currency_beside("$19.99"), None);
        assert_eq!(currency_beside("NEW 19.99"), None);
        assert_eq!(currency_beside("19.99"), None);
    }
}
