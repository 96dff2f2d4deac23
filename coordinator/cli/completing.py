"""Shell completion of options with the federation's names, fetched from the coordinator."""

import grpc

from coordinator.cli.connection import server_told
from gateway.api.coordinator.v1.administration_pb2 import GetTermsRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import ConfigurationServiceStub
from gateway.api.federation.v1.terms_pb2 import Terms
from gateway.cli.completing import SECONDS, completing_terms


async def _terms(channel: grpc.aio.Channel) -> Terms:
    return (await ConfigurationServiceStub(channel).GetTerms(GetTermsRequest(), timeout=SECONDS)).terms


_completions = completing_terms(server_told, _terms)
complete_regions = _completions.regions
complete_categories = _completions.categories
