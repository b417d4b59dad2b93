"""Reads topics as a stranger would: a stock Kafka client (read_committed), fastavro, and the schemas that the binary serves.

  read_topics.py BROKERS SCHEMAS_URL TOPIC...

Writes a JSON object for each record, in the order of each partition:
{"topic", "partition", "offset", "key", "schema_id", "value"}. Bytes are shown as text, or as {"hex": ...}.
"""

import datetime
import io
import json
import struct
import sys
import urllib.request
import uuid

import fastavro
from confluent_kafka import Consumer, KafkaError, TopicPartition

PATIENCE_SECONDS = 60


def schema(url, known, number):
    if number not in known:
        with urllib.request.urlopen(f"{url}/schemas/ids/{number}", timeout=10) as answer:
            known[number] = fastavro.parse_schema(json.loads(json.load(answer)["schema"]))
    return known[number]


def plain(value):
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"hex": value.hex()}
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    return str(value)


def decoded(url, known, raw):
    magic, number = struct.unpack(">bI", raw[:5])
    if magic != 0:
        raise SystemExit(f"no Confluent framing: {raw[:5].hex()}")
    datum = io.BytesIO(raw[5:])
    value = fastavro.schemaless_reader(datum, schema(url, known, number))
    if datum.read(1):
        raise SystemExit(f"bytes are left over behind a datum of schema {number}")
    return number, value


def main(brokers, url, *topics):
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": f"reader-{uuid.uuid4()}",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )
    metadata = consumer.list_topics(timeout=PATIENCE_SECONDS)
    partitions = []
    for topic in topics:
        found = metadata.topics.get(topic)
        if found is None or found.error is not None:
            raise SystemExit(f"there is no topic {topic}")
        partitions += [TopicPartition(topic, number, 0) for number in found.partitions]
    consumer.assign(partitions)
    known, open_ones = {}, {(p.topic, p.partition) for p in partitions}
    while open_ones:
        message = consumer.poll(PATIENCE_SECONDS)
        if message is None:
            raise SystemExit(f"no end of {sorted(open_ones)} within {PATIENCE_SECONDS} s: an open transaction?")
        if message.error():
            if message.error().code() == KafkaError._PARTITION_EOF:
                open_ones.discard((message.topic(), message.partition()))
                continue
            raise SystemExit(str(message.error()))
        number, value = decoded(url, known, message.value())
        line = {
            "topic": message.topic(),
            "partition": message.partition(),
            "offset": message.offset(),
            "key": plain(message.key()) if message.key() is not None else None,
            "schema_id": number,
            "value": value,
        }
        print(json.dumps(line, default=plain))
    consumer.close()


if __name__ == "__main__":
    if len(sys.argv) < 4:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    main(*sys.argv[1:])
