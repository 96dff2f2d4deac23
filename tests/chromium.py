"""A headless Chromium (Debian's package), driven by DevTools, and the door by which it needs no certificate."""

import asyncio
import base64
import itertools
import json
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import NoEncryption, load_pem_private_key, pkcs12
from cryptography.x509 import load_pem_x509_certificates

from gateway.security.tls import Credentials

PROGRAM = shutil.which("chromium")
KEEPER = shutil.which("pk12util")
"""Puts a certificate into the store of a browser (Debian's package libnss3-tools)."""
_LISTENING = re.compile(rb"DevTools listening on (ws://\S+)")
_SECONDS = 60.0
_PART = 64 * 1024
_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--ignore-certificate-errors",
    "--remote-debugging-port=0",
)
_KEYS = {  # codes, and the characters that they type
    "Tab": (9, ""),
    "Enter": (13, "\r"),
    "Space": (32, " "),
    "ArrowDown": (40, ""),
}
_MOST_STOPS = 120  # of the Tab key on the way to an element
_MOST_OPTIONS = 200  # of a list from which one is chosen
_MIDDLE = """(selector => {
  const each = document.querySelector(selector);
  each.scrollIntoView({block: 'center', behavior: 'instant'});
  const box = each.getClientRects()[0] ?? each.getBoundingClientRect();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  return each.contains(document.elementFromPoint(x, y)) ? [x, y] : each.outerHTML;
})"""
Json = dict[str, object]


class Door:
    """The origin of a server as a browser sees it, and the connections to it."""

    def __init__(self) -> None:
        self.origin = ""
        self.open: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Cuts all connections."""
        for each in self.open:
            each.transport.abort()


@asynccontextmanager
async def certified_door(port: int, shown: Credentials, own: Credentials) -> AsyncIterator[Door]:
    """An origin that leads to a server at a port of this machine, with the certificate of a person.

    A browser has certificates in a store of its own; behind this door it needs none. `shown` is the door's certificate.
    """
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(shown.certificate, shown.key)
    calling = ssl.create_default_context(cafile=str(own.authority))
    calling.check_hostname = False
    calling.load_cert_chain(own.certificate, own.key)
    door = Door()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(_PART):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, before = await asyncio.open_connection("127.0.0.1", port, ssl=calling)
        door.open |= {before, writer}
        await asyncio.gather(pump(reader, before), pump(behind, writer))
        door.open -= {before, writer}

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=served)
    async with server:
        door.origin = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield door


class Tab:
    """A page of a browser. `problems` has what its console has logged: also each breach of the content policy."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, language: str) -> None:
        self._socket = socket
        self._language = language
        self._ids = itertools.count(1)
        self._session = ""
        self._loads = 0
        self.problems: list[str] = []

    async def start(self) -> None:
        """Opens an empty page."""
        target = await self.send("Target.createTarget", url="about:blank")
        attached = await self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = str(attached["sessionId"])
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.send(f"{domain}.enable")
        await self.speak(self._language)

    async def speak(self, language: str) -> None:
        """Prefers a language from the next page on."""
        await self.send("Network.setExtraHTTPHeaders", headers={"Accept-Language": language})

    async def send(self, method: str, **parameters: object) -> Json:
        """A command of the protocol, and its result."""
        return (await self.send_all([(method, parameters)]))[0]

    async def send_all(self, commands: Iterable[tuple[str, Json]]) -> Sequence[Json]:
        """Commands of the protocol, of which none waits for the result of the one before, and their results."""
        methods: dict[object, str] = {}
        for method, parameters in commands:
            methods[number := next(self._ids)] = method
            message: Json = {"id": number, "method": method, "params": parameters}
            if self._session:
                message["sessionId"] = self._session
            await self._socket.send_json(message)
        results: dict[object, Json] = {}
        while len(results) < len(methods):
            answer = await self._next()
            if (found := methods.get(answer.get("id"))) is not None:
                assert "error" not in answer, f"{found}: {answer['error']}"
                result = answer["result"]
                assert isinstance(result, dict)
                results[answer["id"]] = result
        return [results[each] for each in methods]

    async def _next(self) -> Json:
        answer: Json = json.loads(await self._socket.receive_str(timeout=_SECONDS))
        if answer.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
            self.problems.append(json.dumps(answer["params"]))
        assert answer.get("method") != "Page.javascriptDialogOpening", f"a script has opened a dialog: {answer}"
        self._loads += answer.get("method") == "Page.loadEventFired"
        return answer

    @asynccontextmanager
    async def loading(self) -> AsyncIterator[None]:
        """Ends once the page to which the acts within lead is loaded."""
        before = self._loads
        yield
        while self._loads == before:
            await self._next()

    async def go(self, address: str) -> None:
        """Opens an address, and returns once it is loaded."""
        async with self.loading():
            await self.send("Page.navigate", url=address)

    async def click(self, selector: str) -> None:
        """Clicks an element that leads to another page by the mouse, and returns once that is loaded."""
        async with self.loading():
            await self.point(selector)

    async def point(self, selector: str) -> None:
        """Clicks an element by the mouse, in the middle of its first line, which nothing may cover."""
        place = await self.evaluate(f"{_MIDDLE}({json.dumps(selector)})")
        assert isinstance(place, list), f"cannot be clicked: {place}"
        for kind in ("mousePressed", "mouseReleased"):
            await self.send("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    async def reach(self, selector: str) -> None:
        """Goes on by the Tab key to an element."""
        for _ in range(_MOST_STOPS):
            await self.press("Tab")
            if await self.evaluate(f"document.activeElement.matches({json.dumps(selector)})"):
                return
        raise AssertionError(f"no way leads to {selector} by the keyboard")

    async def enter(self, selector: str, text: str) -> None:
        """Types a text into a field, which the Tab key leads to."""
        await self.reach(selector)
        await self.write(text)

    async def attach(self, selector: str, file: Path) -> None:
        """Chooses a file of this machine for a field."""
        found = await self.send("Runtime.evaluate", expression=f"document.querySelector({json.dumps(selector)})")
        assert isinstance(found["result"], dict)
        await self.send("DOM.setFileInputFiles", files=[str(file)], objectId=found["result"]["objectId"])

    async def choose(self, selector: str, value: str) -> None:
        """Chooses a value of a list by the keyboard."""
        await self.reach(selector)
        for _ in range(_MOST_OPTIONS):
            if await self.evaluate("document.activeElement.value") == value:
                return
            await self.press("ArrowDown")
        raise AssertionError(f"{selector} has no {value}")

    async def evaluate(self, expression: str) -> object:
        """The value of an expression in the page, or that of the promise that it is."""
        answer = await self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        result = answer["result"]
        assert isinstance(result, dict)
        return result.get("value")

    async def press(self, key: str, times: int = 1) -> None:
        """Presses a key so many times: Tab, Enter, Space or ArrowDown."""
        code, text = _KEYS[key]
        acts: list[tuple[str, Json]] = []
        for kind in ("keyDown", "keyUp"):
            told = {"text": text} if text and kind == "keyDown" else {}
            name = " " if key == "Space" else key
            act: Json = {"type": kind, "key": name, "code": key, "windowsVirtualKeyCode": code, **told}
            acts.append(("Input.dispatchKeyEvent", act))
        await self.send_all(acts * times)

    async def write(self, text: str) -> None:
        """Types a text where the focus is."""
        await self.send("Input.insertText", text=text)

    async def resize(self, width: int, height: int = 900) -> None:
        """Sets the size of the window."""
        await self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    async def prefer(self, scheme: str) -> None:
        """Sets the preferred colours: light or dark."""
        await self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    async def show_on(self, medium: str) -> None:
        """Shows pages as on a medium: screen or print."""
        await self.send("Emulation.setEmulatedMedia", media=medium)

    async def screenshot(self, *, is_whole: bool = True) -> bytes:
        """The whole page as a picture (PNG), or what the window shows of it."""
        answer = await self.send("Page.captureScreenshot", format="png", captureBeyondViewport=is_whole)
        data = answer["data"]
        assert isinstance(data, str)
        return base64.b64decode(data)


@dataclass(frozen=True)
class OwnCertificate:
    """The certificate of a person in the store of a browser, and the origin that it is shown to."""

    credentials: Credentials
    origin: str

    def store(self, home: Path) -> None:
        """Writes the store into the home of a browser, and the choice of a person whom the browser asks for one."""
        store, bundle = home / ".pki" / "nssdb", home / "own.p12"
        store.mkdir(parents=True)
        own, *issuers = load_pem_x509_certificates(self.credentials.certificate.read_bytes())
        key = load_pem_private_key(self.credentials.key.read_bytes(), None)
        assert isinstance(key, EllipticCurvePrivateKey)
        bundle.write_bytes(pkcs12.serialize_key_and_certificates(b"own", key, own, issuers, NoEncryption()))
        assert KEEPER is not None
        for command in (
            ["certutil", "-N", "--empty-password", "-d", f"sql:{store}"],
            [KEEPER, "-i", str(bundle), "-W", "", "-K", "", "-d", f"sql:{store}"],
        ):
            subprocess.run(command, check=True, capture_output=True, timeout=_SECONDS)
        choice: Json = {f"{self.origin},*": {"setting": {"filters": [{}]}}}
        settings = {"profile": {"content_settings": {"exceptions": {"auto_select_certificate": choice}}}}
        (home / "Default").mkdir()
        (home / "Default" / "Preferences").write_text(json.dumps(settings))


@asynccontextmanager
async def browser_tab(language: str, certificate: OwnCertificate | None = None) -> AsyncIterator[Tab]:
    """A page of a browser of its own, which prefers a language and has at most one certificate."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="crossregion-chromium-", ignore_cleanup_errors=True))
        if certificate is not None:
            await asyncio.to_thread(certificate.store, Path(folder))
        process = await asyncio.to_thread(_started, folder)

        async def end() -> None:
            process.kill()
            await asyncio.to_thread(process.communicate)

        stack.push_async_callback(end)
        async with asyncio.timeout(_SECONDS):
            address = await asyncio.to_thread(_address, process)
        rest = asyncio.create_task(asyncio.to_thread(_drain, process))
        stack.push_async_callback(asyncio.wait, [rest])
        stack.callback(process.kill)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        socket = await stack.enter_async_context(session.ws_connect(address, max_msg_size=0))
        tab = Tab(socket, language)
        await tab.start()
        yield tab


def _started(folder: str) -> "subprocess.Popen[bytes]":
    """Chromium with its files in a folder, which is its home as well.

    By the standard library: what an event loop has forked may end at the locks of gRPC's threads.
    """
    assert PROGRAM is not None
    command = [PROGRAM, *_ARGUMENTS, f"--user-data-dir={folder}", "about:blank"]
    own = {**os.environ, "HOME": folder}
    return subprocess.Popen(command, env=own, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _address(process: "subprocess.Popen[bytes]") -> str:
    assert process.stderr is not None
    said = b""
    for line in process.stderr:
        if found := _LISTENING.search(line):
            return found[1].decode()
        said += line
    raise AssertionError(f"Chromium has ended: {said.decode(errors='replace')}")


def _drain(process: "subprocess.Popen[bytes]") -> None:
    """Reads on what a process says, so that it never waits for a reader."""
    assert process.stderr is not None
    for _ in process.stderr:
        pass
