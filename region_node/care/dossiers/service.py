"""DossierService: gRPC for the regulator's dossiers."""

import grpc

from gateway.api.region.v1 import dossier_service_pb2 as api
from gateway.api.region.v1.complaint_envelopes_pb2 import ComplaintCommand
from gateway.api.region.v1.dossier_service_pb2_grpc import DossierServiceServicer
from gateway.api.types.v1.types_pb2 import Requester
from gateway.rpc.calls import current_call
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock
from gateway.wording.words import english
from region_node.care.complaints.application import ComplaintApplication
from region_node.care.dossiers.operations import Exporter, export
from region_node.node.context import RegionContext
from region_node.requests.auditing import audited_call, reading_requester
from region_node.requests.calling import caller_of, patience
from region_node.requests.checks import require_request_id


class DossierService(DossierServiceServicer):
    """See the contract."""

    def __init__(self, context: RegionContext, application: ComplaintApplication, store: Store, clock: Clock) -> None:
        self._context = context
        self._application = application
        self._store = store
        self._clock = clock

    async def AskForRegulator(
        self,
        request: api.AskForRegulatorRequest,
        context: grpc.aio.ServicerContext[api.AskForRegulatorRequest, api.AskForRegulatorResponse],
    ) -> api.AskForRegulatorResponse:
        """See the contract."""
        require_request_id(request.request_id)
        caller = caller_of(request.request_id)
        asked = ComplaintCommand(ticket_id=request.ticket_id, requester=reading_requester(request.requester))
        asked.ask_for_regulator.SetInParent()
        wait = patience(request.wait)
        return api.AskForRegulatorResponse(complaint=await self._application.command(caller, asked, wait))

    async def ExportDossier(
        self,
        request: api.ExportDossierRequest,
        context: grpc.aio.ServicerContext[api.ExportDossierRequest, api.ExportDossierResponse],
    ) -> api.ExportDossierResponse:
        """See the contract."""
        reading = audited_call(Requester(), self._clock)
        exporter = Exporter(current_call().identity, reading.now)

        def read(tx: Transaction) -> api.Dossier:
            dossier = export(tx, self._context, exporter, request)
            told = english(api.DossierVerdict.Name(dossier.verdict), "DOSSIER_VERDICT_")
            reading.record(tx, "ExportDossier", dossier.ticket_id, told)
            return dossier

        return api.ExportDossierResponse(dossier=await self._store.write(read))
