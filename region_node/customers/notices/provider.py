"""The notifier that calls the messaging system of the region (`provider.v1.NotificationService`)."""

from gateway.api.provider.v1.notification_service_pb2 import NotifyRequest
from gateway.api.provider.v1.notification_service_pb2_grpc import NotificationServiceStub
from region_node.customers.notices.port import Message
from region_node.node.provider_client import ProviderClient

_METHOD = "gateway.api.provider.v1.NotificationService/Notify"


class ProviderNotifier:
    """See the port."""

    def __init__(self, provider: ProviderClient) -> None:
        self._provider = provider

    async def notify(self, message: Message, timeout: float) -> None:
        """See the port."""
        request = NotifyRequest(
            request_id=message.message_id,
            kind=message.kind,
            number=message.number,
            text=message.text,
            secret=message.secret,
        )
        await self._provider.call(_METHOD, lambda channel: NotificationServiceStub(channel).Notify, request, timeout)
