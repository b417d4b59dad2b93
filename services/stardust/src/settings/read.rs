//! Values of variables, or why they cannot be used.

use std::str::FromStr;

use super::SettingError;

pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

pub(super) fn set(env: Lookup<'_>, name: &'static str) -> Option<String> {
    env(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty())
}

pub(super) fn fail<T>(
    name: &'static str,
    problem: impl Into<String>,
    allowed: impl Into<String>,
) -> Result<T, SettingError> {
    Err(SettingError {
        name,
        problem: problem.into(),
        allowed: allowed.into(),
    })
}

pub(super) fn number<T: FromStr + PartialOrd + std::fmt::Display>(
    env: Lookup<'_>,
    name: &'static str,
    default: T,
    least: T,
    most: T,
) -> Result<T, SettingError> {
    let Some(text) = set(env, name) else {
        return Ok(default);
    };
    match text.parse::<T>() {
        Ok(n) if n >= least && n <= most => Ok(n),
        _ => fail(
            name,
            format!("`{text}` cannot be used"),
            format!("a whole number from {least} to {most}"),
        ),
    }
}

pub(super) fn truth(env: Lookup<'_>, name: &'static str, default: bool) -> Result<bool, SettingError> {
    match set(env, name).map(|v| v.to_ascii_lowercase()).as_deref() {
        None => Ok(default),
        Some("true" | "1" | "yes" | "on") => Ok(true),
        Some("false" | "0" | "no" | "off") => Ok(false),
        Some(other) => fail(name, format!("`{other}` cannot be used"), "true or false"),
    }
}

pub(super) fn topic_part(name: &'static str, text: String) -> Result<String, SettingError> {
    let fits = text.len() <= 200
        && text
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || b"._-".contains(&c));
    if fits {
        Ok(text)
    } else {
        fail(
            name,
            "it cannot be used",
            "letters, digits, `.`, `_` and `-`, at most 200",
        )
    }
}

/// Settings of what this version does not have: better refused than silently without effect.
pub(super) fn unavailable(env: Lookup<'_>) -> Result<(), SettingError> {
    for (name, what) in [
        ("DEVICE_TOKENS_FILE", "device tokens"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "the export of traces"),
    ] {
        if set(env, name).is_some() {
            return fail(
                name,
                format!("this version does not have {what}"),
                "leave it unset",
            );
        }
    }
    Ok(())
}

pub(super) fn database(env: Lookup<'_>, name: &'static str, default: &str) -> Result<String, SettingError> {
    let text = set(env, name).unwrap_or_else(|| default.to_owned());
    let fits = text.len() <= 63 && !text.contains(['/', '\\', '.', ' ', '"', '$', '\0']);
    if fits {
        Ok(text)
    } else {
        fail(
            name,
            "it is no name of a database",
            "at most 63 characters without / \\ . \" $ and blanks",
        )
    }
}

pub(super) fn identifier_base(env: Lookup<'_>) -> Result<String, SettingError> {
    let name = "IDENTIFIER_BASE";
    let text = set(env, name).unwrap_or_else(|| "urn:stardust:".to_owned());
    let absolute = text
        .split_once(':')
        .is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty());
    let fits = absolute
        && text.ends_with([':', '/', '#'])
        && text
            .bytes()
            .all(|c| c.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&c));
    if fits {
        Ok(text)
    } else {
        fail(
            name,
            "it is no start of a URI",
            "an absolute URI that ends with `:`, `/` or `#`, such as urn:stardust:",
        )
    }
}

pub(super) fn properties(env: Lookup<'_>) -> Result<Vec<(String, String)>, SettingError> {
    let name = "KAFKA_PROPERTIES";
    let text = set(env, name).unwrap_or_default();
    match stardust_kafka::parse_properties(&text) {
        Ok(pairs) => Ok(pairs),
        Err(e) => fail(
            name,
            e.to_string(),
            "name=value,name=value as librdkafka has them",
        ),
    }
}

pub(super) fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String = name
        .trim()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c))
        .collect();
    if name.is_empty() {
        "stardust".to_owned()
    } else {
        name
    }
}
