"""The output for a federation that is left running: lines to copy into a shell."""

import json
import os
import secrets
import shlex
import sys
from pathlib import Path
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from deploy.demo import sign_in
from deploy.demo.away import WAITS_FOR_REVIEW
from deploy.demo.everything import PASSWORD
from deploy.demo.stage import Stage
from deploy.local.administrator import NAME as ADMINISTRATOR
from deploy.local.directory import STOP
from deploy.local.federation import FEDERATION, OPERATOR, LocalFederation, Replica
from deploy.local.settings_files import Settings
from gateway.process.files import replace_file
from gateway.security.authority import TLS_CERTIFICATE, TLS_KEY

_COUNTER = f"guangdong-{OPERATOR}"
_MEMBER = "zhao.min"
STAFF_RIGHTS: Settings = {"businesses": ("*",), "purposes": ("*",), "services": ("AuditService",)}
"""The scope of any member of staff of the demo: the people of its links read the audit chain, too."""
_STAFF = f"sichuan-{_MEMBER}"
_ADMIN = "administrator"
BROWSER_PASSWORD = "demo"  # noqa: S105 - of files that end with the demo
"""The password of the files for browsers: their folder goes with the demo."""
_KEY_BYTES = 32
_PROOF = " --verify password --staff-id me"
_REQUESTER = {"staff_id": "me", "channel": "CHANNEL_COUNTER"}  # the caller, which every request about a person names


def open_web(federation: LocalFederation) -> None:
    """Has the first node of Guangdong serve TM Forum's Open APIs, that of Sichuan and the first coordinator consoles.

    Counts from the federation's start on.
    """
    served = (
        (federation.nodes["guangdong"][0], "open_apis"),
        (federation.nodes["sichuan"][0], "console"),
        (federation.coordinators[0], "console"),
    )
    for replica, part in served:
        federation.open_web(replica, part)
    _take_papers(federation, federation.nodes["sichuan"][0])


def _take_papers(federation: LocalFederation, node: Replica) -> None:
    """Gives the console of a node a key for the hashes of papers: without one it takes in no joint order."""
    key = federation.directory / "certificates" / f"{node.name}-documents.key"
    key.parent.mkdir(parents=True, exist_ok=True)
    replace_file(key, secrets.token_bytes(_KEY_BYTES))
    federation.web[node.name] = {**federation.web[node.name], "document_key": str(key)}


def add_sign_in(federation: LocalFederation) -> None:
    """Lets people without a certificate sign in at both consoles, as `open_web` has opened them."""
    sign_in.add(federation, (federation.coordinators[0], federation.nodes["sichuan"][0]))


def start_sign_in(federation: LocalFederation) -> None:
    """Starts what signs them in. Raises ProcessFailed."""
    for each in federation.beside:
        each.process.start()


def write_environments(federation: LocalFederation, number: str) -> None:
    """Writes a file with the environment of each role, to be read by a shell with `.`.

    `number` is a customer to try things with.
    """
    _write(
        federation,
        _COUNTER,
        CROSSREGION_NODE=federation.endpoint("guangdong"),
        CROSSREGION_REGION="guangdong",
        CROSSREGION_CREDENTIALS=str(federation.directory / "certificates" / _COUNTER),
        CROSSREGION_WEB=f"127.0.0.1:{federation.web_port(federation.nodes['guangdong'][0])}",
        NUMBER=number,
    )
    _write(
        federation,
        _STAFF,
        CROSSREGION_NODE=federation.endpoint("sichuan"),
        CROSSREGION_REGION="sichuan",
        CROSSREGION_CREDENTIALS=str(federation.directory / "certificates" / _STAFF),
    )
    _write(
        federation,
        _ADMIN,
        CROSSREGION_COORDINATOR=",".join(replica.endpoint for replica in federation.coordinators),
        CROSSREGION_CREDENTIALS=str(federation.directory / "certificates" / "admin"),
    )


def tell(stage: Stage, federation: LocalFederation, number: str, known: str, own: str) -> None:
    """Prints how to call what runs, how to look into it, and how to stop it.

    `known` is the number of a customer who has a document on file and a service password, `own` that of a customer of
    Guangdong.
    """
    stage.chapter(
        "It keeps running",
        "The lines in green can be copied into a shell as they are. Whoever you are is in the environment.",
    )
    payment = json.dumps(
        {
            "request_id": "mine-1",
            "wait": "5s",
            "order": {
                "business": "PAY",
                "number": number,
                "applicant": "APPLICANT_HOLDER",
                "characteristics": {"amount": "1000"},
                "requester": _REQUESTER,
            },
        }
    )
    newest = json.dumps({"page_size": 2, "requester": _REQUESTER})
    approval = json.dumps({"request_id": "mine-1", "order_id": WAITS_FOR_REVIEW, "decision": "REVIEW_DECISION_APPROVE"})
    _part(
        stage,
        "Be the counter in Guangdong:",
        _source(federation, _COUNTER),
        "region-node call --list",
        f"region-node call OrderService.ListOrders --json '{newest}'",
        """region-node call CatalogueService.GetBusinessGuide --json '{"business": "TERMINATE"}'""",
        f"region-node call OrderService.SubmitOrder --json '{payment}'",
    )
    _part(
        stage,
        f"At the same counter: what is on file for {known}, what is shared, and who looked. The customer's password is"
        f" {PASSWORD}:",
        f"region-node documents list --number {known} --staff-id me",
        f"region-node documents check SUSPEND --number {known} --staff-id me",
        "region-node sharing purposes",
        f"region-node sharing read {known} --purpose counter-service --staff-id me",
        f"echo {PASSWORD} | region-node sharing consent {known} --reader guangdong --purpose counter-service{_PROOF}",
        f"echo {PASSWORD} | region-node sharing disclosures {known}{_PROOF}",
        f"echo {PASSWORD} | region-node sharing withdraw {known}{_PROOF}",
    )
    _tell_consent(stage, federation, own)
    _part(
        stage,
        "Be zhao.min of Sichuan's staff, see what waits for a review, and approve it:",
        _source(federation, _STAFF),
        """region-node call OrderService.ListOrders --json '{"awaiting": "PARTY_HOME_STAFF"}'""",
        f"region-node call OrderService.ReviewOrder --json '{approval}'",
    )
    _tell_consoles(stage, federation, own)
    _part(
        stage,
        "Be the administrator:",
        _source(federation, _ADMIN),
        "coordinator regions list",
        "coordinator orders list --state in-progress --state pending",
        "coordinator orders held",
        "coordinator orders trace guangdong/counter/mine-1",
        "coordinator audit verify",
        f"region-node audit verify --settings {shlex.quote(str(federation.settings_file('sichuan')))}",
    )
    stage.say("")
    stage.say(f"Everything is in {federation.directory}: data, logs, certificates, settings. Stop it with")
    stage.line_to_copy(f"sh {shlex.quote(str(federation.directory / STOP))}")


def _tell_consent(stage: Stage, federation: LocalFederation, own: str) -> None:
    """Prints how a customer of Guangdong lets Sichuan's staff read the record, with a paper to put on file."""
    paper = federation.directory / "consent.pdf"
    replace_file(paper, b"%PDF-1.7\n%%EOF\n")
    _part(
        stage,
        f"At the same counter: {own} of Guangdong lets Sichuan read, by a signed paper:",
        f"region-node documents upload {shlex.quote(str(paper))} --number {own} --code SHARING_CONSENT"
        " --request-id consent-paper --staff-id me",
        f"region-node sharing consent {own} --reader sichuan --purpose counter-service"
        f" --paper guangdong/{OPERATOR}/consent-paper --staff-id me",
    )


def _tell_consoles(stage: Stage, federation: LocalFederation, own: str) -> None:
    """Prints the links and addresses of both consoles, and the files by which a browser gets in."""
    coordinator, node = federation.coordinators[0], federation.nodes["sichuan"][0]
    # A browser keeps one session for each host, whatever the port is.
    people = (
        sign_in.Link(coordinator.name, ADMINISTRATOR, _console(federation, coordinator, "localhost")),
        sign_in.Link(node.name, _MEMBER, _console(federation, node, "127.0.0.1")),
    )
    told = ("Administrator of the federation", "admin"), (f"{_MEMBER} of Sichuan's staff", _STAFF)
    stage.say("")
    stage.say(
        "Consoles in a browser: open a link, which counts once, and go on past the warnings: the browser does not know"
        " the authorities of the demo."
    )
    for (who, _), link in zip(told, sign_in.links(federation, people), strict=True):
        stage.say(f"{who}:")
        stage.line_to_copy(link)
    stage.say(
        f"Or by a certificate: import the file with the password {BROWSER_PASSWORD}, open the address, and choose it."
    )
    for (who, name), person in zip(told, people, strict=True):
        stage.say(f"{who}: {write_browser_file(federation, name)}")
        stage.line_to_copy(person.console)
    stage.say("What Sichuan's staff see by the consent above:")
    query = urlencode({"number": own, "purpose": "counter-service"})
    stage.line_to_copy(f"{people[1].console}/customers/shared-record?{query}")


def _console(federation: LocalFederation, replica: Replica, host: str) -> str:
    return f"https://{host}:{federation.web_port(replica)}/console"


def _part(stage: Stage, title: str, *lines: str) -> None:
    stage.say("")
    stage.say(title)
    for line in lines:
        stage.line_to_copy(line)


def write_browser_file(federation: LocalFederation, name: str) -> Path:
    """Writes the certificate and the key of a person as browsers import them (PKCS #12), for its owner alone.

    `name` is that of the directory of the certificate. BROWSER_PASSWORD opens the file.
    """
    credentials = federation.directory / "certificates" / name
    certificate, *issuers = x509.load_pem_x509_certificates((credentials / TLS_CERTIFICATE).read_bytes())
    key = load_pem_private_key((credentials / TLS_KEY).read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    sealed = BestAvailableEncryption(BROWSER_PASSWORD.encode())
    file = federation.directory / f"{name}.p12"
    replace_file(file, serialize_key_and_certificates(name.encode(), key, certificate, issuers, sealed))
    return file


def _environment_file(federation: LocalFederation, name: str) -> Path:
    return federation.directory / f"{name}.env"


def _source(federation: LocalFederation, name: str) -> str:
    return f". {shlex.quote(str(_environment_file(federation, name)))}"


def _write(federation: LocalFederation, name: str, **variables: str) -> None:
    binaries = shlex.quote(str(Path(sys.executable).parent))
    lines = [f"export PATH={binaries}{os.pathsep}$PATH", f"export CROSSREGION_FEDERATION={FEDERATION}"]
    lines += [f"export {variable}={shlex.quote(value)}" for variable, value in variables.items()]
    _environment_file(federation, name).write_text("\n".join(lines) + "\n", "utf-8")
