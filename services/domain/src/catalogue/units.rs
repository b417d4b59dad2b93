//! What a LOINC property and a UCUM unit measure, and the check digit of LOINC.

/// The dimension of the UCUM codes that this pipeline writes. A code that is not here is unknown: `C`, `mmHg`, `bpm`
/// and `ohm` are words or other units, not what they look like.
pub(super) fn dimension(ucum: &str) -> Option<&'static str> {
    Some(match ucum {
        "mm[Hg]" | "kPa" => "pressure",
        "/min" => "frequency",
        "%" => "fraction",
        "mg/dL" | "g/L" | "mg/L" | "g/dL" => "mass concentration",
        "mmol/L" | "umol/L" | "nmol/L" => "substance concentration",
        "Cel" | "[degF]" | "K" => "temperature",
        "kg" | "g" | "[lb_av]" => "mass",
        "Ohm" => "resistance",
        "cm" | "m" | "[in_i]" => "length",
        "kg/m2" => "mass per area",
        "{steps}" => "count",
        "{steps}/d" => "count per day",
        "h" | "min" | "s" => "time",
        _ => return None,
    })
}

/// What a LOINC property allows; none where the property is unknown or is that of a panel.
pub(super) fn dimensions(property: &str) -> Option<&'static [&'static str]> {
    Some(match property {
        "Pres" => &["pressure"],
        "NRat" => &["frequency"],
        "MFr" | "SFr" | "NFr" | "VFr" => &["fraction"],
        "Ratio" => &["fraction", "mass per area"],
        "MCnc" => &["mass concentration"],
        "SCnc" => &["substance concentration"],
        "Temp" => &["temperature"],
        "Mass" => &["mass"],
        "Len" => &["length"],
        "Num" => &["count", "count per day"],
        "Time" => &["time"],
        _ => return None,
    })
}

/// True where the digit after the dash is the mod-10 check digit of those before it.
pub(super) fn check_digit_holds(loinc: &str) -> bool {
    let Some((body, check)) = loinc.split_once('-') else {
        return false;
    };
    if body.is_empty() || check.len() != 1 || !body.bytes().chain(check.bytes()).all(|c| c.is_ascii_digit()) {
        return false;
    }
    let sum: u32 = body
        .bytes()
        .rev()
        .enumerate()
        .map(|(i, c)| {
            let digit = u32::from(c - b'0') * if i % 2 == 0 { 2 } else { 1 };
            digit / 10 + digit % 10
        })
        .sum();
    check.parse() == Ok((10 - sum % 10) % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_digit_is_mod_10() {
        for good in ["8480-6", "85354-9", "2708-6", "14647-2", "3084-1"] {
            assert!(check_digit_holds(good), "{good}");
        }
        for bad in [
            "8480-5", "85354-8", "8480", "-6", "8480-", "8480-66", "a480-6", "",
        ] {
            assert!(!check_digit_holds(bad), "{bad}");
        }
    }

    #[test]
    fn words_are_no_units() {
        for words in ["C", "mmHg", "bpm", "degC", "ohm", "steps", "µmol/L", ""] {
            assert_eq!(dimension(words), None, "{words}");
        }
    }
}
