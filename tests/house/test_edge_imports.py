import subprocess
import sys

import pytest

UNWANTED = "{'fastapi', 'sqlmodel', 'sqlalchemy', 'streamlit', 'starlette'}"


@pytest.mark.serves("H4")
def test_the_edge_program_imports_no_web_server_and_no_database_mapper() -> None:
    code = f"import sys, edge.main; print(sorted({UNWANTED} & set(sys.modules)))"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert found.stdout.strip() == "[]"


def test_a_program_whose_extra_is_missing_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['uvicorn'] = None; from ops.main import main; "
        "sys.exit(main(['server']))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert found.returncode == 2
    assert "install watchkeeper[server]" in found.stderr
    assert "Traceback" not in found.stderr
