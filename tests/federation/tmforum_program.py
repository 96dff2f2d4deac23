"""What an integrator does with the PyPI client `tmforum`, in the environment that has it. See test_tmforum_client.py.

Reads where the node is and who calls as JSON, and writes what the client has made of each answer as JSON.
"""

import functools
import itertools
import json
import socket
import sys
from urllib.parse import quote, urlsplit

import requests
import tmforum  # type: ignore[import-not-found]


def main() -> None:
    """Orders, files and changes, each by the client's own objects."""
    said = json.load(sys.stdin)
    found = socket.getaddrinfo
    # As curl --connect-to: the node proves the name of its region, and listens here.
    socket.getaddrinfo = lambda _, *others, **named: found("127.0.0.1", *others, **named)
    # The client has no place for a certificate of its caller.
    secured = {"cert": (said["certificate"], said["key"]), "verify": said["authority"], "timeout": 60}
    calls = []

    def count(answer: requests.Response, **_: object) -> None:
        path = urlsplit(answer.request.path_url).path
        calls.append({"verb": answer.request.method, "path": path, "status": answer.status_code})

    requests.request = functools.partial(requests.request, **secured, hooks={"response": count})
    keys = (f"{said['key_prefix']}-{number}" for number in itertools.count())

    def context() -> tmforum.Context:
        headers = {"Content-Type": "application/json", "Idempotency-Key": next(keys), "Prefer": "wait=10"}
        return tmforum.Context(api_base_url=said["address"], headers={**headers, **said["headers"]})

    number = said["number"]
    made = order("PAY", number).create(context())
    refused = order("NOTHING", number).create(context())
    query = f"productOrderItem.product.realizingResource.id={quote(number)}&limit=10"
    cancelled = tmforum.CancelProductOrder(
        cancellationReason="changed my mind", productOrder=tmforum.ProductOrderRef(id=made.id)
    ).create(context())
    affected = tmforum.RelatedEntity(role="affected", entity=tmforum.EntityRef(id=number))
    filed = tmforum.TroubleTicket(
        description="wrong bill",
        severity="s3",
        ticketType="complaint",
        channel=tmforum.ChannelRef(id="letter", _referred_type="Channel"),
        relatedEntity=[affected],
    )
    # What TM Forum has no attribute for goes with an object that was read from JSON.
    ticket = tmforum.TroubleTicket.from_dict({**filed.to_dict(), "remedySought": "REMEDY_REFUND"}).create(context())
    note = {"@type": "TroubleTicket", "note": [{"@type": "Note", "text": "and before?"}]}
    (customer,) = tmforum.Customer.query_get(f"contactMedium.phoneNumber={quote(number)}", context())
    told = {
        "made": made.to_dict(),
        "read": made.read(context()).to_dict(),
        "by_id": tmforum.ProductOrder.from_id(made.id, context()).to_dict(),
        "listed": [each.to_dict() for each in tmforum.ProductOrder.query_get(query, context())],
        "missing": tmforum.ProductOrder.get_raw("guangdong/counter/none", context()),
        "refused": refused,
        "cancelled": cancelled,
        "ticket": ticket.to_dict(),
        "noted": ticket.update(note, context()).to_dict(),
        "customer": customer.to_dict(),
        "calls": calls,
    }
    print(json.dumps(told))


def order(business: str, number: str) -> tmforum.ProductOrder:
    """An order of a business for a number."""
    resource = tmforum.ResourceRef(id=number, _referred_type="LogicalResource")
    amount = tmforum.StringCharacteristic(name="amount", value="100")
    product = tmforum.Product(name=business, realizingResource=[resource], productCharacteristic=[amount])
    item = tmforum.ProductOrderItem(
        id="1",
        action=tmforum.ItemActionType.MODIFY,
        productOffering=tmforum.ProductOfferingRef(id=business),
        product=product,
    )
    holder = tmforum.PartyRef(id="holder", _referred_type="Individual")
    party = tmforum.RelatedPartyRefOrPartyRoleRef(role="applicant", partyOrPartyRole=holder)
    return tmforum.ProductOrder(productOrderItem=[item], relatedParty=[party])


if __name__ == "__main__":
    main()
