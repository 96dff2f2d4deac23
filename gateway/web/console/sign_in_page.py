"""The pages by which people sign in: by their certificate, or by way of an identity provider and back."""

from dataclasses import dataclass

from gateway.web.console.pages import Shown
from gateway.web.console.sessions import IDLE_SECONDS, LONGEST_SECONDS
from gateway.wording.languages import translated
from gateway.wording.terms import region_name


@dataclass(frozen=True)
class _SignIn:
    """The page as `sign_in.html.j2` shows it."""

    person: str
    """Empty as long as nobody knows who it is."""
    explanation: str
    work: str
    """The sentence that says as what people work, and until when."""
    button: str
    elsewhere: str = ""
    """The address that the page leads to; empty for a form."""
    action: str = ""
    """The address that the form is sent to."""


def by_certificate(person: str, region: str, action: str) -> Shown:
    """The form by which a person signs in whom a certificate names; it is sent to the address `action`.

    `region` is that of its staff; empty for administrators.
    """
    explanation = translated("Your certificate names you. Sign in to work as this person.")
    return _shown(
        translated("Sign in"), _SignIn(person, explanation, _work(region), translated("Sign in"), action=action)
    )


def by_provider(region: str, address: str) -> Shown:
    """The page that leads to the identity provider."""
    explanation = translated("Your identity provider says who you are.")
    return _shown(translated("Sign in"), _SignIn("", explanation, _work(region), translated("Go on"), address))


def back_from_provider(person: str, region: str, to: str) -> Shown:
    """The page after the sign-in at the identity provider, which leads on to the address `to`."""
    explanation = translated("You are signed in as this person.")
    return _shown(translated("Signed in"), _SignIn(person, explanation, _work(region), translated("Go on"), to))


def _work(region: str) -> str:
    hours, minutes = f"{LONGEST_SECONDS / 3_600:.0f}", f"{IDLE_SECONDS / 60:.0f}"
    if not region:
        return translated(
            "You work as an administrator for {hours} hours at most; {minutes} minutes without use end it.",
            hours=hours,
            minutes=minutes,
        )
    return translated(
        "You work as staff of {region} for {hours} hours at most; {minutes} minutes without use end it.",
        region=region_name(region),
        hours=hours,
        minutes=minutes,
    )


def _shown(title: str, page: _SignIn) -> Shown:
    return Shown("sign_in.html.j2", title, page)
