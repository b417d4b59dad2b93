//! Whether an answer tells a value: as a word of its own, since ids and times have any digits in them.

/// Whether `text` has `value` as a word.
pub fn has(text: &str, value: &str) -> bool {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.'))
        .any(|word| word.trim_matches('.') == value)
}

#[cfg(test)]
mod tests {
    use super::has;

    #[test]
    fn a_value_is_a_word_and_not_a_part_of_an_id_or_a_time() {
        for told in [r#"{"a":131}"#, r#""131 mmHg""#, "pressure 131.", "[99.9,131]"] {
            assert!(has(told, "131"), "{told}");
        }
        for other in ["01a20717-1312-7657", "06:28:06.131Z", "1310", "99.131"] {
            assert!(!has(other, "131"), "{other}");
        }
    }
}
