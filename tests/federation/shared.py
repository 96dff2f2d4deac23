"""The files of tests that share the one federation of their worker and engine.

Their tests find their own data by its number or id, whatever else exists. No month passes in them, no member stops, and
the configuration stays.
"""

from pathlib import Path

_FILES = """
    access access_tokens alarms body_command bulletin_command bulletins case_files certificate_in_a_browser
    clerks_day_in_a_browser client_distribution clients complaint_categories complaint_envelopes
    complaint_import_command console console_access console_audit console_complaints console_customers console_filing
    console_imports console_in_a_browser console_joint_orders console_network console_orders console_tickets
    coordinator_console coordinator_console_network coordinator_console_proposal customers document_commands
    erased_files fault_command fault_repair guides ids_of_callers import_command imports issue_command joint_command
    keyboard_in_a_browser lists_and_watches number_plan open_api_access open_api_alarms open_api_bills
    open_api_conformance open_api_customers open_api_fuzzing open_api_listeners open_api_orders open_api_problems
    open_api_reading open_api_required open_api_tickets open_api_versions orders oversight payments privacy profiles
    reading_recorded sealing_keys sharing_command sign_in slow_links support_command support_envelopes terminate
    tmforum_client verification_privacy who_may_say_what who_sees_whom
"""
_SHARING = {f"test_{name}" for name in _FILES.split()}


def shares_federation(path: Path) -> bool:
    """Whether the tests of a file share it."""
    return path.stem in _SHARING
