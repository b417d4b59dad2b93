//! Legacy records into the AMY collections.
