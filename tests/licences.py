#!/usr/bin/env python3
"""The licences of deny.toml over `cargo metadata`, for machines without cargo-deny, and versions that come twice."""
import collections
import json
import re
import subprocess
import sys
import tomllib

root = subprocess.run(["git", "rev-parse", "--show-toplevel"], capture_output=True, text=True, check=True).stdout.strip()
allowed = set(tomllib.load(open(f"{root}/deny.toml", "rb"))["licenses"]["allow"])
command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", "x86_64-unknown-linux-gnu"]
metadata = json.loads(subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout)


def fits(expression):
    """Whether an SPDX expression (the older `A/B` form too) can be met by allowed licences alone."""
    tokens = re.findall(r"\(|\)|[^\s()]+(?:\s+WITH\s+[^\s()]+)?", expression.replace("/", " OR "))
    words = [t if t in ("(", ")") else {"AND": "and", "OR": "or"}.get(t, str(t in allowed)) for t in tokens]
    return eval(" ".join(words), {"__builtins__": {}})  # only True, False, and, or and brackets are left


bad, versions = [], collections.defaultdict(set)
for package in metadata["packages"]:
    if package["source"] is None:
        continue
    versions[package["name"]].add(package["version"])
    licence = package["license"]
    if not licence or not fits(licence):
        bad.append(f"{package['name']} {package['version']}: {licence or 'no licence named'}")
twice = {name: sorted(found) for name, found in versions.items() if len(found) > 1}
for name, found in sorted(twice.items()):
    print(f"warning: {name} in {len(found)} versions: {', '.join(found)}")
print(f"{sum(map(len, versions.values()))} packages, {len(bad)} with a licence that is not allowed")
for line in bad:
    print(f"error: {line}", file=sys.stderr)
sys.exit(1 if bad else 0)
