//! Writing JSON and hex by hand: these run several times for every reading, and formatting is what costs there.

/// `N` lower- or upper-case hex digits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hex<const N: usize>([u8; N]);

impl<const N: usize> Hex<N> {
    /// The digits of as many bytes as fit.
    pub(crate) fn lower(bytes: &[u8]) -> Self {
        Self::of(bytes, b"0123456789abcdef")
    }

    /// The digits of as many bytes as fit.
    pub(crate) fn upper(bytes: &[u8]) -> Self {
        Self::of(bytes, b"0123456789ABCDEF")
    }

    fn of(bytes: &[u8], alphabet: &[u8; 16]) -> Self {
        let mut digits = [b'0'; N];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
            pair[0] = alphabet[usize::from(byte >> 4)];
            pair[1] = alphabet[usize::from(byte & 15)];
        }
        Self(digits)
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Appends these texts.
macro_rules! push {
    ($out:ident, $($part:expr),+ $(,)?) => {{ $($out.push_str($part);)+ }};
}
pub(crate) use push;

/// Appends a JSON text.
pub(crate) fn push_text(out: &mut String, text: &str) {
    if text.bytes().all(|c| c >= 0x20 && c != b'"' && c != b'\\') {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        // Writing a text into memory has no way to fail.
        out.push_str(&serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned()));
    }
}

/// The JSON text of a text.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_text(&mut out, text);
    out
}

/// Writes a number with leading zeros into all of these bytes.
pub(crate) fn padded(bytes: &mut [u8], mut number: u32) {
    for byte in bytes.iter_mut().rev() {
        *byte = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_as_json_wants_them() {
        for text in [
            "",
            "plain",
            "µ °C",
            "a\"b",
            "a\\b",
            "a\nb",
            "\u{0}",
            "\u{7f}\u{2028}",
        ] {
            let back: String = serde_json::from_str(&quoted(text)).unwrap();
            assert_eq!(back, text);
        }
    }

    #[test]
    fn hex_and_padded_numbers_fill_their_place() {
        assert_eq!(Hex::<6>::lower(&[0, 0xab, 0xff]).as_str(), "00abff");
        assert_eq!(Hex::<6>::upper(&[0, 0xab, 0xff]).as_str(), "00ABFF");
        let mut bytes = [0; 4];
        padded(&mut bytes, 42);
        assert_eq!(&bytes, b"0042");
    }
}
