"""The region's own systems, as its settings name them: for fulfilment, notices and escalations."""

from contextlib import AsyncExitStack

from region_node.business.providers.fulfilment import FulfilmentProvider, GrpcFulfilment
from region_node.care.escalations.file import FileSink
from region_node.care.escalations.port import LOWEST_LEVEL, Sink
from region_node.care.escalations.webhook import Webhook
from region_node.customers.notices.port import Notifier
from region_node.customers.notices.provider import ProviderNotifier
from region_node.node.provider_client import ProviderClient, ProviderPorts, provider_name
from region_node.node.settings import FulfilmentSettings, NotificationSettings, RegionSettings


def fulfilment(settings: RegionSettings, ports: ProviderPorts, stack: AsyncExitStack) -> FulfilmentProvider | None:
    """The system that carries orders out, until the stack is closed; None for a region without one."""
    client = _client(settings, settings.providers.fulfilment, ports, stack)
    return None if client is None else GrpcFulfilment(client)


def notifier(settings: RegionSettings, ports: ProviderPorts, stack: AsyncExitStack) -> Notifier | None:
    """The system that sends notices to customers, until the stack is closed; None for a region without one."""
    client = _client(settings, settings.providers.notification, ports, stack)
    return None if client is None else ProviderNotifier(client)


def sinks_of(settings: RegionSettings) -> dict[str, tuple[int, Sink]]:
    """The sinks of escalation notices, by name, each with the lowest level that it receives."""
    found: dict[str, tuple[int, Sink]] = {"file": (LOWEST_LEVEL, FileSink(settings.escalation_file))}
    webhook = settings.escalations.webhook
    if webhook is not None:
        found["webhook"] = (webhook.lowest_level, Webhook(webhook))
    return found


def _client(
    settings: RegionSettings,
    named: FulfilmentSettings | NotificationSettings | None,
    ports: ProviderPorts,
    stack: AsyncExitStack,
) -> ProviderClient | None:
    if named is None:
        return None
    client = ProviderClient(named.endpoint, provider_name(settings.federation, settings.region, named), ports)
    stack.push_async_callback(client.close)
    return client
