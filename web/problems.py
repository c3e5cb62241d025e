"""Problem details (RFC 9457) in zh-CN and English: what is wrong and what to do about it.

`code` is stable and meant for programs; `title`, `detail` and `action` are for people. The core's
reply codes are problems too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal, NamedTuple

from aiohttp import web

Language = Literal["zh-CN", "en"]
LANGUAGES: tuple[Language, ...] = ("zh-CN", "en")


class Words(NamedTuple):
    """A problem in one language; `{name}` is filled from the problem's members."""

    title: str
    detail: str
    action: str


class Kind(NamedTuple):
    """A kind of problem: its HTTP status and its words."""

    status: int
    zh: Words
    en: Words


PROBLEMS: Mapping[str, Kind] = {
    # --- the request itself
    "malformed": Kind(
        400,
        Words("请求无法解析", "请求内容不是有效的 JSON。", "请刷新页面后重试。"),
        Words("The request cannot be read", "Its body is not valid JSON.", "Reload the page."),
    ),
    "invalid": Kind(
        422,
        Words("填写有误", "有字段的内容不合要求。", "请更正标出的字段。"),
        Words("Something is filled in wrongly", "A field is not acceptable.", "Correct it."),
    ),
    "too_large": Kind(
        413,
        Words("内容过大", "请求超出大小限制。", "请缩短内容后重试。"),
        Words("Too much at once", "The request is over the size limit.", "Shorten it."),
    ),
    "too_slow": Kind(
        408,
        Words("请求超时", "请求内容没有按时到达。", "请检查网络后重试。"),
        Words("The request took too long", "Its body did not arrive.", "Check the network."),
    ),
    "unsupported_media": Kind(
        415,
        Words("内容类型不支持", "请求必须是 application/json。", "请刷新页面后重试。"),
        Words("Unsupported content", "The body must be application/json.", "Reload the page."),
    ),
    "bad_cursor": Kind(
        400,
        Words("翻页位置无效", "翻页标记不是本列表给出的。", "请从第一页重新开始。"),
        Words("No such page", "The cursor is not one of this list.", "Begin at the first page."),
    ),
    "unknown_address": Kind(
        404,
        Words("地址不存在", "没有这个地址。", "请检查地址。"),
        Words("No such address", "Nothing is here.", "Check the address."),
    ),
    "wrong_method": Kind(
        405,
        Words("方法不允许", "该地址不支持此操作。", "请刷新页面后重试。"),
        Words("Not done this way", "This address does not take that method.", "Reload the page."),
    ),
    "refused": Kind(
        400,
        Words("请求无法处理", "服务器拒绝了该请求。", "请刷新页面后重试。"),
        Words("The request was refused", "The server cannot take it.", "Reload the page."),
    ),
    "broken": Kind(
        500,
        Words("服务器出错", "操作没有完成，错误已记录。", "请重试；若仍失败请联系管理员。"),
        Words(
            "The server failed",
            "It was not done; the error is logged.",
            "Try again, then ask your administrator.",
        ),
    ),
    # --- who asks
    "signed_out": Kind(
        401,
        Words("尚未登录", "登录已失效或尚未登录。", "请登录。"),
        Words("Not signed in", "There is no valid session.", "Sign in."),
    ),
    "wrong_password": Kind(
        401,
        Words("登录失败", "用户名或密码不正确。", "请检查后重试。"),
        Words("Sign-in failed", "User name or password is wrong.", "Check both and try again."),
    ),
    "throttled": Kind(
        429,
        Words("尝试过于频繁", "登录失败次数过多。", "请在 {retry_seconds} 秒后重试。"),
        Words("Too many attempts", "Sign-in failed too often.", "Wait {retry_seconds} s."),
    ),
    "too_many_searches": Kind(
        429,
        Words("号码搜索过于频繁", "您短时间内搜索了太多号码。", "请稍候再试。"),
        Words("Too many searches", "You searched for too many numbers.", "Wait a minute."),
    ),
    "too_many_connections": Kind(
        429,
        Words("连接过多", "该登录打开的页面过多。", "请关闭不用的页面。"),
        Words("Too many connections", "Too many pages are open.", "Close those not in use."),
    ),
    "busy": Kind(
        503,
        Words("系统繁忙", "同时进行的同类操作太多。", "请稍候片刻再试。"),
        Words("Busy", "Too many people are doing this now.", "Try again in a moment."),
    ),
    "csrf": Kind(
        403,
        Words("页面已过期", "安全校验没有通过。", "请刷新页面后重试。"),
        Words("This page is out of date", "The security token does not fit.", "Reload the page."),
    ),
    "wrong_origin": Kind(
        403,
        Words(
            "来源不被允许",
            "请求来自别的网站。",
            "请从坐席系统的地址打开；管理员可设置 web.origins。",
        ),
        Words(
            "Wrong origin",
            "The request comes from another site.",
            "Open the application by its own address; an administrator can set web.origins.",
        ),
    ),
    "no_right": Kind(
        403,
        Words("没有权限", "您的角色没有权限 {right}。", "如需使用请联系管理员。"),
        Words(
            "Not allowed", "Your roles do not give the right {right}.", "Ask your administrator."
        ),
    ),
    "not_your_customer": Kind(
        403,
        Words(
            "不是您的客户",
            "这位客户不归您负责，您也没有用这个号码和客户通过话。",
            "请联系客户的负责坐席或班长。",
        ),
        Words(
            "Not your customer",
            "You do not own this customer and have not talked to this number.",
            "Ask the agent who owns the customer, or a leader.",
        ),
    ),
    "change_password": Kind(
        403,
        Words("请先更改密码", "当前密码由他人设置，只能使用一次。", "请设置您自己的密码。"),
        Words(
            "Choose a password first",
            "Somebody else chose your present password; it opens nothing else.",
            "Choose one of your own.",
        ),
    ),
    "user_refused": Kind(
        422,
        Words("无法保存", "这样填写不被接受（{reason}）。", "请更正后重试。"),
        Words("This cannot be saved", "It is not acceptable ({reason}).", "Correct it."),
    ),
    "wrong_present_password": Kind(
        422,
        Words("当前密码不正确", "您输入的当前密码不对，未作任何更改。", "请重新输入当前密码。"),
        Words("Wrong password", "Your present password is another one.", "Enter it once more."),
    ),
    "unknown_user": Kind(
        404,
        Words("没有该用户", "用户不存在，或不属于您的班组。", "请刷新列表。"),
        Words("No such user", "There is none, or not in your team.", "Refresh the list."),
    ),
    "unknown_session": Kind(
        404,
        Words("该登录已结束", "这个登录已经不存在。", "无需操作。"),
        Words("This session is over", "There is no such session any more.", "Nothing to do."),
    ),
    "unknown_team": Kind(
        404,
        Words("没有该班组", "班组或部门不存在。", "请刷新列表。"),
        Words("No such team", "There is no such team or department.", "Refresh the list."),
    ),
    "name_in_use": Kind(
        409,
        Words("名称已存在", "已有同名的部门或班组。", "请换一个名称。"),
        Words("The name is taken", "There is one of this name already.", "Choose another name."),
    ),
    "still_in_use": Kind(
        409,
        Words("仍在使用", "部门里还有班组，或班组里还有人。", "请先把它们移走。"),
        Words("Still in use", "Somebody or some team is still in it.", "Move them away first."),
    ),
    "own_account": Kind(
        409,
        Words("不能对自己这样做", "不能停用自己或取消自己的管理权限。", "请让另一位管理员操作。"),
        Words(
            "Not with your own account",
            "You cannot disable yourself or give up managing people.",
            "Ask another administrator.",
        ),
    ),
    "last_administrator": Kind(
        409,
        Words("最后一位管理员", "之后将没有人能管理用户。", "请先指定另一位管理员。"),
        Words(
            "The last administrator",
            "Nobody could manage people any more.",
            "Make another one first.",
        ),
    ),
    "no_number": Kind(
        404,
        Words("没有号码", "来电未显示号码。", "无需操作。"),
        Words("No number", "The caller's number was withheld.", "Nothing to do."),
    ),
    "not_an_agent": Kind(
        403,
        Words("不是坐席", "该用户没有工号。", "请联系管理员绑定工号。"),
        Words("Not an agent", "This user has no employee number.", "Ask your administrator."),
    ),
    # --- parts that are away
    "database_away": Kind(
        503,
        Words("数据库暂不可用", "通话不受影响，但此数据现在读不到。", "请稍后重试。"),
        Words(
            "The database is away",
            "Calls go on, but this cannot be read now.",
            "Try again in a moment.",
        ),
    ),
    "no_answer": Kind(
        504,
        Words("没有回应", "调度核心没有按时回应。", "请看当前状态后再试。"),
        Words("No answer", "The core did not answer in time.", "Look at the state, then retry."),
    ),
    "pbx_down": Kind(
        503,
        Words("交换机未连接", "与 Asterisk 的连接中断。", "连接恢复后会自动继续。"),
        Words(
            "The PBX is not connected",
            "The link to Asterisk is down.",
            "It goes on by itself when the link is back.",
        ),
    ),
    "fenced": Kind(
        503,
        Words("服务已被接管", "另一个服务进程已接管交换机。", "请刷新页面。"),
        Words("Another server took over", "A newer process leads this PBX.", "Reload the page."),
    ),
    # --- agents and calls
    "seat_taken": Kind(
        409,
        Words("分机已被占用", "坐席 {agent} 正在使用该分机，或您已在别处签入。", "确认后可接管。"),
        Words(
            "The seat is taken",
            "Agent {agent} is signed in there, or you are elsewhere.",
            "Confirm to take it over.",
        ),
    ),
    "not_signed_in": Kind(
        409,
        Words("尚未签入", "坐席没有签入分机。", "请先签入。"),
        Words("No seat taken", "The agent is not signed in at an extension.", "Take a seat first."),
    ),
    "not_your_team": Kind(
        403,
        Words("不在您的班组", "该坐席不属于您的班组。", "如需操作请联系主管。"),
        Words("Not in your team", "This agent belongs to another team.", "Ask the supervisor."),
    ),
    "unknown_agent": Kind(
        404,
        Words("没有该坐席", "没有这个工号。", "请检查工号。"),
        Words("No such agent", "Nobody has this employee number.", "Check the number."),
    ),
    "unknown_queue": Kind(
        404,
        Words("没有该队列", "没有这个名称的队列。", "请选择列表中的队列。"),
        Words("No such queue", "No queue has this name.", "Choose one of the list."),
    ),
    "unknown_extension": Kind(
        404,
        Words("没有该分机", "分机号不存在。", "请选择列表中的分机。"),
        Words("No such extension", "There is no such extension.", "Choose one of the list."),
    ),
    "unknown_offer": Kind(
        404,
        Words("派线已结束", "该派线已不存在。", "无需操作。"),
        Words("The offer is over", "There is no such offer any more.", "Nothing to do."),
    ),
    "unknown_call": Kind(
        404,
        Words("没有该通话", "通话不存在或已结束。", "请刷新列表。"),
        Words("No such call", "It does not exist or is over.", "Refresh the list."),
    ),
    "unknown_recording": Kind(
        404,
        Words("没有该录音", "录音不存在或尚未入库。", "请稍后重试。"),
        Words("No such recording", "It does not exist or is not stored yet.", "Try again later."),
    ),
    "unknown_alarm": Kind(
        404,
        Words("告警已解除", "该告警已不存在。", "无需操作。"),
        Words("The alarm is gone", "There is no such alarm any more.", "Nothing to do."),
    ),
    "unknown_reason": Kind(
        422,
        Words("示忙原因无效", "没有这个示忙原因。", "请选择列表中的原因。"),
        Words(
            "No such reason",
            "There is no such reason for being not ready.",
            "Choose one of the list.",
        ),
    ),
    "unknown_disposition": Kind(
        422,
        Words("小结代码无效", "该队列没有这个小结代码。", "请选择列表中的代码。"),
        Words(
            "No such disposition", "The queue has no such disposition.", "Choose one of the list."
        ),
    ),
    "not_your_call": Kind(
        403,
        Words("不是您的通话", "该通话属于别的坐席。", "无需操作。"),
        Words("Not your call", "The call belongs to another agent.", "Nothing to do."),
    ),
    "wrong_state": Kind(
        409,
        Words("当前状态不允许", "状态刚刚改变，该操作不再适用。", "请看当前状态后再试。"),
        Words("Not in this state", "The state has just changed.", "Look at the state, then retry."),
    ),
    "limit_reached": Kind(
        409,
        Words("已达上限", "不能再延长。", "请完成小结。"),
        Words("Limit reached", "It cannot be extended further.", "Finish the wrap-up."),
    ),
    "no_recording": Kind(
        409,
        Words("没有录音", "该通话没有在录音。", "无需操作。"),
        Words("No recording", "This call is not being recorded.", "Nothing to do."),
    ),
    "recording_unchanged": Kind(
        502,
        Words(
            "录音状态未改变",
            "电话系统未确认：录音仍按原状态进行。",
            "请先不要让客户报卡号，再试一次。",
        ),
        Words(
            "Recording unchanged",
            "The PBX did not confirm: recording goes on as it was.",
            "Do not take card data yet; try again.",
        ),
    ),
    # --- customers
    "unknown_customer": Kind(
        404,
        Words("没有该客户", "客户不存在、已删除或已合并。", "请重新搜索。"),
        Words("No such customer", "It does not exist, or was deleted or merged.", "Search again."),
    ),
    "customer_changed": Kind(
        409,
        Words("客户刚被修改", "别人在您打开之后修改了该客户。", "请比较两边的内容后再保存。"),
        Words(
            "The customer was changed",
            "Somebody changed it since you opened it.",
            "Compare both, then save again.",
        ),
    ),
    "number_taken": Kind(
        409,
        Words("号码已有客户", "该号码属于客户“{name}”。", "请打开该客户，或确认共用号码。"),
        Words(
            "The number is taken",
            "It belongs to the customer {name}.",
            "Open that customer, or confirm that both have it.",
        ),
    ),
    "same_customer": Kind(
        422,
        Words("是同一个客户", "不能与自己合并。", "请选择另一个客户。"),
        Words("The same customer", "It cannot be merged with itself.", "Choose another."),
    ),
    "unknown_number": Kind(
        404,
        Words("没有该号码", "该客户没有这个号码。", "请刷新客户资料。"),
        Words("No such number", "The customer does not have it.", "Reload the customer."),
    ),
    "unknown_appointment": Kind(
        404,
        Words("没有该预约", "预约不存在。", "请刷新列表。"),
        Words("No such appointment", "It does not exist.", "Refresh the list."),
    ),
    "no_spreadsheet": Kind(
        422,
        Words("不是可导入的表格", "该文件是{what}。", "请上传 CSV 或 XLSX 文件。"),
        Words("No table that can be read", "The file is {what}.", "Upload a CSV or XLSX file."),
    ),
    "file_too_large": Kind(
        413,
        Words("文件过大", "文件超出大小限制。", "请拆分后分别上传，每个不超过 100 MB。"),
        Words("The file is too large", "It is over the limit.", "Split it: at most 100 MB each."),
    ),
    "no_room": Kind(
        507,
        Words(
            "服务器磁盘空间不足",
            "磁盘剩余空间不到 1 GB，暂不接收文件。",
            "请联系管理员清理磁盘后重试。",
        ),
        Words(
            "The server's disk is nearly full",
            "Less than 1 GB is free, so no file is taken.",
            "Ask an administrator to make room, then try again.",
        ),
    ),
    "unknown_import": Kind(
        404,
        Words("没有该导入", "导入不存在。", "请刷新列表。"),
        Words("No such import", "It does not exist.", "Refresh the list."),
    ),
    "import_started": Kind(
        409,
        Words("导入已开始", "该导入正在进行或已结束。", "请查看进度，或重新上传文件。"),
        Words(
            "The import was started",
            "It is running, or has ended.",
            "Look at its progress, or upload the file again.",
        ),
    ),
    "import_busy": Kind(
        409,
        Words(
            "另一个导入正在进行",
            "同一时间只能进行一个导入。",
            "文件已保存；请等正在进行的导入结束后再开始，或先取消它。",
        ),
        Words(
            "Another import is running",
            "Only one runs at a time.",
            "The file is kept: start it when the other has ended, or cancel that one.",
        ),
    ),
}


class Problem(Exception):  # noqa: N818 - the RFC's word
    """Raised by handlers; the problem middleware answers with it.

    :param code: a key of PROBLEMS.
    :param members: extension members of the answer, also filled into its words.
    """

    def __init__(self, code: str, /, **members: object) -> None:
        super().__init__(code)
        self.code = code
        self.members = members
        self.headers: dict[str, str] = {}

    @property
    def status(self) -> int:
        """The HTTP status."""
        return PROBLEMS[self.code].status

    def body(self, language: Language) -> dict[str, object]:
        """The problem document in `language`."""
        kind = PROBLEMS[self.code]
        words = kind.zh if language == "zh-CN" else kind.en
        filled = _Blank(self.members)
        return {
            "type": f"urn:zuoxi:problem:{self.code}",
            "title": words.title,
            "status": kind.status,
            "detail": words.detail.format_map(filled),
            "code": self.code,
            "action": words.action.format_map(filled),
            **self.members,
        }

    def answer(self, language: Language) -> web.Response:
        """The HTTP answer."""
        return web.Response(
            status=self.status,
            text=json.dumps(self.body(language), ensure_ascii=False),
            content_type="application/problem+json",
            headers={**self.headers, "Content-Language": language},
        )


class _Blank(dict[str, object]):
    """A member that the core did not name reads as a dash."""

    def __missing__(self, key: str) -> str:
        return "-"


def language_of(accept_language: str) -> Language:
    """The language to answer in, by the header's order of preference; zh-CN when in doubt.

    :param accept_language: the header Accept-Language, hostile.
    """
    wishes: list[tuple[float, Language]] = []
    for part in accept_language[:200].split(","):
        tag, _, weight = part.strip().partition(";q=")
        language = _spoken(tag)
        if language:
            wishes.append((_weight(weight), language))
    return max(wishes, key=lambda wish: wish[0])[1] if wishes else "zh-CN"


def _spoken(tag: str) -> Language | None:
    primary = tag.lower().partition("-")[0]
    return {"zh": LANGUAGES[0], "en": LANGUAGES[1]}.get(primary)


def _weight(text: str) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 0.0
