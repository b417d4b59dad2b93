"""Sets one setting of a topic, as an operator would, and waits until the broker goes by it: BROKERS TOPIC NAME=VALUE."""

import sys
import time

from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

brokers, topic, setting = sys.argv[1:]
name, value = setting.split("=", 1)
entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
client = AdminClient({"bootstrap.servers": brokers})
for future in client.incremental_alter_configs([resource]).values():
    future.result(30)

# The controller has it; the broker hears of it a little later, and tells of it before its partitions go by it.
deadline = time.monotonic() + 30
while True:
    asked = client.describe_configs([ConfigResource(ResourceType.TOPIC, topic)])
    if all(future.result(30)[name].value == value for future in asked.values()):
        break
    if time.monotonic() > deadline:
        sys.exit(f"{topic} does not go by {setting}")
    time.sleep(0.1)
time.sleep(1)
