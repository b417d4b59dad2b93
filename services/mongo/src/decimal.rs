//! Decimal128 with the digits of a JSON number: `4.60` stays `4.60`.

/// Bias of the exponent in the binary encoding.
const BIAS: i32 = 6176;
/// Most digits of a coefficient.
const MOST_DIGITS: usize = 34;
/// Most digits before the point, and after it, of a number that is written out: `1e-6000` must not come back as six
/// thousand digits.
const MOST_PLACES: i32 = 34;

/// The sixteen bytes of a JSON number; none where its digits do not fit.
pub(crate) fn encode(number: &str) -> Option<[u8; 16]> {
    let (negative, digits) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (digits, power) = match digits.split_once(['e', 'E']) {
        Some((digits, power)) => (digits, power.parse::<i32>().ok()?),
        None => (digits, 0),
    };
    let (whole, fraction) = match digits.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (digits, ""),
    };
    if whole.len() > 1 && whole.starts_with('0') {
        return None;
    }
    let mut coefficient = 0_u128;
    let mut count = 0_usize;
    for digit in whole.bytes().chain(fraction.bytes()) {
        if !digit.is_ascii_digit() {
            return None;
        }
        if count > 0 || digit != b'0' {
            count += 1;
        }
        if count > MOST_DIGITS {
            return None;
        }
        coefficient = coefficient * 10 + u128::from(digit - b'0');
    }
    let exponent = power.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let before_point = exponent.checked_add(i32::try_from(count).ok()?)?;
    if exponent < -MOST_PLACES || before_point > MOST_PLACES || whole.is_empty() {
        return None;
    }
    let exponent = u128::try_from(exponent + BIAS).ok()?;
    Some((u128::from(negative) << 127 | exponent << 113 | coefficient).to_le_bytes())
}

/// Writes the number in plain notation, never with an exponent; false for infinity and NaN.
pub(crate) fn write_plain(bytes: [u8; 16], out: &mut String) -> bool {
    let bits = u128::from_le_bytes(bytes);
    let combination = (bits >> 122) & 0b1_1111;
    if combination >= 0b1_1110 {
        return false;
    }
    // The second form of the encoding has coefficients above 34 digits only: they count as zero.
    let (exponent, coefficient) = if combination >= 0b1_1000 {
        ((bits >> 111) & 0x3fff, 0)
    } else {
        ((bits >> 113) & 0x3fff, bits & ((1 << 113) - 1))
    };
    let exponent = i32::try_from(exponent).unwrap_or(0) - BIAS;
    if bits >> 127 == 1 {
        out.push('-');
    }
    let digits = coefficient.to_string();
    if exponent >= 0 {
        out.push_str(&digits);
        if coefficient != 0 {
            (0..exponent).for_each(|_| out.push('0'));
        }
        return true;
    }
    let places = usize::try_from(-exponent).unwrap_or(0);
    match digits.len().checked_sub(places) {
        Some(point) if point > 0 => {
            out.push_str(&digits[..point]);
            out.push('.');
            out.push_str(&digits[point..]);
        }
        _ => {
            out.push_str("0.");
            (digits.len()..places).for_each(|_| out.push('0'));
            out.push_str(&digits);
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::Decimal128;

    fn round_trip(number: &str) -> String {
        let mut out = String::new();
        assert!(write_plain(encode(number).unwrap(), &mut out));
        out
    }

    #[test]
    fn a_plain_number_keeps_its_digits() {
        for number in [
            "0",
            "-0",
            "4.60",
            "36.53",
            "0.00",
            "0.05",
            "-0.1",
            "100",
            "137",
            "512.70",
            "9999999999999999999999999999999999",
            "0.000000000000000001",
            "1234567.000",
        ] {
            assert_eq!(round_trip(number), number);
        }
    }

    #[test]
    fn the_encoding_is_that_of_the_driver() {
        for number in [
            "0",
            "4.60",
            "-36.53",
            "0.000000012",
            "9999999999999999999999999999999999",
            "12E3",
        ] {
            let theirs: Decimal128 = number.parse().unwrap();
            assert_eq!(encode(number).unwrap(), theirs.bytes(), "{number}");
        }
    }

    #[test]
    fn an_exponent_is_written_out() {
        assert_eq!(round_trip("1.5e3"), "1500");
        assert_eq!(round_trip("12E-4"), "0.0012");
        assert_eq!(round_trip("0e5"), "0");
        assert_eq!(round_trip("1e33").len(), 34);
        assert_eq!(round_trip("-1e-34").len(), 37);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for number in [
            "99999999999999999999999999999999999",
            "1e7000",
            "1e34",
            "12.3e33",
            "1e-35",
            "0e35",
            "1e-6000",
            "",
            "-",
            "1.x",
            "1.",
            ".5",
            "01",
            "+1",
            "abc",
            "1e99999999999",
        ] {
            assert_eq!(encode(number), None, "{number}");
        }
    }

    #[test]
    fn infinity_and_nan_have_no_plain_form() {
        for text in ["Infinity", "-Infinity", "NaN"] {
            let value: Decimal128 = text.parse().unwrap();
            assert!(!write_plain(value.bytes(), &mut String::new()));
        }
    }
}
