//! Reading JSON lazily, level by level, so that the digits of numbers and every duplicate key are seen.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Deepest nesting that is read.
pub(crate) const MAX_DEPTH: usize = 128;

/// The text is not JSON, or not of the shape that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotJson;

/// One JSON value of checked grammar, as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Raw<'a>(&'a str);

impl<'a> Raw<'a> {
    /// What stands for a value that is not there.
    pub(crate) const NULL: Raw<'static> = Raw("null");

    /// The bytes as they came.
    pub(crate) const fn as_str(self) -> &'a str {
        self.0
    }

    /// A text that is one object.
    pub(crate) fn of_object(text: &'a str) -> Option<Self> {
        let value: &RawValue = serde_json::from_str(text).ok()?;
        Some(Raw(value.get())).filter(|raw| raw.is_object())
    }

    /// The first value of a text of which the grammar is known to be good, and what stands behind it.
    pub(crate) fn first_of(text: &'a str) -> Option<(Self, &'a str)> {
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
        let value = values.next()?.ok()?;
        Some((Raw(value.get()), text.get(values.byte_offset()..)?))
    }

    fn starts_with(self, c: u8) -> bool {
        self.0.as_bytes().first() == Some(&c)
    }

    pub(crate) fn is_null(self) -> bool {
        self.starts_with(b'n')
    }

    pub(crate) fn is_object(self) -> bool {
        self.starts_with(b'{')
    }

    pub(crate) fn is_list(self) -> bool {
        self.starts_with(b'[')
    }

    pub(crate) fn is_text(self) -> bool {
        self.starts_with(b'"')
    }

    /// The digits, where it is a number.
    pub(crate) fn number(self) -> Option<&'a str> {
        matches!(self.0.as_bytes().first(), Some(b'-' | b'0'..=b'9')).then_some(self.0)
    }

    /// The text, where it is one that can be read.
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        if inner.contains('\\') {
            serde_json::from_str::<String>(self.0).ok().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(inner))
        }
    }

    /// The text without blanks around; none where it is no text, or blank.
    pub(crate) fn filled_text(self) -> Option<Cow<'a, str>> {
        match self.text()? {
            Cow::Borrowed(t) => Some(t.trim()).filter(|t| !t.is_empty()).map(Cow::Borrowed),
            Cow::Owned(t) => Some(t.trim().to_owned())
                .filter(|t| !t.is_empty())
                .map(Cow::Owned),
        }
    }

    /// True for null and blank text: what counts as not sent.
    pub(crate) fn is_missing(self) -> bool {
        self.is_null() || (self.is_text() && self.text().is_some_and(|t| t.trim().is_empty()))
    }

    /// The entries, where it is an object.
    pub(crate) fn object(self) -> Option<Fields<'a>> {
        self.is_object().then(|| Fields::read(self.0).ok()).flatten()
    }

    /// The first `limit` values and the number of all, where it is a list.
    pub(crate) fn list(self, limit: usize) -> Option<(Vec<Raw<'a>>, usize)> {
        if !self.is_list() {
            return None;
        }
        let mut deserializer = serde_json::Deserializer::from_str(self.0);
        deserializer.deserialize_seq(ListVisitor { limit }).ok()
    }

    /// No duplicate key at any level, and every text can be read.
    pub(crate) fn is_clean(self) -> bool {
        if self.is_object() || self.is_list() || (self.is_text() && self.0.contains('\\')) {
            serde_json::from_str::<Clean>(self.0).is_ok()
        } else {
            true
        }
    }
}

/// The entries of one object, in order.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    entries: Vec<(Cow<'a, str>, Raw<'a>)>,
    duplicate: bool,
}

impl<'a> Fields<'a> {
    /// Reads one level.
    pub(crate) fn read(text: &'a str) -> Result<Self, NotJson> {
        serde_json::from_str(text).map_err(|_| NotJson)
    }

    /// A key stands twice.
    pub(crate) const fn has_duplicate(&self) -> bool {
        self.duplicate
    }

    pub(crate) fn entries(&self) -> &[(Cow<'a, str>, Raw<'a>)] {
        &self.entries
    }

    /// The first value with this key.
    pub(crate) fn get(&self, key: &str) -> Option<Raw<'a>> {
        self.entries.iter().find(|(k, _)| k == key).map(|(_, v)| *v)
    }

    /// The first value with this key that counts as sent.
    pub(crate) fn sent(&self, key: &str) -> Option<Raw<'a>> {
        self.get(key).filter(|v| !v.is_missing())
    }
}

fn any_twice(entries: &[(Cow<'_, str>, Raw<'_>)]) -> bool {
    if entries.len() <= 16 {
        // Short objects are the rule: comparing is cheaper than hashing.
        entries
            .iter()
            .enumerate()
            .any(|(i, (key, _))| entries[..i].iter().any(|(other, _)| other == key))
    } else {
        let mut seen = HashSet::with_capacity(entries.len());
        entries.iter().any(|(key, _)| !seen.insert(key.as_ref()))
    }
}

/// A key: borrowed where it holds no escapes (`Cow` by itself never borrows).
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut entries = Vec::with_capacity(8);
                while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    entries.push((key, Raw(value.get())));
                }
                let duplicate = any_twice(&entries);
                Ok(Fields { entries, duplicate })
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct ListVisitor {
    limit: usize,
}

impl<'de> Visitor<'de> for ListVisitor {
    type Value = (Vec<Raw<'de>>, usize);
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while values.len() < self.limit {
            match list.next_element::<&'de RawValue>()? {
                Some(value) => values.push(Raw(value.get())),
                None => {
                    let count = values.len();
                    return Ok((values, count));
                }
            }
        }
        let mut count = values.len();
        while list.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok((values, count))
    }
}

/// A value without duplicate keys at any level and with readable texts.
struct Clean;

impl<'de> Deserialize<'de> for Clean {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CleanVisitor;
        impl<'de> Visitor<'de> for CleanVisitor {
            type Value = Clean;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON without duplicate keys")
            }
            // Recursion ends at the depth that serde_json allows; is_too_deep() has bounded it before.
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Clean, A::Error> {
                let mut seen = HashSet::new();
                while let Some(Key(key)) = map.next_key::<Key<'de>>()? {
                    if !seen.insert(key) {
                        return Err(serde::de::Error::custom("duplicate key"));
                    }
                    map.next_value::<Clean>()?;
                }
                Ok(Clean)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Clean, A::Error> {
                while list.next_element::<Clean>()?.is_some() {}
                Ok(Clean)
            }
            fn visit_str<E>(self, _: &str) -> Result<Clean, E> {
                Ok(Clean)
            }
            fn visit_bool<E>(self, _: bool) -> Result<Clean, E> {
                Ok(Clean)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Clean, E> {
                Ok(Clean)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Clean, E> {
                Ok(Clean)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Clean, E> {
                Ok(Clean)
            }
            fn visit_unit<E>(self) -> Result<Clean, E> {
                Ok(Clean)
            }
        }
        deserializer.deserialize_any(CleanVisitor)
    }
}

/// True where the text nests deeper than [`MAX_DEPTH`]. The text need not be JSON.
pub(crate) fn is_too_deep(text: &str) -> bool {
    let opening = |c: &&u8| matches!(c, b'{' | b'[');
    if text.as_bytes().iter().filter(opening).count() <= MAX_DEPTH {
        return false;
    }
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for c in text.bytes() {
        match c {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_texts_are_seen_as_they_came() {
        let fields = Fields::read(r#"{ "a" : 112.0 , "b":"x\ty", "c":null, "d":"  ", "\u0065":1 }"#).unwrap();
        assert_eq!(fields.get("a").unwrap().number(), Some("112.0"));
        assert_eq!(fields.get("b").unwrap().text().unwrap(), "x\ty");
        assert!(fields.sent("c").is_none() && fields.sent("d").is_none());
        assert_eq!(fields.get("e").unwrap().as_str(), "1");
    }

    #[test]
    fn duplicate_keys_are_seen_also_behind_escapes_and_in_long_objects() {
        assert!(Fields::read(r#"{"a":1,"\u0061":2}"#).unwrap().has_duplicate());
        let mut long: Vec<String> = (0..40).map(|n| format!(r#""k{n}":{n}"#)).collect();
        assert!(
            !Fields::read(&format!("{{{}}}", long.join(",")))
                .unwrap()
                .has_duplicate()
        );
        long.push(r#""k7":0"#.to_owned());
        assert!(
            Fields::read(&format!("{{{}}}", long.join(",")))
                .unwrap()
                .has_duplicate()
        );
    }

    #[test]
    fn what_is_not_clean_is_found_at_any_depth() {
        for (text, clean) in [
            (
                r#"{"a":{"b":[{"c":1},{"c":2}]},"d":[true,null,-1,1.5,"x"]}"#,
                true,
            ),
            (r#"{"a":{"b":[{"c":1,"c":2}]}}"#, false),
            (r#"["\ud800"]"#, false),
            (r#""\ud800""#, false),
        ] {
            assert_eq!(Raw(text).is_clean(), clean, "{text}");
        }
    }

    #[test]
    fn lists_count_all_and_keep_the_first() {
        let (kept, all) = Raw("[1,2,3,4]").list(2).unwrap();
        assert_eq!((kept.len(), all), (2, 4));
        assert_eq!(Raw("[]").list(2).unwrap().1, 0);
        assert!(Raw("{}").list(2).is_none());
    }

    #[test]
    fn depth_is_counted_outside_of_texts() {
        assert!(!is_too_deep(&format!("{}{}", "[".repeat(128), "]".repeat(128))));
        assert!(is_too_deep(&format!("{}{}", "[".repeat(129), "]".repeat(129))));
        assert!(!is_too_deep(&format!(r#"["{}\"[[["]"#, "[".repeat(500))));
        assert!(!is_too_deep(&format!("[{}[]]", "[],".repeat(500))));
    }

    #[test]
    fn text_that_is_no_json_is_refused() {
        for text in [
            "",
            "{",
            r#"{"a":01}"#,
            r#"{"a":1,}"#,
            r#"{"a":1} x"#,
            "{'a':1}",
            "[1]",
            "5",
            "null",
        ] {
            assert!(Fields::read(text).is_err(), "{text}");
        }
    }
}
