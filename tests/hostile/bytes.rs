//! Bytes as nobody should send them: samples of what is good, changed in ways that parsers have stumbled over.

/// Numbers from a seed; the same on every run.
pub struct Numbers(u64);

impl Numbers {
    /// The numbers of one input.
    pub fn of(seed: u64, input: u64) -> Self {
        let mut numbers = Self(seed ^ input.wrapping_mul(0xd134_2543_de82_ef95));
        numbers.next();
        numbers
    }

    /// The next one (SplitMix64).
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One below `n`; 0 where there is none.
    pub fn below(&mut self, n: usize) -> usize {
        let n = u64::try_from(n).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % n).unwrap_or(0)
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of these.
    pub fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.next() & 255).unwrap_or(0)
    }
}

/// Pieces that parsers have stumbled over.
const PIECES: &[&[u8]] = &[
    b"null",
    b"{}",
    b"[]",
    b"\"\"",
    b"0",
    b"-1",
    b"-0",
    b"0.0",
    b"-0.0",
    b"1e999",
    b"1e-999",
    b"-1e308",
    b"1E+2",
    b"0.00000000000000000001",
    b"36.52999878",
    b"99999999999999999999999999",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"18446744073709551616",
    b"2147483648",
    b"1772323185",
    b"1772323185000",
    b"9999999999",
    b"10000000000",
    b"127",
    b"255",
    b"600",
    b"601",
    b"10",
    b"9.99",
    b"true",
    b"\"HI\"",
    b"\" lo \"",
    b"\"NaN\"",
    b"\"1e5\"",
    b"\"+5\"",
    b"\"1,5\"",
    b"\"007\"",
    b"\"\\ud800\"",
    b"\"\\udc00\\ud800\"",
    b"\"\\u0000\"",
    b"\"\\",
    b"\\u",
    b"\xff\xfe",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xe2\x80\xae",
    b"\xef\xbb\xbf",
    b"\0",
    b"\n",
    b"\r\n",
    b"\t",
    b" ",
    b",",
    b":",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"'",
    b"=",
    b"%",
    b"@",
    b"//",
    b"..",
    b"{\"a\":1,\"a\":2}",
    b"[[[[[[]]]]]]",
    b"\"ble_addr\":1,",
    b"\"mac\":",
    b"\"scan_time\":\"0\",",
    b"\"type\":\"HB_Msg\",",
    b"{\"$oid\":\"65a000000000000000000001\"}",
    b"{\"$numberLong\":\"-1\"}",
    b"{\"$date\":\"9999-12-31T23:59:59Z\"}",
    b"{\"$oid\":7}",
    b"\xf0\x9f\x93\x8a",
    b"\xe0\xb8\xad",
    b"\xd9\xa3",
    b"\xef\xbc\x94",
    b"\xfe\xff\xff\xff\x0f",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x80\x80\x80\x80\x10",
    b"\x01",
    b"\x02",
    b"\x03",
];

/// One of the samples, changed; at times nothing but noise.
pub fn mutated(numbers: &mut Numbers, samples: &[Vec<u8>]) -> Vec<u8> {
    if numbers.once_in(40) {
        let length = numbers.below(64);
        return (0..length).map(|_| numbers.byte()).collect();
    }
    let mut bytes = numbers.one(samples).clone();
    // An unchanged one in a few: what is good must stay good.
    let changes = [0, 1, 1, 1, 2, 2, 3, 6][numbers.below(8)];
    for _ in 0..changes {
        change(numbers, &mut bytes, samples);
    }
    bytes
}

fn change(numbers: &mut Numbers, bytes: &mut Vec<u8>, samples: &[Vec<u8>]) {
    let at = numbers.below(bytes.len() + 1).min(bytes.len());
    let end = (at + numbers.below(16)).min(bytes.len());
    match numbers.below(12) {
        0 if at < bytes.len() => bytes[at] = numbers.byte(),
        1 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
        2 => drop(bytes.drain(at..end)),
        3 => bytes.truncate(at),
        4 | 5 => {
            let (from, to) = value_after(bytes, at);
            let piece = *numbers.one(PIECES);
            bytes.splice(from..to, piece.iter().copied());
        }
        6 => {
            let piece = *numbers.one(PIECES);
            bytes.splice(at..at, piece.iter().copied());
        }
        7 => {
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
        }
        8 => {
            let other = numbers.one(samples);
            let from = numbers.below(other.len());
            let part = other[from..(from + numbers.below(64)).min(other.len())].to_vec();
            bytes.splice(at..end, part);
        }
        9 => {
            // A run of digits becomes another number.
            if let Some(from) = bytes[at..].iter().position(u8::is_ascii_digit).map(|p| at + p) {
                let run = bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
                let number = number(numbers);
                bytes.splice(from..from + run, number.into_bytes());
            }
        }
        10 => {
            let most = if numbers.once_in(200) { 100_000 } else { 40 };
            let piece = *numbers.one(PIECES);
            let times = numbers.below(most);
            bytes.splice(at..at, piece.repeat(times));
        }
        _ => {
            // Another spelling of a letter or two.
            for byte in &mut bytes[at..end] {
                if byte.is_ascii_alphabetic() && numbers.once_in(3) {
                    *byte ^= 0x20;
                }
            }
        }
    }
}

fn number(numbers: &mut Numbers) -> String {
    match numbers.below(6) {
        0 => numbers.next().to_string(),
        1 => (numbers.next() >> 40).to_string(),
        2 => numbers.below(700).to_string(),
        3 => format!("{}.{}", numbers.below(700), numbers.below(1_000)),
        4 => format!("{}e{}", numbers.below(100), numbers.below(600)),
        _ => "9".repeat(numbers.below(60)),
    }
}

/// From a colon or an equals sign to the next separator: a whole value.
fn value_after(bytes: &[u8], at: usize) -> (usize, usize) {
    let from = bytes[at..]
        .iter()
        .position(|b| matches!(b, b':' | b'='))
        .map_or(at, |p| at + p + 1);
    let to = bytes[from..]
        .iter()
        .position(|b| matches!(b, b',' | b'}' | b']' | b'\n'))
        .map_or(bytes.len(), |p| from + p);
    (from, to)
}

/// Bytes for people: printable ASCII as it is.
pub fn shown(bytes: &[u8]) -> String {
    let text = bytes.escape_ascii().to_string();
    match text.char_indices().nth(4_000) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], bytes.len()),
        None => text,
    }
}
