//! Telling the messages of gateways apart, before any reading is judged.

use crate::digits::Decimal;
use crate::ids::Mac;
use crate::json::{Fields, Raw, is_too_deep};
use crate::outcome::{DeadReason, Stage};
use crate::reading::{Death, DeviceStatus, Refusal, RefusalCode};
use crate::time::Timestamp;

/// Most items of one message.
const MAX_ITEMS: usize = 1_000;
/// Times above this are milliseconds.
const LARGEST_SECOND: i64 = 9_999_999_999;

/// A body that is a message.
#[derive(Debug)]
pub(crate) enum Opened<'a> {
    Gateway {
        gateway: Mac,
        message: Message<'a>,
    },
    /// A person's call; not yet checked.
    Call(Fields<'a>),
}

/// What a gateway says.
#[derive(Debug)]
pub(crate) enum Message<'a> {
    Readings(Readings<'a>),
    Status(DeviceStatus),
    /// An acknowledgement, or an empty list.
    Nothing,
    /// No item can be told apart.
    Dead(Death),
}

/// Items of one attribute.
#[derive(Debug)]
pub(crate) struct Readings<'a> {
    pub attribute: Raw<'a>,
    /// The message's time as it came.
    pub time: Option<Raw<'a>>,
    pub items: Vec<Raw<'a>>,
}

/// Reads the bytes.
///
/// # Errors
/// Where no door would take them.
pub(crate) fn open(body: &[u8]) -> Result<Opened<'_>, Refusal> {
    let text = std::str::from_utf8(body).map_err(|_| not_json("the body is not UTF-8"))?;
    if is_too_deep(text) {
        return Err(not_json("the body nests deeper than 128 levels"));
    }
    let top = Fields::read(text).map_err(|_| not_json("the body is not a JSON object"))?;
    if top.has_duplicate() {
        return Err(not_json("a key of the body stands twice"));
    }
    if !is_gateways(&top) {
        return Ok(Opened::Call(top));
    }
    let gateway = gateway_of(&top)?;
    Ok(Opened::Gateway {
        gateway,
        message: classify(&top, gateway),
    })
}

pub(crate) fn refuse(
    code: RefusalCode,
    field: Option<&str>,
    message: impl Into<String>,
    suggestion: impl Into<String>,
) -> Refusal {
    Refusal {
        code,
        field: field.map(str::to_owned),
        message: message.into(),
        suggestion: suggestion.into(),
    }
}

pub(crate) fn not_json(message: &str) -> Refusal {
    refuse(
        RefusalCode::InvalidJson,
        None,
        message,
        "Send one JSON object in UTF-8, each key once.",
    )
}

const GATEWAY_TYPES: [&str; 4] = ["reportAttribute", "HB_Msg", "reportMsg", "cmdResult"];

fn is_gateways(top: &Fields<'_>) -> bool {
    let by_type = || {
        top.get("type")
            .and_then(Raw::text)
            .is_some_and(|t| GATEWAY_TYPES.contains(&t.trim()))
    };
    top.sent("mac").is_some() || top.sent("deviceCode").is_some() || by_type()
}

/// The address of the gateway: `mac`, else `deviceCode`, else `data.mac`.
fn gateway_of(top: &Fields<'_>) -> Result<Mac, Refusal> {
    let invalid = |field: &str, message: &str| {
        refuse(
            RefusalCode::InvalidMacAddress,
            Some(field),
            message,
            "Send the gateway's address as 12 hex digits, such as 02:00:00:AA:00:01.",
        )
    };
    let (field, raw) = if let Some(raw) = top.sent("mac") {
        ("mac", raw)
    } else if let Some(raw) = top.sent("deviceCode") {
        ("deviceCode", raw)
    } else {
        let inner = top.get("data").and_then(Raw::object).and_then(|d| d.sent("mac"));
        match inner {
            Some(raw) => ("data.mac", raw),
            None => return Err(invalid("mac", "the gateway's address is missing")),
        }
    };
    raw.text()
        .and_then(|t| t.parse().ok())
        .ok_or_else(|| invalid(field, "the gateway's address is not one of 12 hex digits"))
}

fn dead(reason: DeadReason, field: Option<&str>, detail: &str) -> Message<'static> {
    Message::Dead(Death {
        stage: Stage::Payload,
        reason,
        field: field.map(str::to_owned),
        detail: Some(detail.to_owned()),
    })
}

fn classify<'a>(top: &Fields<'a>, gateway: Mac) -> Message<'a> {
    let twice = || dead(DeadReason::Unreadable, Some("data"), "a key stands twice");
    // Only the items may hold their own faults; everything above them is the message.
    let clean = |fields: &Fields<'_>, but: &str| {
        !fields.has_duplicate() && fields.entries().iter().all(|(k, v)| k == but || v.is_clean())
    };
    if !clean(top, "data") {
        return dead(DeadReason::Unreadable, None, "a key stands twice");
    }
    let data = top.get("data").and_then(Raw::object);
    let kind = top.get("type").and_then(Raw::text);
    let kind = kind.as_deref().map(str::trim);
    let data_is_clean = match &data {
        Some(fields) => clean(fields, "value"),
        None => top.get("data").is_none_or(Raw::is_clean),
    };
    if !data_is_clean {
        return twice();
    }
    // An acknowledgement is known by its data, whatever its type.
    if data.as_ref().is_some_and(is_acknowledgement) {
        return Message::Nothing;
    }
    match kind {
        Some("reportAttribute") => {
            let value = data.as_ref().and_then(|d| d.get("value")).and_then(Raw::object);
            if value.as_ref().is_some_and(|v| !clean(v, "device_list")) {
                return twice();
            }
            let list = value
                .and_then(|v| v.get("device_list"))
                .and_then(|list| list.list(MAX_ITEMS));
            let Some((items, count)) = list else {
                return dead(
                    DeadReason::UnknownMessageType,
                    Some("data.value.device_list"),
                    "no list of items",
                );
            };
            if count == 0 {
                return Message::Nothing;
            }
            if count > MAX_ITEMS {
                return dead(
                    DeadReason::TooManyItems,
                    Some("data.value.device_list"),
                    "more than 1,000 items",
                );
            }
            Message::Readings(Readings {
                attribute: data.and_then(|d| d.get("attribute")).unwrap_or(Raw::NULL),
                time: top.get("time"),
                items,
            })
        }
        _ if data_value_unclean(data.as_ref()) => twice(),
        Some("HB_Msg") => Message::Status(status(top, gateway, "heartbeat")),
        Some("reportMsg") => Message::Status(status(top, gateway, "power-on")),
        Some("cmdResult") => Message::Nothing,
        _ => dead(
            DeadReason::UnknownMessageType,
            Some("type"),
            "no message type that carries readings",
        ),
    }
}

fn data_value_unclean(data: Option<&Fields<'_>>) -> bool {
    data.and_then(|d| d.get("value")).is_some_and(|v| !v.is_clean())
}

fn is_acknowledgement(data: &Fields<'_>) -> bool {
    data.entries().len() == 2 && data.get("id").is_some() && data.get("code").is_some()
}

fn status(top: &Fields<'_>, gateway: Mac, kind: &'static str) -> DeviceStatus {
    let word = |key: &str| {
        let raw = top.sent(key)?;
        raw.filled_text()
            .map(std::borrow::Cow::into_owned)
            .or_else(|| raw.number().map(str::to_owned))
    };
    DeviceStatus {
        gateway,
        kind,
        name: word("name"),
        imei: word("IMEI"),
        iccid: word("ICCID"),
        reported_at: top
            .get("time")
            .and_then(epoch_seconds)
            .map(Timestamp::from_seconds),
    }
}

/// A time of a gateway: epoch seconds, or milliseconds where it is too large for them; a number or numeric text.
/// A fraction is cut.
pub(crate) fn epoch_seconds(raw: Raw<'_>) -> Option<i64> {
    let value = match raw.number() {
        Some(digits) => Decimal::from_number(digits).ok()?,
        None => Decimal::from_text(&raw.text()?).ok()?,
    };
    Some(to_seconds(value.whole()?))
}

pub(crate) const fn to_seconds(time: i64) -> i64 {
    if time > LARGEST_SECOND { time / 1_000 } else { time }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(body: &str) -> Result<Opened<'_>, Refusal> {
        open(body.as_bytes())
    }

    fn message(data: &str) -> Message<'static> {
        let body = format!(
            r#"{{"type":"reportAttribute","time":1745300000,"mac":"02:00:00:AA:00:01","data":{data}}}"#
        );
        match open(Box::leak(body.into_boxed_str()).as_bytes()) {
            Ok(Opened::Gateway { message, .. }) => message,
            other => panic!("{other:?}"),
        }
    }

    fn reason(message: &Message<'_>) -> Option<DeadReason> {
        match message {
            Message::Dead(death) => Some(death.reason),
            _ => None,
        }
    }

    #[test]
    fn what_is_no_json_object_is_refused() {
        let deep = format!("{{\"mac\":{}1{}}}", "[".repeat(128), "]".repeat(128));
        for body in [
            "",
            "5",
            "\"x\"",
            "[]",
            "null",
            "{",
            "\u{feff}{}",
            r#"{"a":1,"a":2}"#,
            &deep,
        ] {
            assert_eq!(opened(body).unwrap_err().code, RefusalCode::InvalidJson, "{body}");
        }
        assert_eq!(
            open(b"{\"mac\":\"\xff\"}").unwrap_err().code,
            RefusalCode::InvalidJson
        );
    }

    #[test]
    fn mac_names_the_gateway_then_device_code_then_data() {
        for body in [
            r#"{"mac":"02:00:00:aa:00:01","deviceCode":"020000AA0002"}"#,
            r#"{"mac":null,"deviceCode":" 02-00-00-AA-00-01 ","type":"x"}"#,
            r#"{"mac":" ","type":"cmdResult","data":{"mac":"020000aa0001"}}"#,
        ] {
            match opened(body) {
                Ok(Opened::Gateway { gateway, .. }) => assert_eq!(gateway.to_string(), "020000aa0001"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_gateway_without_a_readable_address_is_refused() {
        for (body, field) in [
            (
                r#"{"mac":"02:00:00:AA:00","deviceCode":"02:00:00:AA:00:01"}"#,
                "mac",
            ),
            (r#"{"mac":12}"#, "mac"),
            (r#"{"deviceCode":"x"}"#, "deviceCode"),
            (r#"{"type":"HB_Msg","data":{"msg":"Online"}}"#, "mac"),
            (
                r#"{"type":"reportAttribute","data":{"mac":"020000"}}"#,
                "data.mac",
            ),
        ] {
            let refusal = opened(body).unwrap_err();
            assert_eq!(refusal.code, RefusalCode::InvalidMacAddress, "{body}");
            assert_eq!(refusal.field.as_deref(), Some(field), "{body}");
        }
    }

    #[test]
    fn a_body_without_any_mark_of_a_gateway_is_a_call() {
        for body in [
            "{}",
            r#"{"type":"BLOOD_PRESSURE"}"#,
            r#"{"mac":null,"device_id":"x"}"#,
        ] {
            assert!(matches!(opened(body), Ok(Opened::Call(_))), "{body}");
        }
    }

    #[test]
    fn heartbeats_and_power_on_messages_are_status() {
        let body = r#"{"name":"Fake box 1","time":"1745300000123","mac":"02:00:00:AA:00:01","IMEI":"990000000000001","ICCID":89,"type":"HB_Msg","data":{"msg":"Online"}}"#;
        let Ok(Opened::Gateway {
            message: Message::Status(status),
            ..
        }) = opened(body)
        else {
            panic!()
        };
        assert_eq!(status.kind, "heartbeat");
        assert_eq!(status.name.as_deref(), Some("Fake box 1"));
        assert_eq!(status.iccid.as_deref(), Some("89"));
        assert_eq!(status.reported_at, Some(Timestamp::from_seconds(1_745_300_000)));
        let Ok(Opened::Gateway {
            message: Message::Status(status),
            ..
        }) = opened(r#"{"mac":"020000aa0001","type":"reportMsg"}"#)
        else {
            panic!()
        };
        assert_eq!(
            (status.kind, status.name, status.reported_at),
            ("power-on", None, None)
        );
    }

    #[test]
    fn acknowledgements_and_empty_lists_carry_nothing() {
        assert!(matches!(message(r#"{"id":7,"code":0}"#), Message::Nothing));
        assert!(matches!(
            message(r#"{"attribute":"no such","value":{"device_list":[]}}"#),
            Message::Nothing
        ));
        for body in [
            r#"{"mac":"020000aa0001","type":"cmdResult"}"#,
            r#"{"mac":"020000aa0001","data":{"code":0,"id":7}}"#,
        ] {
            assert!(matches!(
                opened(body),
                Ok(Opened::Gateway {
                    message: Message::Nothing,
                    ..
                })
            ));
        }
    }

    #[test]
    fn a_report_without_a_list_or_of_an_unknown_type_is_of_unknown_message_type() {
        for data in [
            "{}",
            "null",
            r#"{"value":{}}"#,
            r#"{"value":{"device_list":null}}"#,
            r#"{"value":{"device_list":{}}}"#,
            r#"{"value":[1]}"#,
        ] {
            assert_eq!(
                reason(&message(data)),
                Some(DeadReason::UnknownMessageType),
                "{data}"
            );
        }
        for body in [
            r#"{"mac":"020000aa0001"}"#,
            r#"{"mac":"020000aa0001","type":5}"#,
            r#"{"mac":"020000aa0001","type":"hb_msg"}"#,
        ] {
            let Ok(Opened::Gateway { message, .. }) = opened(body) else {
                panic!()
            };
            assert_eq!(reason(&message), Some(DeadReason::UnknownMessageType));
        }
    }

    #[test]
    fn duplicate_keys_above_the_items_make_the_message_unreadable() {
        for data in [
            r#"{"attribute":"a","attribute":"a","value":{"device_list":[{}]}}"#,
            r#"{"value":{"device_list":[{}],"device_list":[]}}"#,
            r#"{"value":{"device_list":[{}],"x":{"y":1,"y":1}}}"#,
            r#"{"x":[{"y":1,"y":1}],"value":{"device_list":[{}]}}"#,
            r#"[{"y":1,"y":1}]"#,
        ] {
            assert_eq!(reason(&message(data)), Some(DeadReason::Unreadable), "{data}");
        }
        let inside = message(r#"{"value":{"device_list":[{"x":1,"x":1}]}}"#);
        assert!(matches!(inside, Message::Readings(_)));
    }

    #[test]
    fn a_thousand_items_are_a_message_and_one_more_is_not() {
        let list = |n: usize| {
            let items = vec!["{}"; n].join(",");
            message(&format!(r#"{{"value":{{"device_list":[{items}]}}}}"#))
        };
        assert!(matches!(list(1_000), Message::Readings(r) if r.items.len() == 1_000));
        assert_eq!(reason(&list(1_001)), Some(DeadReason::TooManyItems));
    }

    #[test]
    fn times_are_seconds_or_milliseconds_numbers_or_text() {
        for (raw, seconds) in [
            ("1836900001", Some(1_836_900_001)),
            ("1836900001999", Some(1_836_900_001)),
            ("\"1836900001\"", Some(1_836_900_001)),
            ("\" 1836900001000 \"", Some(1_836_900_001)),
            ("1836900001.9", Some(1_836_900_001)),
            ("1.836900001e9", Some(1_836_900_001)),
            ("9999999999", Some(9_999_999_999)),
            ("10000000000", Some(10_000_000)),
            ("0", Some(0)),
            ("-86400", Some(-86_400)),
            ("\"\"", None),
            ("null", None),
            ("\"2028-03-17\"", None),
            ("true", None),
            ("1e400", None),
        ] {
            let body = format!("{{\"t\":{raw}}}");
            let fields = Fields::read(&body).unwrap();
            assert_eq!(fields.get("t").and_then(epoch_seconds), seconds, "{raw}");
        }
    }
}
