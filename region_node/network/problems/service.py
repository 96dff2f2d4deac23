"""FollowedProblemService: the coordinators' problems, and the network services of lines."""

from collections.abc import Sized

import grpc

from gateway.api.region.v1 import followed_problem_service_pb2 as api
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.region.v1.followed_problem_service_pb2_grpc import FollowedProblemServiceServicer
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.federation.numberplan import normalize
from gateway.process import failpoints
from gateway.rpc.pages import dated_key, dated_place, decode_token, first_page, page_size
from gateway.store.port import Store, Transaction
from gateway.time.clock import Clock, from_timestamp, to_timestamp
from region_node.customers.rows import Line, find_line
from region_node.customers.status import require_readable
from region_node.network.problems import rows
from region_node.network.problems.following import confirm, follow, unconfirmed_services
from region_node.network.problems.port import ProblemPorts
from region_node.node.context import RegionContext
from region_node.requests.auditing import audited_call
from region_node.requests.checks import require_length

_PAGE = "problems"
_MOST_BINDINGS = 500
_MOST_COMPLAINTS = 500  # that are named for a problem
_NAME_LIMIT = 64  # characters of a problem, and of a service
_LARGEST = 2**63 - 1
_SLASHES = 2  # of `<region>/<fault or alarm>/<key>`


class FollowedProblemService(FollowedProblemServiceServicer):
    """See the contract."""

    def __init__(self, context: RegionContext, store: Store, clock: Clock, ports: ProblemPorts) -> None:
        self._context = context
        self._ports = ports
        self._store = store
        self._clock = clock

    async def FollowProblem(
        self,
        request: api.FollowProblemRequest,
        context: grpc.aio.ServicerContext[api.FollowProblemRequest, api.FollowProblemResponse],
    ) -> api.FollowProblemResponse:
        """See the contract."""
        header, now = request.header, self._clock.now()
        self._context.border.current.state()  # a node without a network is sent the problem again later
        require_length("header.id", header.id, _NAME_LIMIT, required=True)
        for child in header.child_ids:
            if child.count("/") != _SLASHES:
                raise invalid("header.child_ids", "no event", "不是事件")
        if not 0 < header.version <= _LARGEST or not header.state or not header.HasField("start_time"):
            raise invalid("header", "no problem", "不是问题")
        await self._store.write(lambda tx: follow(tx, self._context, self._ports.evidence, header, now))
        failpoints.reach("problem-followed.after-commit")
        return api.FollowProblemResponse()

    async def ConfirmFollowedProblem(
        self,
        request: api.ConfirmFollowedProblemRequest,
        context: grpc.aio.ServicerContext[api.ConfirmFollowedProblemRequest, api.ConfirmFollowedProblemResponse],
    ) -> api.ConfirmFollowedProblemResponse:
        """See the contract."""
        asked, now = audited_call(request.requester, self._clock), self._clock.now()
        require_length("problem_id", request.problem_id, _NAME_LIMIT, required=True)

        def confirm_once(tx: Transaction) -> None:
            confirm(tx, request.problem_id, request.version, now)
            asked.record(tx, "ConfirmFollowedProblem", request.problem_id, f"version {request.version}")

        await self._store.write(confirm_once)
        return api.ConfirmFollowedProblemResponse()

    async def BindLines(
        self,
        request: api.BindLinesRequest,
        context: grpc.aio.ServicerContext[api.BindLinesRequest, api.BindLinesResponse],
    ) -> api.BindLinesResponse:
        """See the contract."""
        asked = audited_call(request.requester, self._clock)
        _require_some(request.bindings)
        wanted = [(normalize(each.number), self._service(each.service)) for each in request.bindings]

        def bind_all(tx: Transaction) -> int:
            lines = [_require_line(tx, number) for number, _ in wanted]
            bound, now = 0, self._clock.now()
            for line, (_, service) in zip(lines, wanted, strict=True):
                if rows.bind(tx, line.product_id, service):
                    bound += 1
                    if line.status == ProductStatus.PRODUCT_STATUS_ACTIVE:
                        self._ports.line_bound(tx, self._context, service, line, now, now)
            asked.record_each(tx, "BindLines", sorted({line.customer_id for line in lines}))
            if bound:
                rows.count_again(tx)
            return bound

        return api.BindLinesResponse(bound=await self._store.write(bind_all))

    async def UnbindLines(
        self,
        request: api.UnbindLinesRequest,
        context: grpc.aio.ServicerContext[api.UnbindLinesRequest, api.UnbindLinesResponse],
    ) -> api.UnbindLinesResponse:
        """See the contract."""
        asked = audited_call(request.requester, self._clock)
        _require_some(request.bindings)
        for each in request.bindings:  # also services that the registry does not know any more
            require_length("bindings.service", each.service, _NAME_LIMIT, required=True)
        unwanted = [(normalize(each.number), each.service) for each in request.bindings]

        def unbind_all(tx: Transaction) -> None:
            lines = [(_require_line(tx, number), service) for number, service in unwanted]
            for line, service in lines:
                asked.record(tx, "UnbindLines", line.customer_id, service)
            if sum(rows.unbind(tx, line.product_id, service) for line, service in lines):
                rows.count_again(tx)

        await self._store.write(unbind_all)
        return api.UnbindLinesResponse()

    async def ListFollowedProblems(
        self,
        request: api.ListFollowedProblemsRequest,
        context: grpc.aio.ServicerContext[api.ListFollowedProblemsRequest, api.ListFollowedProblemsResponse],
    ) -> api.ListFollowedProblemsResponse:
        """See the contract."""
        asked, size = audited_call(request.requester, self._clock), page_size(request.page_size)
        before = dated_place(decode_token(_PAGE, request.page_token))

        def read(tx: Transaction) -> api.ListFollowedProblemsResponse:
            found = rows.followed_problems(tx, before, include_ended=request.include_ended, limit=size + 1)
            page, token = first_page(_PAGE, found, size, _place)
            asked.record(tx, "ListFollowedProblems", "-", f"{len(page)} read")
            problems = [
                api.FollowedProblem(
                    header=each.header,
                    customers=each.customers,
                    follow_time=to_timestamp(each.follow_time),
                    ticket_ids=self._ports.complaints_of(tx, self._context, each.header, _MOST_COMPLAINTS),
                    unconfirmed_services=unconfirmed_services(tx, each),
                )
                for each in page
            ]
            return api.ListFollowedProblemsResponse(problems=problems, next_page_token=token)

        return await self._store.write(read)

    def _service(self, name: str) -> str:
        return self._context.federation.network.service(name).id


def _place(followed: rows.Followed) -> str:
    return dated_key(from_timestamp(followed.header.start_time), followed.header.id)


def _require_some(bindings: Sized) -> None:
    if not 0 < len(bindings) <= _MOST_BINDINGS:
        raise invalid("bindings", f"not 1 to {_MOST_BINDINGS}", f"须为1至{_MOST_BINDINGS}项")


def _require_line(tx: Transaction, number: str) -> Line:
    """The own line with a number. Raises Refused with SUBSCRIPTION_NOT_FOUND, or where its customer may not be used."""
    line = find_line(tx, number)
    if line is None:
        raise Refused(Reason.REASON_SUBSCRIPTION_NOT_FOUND)
    require_readable(tx, line.customer_id)
    return line
