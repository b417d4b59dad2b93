//! What is kept of audit chains beside their events: how far they came, and signed places.

use rusqlite::{Connection, OptionalExtension, params};
use stardust_pipeline::store::{ChainHead, Checkpoint, Mark};

use super::rows::{instant, limit};
use crate::error::DbError;

pub(super) fn note_heads(conn: &Connection, heads: &[(i32, ChainHead)]) -> Result<(), DbError> {
    let mut statement = conn.prepare_cached(
        "INSERT INTO audit_heads (chain, seq, hash) VALUES (?1, ?2, ?3)
         ON CONFLICT (chain) DO UPDATE SET seq = excluded.seq, hash = excluded.hash WHERE audit_heads.seq < excluded.seq",
    )?;
    for (chain, head) in heads {
        statement.execute(params![chain, head.seq, head.hash])?;
    }
    Ok(())
}

pub(super) fn noted_heads(conn: &Connection) -> Result<Vec<(i32, ChainHead)>, DbError> {
    let mut statement = conn.prepare_cached("SELECT chain, seq, hash FROM audit_heads ORDER BY chain")?;
    let rows = statement.query_map([], |r| {
        Ok((
            r.get(0)?,
            ChainHead {
                seq: r.get(1)?,
                hash: r.get(2)?,
            },
        ))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn put(conn: &Connection, checkpoints: &[Checkpoint]) -> Result<(), DbError> {
    let mut statement = conn.prepare_cached(
        "INSERT INTO audit_checkpoints (mark, chain, seq, hash, at_us, key_id, signature)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (mark, chain, seq) DO NOTHING",
    )?;
    for c in checkpoints {
        let at = c.at.micros();
        statement.execute(params![
            c.mark.label(),
            c.chain,
            c.seq,
            c.hash,
            at,
            c.key_id,
            c.signature
        ])?;
    }
    Ok(())
}

pub(super) fn from(
    conn: &Connection,
    mark: Mark,
    chain: i32,
    seq: i64,
    most: usize,
) -> Result<Vec<Checkpoint>, DbError> {
    let mut statement = conn.prepare_cached(
        "SELECT seq, hash, at_us, key_id, signature FROM audit_checkpoints
         WHERE mark = ?1 AND chain = ?2 AND seq >= ?3 ORDER BY seq LIMIT ?4",
    )?;
    let rows = statement.query_map(params![mark.label(), chain, seq, limit(most)], |r| {
        Ok(Checkpoint {
            mark,
            chain,
            seq: r.get(0)?,
            hash: r.get(1)?,
            at: instant(r, 2)?,
            key_id: r.get(3)?,
            signature: r.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Where the chain starts, if its front was cut.
pub(super) fn last_cut(conn: &Connection, chain: i32) -> Result<Option<ChainHead>, DbError> {
    Ok(conn
        .prepare_cached(
            "SELECT seq, hash FROM audit_checkpoints WHERE mark = ?1 AND chain = ?2 ORDER BY seq DESC LIMIT 1",
        )?
        .query_row(params![Mark::Cut.label(), chain], |r| {
            Ok(ChainHead {
                seq: r.get(0)?,
                hash: r.get(1)?,
            })
        })
        .optional()?)
}

pub(super) fn remove_cut(conn: &Connection, chain: i32, most: usize) -> Result<u64, DbError> {
    let Some(cut) = last_cut(conn, chain)? else {
        return Ok(0);
    };
    let removed = conn
        .prepare_cached(
            "DELETE FROM audit WHERE rowid IN
             (SELECT rowid FROM audit WHERE chain = ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3)",
        )?
        .execute(params![chain, cut.seq, limit(most)])?;
    if removed < most {
        conn.prepare_cached("DELETE FROM audit_checkpoints WHERE chain = ?1 AND seq < ?2")?
            .execute(params![chain, cut.seq])?;
    }
    Ok(removed as u64)
}
