"""Follows a topic as a subscriber would (read_committed), from where it ends now, until it is killed.

  follow_topic.py BROKERS SCHEMAS_URL TOPIC

Writes `ready`, then a line for each record the moment it can be seen: its `id`, a blank, epoch milliseconds.
"""

import sys
import time
import uuid

from confluent_kafka import Consumer, TopicPartition
from read_topics import PATIENCE_SECONDS, decoded


def main(brokers, url, topic):
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": f"follower-{uuid.uuid4()}",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 20,
        }
    )
    found = consumer.list_topics(topic, timeout=PATIENCE_SECONDS).topics[topic]
    places = [TopicPartition(topic, number) for number in found.partitions]
    for place in places:
        place.offset = consumer.get_watermark_offsets(place, timeout=PATIENCE_SECONDS)[1]
    consumer.assign(places)
    print("ready", flush=True)
    known = {}
    while True:
        message = consumer.poll(1)
        if message is None or message.error():
            continue
        _, value = decoded(url, known, message.value())
        print(value["id"], int(time.time() * 1000), flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    main(*sys.argv[1:])
