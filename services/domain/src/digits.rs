//! Decimals as the digits that arrived: never a binary float.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::ser::{Error, Serialize, Serializer};
use serde_json::value::RawValue;

/// Most digits before the point that a FHIR decimal can hold.
const WHOLE_DIGITS: i64 = 18;
/// Most digits after the point that a FHIR decimal can hold.
const FRACTION_DIGITS: i64 = 17;

/// A decimal with its digits: `4.60` stays `4.60`. At most 18 digits before the point and 17 after it.
///
/// Two decimals are equal when their digits are; [`Decimal::compare`] compares their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal {
    mantissa: i128,
    scale: u8,
}

/// The text is no decimal that can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecimalError {
    /// Not a plain decimal, or with more digits after the point than FHIR can hold.
    #[error("not a plain decimal")]
    NotPlain,
    /// More digits before the point than FHIR can hold: beyond every limit.
    #[error("too large")]
    TooLarge,
}

impl Decimal {
    /// Nought.
    pub const ZERO: Self = Self {
        mantissa: 0,
        scale: 0,
    };

    /// The digits of a text value: kept as they are, but for leading zeros. No exponent, plus or comma.
    ///
    /// # Errors
    /// Where the text is no plain decimal or is too long.
    pub fn from_text(text: &str) -> Result<Self, DecimalError> {
        let text = text.trim();
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((_, "")) => return Err(DecimalError::NotPlain),
            Some(parts) => parts,
            None => (digits, ""),
        };
        if whole.is_empty() {
            return Err(DecimalError::NotPlain);
        }
        Self::assemble(negative, whole, fraction, 0, false)
    }

    /// The digits of a JSON number, without zeros after the last non-zero decimal (`112.0` is 112).
    ///
    /// # Errors
    /// Where it is too long.
    pub fn from_number(text: &str) -> Result<Self, DecimalError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (digits, exponent) = match digits.split_once(['e', 'E']) {
            Some((digits, exponent)) => (digits, exponent_of(exponent)?),
            None => (digits, 0),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        Self::assemble(negative, whole, fraction, exponent, true)
    }

    /// The shortest decimal that is the same binary32 as this JSON number (`36.52999878` is 36.53).
    ///
    /// # Errors
    /// Where it is too long.
    pub fn from_binary32(text: &str) -> Result<Self, DecimalError> {
        let image = f32::from_str(text).map_err(|_| DecimalError::NotPlain)?;
        if !image.is_finite() {
            return Err(DecimalError::TooLarge);
        }
        // Rust writes the shortest digits that read back as the same float, never with an exponent.
        Self::from_number(&image.to_string())
    }

    fn assemble(
        negative: bool,
        whole: &str,
        fraction: &str,
        exponent: i64,
        shorten: bool,
    ) -> Result<Self, DecimalError> {
        let all = || whole.bytes().chain(fraction.bytes());
        if !all().all(|c| c.is_ascii_digit()) {
            return Err(DecimalError::NotPlain);
        }
        let len = |n: usize| i64::try_from(n).map_err(|_| DecimalError::TooLarge);
        let mut fraction_digits = len(fraction.len())?.saturating_sub(exponent);
        let mut kept = len(whole.len())?.saturating_add(len(fraction.len())?);
        let leading = len(all().take_while(|c| *c == b'0').count())?;
        if leading == kept {
            let scale = if shorten { 0 } else { fraction_digits };
            return match u8::try_from(scale) {
                Ok(scale) if i64::from(scale) <= FRACTION_DIGITS => Ok(Self { mantissa: 0, scale }),
                _ => Err(DecimalError::NotPlain),
            };
        }
        if shorten {
            let zeros = len(all().rev().take_while(|c| *c == b'0').count())?;
            let dropped = zeros.min(fraction_digits.max(0));
            kept -= dropped;
            fraction_digits -= dropped;
        }
        let significant = kept - leading;
        if significant.saturating_sub(fraction_digits) > WHOLE_DIGITS {
            return Err(DecimalError::TooLarge);
        }
        if fraction_digits > FRACTION_DIGITS {
            return Err(DecimalError::NotPlain);
        }
        let take = usize::try_from(kept).map_err(|_| DecimalError::TooLarge)?;
        let mut mantissa = all()
            .take(take)
            .try_fold(0_i128, |m, c| {
                m.checked_mul(10)?.checked_add(i128::from(c - b'0'))
            })
            .ok_or(DecimalError::TooLarge)?;
        // An exponent that moves the point beyond the last digit: the zeros are digits of the whole number.
        if fraction_digits < 0 {
            mantissa = power(fraction_digits.unsigned_abs())
                .and_then(|p| mantissa.checked_mul(p))
                .ok_or(DecimalError::TooLarge)?;
            fraction_digits = 0;
        }
        let scale = u8::try_from(fraction_digits).map_err(|_| DecimalError::NotPlain)?;
        Ok(Self {
            mantissa: if negative { -mantissa } else { mantissa },
            scale,
        })
    }

    /// The same value without zeros after the last non-zero decimal.
    #[must_use]
    pub fn plain(self) -> Self {
        let Self {
            mut mantissa,
            mut scale,
        } = self;
        while scale > 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            scale -= 1;
        }
        Self { mantissa, scale }
    }

    /// The value with its point moved `places` to the left, without trailing zeros (41 with 1 is 4.1, 40 is 4).
    ///
    /// # Errors
    /// Where the result has too many digits after the point.
    pub fn shifted(self, places: u8) -> Result<Self, DecimalError> {
        let moved = Self {
            mantissa: self.mantissa,
            scale: self.scale.saturating_add(places),
        }
        .plain();
        if i64::from(moved.scale) > FRACTION_DIGITS {
            return Err(DecimalError::NotPlain);
        }
        Ok(moved)
    }

    /// Compares the values.
    #[must_use]
    pub fn compare(self, other: Self) -> Ordering {
        if self.scale == other.scale {
            return self.mantissa.cmp(&other.mantissa);
        }
        let scale = self.scale.max(other.scale);
        let widened = |d: Self| power(u64::from(scale - d.scale)).and_then(|p| d.mantissa.checked_mul(p));
        match (widened(self), widened(other)) {
            (Some(a), Some(b)) => a.cmp(&b),
            // The side that overflows is the larger in size; its sign decides.
            (None, _) => self.mantissa.cmp(&0),
            (_, None) => 0.cmp(&other.mantissa),
        }
    }

    /// The product, rounded half to even.
    #[must_use]
    pub fn times(self, factor: Self, decimals: u8) -> Option<Self> {
        Self {
            mantissa: self.mantissa.checked_mul(factor.mantissa)?,
            scale: self.scale.checked_add(factor.scale)?,
        }
        .rounded(decimals)
    }

    /// The quotient, rounded half to even.
    #[must_use]
    pub fn over(self, divisor: Self, decimals: u8) -> Option<Self> {
        // value / divisor = (m1 * 10^(s2 + decimals)) / (m2 * 10^s1), in units of the last decimal wanted.
        let up = power(u64::from(divisor.scale) + u64::from(decimals))?;
        let numerator = self.mantissa.checked_mul(up)?;
        let denominator = divisor.mantissa.checked_mul(power(u64::from(self.scale))?)?;
        Some(Self {
            mantissa: divided(numerator, denominator)?,
            scale: decimals,
        })
    }

    /// The value with exactly this many decimals, rounded half to even.
    #[must_use]
    pub fn rounded(self, decimals: u8) -> Option<Self> {
        let mantissa = if decimals >= self.scale {
            self.mantissa
                .checked_mul(power(u64::from(decimals - self.scale))?)?
        } else {
            divided(self.mantissa, power(u64::from(self.scale - decimals))?)?
        };
        Some(Self {
            mantissa,
            scale: decimals,
        })
    }

    /// The whole part as an integer: a fraction is cut.
    #[must_use]
    pub fn whole(self) -> Option<i64> {
        i64::try_from(self.mantissa / power(u64::from(self.scale))?).ok()
    }

    /// Appends the digits.
    pub(crate) fn push_to(self, out: &mut String) {
        out.push_str(self.write(&mut [0; 48]));
    }

    /// The digits, in a buffer of the caller.
    fn write(self, buffer: &mut [u8; 48]) -> &str {
        let mut at = buffer.len();
        let mut rest = self.mantissa.unsigned_abs();
        let mut digits = 0_u8;
        while rest > 0 || digits <= self.scale {
            // 64-bit arithmetic while it lasts: 128-bit division is slow.
            let digit = match u64::try_from(rest) {
                Ok(small) => {
                    rest = u128::from(small / 10);
                    small % 10
                }
                Err(_) => {
                    let digit = rest % 10;
                    rest /= 10;
                    u64::try_from(digit).unwrap_or(0)
                }
            };
            if digits > 0 && digits == self.scale {
                at -= 1;
                buffer[at] = b'.';
            }
            at -= 1;
            buffer[at] = b'0' + u8::try_from(digit).unwrap_or(0);
            digits += 1;
        }
        if self.mantissa < 0 {
            at -= 1;
            buffer[at] = b'-';
        }
        std::str::from_utf8(&buffer[at..]).unwrap_or_default()
    }
}

/// The exponent of a JSON number, cut to what cannot matter any more.
fn exponent_of(text: &str) -> Result<i64, DecimalError> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return Err(DecimalError::NotPlain);
    }
    let size = digits.bytes().fold(0_i64, |n, c| {
        n.saturating_mul(10).saturating_add(i64::from(c - b'0'))
    });
    // A body is far shorter than this: beyond it, more exponent changes nothing.
    let size = size.min(1 << 40);
    Ok(if negative { -size } else { size })
}

/// Ten to this power.
fn power(exponent: u64) -> Option<i128> {
    10_i128.checked_pow(u32::try_from(exponent).ok()?)
}

/// The quotient, rounded half to even.
fn divided(numerator: i128, denominator: i128) -> Option<i128> {
    let quotient = numerator.checked_div(denominator)?;
    let rest = numerator.checked_rem(denominator)?;
    let twice = rest.unsigned_abs().checked_mul(2)?;
    let up = match twice.cmp(&denominator.unsigned_abs()) {
        Ordering::Less => false,
        Ordering::Equal => quotient % 2 != 0,
        Ordering::Greater => true,
    };
    if !up {
        Some(quotient)
    } else if (numerator < 0) == (denominator < 0) {
        quotient.checked_add(1)
    } else {
        quotient.checked_sub(1)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.write(&mut [0; 48]))
    }
}

impl Serialize for Decimal {
    /// A JSON number with exactly these digits.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut buffer = [0; 48];
        let raw: &RawValue = serde_json::from_str(self.write(&mut buffer)).map_err(S::Error::custom)?;
        raw.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(t: &str) -> String {
        Decimal::from_text(t).map_or_else(|e| e.to_string(), |d| d.to_string())
    }

    fn number(t: &str) -> String {
        Decimal::from_number(t).map_or_else(|e| e.to_string(), |d| d.to_string())
    }

    #[test]
    fn a_text_keeps_its_digits() {
        for t in ["4.60", "112", "402.5", "-3.0", "0.00", "0", "112.0", "0.05"] {
            assert_eq!(text(t), t);
        }
        assert_eq!(text(" 007.10 "), "7.10");
        assert_eq!(text("-0"), "0");
    }

    #[test]
    fn a_text_with_an_exponent_a_plus_or_a_comma_is_no_plain_decimal() {
        for t in [
            "", " ", "-", ".", ".5", "5.", "1e2", "+5", "1,5", "NaN", "HI", "1.2.3", "--1", "0x1", "１",
        ] {
            assert_eq!(Decimal::from_text(t), Err(DecimalError::NotPlain), "{t}");
        }
    }

    #[test]
    fn a_number_loses_the_zeros_after_its_last_decimal() {
        for (t, digits) in [
            ("112", "112"),
            ("112.0", "112"),
            ("112.50", "112.5"),
            ("100", "100"),
            ("1.12e2", "112"),
            ("1120E-1", "112"),
            ("12e3", "12000"),
            ("-0.0", "0"),
            ("0e999999999999999999999", "0"),
            ("5e-3", "0.005"),
            ("120.0e-1", "12"),
        ] {
            assert_eq!(number(t), digits, "{t}");
        }
    }

    #[test]
    fn digits_beyond_a_fhir_decimal_are_refused_without_being_expanded() {
        assert_eq!(
            Decimal::from_number("1e999999999999999999999"),
            Err(DecimalError::TooLarge)
        );
        assert_eq!(
            Decimal::from_number("1e-999999999999999999999"),
            Err(DecimalError::NotPlain)
        );
        assert_eq!(
            Decimal::from_text("1234567890123456789"),
            Err(DecimalError::TooLarge)
        );
        assert_eq!(
            Decimal::from_text("0.123456789012345678"),
            Err(DecimalError::NotPlain)
        );
        assert_eq!(text("123456789012345678.12345678901234567").len(), 36);
        assert_eq!(
            Decimal::from_text(&"9".repeat(1_000_000)),
            Err(DecimalError::TooLarge)
        );
    }

    #[test]
    fn a_binary32_image_becomes_its_shortest_decimal() {
        for (image, digits) in [
            ("36.52999878", "36.53"),
            ("71.40000153", "71.4"),
            ("512.7000122", "512.7"),
            ("37", "37"),
            ("36.5", "36.5"),
            ("70.0", "70"),
        ] {
            assert_eq!(Decimal::from_binary32(image).unwrap().to_string(), digits);
        }
        assert_eq!(Decimal::from_binary32("1e39"), Err(DecimalError::TooLarge));
    }

    #[test]
    fn values_compare_whatever_their_digits() {
        let d = |t| Decimal::from_text(t).unwrap();
        assert_eq!(d("4.60").compare(d("4.6")), Ordering::Equal);
        assert_eq!(d("600.01").compare(d("600")), Ordering::Greater);
        assert_eq!(
            d("123456789012345678").compare(d("0.12345678901234567")),
            Ordering::Greater
        );
        assert_eq!(
            d("-123456789012345678").compare(d("0.12345678901234567")),
            Ordering::Less
        );
    }

    #[test]
    fn conversions_round_half_to_even() {
        let d = |t| Decimal::from_text(t).unwrap();
        assert_eq!(d("5.6").times(d("18"), 2).unwrap().to_string(), "100.80");
        assert_eq!(d("178").over(d("38.67"), 2).unwrap().to_string(), "4.60");
        assert_eq!(d("0.125").rounded(2).unwrap().to_string(), "0.12");
        assert_eq!(d("0.375").rounded(2).unwrap().to_string(), "0.38");
        assert_eq!(d("-0.375").rounded(2).unwrap().to_string(), "-0.38");
        assert_eq!(d("402").rounded(1).unwrap().to_string(), "402.0");
        assert_eq!(d("5").over(d("0"), 2), None);
    }

    #[test]
    fn the_perfusion_index_is_shifted_and_shortened() {
        let d = |t| Decimal::from_text(t).unwrap();
        assert_eq!(d("41").shifted(1).unwrap().to_string(), "4.1");
        assert_eq!(d("40").shifted(1).unwrap().to_string(), "4");
        assert_eq!(d("3").shifted(1).unwrap().to_string(), "0.3");
    }

    #[test]
    fn a_decimal_is_written_as_a_json_number() {
        let d = Decimal::from_text("4.60").unwrap();
        assert_eq!(serde_json::to_string(&d).unwrap(), "4.60");
    }
}
