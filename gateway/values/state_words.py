"""The words of refusals for states and for the acts that these forbid, in Chinese.

The parameters of a refusal have them in English, for programs.
"""

import re

_BETWEEN_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])|_")  # of `inProgress`, and of `take_up`
_STATES = {
    "acknowledged": "已受理",
    "active": "正常",
    "agreed": "已同意",
    "assessing cancellation": "撤销审核中",
    "booked": "已入账",
    "cancelled": "已撤销",
    "closed": "已办结",
    "committed": "已入库",
    "completed": "已完成",
    "confirmed": "已确认",
    "created": "已建档",
    "decided": "已决定",
    "done": "已完成",
    "expired": "已到期",
    "failed": "失败",
    "given up": "已放弃",
    "held": "挂起",
    "in progress": "办理中",
    "in use": "使用中",
    "lent": "已借出",
    "moved": "已迁移",
    "moving": "迁移中",
    "ordered": "已下单",
    "partial": "部分完成",
    "pending": "待答复",
    "pending cancellation": "撤销中",
    "pending terminate": "待销户",
    "proposed": "已提出",
    "refused": "拒绝",
    "rejected": "不予受理",
    "released": "已解除",
    "releasing": "解除中",
    "replayed": "已重试",
    "requested": "已申请",
    "reserved": "已预留",
    "resolved": "待客户确认",
    "returned": "已返回",
    "settled": "已另行处理",
    "surveying": "勘查中",
    "suspended": "已暂停",
    "taken over": "已接收",
    "terminated": "已销户",
    "waiting": "等待处理",
    "withdrawn": "已撤回",
}
_ACTS = {
    "accept": "接受",
    "add actions": "新增措施",
    "add helper": "新增协办地区",
    "appoint": "预约上门",
    "ask again": "再次询问",
    "ask customer": "询问客户",
    "ask for the regulator": "申请移送监管机构",
    "assess": "评估",
    "assign": "派单",
    "attach": "关联",
    "cancel": "取消",
    "classify": "分类",
    "close": "关闭",
    "conclude": "办结",
    "confirm": "确认",
    "confirm return": "确认归还",
    "decide": "裁定",
    "decide quote": "答复报价",
    "erase": "删除",
    "escalate": "升级",
    "estimate": "预估恢复时间",
    "evaluate": "评价",
    "expedite": "催办",
    "give back": "归还",
    "hold": "挂起",
    "improve": "改进",
    "install part": "安装备件",
    "lend": "出借",
    "name part": "登记备件",
    "note": "备注",
    "prolong": "延期",
    "propose": "提出处理方案",
    "raise": "升级",
    "reach": "登记进度",
    "recall": "收回",
    "receive": "接收",
    "refuse": "拒绝",
    "reject": "驳回",
    "reopen": "重新打开",
    "report": "报告进展",
    "reserve": "预留资源",
    "resolve": "解决",
    "respond": "回复",
    "return": "退回",
    "review": "审核",
    "share": "分派协办",
    "supplement": "补交材料",
    "take up": "接手",
    "triage": "分级",
    "verify": "机主验证",
    "withdraw": "撤回",
}
_ACTS_OF_ORDERS = {"accept": "验收"}  # the work is accepted: of a complaint it is the resolution


def chinese_word(name: str) -> str:
    """A state, as TM Forum writes it, the status of a line, or an act, in Chinese; any other text as it is."""
    words = _words(name)
    return _STATES.get(words) or _ACTS.get(words, name)


def chinese_word_of_order(name: str) -> str:
    """A state of an order, or an act on one, in Chinese; any other text as it is."""
    return _ACTS_OF_ORDERS.get(_words(name)) or chinese_word(name)


def _words(name: str) -> str:
    return _BETWEEN_WORDS.sub(" ", name).lower()
