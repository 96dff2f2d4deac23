"""Settings of a process: one typed page, a frozen dataclass, read from a file, the environment and flags.

A field may be a text, a whole number, a number, true or false, a path, a list of texts, or another dataclass, which is
a table. Fields with a default may be left out; keys, variables and flags that no field has are refused. The text below
a field describes it; nothing else lists the settings.

    source       a key `postgresql.readers` is        paths are relative to
    file         readers = 4 in [postgresql], TOML    the file
    environment  REGION_NODE_POSTGRESQL__READERS=4    the working directory
    flags        --set postgresql.readers=4           the working directory

Later sources win. In the environment and in flags the texts of a list are separated by commas.
"""

from gateway.settings.checks import LOG_FORMATS as LOG_FORMATS
from gateway.settings.checks import host_of as host_of
from gateway.settings.checks import is_address as is_address
from gateway.settings.checks import naming as naming
from gateway.settings.checks import on_every_interface as on_every_interface
from gateway.settings.checks import require_address as require_address
from gateway.settings.checks import require_choice as require_choice
from gateway.settings.checks import require_number as require_number
from gateway.settings.checks import web_address as web_address
from gateway.settings.entries import example as example
from gateway.settings.page import Page as Page
from gateway.settings.page import load as load
from gateway.settings.page import load_page as load_page
from gateway.settings.showing import without_passwords as without_passwords
from gateway.settings.sources import SettingsError as SettingsError
from gateway.settings.sources import Sources as Sources
