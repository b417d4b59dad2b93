//! What came from outside, as a terminal may see it.

use std::fmt::Write as _;

/// Text from outside as a terminal may see it: what would move the cursor, change colours or the direction of writing is
/// written as `\u{…}`.
pub fn shown(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        let formats = matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
        if c.is_control() || formats {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
        out
    })
}

/// Bytes that are no text: offset, hex, and what can be read of them.
pub fn dump(out: &mut String, bytes: &[u8]) {
    for (at, row) in bytes.chunks(16).enumerate() {
        let digits: Vec<String> = row.iter().map(|b| format!("{b:02x}")).collect();
        let readable: String = row
            .iter()
            .map(|b| match b {
                b' '..=b'~' => char::from(*b),
                _ => '.',
            })
            .collect();
        let _ = writeln!(out, "{:08x}  {:<47}  {readable}", at * 16, digits.join(" "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_command_a_terminal_is_written_out() {
        let text = "{\"a\":\"\u{1b}]0;x\u{7}\u{9b}31m\u{202e}\"}\r\nÄ 体温";
        assert_eq!(
            shown(text),
            r#"{"a":"\u{1b}]0;x\u{7}\u{9b}31m\u{202e}"}\u{d}\u{a}Ä 体温"#
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_by_their_digits() {
        let mut out = String::new();
        dump(&mut out, b"\x00hello\xff\x1b[31m, world");
        assert_eq!(
            out,
            "00000000  00 68 65 6c 6c 6f ff 1b 5b 33 31 6d 2c 20 77 6f  .hello..[31m, wo\n\
             00000010  72 6c 64                                         rld\n"
        );
    }
}
