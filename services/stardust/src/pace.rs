//! How far work has come, how fast it is and how long it takes yet, in words.

/// Of `size` bytes `read`, and the seconds that are `left` at the present pace.
#[must_use]
pub fn line(read: u64, size: u64, entries: u64, rate: f64, left: Option<f64>) -> String {
    let left = left.map_or_else(String::new, |seconds| format!(", {} left", span(seconds)));
    format!(
        "{:.1} %, {entries} entries, {rate:.0}/s{left}",
        read as f64 * 100.0 / size as f64
    )
}

fn span(seconds: f64) -> String {
    let seconds = seconds.clamp(0.0, 1e9).round() as u64;
    if seconds >= 3_600 {
        format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60)
    } else if seconds >= 60 {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    } else {
        format!("{seconds} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long_yet() {
        assert_eq!(
            line(50, 200, 1_234, 20_000.4, Some(61.2)),
            "25.0 %, 1234 entries, 20000/s, 1 min 01 s left"
        );
        assert_eq!(line(0, 200, 0, 0.0, None), "0.0 %, 0 entries, 0/s");
        assert_eq!(span(7_384.0), "2 h 03 min");
    }
}
