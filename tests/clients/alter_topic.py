"""Sets one setting of a topic, as an operator would: BROKERS TOPIC NAME=VALUE."""

import sys

from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

brokers, topic, setting = sys.argv[1:]
name, value = setting.split("=", 1)
entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
client = AdminClient({"bootstrap.servers": brokers})
for future in client.incremental_alter_configs([resource]).values():
    future.result(30)
