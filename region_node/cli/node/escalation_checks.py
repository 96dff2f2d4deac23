"""The checks of `region-node doctor` on the sinks of escalation notices. They send no notice."""

import os
import ssl
from urllib.parse import urlsplit

from gateway.maintenance.doctor.findings import Finding, bad, good
from gateway.maintenance.doctor.peers import ANSWER_SECONDS
from gateway.wording.languages import translated
from region_node.care.escalations.webhook import headers, target
from region_node.node.settings import RegionSettings, WebhookSettings


def check_escalations(settings: RegionSettings) -> list[Finding]:
    """Whether the file can be written, and the webhook is reached and proves its name."""
    webhook = settings.escalations.webhook
    return [_check_file(settings), *([] if webhook is None else [_check_webhook(webhook)])]


def _check_file(settings: RegionSettings) -> Finding:
    name, path = translated("escalation file"), settings.escalation_file
    # os.path, unlike Path, treats an inaccessible path as missing.
    place = path if os.path.lexists(path) else path.parent
    is_made = path.parent == settings.data and not os.path.lexists(settings.data)
    while is_made and not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if os.path.isdir(path) or not os.access(place, os.W_OK, effective_ids=True):
        todo = translated("let the user that the process runs as write it, or name another: escalations.file")
        return bad(name, translated("{path}: cannot be written", path=path), todo)
    if is_made:
        return good(name, translated("{path}: `serve` makes it", path=path))
    return good(name, translated("{path}: can be written", path=path))


def _check_webhook(webhook: WebhookSettings) -> Finding:
    name = translated("escalation webhook {host}", host=urlsplit(webhook.url).hostname)
    try:
        headers(webhook, "")
    except (OSError, ValueError) as failure:
        todo = translated("put the token of the webhook there: escalations.webhook.token")
        return bad(name, translated("the token cannot be read: {problem}", problem=failure), todo)
    try:
        target(webhook).connect(ANSWER_SECONDS).close()
    except ssl.SSLError as failure:
        todo = translated("look at its certificate, and at escalations.webhook.authority")
        return bad(name, translated("reached, but not as it should be: {problem}", problem=failure), todo)
    except OSError as failure:
        todo = translated("start it, or correct escalations.webhook.url; what is to be told waits")
        return bad(name, translated("not reached: {problem}", problem=failure), todo)
    return good(name, translated("reached, and its certificate is good; nothing was told"))
