"""The resources of TM Forum's files that no API serves, on purpose, with what serves in their place. Pure."""

from collections.abc import Sequence

from gateway.web.refusing import LeftOut

_LISTENER = LeftOut(
    "listener",
    "the node sends events and takes none, POST of hub registers the callback that they go to",
    "节点只推送事件而不接收事件，请以POST在hub登记回调地址",
)
"""The paths at which TM Forum describes callbacks of others."""
_BY_CONFIGURATION = (
    "the catalogue changes by the configuration of the federation alone, GET of productOffering lists it",
    "业务目录仅随联盟配置变更，请以GET查询productOffering",
)
_ONE_CATALOGUE = (
    "the federation has one catalogue without categories, GET of productOffering lists it",
    "联盟只有一份业务目录且不分类别，请以GET查询productOffering",
)
_BY_MONTH = (
    "a bill is made of each month by itself, GET of customerBill lists those that are kept",
    "账单按月自动出具，请以GET查询customerBill",
)
_RATES = (
    "charges and payments of a bill stand in line of customerBill, and its usage in usage",
    "账单的费用与缴费见customerBill的line，用量明细见usage",
)
_LASTING = (
    "an acknowledgement stays, PATCH of alarm with ackState acknowledges one",
    "告警确认不可撤销，请以PATCH修改alarm的ackState进行确认",
)
_GROUPED = (
    "the coordinator finds the alarms of one cause by itself, as a problem of the network",
    "协调中心自动将同一原因的告警归为网络问题",
)
_UNCOMMENTED = (
    "POST of serviceProblem reports a fault, and PATCH with note comments on it",
    "请以POST提交serviceProblem报告故障，并以PATCH添加备注",
)
_TASK = (
    "a task is done with the answer to its POST and is not kept, GET of alarm shows its effect",
    "任务在POST应答时即完成且不保存，请以GET查询alarm",
)
_FOLLOWED = (
    "the region that owns a fault acts on it by FaultService, PATCH of serviceProblem adds a note",
    "故障由负责地区通过FaultService处理，请以PATCH为serviceProblem添加备注",
)
_EVENTS = (
    "events of a fault go to the listeners of hub, GET of serviceProblem has its changes of state",
    "故障事件推送至hub登记的监听方，状态变更请以GET查询serviceProblem",
)
_ONE_KIND = (
    "every ticket is a complaint, whose category stands in category of troubleTicket",
    "所有工单均为投诉，类别见troubleTicket的category",
)
OF_ORDERING = OF_CUSTOMERS = OF_TICKETS = (_LISTENER,)
OF_TICKETS_V5 = (_LISTENER, LeftOut("troubleTicketSpecification", *_ONE_KIND))
OF_CATALOG = (
    _LISTENER,
    LeftOut("catalog", *_ONE_CATALOGUE),
    LeftOut("category", *_ONE_CATALOGUE),
    LeftOut("importJob", *_BY_CONFIGURATION),
    LeftOut("exportJob", *_BY_CONFIGURATION),
)
OF_ALARMS = (
    _LISTENER,
    LeftOut("ackAlarms", *_TASK),
    LeftOut("clearAlarms", *_TASK),
    LeftOut("unAckAlarms", *_LASTING),
    LeftOut("commentAlarms", *_UNCOMMENTED),
    LeftOut("groupAlarms", *_GROUPED),
    LeftOut("unGroupAlarms", *_GROUPED),
)
OF_PROBLEMS = (
    _LISTENER,
    LeftOut("problemAcknowledgement", *_FOLLOWED),
    LeftOut("problemUnacknowledgement", *_FOLLOWED),
    LeftOut("problemGroup", *_GROUPED),
    LeftOut("problemUngroup", *_GROUPED),
    LeftOut("serviceProblemEventRecord", *_EVENTS),
)
OF_BILLS = (LeftOut("customerBillOnDemand", *_BY_MONTH), LeftOut("appliedCustomerBillingRate", *_RATES))


def of_version(served: str, *resources: str) -> Sequence[LeftOut]:
    """All resources of a version that is left out whole. `served` is the path of the version that is served."""
    return [LeftOut(each, f"version 4 is served, at {served}", f"请使用第4版：{served}") for each in resources]
