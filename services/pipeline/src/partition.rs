//! Which partition a key belongs to: Kafka's own rule, so that every producer of a topic agrees.

/// The partition of a key: murmur2 as Kafka's default partitioner has it (librdkafka `murmur2_random`).
///
/// `partitions` below 1 counts as 1.
#[must_use]
pub fn partition_of(key: &[u8], partitions: i32) -> i32 {
    let count = partitions.max(1).unsigned_abs();
    let hash = murmur2(key) & 0x7fff_ffff;
    i32::try_from(hash % count).unwrap_or(0)
}

fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut h: u32 = 0x9747_b28c ^ length;
    let mut chunks = data.chunks_exact(4);
    for chunk in &mut chunks {
        let mut k = u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
        k = k.wrapping_mul(M);
        k ^= k >> 24;
        k = k.wrapping_mul(M);
        h = h.wrapping_mul(M) ^ k;
    }
    let tail = chunks.remainder();
    if !tail.is_empty() {
        for (i, byte) in tail.iter().enumerate() {
            h ^= u32::from(*byte) << (8 * i);
        }
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^ (h >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_kafkas_own_tests() {
        // The pairs of UtilsTest.testMurmur2 in Apache Kafka.
        for (text, hash) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(text.as_bytes()), hash.cast_unsigned(), "{text}");
        }
    }

    #[test]
    fn a_partition_is_always_in_range() {
        for key in 0_u32..1_000 {
            assert!((0..12).contains(&partition_of(&key.to_le_bytes(), 12)));
            assert_eq!(partition_of(&key.to_le_bytes(), 0), 0);
        }
    }
}
